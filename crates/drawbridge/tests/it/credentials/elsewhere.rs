//! Secrets that are kept elsewhere: variables, files and what a program prints. What goes wrong is told
//! without a word of the secret.

use std::{os::unix::fs::PermissionsExt, process::Stdio, time::Instant};

use serde_json::Value;

use super::{holds, nowhere, piped, said, show};
use crate::gate::{GATEWAY, Site};

const CANARY: &str = "canary-elsewhere-5f1c";

fn site(credentials: &str) -> Site {
    Site::new(&format!("{GATEWAY}credentials:\n{credentials}"))
}

/// What `secret show` prints, in full, with variables set.
fn told(site: &Site, name: &str, variables: &[(&str, &str)]) -> (Value, String) {
    let mut command = site.command(&["--json", "secret", "show", name]);
    command.envs(variables.iter().copied());
    let output = command.output().unwrap();
    let all = [output.stdout.clone(), output.stderr].concat();
    let data: Value = serde_json::from_slice(&output.stdout).unwrap();
    (
        data["data"].clone(),
        String::from_utf8_lossy(&all).into_owned(),
    )
}

fn program(site: &Site, name: &str, lines: &str) {
    site.write(name, &format!("#!/bin/sh\n{lines}\n"));
    std::fs::set_permissions(site.path(name), PermissionsExt::from_mode(0o755)).unwrap();
}

#[tokio::test]
async fn variables_and_files_give_what_they_hold_and_two_of_them_during_a_rotation() {
    let site = site(
        "  var: {from: env:VAR}\n  both: {from: [env:VAR, env:OLD]}\n  file: {from: file:secret.txt}\n",
    );
    let (known, all) = told(&site, "var", &[("VAR", CANARY)]);
    assert_eq!(known["kept"], "env:VAR");
    assert_eq!(known["in_force"].as_array().unwrap().len(), 1, "{known}");
    assert!(!all.contains(CANARY), "{all}");
    let (known, _) = told(&site, "both", &[("VAR", CANARY), ("OLD", "older")]);
    assert_eq!(known["in_force"].as_array().unwrap().len(), 2, "{known}");
    // The same at both places is one version: the rotation is over.
    let (known, _) = told(&site, "both", &[("VAR", CANARY), ("OLD", CANARY)]);
    assert_eq!(known["in_force"].as_array().unwrap().len(), 1, "{known}");
    let (known, _) = told(&site, "var", &[]);
    let why = known["problem"].as_str().unwrap();
    assert!(why.contains("the variable `VAR` is not set"), "{why}");

    site.write("secret.txt", &format!("{CANARY}\n"));
    let before = show(&site, "file");
    assert_eq!(before["in_force"].as_array().unwrap().len(), 1, "{before}");
    site.write("secret.txt", CANARY);
    // A line break at its end is no part of it; another secret is another version.
    assert_eq!(show(&site, "file")["in_force"], before["in_force"]);
    site.write("secret.txt", "another one");
    let after = show(&site, "file");
    assert_ne!(after["in_force"], before["in_force"]);
    assert_eq!(after["versions"].as_array().unwrap().len(), 2, "{after}");
    for (bytes, why) in [
        (&b""[..], "holds nothing"),
        (b"\n", "holds nothing"),
        (b"canary-elsewhere-5f1c\xff", "no UTF-8 text"),
        (&[b'x'; 65_540], "more than"),
    ] {
        std::fs::write(site.path("secret.txt"), bytes).unwrap();
        let (known, all) = told(&site, "file", &[]);
        assert!(known["problem"].as_str().unwrap().contains(why), "{known}");
        assert!(!all.contains("canary"), "{all}");
    }
    std::fs::remove_file(site.path("secret.txt")).unwrap();
    let pipe = std::process::Command::new("mkfifo")
        .arg(site.path("secret.txt"))
        .status();
    assert!(pipe.unwrap().success());
    let (known, _) = told(&site, "file", &[]);
    assert!(
        known["problem"]
            .as_str()
            .unwrap()
            .contains("no regular file"),
        "{known}"
    );

    std::fs::remove_file(site.path("secret.txt")).unwrap();
    let done = piped(&site, &["secret", "set", "file"], b"x");
    assert!(
        said(&done).contains("kept elsewhere (file:secret.txt)"),
        "{done:?}"
    );
    nowhere(&site, CANARY).await;
}

#[tokio::test]
async fn a_program_prints_the_secret_and_nothing_else_of_it_is_seen() {
    let site = site("  crm: {from: {command: [/bin/true]}}\n");
    let path = site.path("say").display().to_string();
    let declare = |more: &str| {
        let text = format!(
            "{GATEWAY}credentials:\n  crm: {{from: {{command: [{path}, \"a b\", $HOME]{more}}}}}\n"
        );
        site.write("drawbridge.yaml", &text);
    };
    declare("");
    // No shell reads the arguments; the environment is empty, but for what sh itself sets.
    program(
        &site,
        "say",
        "[ \"$1\" = 'a b' ] && [ \"$2\" = '$HOME' ] && [ -z \"$HOME$PATH_BEFORE$SECRET_ENV\" ] && \
         [ \"$(pwd)\" = \"$(dirname \"$0\")\" ] && echo canary-elsewhere-5f1c",
    );
    let set = [("SECRET_ENV", "leaks"), ("PATH_BEFORE", "x")];
    let (known, all) = told(&site, "crm", &set);
    assert_eq!(known["in_force"].as_array().unwrap().len(), 1, "{known}");
    assert_eq!(known["kept"], "command");
    assert!(!all.contains(CANARY), "{all}");
    declare(", environment: [SECRET_ENV]");
    program(
        &site,
        "say",
        "[ \"$SECRET_ENV\" = leaks ] && echo canary-elsewhere-5f1c",
    );
    let (known, _) = told(&site, "crm", &set);
    assert_eq!(known["in_force"].as_array().unwrap().len(), 1, "{known}");
    let (known, _) = told(&site, "crm", &[]);
    assert!(
        known["problem"]
            .as_str()
            .unwrap()
            .contains("`SECRET_ENV` is not set"),
        "{known}"
    );

    declare(", timeout: 300ms");
    for (lines, why) in [
        (
            "echo canary-elsewhere-5f1c; echo canary-elsewhere-5f1c >&2; exit 3",
            "failed (exit status: 3)",
        ),
        ("echo canary-elsewhere-5f1c >&2", "holds nothing"),
        ("kill -9 $$", "failed (signal: 9"),
        (
            "echo canary-elsewhere-5f1c; sleep 100",
            "has not ended after 300 ms",
        ),
        (
            "sleep 100 & echo canary-elsewhere-5f1c",
            "has not ended after 300 ms",
        ),
        ("cat /dev/zero", "prints more than"),
        ("printf 'canary-elsewhere-5f1c\\377'", "no UTF-8 text"),
        ("cat", "holds nothing"),
    ] {
        program(&site, "say", lines);
        let log = site.path("stderr.log");
        let mut command = site.command(&["--json", "secret", "show", "crm"]);
        let file = std::fs::File::create(&log).unwrap();
        let began = Instant::now();
        let output = command
            .stderr(file)
            .stdout(Stdio::piped())
            .output()
            .unwrap();
        assert!(began.elapsed().as_secs() < 30, "{lines}");
        let known: Value = serde_json::from_slice(&output.stdout).unwrap();
        let problem = known["data"]["problem"].as_str().unwrap_or_default();
        assert!(problem.contains(why), "{lines}: {known}");
        assert!(!holds(&output.stdout, CANARY), "{lines}");
        assert!(!holds(&std::fs::read(&log).unwrap(), CANARY), "{lines}");
    }
    // What it started does not go on.
    let left = std::process::Command::new("pgrep")
        .args(["-f", &path])
        .output();
    assert!(left.unwrap().stdout.is_empty(), "a program goes on");
    std::fs::remove_file(site.path("say")).unwrap();
    let (known, _) = told(&site, "crm", &[]);
    assert!(
        known["problem"]
            .as_str()
            .unwrap()
            .contains("cannot be started"),
        "{known}"
    );
}

#[test]
fn what_may_be_a_secret_in_the_file_is_refused_with_its_place_and_not_repeated() {
    for (credentials, place) in [
        ("  crm: {from: canary-5f1c}\n", "9:"),
        ("  crm: {from: [env:A, canary-5f1c]}\n", "9:"),
        ("  crm: {from: 'env:canary-5f1c'}\n", "9:"),
        (
            "  crm: {from: {vault: {address: 'https://v', path: crm, token: canary-5f1c}}}\n",
            "9:",
        ),
    ] {
        let site = site(credentials);
        let output = site.line(&["check", "--offline"]);
        let all = [output.stdout.clone(), output.stderr.clone()].concat();
        let all = String::from_utf8_lossy(&all).into_owned();
        assert!(
            all.contains("a secret does not belong in this file"),
            "{credentials}: {all}"
        );
        assert!(all.contains(&format!("drawbridge.yaml:{place}")), "{all}");
        assert!(!all.contains("canary"), "{all}");
    }
    for credentials in [
        "  crm: canary-5f1c\n",
        "  crm: [canary-5f1c]\n",
        "  crm: {from: {vault: canary-5f1c}}\n",
        "  crm: {from: {command: canary-5f1c}}\n",
        "  crm: {from: {vault: {address: 'https://v', token: canary-5f1c}}}\n",
        "  crm: {from: {command: [/bin/true], timeout: canary-5f1c}}\n",
        "  crm: {owner: [canary-5f1c]}\n",
        "  crm: {}\nsealing_key: canary-5f1c\n",
    ] {
        let site = site(credentials);
        let output = site.line(&["check", "--offline"]);
        let all = [output.stdout.clone(), output.stderr.clone()].concat();
        assert_eq!(output.status.code(), Some(2), "{credentials}: {output:?}");
        assert!(!holds(&all, "canary"), "{credentials}: {output:?}");
    }
    for (credentials, why) in [
        ("  crm: {form: env:A}\n", "did you mean `from`?"),
        (
            "  crm: {from: {comand: [/bin/true]}}\n",
            "did you mean `command`?",
        ),
        (
            "  crm: {from: {command: [pass, show]}}\n",
            "not named by its whole path",
        ),
        (
            "  crm: {from: {command: [/bin/true], environment: ['A=b']}}\n",
            "no name of a variable",
        ),
        (
            "  crm: {from: {command: []}}\n",
            "not named by its whole path",
        ),
        (
            "  crm: {from: {}}\n",
            "write one of `command`, `vault` and `oauth`",
        ),
        (
            "  crm: {from: {oauth: {resource: 'http://crm.example/mcp', grant: authorization_code}}}\n",
            "by https only",
        ),
        (
            "  crm: {from: {oauth: {resource: 'https://crm.example/mcp', grant: client_credentials}}}\n",
            "the client is not named whole",
        ),
        (
            "  crm: {from: {oauth: {resource: 'https://crm.example/mcp', grant: client_credentials, client_id: a, \
             client_secret: crm}}}\n",
            "cannot come from an authorization server itself",
        ),
        (
            "  crm: {from: {oauth: {resource: 'https://crm.example/mcp', grant: client_credentials, client_id: a, \
             client_secret: other}}}\n",
            "is for one authorization server, and none is named",
        ),
        (
            "  crm: {from: {oauth: {resource: 'https://crm.example/mcp', grant: authorization_code, client_id: a, \
             client_secret: 'no name but a secret'}}}\n",
            "a secret does not belong here",
        ),
        (
            "  crm: {from: {oauth: {resource: 'https://crm.example/mcp', grant: authorization_code, scopes: ['a b']}}}\n",
            "a scope is one word",
        ),
        (
            "  crm: {from: {oauth: {resource: 'https://crm.example/mcp', grant: authorization_code}, timeout: 5s}}\n",
            "move `timeout` into `oauth`",
        ),
        ("  crm: {from: []}\n", "not one place, nor two"),
        (
            "  crm: {from: [env:A, env:B, env:C]}\n",
            "not one place, nor two",
        ),
        (
            "  crm: {from: [sealed, env:B]}\n",
            "`sealed` stands beside another",
        ),
        (
            "  crm: {from: keyring:key}\n",
            "does not belong in this file",
        ),
        (
            "  'a/b': {from: env:A}\n",
            "cannot be the name of a credential",
        ),
        (
            "  crm: {owner: anne@acme.example}\n",
            "did you mean `ann@acme.example`?",
        ),
        (
            "  crm: {from: {vault: {address: 'http://vault', path: crm, token: env:T}}}\n",
            "reached by https",
        ),
        (
            "  crm: {from: {vault: {address: 'https://u:p@v', path: crm, token: env:T}}}\n",
            "reached by https",
        ),
        (
            "  crm: {from: {vault: {address: 'https://v', path: ../sys, token: env:T}}}\n",
            "no path in a vault",
        ),
        (
            "  crm: {from: {vault: {address: 'https://v', token: env:T}}}\n",
            "`path` is missing",
        ),
        (
            "  crm: {from: {vault: {address: 'https://v', path: crm, token: env:T, engine: 3}}}\n",
            "more than 2",
        ),
        ("  crm: {}\nsealing_key: sealed\n", "write `file:PATH`"),
    ] {
        let site = site(credentials);
        let output = site.line(&["check", "--offline"]);
        assert!(said(&output).contains(why), "{credentials}: {output:?}");
    }
    let site = site("  crm: {}\n");
    site.write(
        "connectors/notes.yaml",
        &super::with_credential("notes", "a/b"),
    );
    let output = site.line(&["check", "--offline"]);
    assert!(
        said(&output).contains("`identity.credential`: `a/b` cannot be"),
        "{output:?}"
    );
}
