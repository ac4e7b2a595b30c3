//! Settings that somebody made to do harm, or that are just broken.

use serde_json::{Value, json};

use super::{Desk, said};

#[test]
fn settings_that_are_no_settings_are_told_and_nothing_is_written() {
    let desk = Desk::new();
    let deep = format!(
        "{{\"mcpServers\": {}1{}}}",
        "[".repeat(100_000),
        "]".repeat(100_000)
    );
    let huge = format!(
        "{{\"mcpServers\": {{}}, \"x\": \"{}\"}}",
        "a".repeat(2 << 20)
    );
    let nested = "{\"a\":".repeat(100_000);
    for text in [
        "",
        "null",
        "[1, 2]",
        "\"mcpServers\"",
        "{\"mcpServers\": 7}",
        "{\"mcpServers\": {\"a\": {\"command\": \"x\"}, \"a\": {\"command\": \"y\"}}}",
        "{\"mcpServers\": {\"a\": ",
        "\u{0}\u{1}",
        deep.as_str(),
        huge.as_str(),
        nested.as_str(),
    ] {
        let file = desk.write("settings.json", text);
        let output = desk.import(&["--apply", file.to_str().unwrap()]);
        let told = said(&output);
        let begin = text.get(..40).unwrap_or(text);
        assert_eq!(output.status.code(), Some(1), "{begin}: {told}");
        assert!(
            told.contains("left out") && !told.contains("panicked"),
            "{begin}: {told}"
        );
        assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
    }
    std::fs::write(desk.path("bytes.json"), [0xff, 0xfe, 0x00]).unwrap();
    for other in ["bytes.json", "none.json", "data", "/dev/zero"] {
        let file = desk.path(other);
        let output = desk.import(&[file.to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(1), "{other}: {}", said(&output));
    }
    assert!(!desk.site.path("connectors").exists());
}

#[test]
fn servers_of_another_form_are_left_out_without_a_panic() {
    let desk = Desk::new();
    let servers = json!({
        "a": 7, "b": null, "c": [], "d": "npx", "e": {}, "f": {"command": []},
        "g": {"command": "x", "args": {"a": 1}}, "h": {"command": "x", "env": [1]},
        "i": {"command": "x", "args": [null]}, "j": {"url": 7}, "k": {"url": "file:///etc/passwd"},
        "l": {"url": "not an address"}, "m": {"command": ""}, "n": {"command": "x\u{0}y"},
        "o": {"command": "/bin/true", "env": {"A=B": "x"}}, "p": {"command": "/bin/true", "cwd": "/no/such/folder"},
        "q": {"url": "https://x.example", "headers": {"bad name": "x"}},
        "r": {"url": "https://x.example", "headers": {"Host": "x"}},
    });
    let count = servers.as_object().unwrap().len();
    let file = desk.write("servers.json", &json!({"mcpServers": servers}).to_string());
    let (answer, code) = desk.json(&["--apply", file.to_str().unwrap()]);
    assert_eq!(code, 1, "{answer:#}");
    let all = answer["data"]["servers"].as_array().unwrap();
    assert_eq!(all.len(), count);
    for one in all {
        let told = one["why"].as_str().is_some_and(|why| !why.is_empty());
        assert!(one["state"] == "left_out" && told, "{one:#}");
    }
    assert_eq!(answer["data"]["applied"], json!([]));
    let files = std::fs::read_dir(desk.site.path("connectors"));
    assert!(files.is_err() || files.unwrap().count() == 0);
}

#[test]
fn names_lead_nowhere_else_and_never_to_a_file_that_is_there() {
    let desk = Desk::new();
    let mut servers = serde_json::Map::new();
    for name in [
        "../../escape",
        "/etc/cron.d/x",
        "Notes",
        "notes",
        "drawbridge",
        "\u{202e}gnp\u{1b}[2J",
        "",
    ] {
        // Each is another server, or it would be one connector.
        servers.insert(
            name.to_owned(),
            desk.server(&format!("s{}", servers.len()), &json!({})),
        );
    }
    let file = desk.write("servers.json", &json!({"mcpServers": servers}).to_string());
    desk.site.write("connectors/notes.yaml", "# somebody's\n");
    std::os::unix::fs::symlink(
        desk.path("elsewhere.yaml"),
        desk.site.path("connectors/notes-2.yaml"),
    )
    .unwrap();
    let output = desk.import(&[file.to_str().unwrap()]);
    let told = said(&output);
    assert!(output.status.success(), "{told}");
    assert!(
        !told.contains('\u{1b}') && !told.contains('\u{202e}'),
        "{told}"
    );
    let files = std::fs::read_dir(desk.site.path("connectors")).unwrap();
    let mut names: Vec<String> = files
        .map(|one| one.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    let wanted = [
        "drawbridge-2.yaml",
        "escape.yaml",
        "etc-cron-d-x.yaml",
        "gnp-2j.yaml",
        "mcp.yaml",
        "notes-2.yaml",
        "notes-3.yaml",
        "notes-4.yaml",
        "notes.yaml",
    ];
    assert_eq!(names, wanted);
    assert_eq!(
        std::fs::read_to_string(desk.site.path("connectors/notes.yaml")).unwrap(),
        "# somebody's\n"
    );
    assert!(!desk.path("elsewhere.yaml").exists());
    for name in wanted {
        let text =
            std::fs::read_to_string(desk.site.path("connectors").join(name)).unwrap_or_default();
        assert!(
            !text.contains('\u{1b}') && !text.contains('\u{202e}'),
            "{name}: {text}"
        );
    }
}

#[test]
fn what_holds_secrets_is_granted_to_no_server() {
    let desk = Desk::new();
    std::fs::create_dir_all(desk.path("home/.ssh")).unwrap();
    std::fs::create_dir_all(desk.path("home/docs")).unwrap();
    let mut server = desk.server("greedy", &json!({}));
    let paths = ["/", "/etc", "home", "home/.ssh", "home/docs"].map(|path| json!(desk.path(path)));
    server["env"]["PATHS"] = paths[0].clone();
    for (index, path) in paths.iter().enumerate() {
        server["env"][format!("ROOT_{index}")] = path.clone();
    }
    server["env"]["STATE"] = json!(desk.site.path(".drawbridge"));
    std::fs::create_dir_all(desk.site.path(".drawbridge")).unwrap();
    let file = desk.write(
        "servers.json",
        &json!({"mcpServers": {"greedy": server}}).to_string(),
    );
    let (answer, code) = desk.json(&[file.to_str().unwrap()]);
    assert_eq!(code, 0, "{answer:#}");
    let report: &Value = &answer["data"]["servers"][0]["report"];
    assert_eq!(
        report["write"],
        json!([desk.path("data"), desk.path("home/docs")]),
        "{report:#}"
    );
    let notes = report["notes"].to_string();
    for path in [
        "`/`",
        "`/etc`",
        ".ssh` is not granted",
        ".drawbridge` is not granted",
    ] {
        assert!(notes.contains(path), "{path}: {notes}");
    }
}

#[test]
fn a_connector_that_cannot_be_written_whole_is_not_there() {
    let desk = Desk::new();
    let one = json!({"command": "/usr/bin/python3", "args": [super::upstream()]});
    desk.write(
        "home/.cursor/mcp.json",
        &json!({"mcpServers": {"one": one}}).to_string(),
    );
    // As on a full disk: no file grows beyond 1024 bytes, and whoever tries is told.
    let import = desk.command(&["import"]);
    let mut command = std::process::Command::new("/bin/bash");
    command
        .args(["-c", "trap '' XFSZ; ulimit -f 1; exec \"$0\" \"$@\""])
        .arg(import.get_program())
        .args(import.get_args())
        .current_dir(import.get_current_dir().unwrap());
    for (name, value) in import.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    let output = command.output().unwrap();
    let told = said(&output);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(
        told.contains("`connectors/one.yaml` cannot be written"),
        "{told}"
    );
    let files = std::fs::read_dir(desk.site.path("connectors")).unwrap();
    let files: Vec<_> = files.map(|one| one.unwrap().file_name()).collect();
    assert!(files.is_empty(), "{files:?}");
    // With room again, it goes by its own name.
    let (answer, code) = desk.json(&[]);
    assert_eq!(
        (code, &answer["data"]["servers"][0]["connector"]),
        (0, &json!("one")),
        "{answer:#}"
    );
}
