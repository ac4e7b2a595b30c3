//! The command line: its help, its JSON, its exit codes.

use std::process::Command;

use serde_json::Value;

use crate::{bridge::PROGRAM, gate::Site};

fn help(path: &[&str]) -> String {
    let output = Command::new(PROGRAM)
        .args(path)
        .arg("--help")
        .output()
        .unwrap();
    assert!(output.status.success(), "{path:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The commands that a help text lists.
fn commands(help: &str) -> Vec<String> {
    help.lines()
        .skip_while(|line| !line.starts_with("Commands:"))
        .skip(1)
        .take_while(|line| line.starts_with("  "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|word| *word != "help")
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_command_has_help_with_an_example() {
    let top = help(&[]);
    let mut all = vec![(String::new(), top.clone())];
    for name in commands(&top) {
        let own = help(&[&name]);
        for inner in commands(&own) {
            let text = help(&[&name, &inner]);
            assert!(
                text.contains("Example"),
                "{name} {inner} has no example:\n{text}"
            );
            all.push((format!("{name} {inner}"), text));
        }
        assert!(own.contains("Example"), "{name} has no example:\n{own}");
        all.push((name, own));
    }
    assert!(all.len() > 20, "{}", all.len());
    all.sort();
    let text: Vec<String> = all
        .iter()
        .map(|(name, text)| format!("$ drawbridge {name} --help\n{text}"))
        .collect();
    insta::assert_snapshot!(text.join("\n"));
}

#[test]
fn every_command_answers_in_json_and_its_code_says_how_it_ended() {
    let site = Site::with(&["notes"]);
    let token = site.json(&["token", "new", "--client", "claude"]);
    let id = token["data"]["id"].as_str().unwrap().to_owned();
    let record = token["record"].as_str().unwrap().to_owned();
    let cases: &[(&[&str], i32)] = &[
        (&["check"], 0),
        (&["check", "--offline"], 0),
        (&["schema", "connector"], 0),
        (&["schema", "gateway"], 0),
        (&["schema", "policies"], 0),
        (&["grants", "notes"], 0),
        (&["tools"], 0),
        (&["connectors"], 0),
        (&["call", "notes_list"], 0),
        (&["call", "notes_read", "path=none.md"], 4),
        (&["call", "notes_read", "nonsense=1"], 1),
        (&["call", "none_such"], 3),
        (&["explain", "notes_search"], 0),
        (&["explain", "drawbridge_connectors"], 0),
        (&["explain", "none_such"], 4),
        (&["diff", "notes"], 0),
        (&["diff", "none"], 3),
        (&["token", "list"], 0),
        (&["log"], 0),
        (&["log", "show", &record], 0),
        (&["log", "prove", &record], 0),
        (&["log", "verify"], 0),
        (&["pause", "notes", "--reason", "x"], 0),
        (&["pause", "notes", "--reason", "x"], 1),
        (&["call", "notes_list"], 5),
        (&["resume", "notes", "--reason", ""], 1),
        (&["resume", "notes", "--reason", "x"], 0),
        (&["approve-revision", "notes", "--reason", "again"], 0),
        (
            &[
                "--person",
                "ann@acme.example",
                "pause",
                "notes",
                "--reason",
                "x",
            ],
            3,
        ),
        (&["token", "revoke", &id], 0),
        (&["token", "revoke", "000000000000"], 4),
        (&["retire", "notes", "--reason", "x"], 0),
    ];
    for (arguments, code) in cases {
        let mut all = vec!["--json"];
        all.extend(*arguments);
        let output = site.line(&all);
        assert_eq!(
            output.status.code(),
            Some(*code),
            "{arguments:?}: {output:?}"
        );
        let text = String::from_utf8(output.stdout).unwrap();
        let value: Value = serde_json::from_str(&text)
            .unwrap_or_else(|error| panic!("{arguments:?}: {error}: {text}"));
        if arguments[0] != "schema" {
            assert!(value["status"].is_string(), "{arguments:?}: {text}");
        }
        // The same in words: something is said, and it ends in the same way where it changes nothing.
        if !matches!(
            arguments[0],
            "pause" | "resume" | "retire" | "token" | "approve-revision" | "--person"
        ) {
            let output = site.line(arguments);
            assert_eq!(
                output.status.code(),
                Some(*code),
                "{arguments:?}: {output:?}"
            );
            assert!(
                !output.stdout.is_empty() || !output.stderr.is_empty(),
                "{arguments:?}"
            );
        }
    }
}

#[test]
fn init_asks_nothing_that_flags_say_overwrites_nothing_and_works_from_end_to_end() {
    let keep = tempfile::tempdir().unwrap();
    let folder = keep.path().join("acme");
    let documents = keep.path().join("handbook");
    std::fs::create_dir(&documents).unwrap();
    std::fs::write(
        documents.join("leave.md"),
        "# Leave\n\nTwenty-seven days.\n",
    )
    .unwrap();
    let init = || {
        Command::new(PROGRAM)
            .args([
                "init",
                folder.to_str().unwrap(),
                "--name",
                "acme",
                "--email",
                "you@acme.example",
                "--documents",
            ])
            .arg(&documents)
            .stdin(std::process::Stdio::null())
            .output()
            .unwrap()
    };
    assert!(init().status.success());
    let line = |arguments: &[&str]| {
        Command::new(PROGRAM)
            .arg("--dir")
            .arg(&folder)
            .args(arguments)
            .output()
            .unwrap()
    };
    let checked = line(&["check"]);
    assert_eq!(checked.status.code(), Some(0), "{checked:?}");
    assert!(
        !String::from_utf8_lossy(&checked.stdout).contains("  red"),
        "{checked:?}"
    );
    assert!(
        line(&["approve-revision", "handbook", "--reason", "first look"])
            .status
            .success()
    );
    let found = line(&["call", "handbook_search", "query=leave"]);
    assert!(
        String::from_utf8_lossy(&found.stdout).contains("leave.md"),
        "{found:?}"
    );
    let again = init();
    assert_eq!(again.status.code(), Some(2), "{again:?}");
    assert!(String::from_utf8_lossy(&again.stderr).contains("nothing is overwritten"));
    // Without a terminal and without flags, it says which one is missing.
    let missing = Command::new(PROGRAM)
        .args(["init", keep.path().join("other").to_str().unwrap()])
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap();
    assert!(String::from_utf8_lossy(&missing.stderr).contains("`--name` is missing"));
    assert!(!keep.path().join("other").exists());
}

#[test]
fn init_writes_nothing_that_the_gateway_would_not_take() {
    let keep = tempfile::tempdir().unwrap();
    let documents = keep.path().join("handbook");
    std::fs::create_dir(&documents).unwrap();
    let documents = documents.to_str().unwrap();
    let init = |name: &str, email: &str, documents: &str| {
        let new = keep.path().join("new");
        let output = Command::new(PROGRAM)
            .arg("init")
            .arg(&new)
            .args(["--name", name, "--email", email, "--documents", documents])
            .stdin(std::process::Stdio::null())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(!new.exists(), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    for (said, flag) in [
        (init("Acme Corp", "you@acme.example", documents), "--name"),
        (init("", "you@acme.example", documents), "--name"),
        (init("acme", "", documents), "--email"),
        (init("acme", "you", documents), "--email"),
        (init("acme", "you@acme.example", ""), "--documents"),
        (
            init("acme", "you@acme.example", "/none/such"),
            "create it first, or name another",
        ),
    ] {
        assert!(said.contains(flag), "{flag}: {said}");
    }
    // What is there already is told before anything is written.
    let new = keep.path().join("new");
    std::fs::create_dir(&new).unwrap();
    std::fs::write(new.join(".gitignore"), "target/\n").unwrap();
    let output = Command::new(PROGRAM)
        .arg("init")
        .arg(&new)
        .args(["--name", "acme", "--email", "you@acme.example"])
        .args(["--documents", documents])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(!new.join("drawbridge.yaml").exists());
}

#[test]
fn a_connector_that_cannot_be_opened_is_told_with_why() {
    let site = Site::with(&["notes"]);
    std::fs::remove_dir_all(site.path("notes-files")).unwrap();
    let listed = site.line(&["connectors"]);
    let warned = String::from_utf8(listed.stderr).unwrap();
    assert_eq!(warned.matches("cannot open").count(), 1, "{warned}");
    let listed = String::from_utf8(listed.stdout).unwrap();
    let row = listed
        .lines()
        .find(|line| line.trim_start().starts_with("notes"));
    assert!(row.unwrap().contains("down"), "{listed}");
    assert!(listed.contains("notes-files"), "why: {listed}");
    let checked = site.json(&["check", "notes"]);
    let scope = checked["data"].to_string();
    assert!(scope.contains("it could not be opened"), "{scope}");
}

#[test]
fn what_is_wrong_with_a_file_is_told_once() {
    let site = Site::with(&["notes"]);
    site.write(
        "policies/broken.cedar",
        "forbid (principal, action, resource) when { nonsense };",
    );
    let said = site.line(&["check"]);
    assert_eq!(said.status.code(), Some(2), "{said:?}");
    let text = String::from_utf8(said.stderr).unwrap();
    assert_eq!(text.matches("invalid variable").count(), 1, "{text}");
}

#[test]
fn what_is_refused_at_the_door_is_told_in_words_with_its_code() {
    let site = Site::with(&["notes"]);
    let nobody = ["--person", "nobody@x.example", "call", "notes_list"];
    let said = site.line(&nobody);
    assert_eq!(said.status.code(), Some(3), "{said:?}");
    let text = String::from_utf8(said.stderr).unwrap();
    assert!(
        text.contains("`nobody@x.example` is nobody under `people`") && !text.contains('{'),
        "{text}"
    );
    let said = site.json(&nobody);
    assert_eq!(said["status"], "denied", "{said}");
    // Even a tool's name that is none, or leaves the address of tools.
    let said = site.line(&["call", "a/b/c"]);
    assert_eq!(said.status.code(), Some(4), "{said:?}");
    assert!(!String::from_utf8(said.stderr).unwrap().contains('{'));
    let said = site.line(&["token", "new", "--client", "x", "--expires-in", "90"]);
    assert_eq!(said.status.code(), Some(2), "{said:?}");
    assert!(String::from_utf8(said.stderr).unwrap().contains("`90d`"));
}

#[test]
fn a_port_that_is_taken_is_told_with_what_to_do() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = listener.local_addr().unwrap().to_string();
    let site = Site::new(&crate::gate::GATEWAY.replace("127.0.0.1:0", &taken));
    let said = site.line(&["serve"]);
    assert_eq!(said.status.code(), Some(2), "{said:?}");
    let text = String::from_utf8(said.stderr).unwrap();
    assert!(text.contains("stop what listens there"), "{text}");
}
