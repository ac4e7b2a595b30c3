//! Where settings lie, and what of them is taken.

use serde_json::{Value, json};

use super::{Desk, said, server};

#[test]
fn what_lies_in_a_folder_is_started_only_when_its_file_is_named() {
    let desk = Desk::new();
    let came = desk.server("came", &json!({"CAME_TOKEN": "hunter2-came"}));
    let text = json!({"mcpServers": {"came": came}}).to_string();
    for file in ["project/.mcp.json", "project/.cursor/mcp.json"] {
        desk.write(file, &text);
    }
    let output = desk.import(&["--apply"]);
    let told = said(&output);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(
        told.contains("was not started") && told.contains("server.py") && !told.contains("hunter2"),
        "{told}"
    );
    assert!(!desk.path("data/came.log").exists());
    assert!(!desk.site.path("connectors").exists());
    let (answer, code) = desk.json(&[".mcp.json"]);
    assert_eq!(code, 0, "{answer:#}");
    assert_eq!(server(&answer, "came")["state"], "imported", "{answer:#}");
    // What has a connector is there, by whichever file.
    let (answer, code) = desk.json(&["--client", "cursor"]);
    assert_eq!(
        (code, &server(&answer, "came")["state"]),
        (0, &json!("already")),
        "{answer:#}"
    );
    let note = server(&answer, "came")["report"]["notes"][0]
        .as_str()
        .unwrap();
    assert!(note.contains("CAME_TOKEN was not compared"), "{note}");
}

#[test]
fn one_file_under_two_names_is_taken_once() {
    let desk = Desk::new();
    let text = json!({"mcpServers": {"one": desk.server("one", &json!({}))}}).to_string();
    let real = desk.write("home/.claude.json", &text);
    std::fs::create_dir(desk.path("home/.cursor")).unwrap();
    std::os::unix::fs::symlink(&real, desk.path("home/.cursor/mcp.json")).unwrap();
    let (answer, code) = desk.json(&["--apply"]);
    assert_eq!(code, 0, "{answer:#}");
    assert_eq!(
        answer["data"]["servers"].as_array().unwrap().len(),
        1,
        "{answer:#}"
    );
    assert_eq!(
        answer["data"]["applied"].as_array().unwrap().len(),
        1,
        "{answer:#}"
    );
}

#[test]
fn a_server_of_another_name_and_time_is_one_connector_and_another_account_is_another() {
    let desk = Desk::new();
    let (plain, work) = (
        desk.server("one", &json!({})),
        desk.server("one", &json!({"ACCOUNT": "work"})),
    );
    let first = json!({"mcpServers": {"one": plain}}).to_string();
    desk.write("home/.cursor/mcp.json", &first);
    assert_eq!(desk.json(&["--client", "cursor"]).1, 0);
    let second = json!({"mcpServers": {"same": plain, "one": work}}).to_string();
    desk.write("home/.claude.json", &second);
    let (answer, code) = desk.json(&["--client", "claude-code"]);
    assert_eq!(code, 0, "{answer:#}");
    for (name, state, connector) in [("same", "already", "one"), ("one", "imported", "one-2")] {
        let found = server(&answer, name);
        assert_eq!(
            (&found["state"], &found["connector"]),
            (&json!(state), &json!(connector)),
            "{found:#}"
        );
    }
}

#[test]
fn one_server_of_two_projects_is_two_connectors() {
    let desk = Desk::new();
    let mut projects = serde_json::Map::new();
    for name in ["prod", "test"] {
        let folder = desk.path(name);
        std::fs::create_dir(&folder).unwrap();
        let mut db = desk.server("db", &json!({}));
        db["cwd"] = json!(folder);
        let servers = json!({"mcpServers": {"db": db}});
        projects.insert(folder.to_str().unwrap().to_owned(), servers);
    }
    let text = json!({"projects": projects}).to_string();
    let file = desk.write("home/.claude.json", &text);
    let (answer, code) = desk.json(&[]);
    assert_eq!(code, 0, "{answer:#}");
    let brought = |answer: &Value, state: &str| {
        let all = answer["data"]["servers"].as_array().unwrap();
        let names = all.iter().map(|one| {
            assert_eq!(one["state"], state, "{answer:#}");
            one["connector"].as_str().unwrap().to_owned()
        });
        names.collect::<Vec<String>>()
    };
    assert_eq!(brought(&answer, "imported"), ["db", "db-2"]);
    for (name, folder) in [("db", "prod"), ("db-2", "test")] {
        let file = desk.site.path(&format!("connectors/{name}.yaml"));
        let written = std::fs::read_to_string(file).unwrap();
        assert!(
            written.contains(desk.path(folder).to_str().unwrap()),
            "{written}"
        );
    }
    // A second time, each finds its own.
    let (again, code) = desk.json(&["--apply", file.to_str().unwrap()]);
    assert_eq!(code, 0, "{again:#}");
    assert_eq!(brought(&again, "already"), ["db", "db-2"]);
}

#[test]
fn what_a_client_leaves_alone_and_the_gateway_itself_stay() {
    let desk = Desk::new();
    let project = desk.path("project");
    let one = desk.server("one", &json!({}));
    let servers = json!({"off": one, "own": {"command": "/opt/drawbridge", "args": ["--dir", "/x", "stdio"]}});
    let here = json!({"mcpServers": servers, "disabledMcpServers": ["off"]});
    let us = json!({"type": "http", "url": "http://127.0.0.1:0/mcp", "headers": {"Authorization": "Bearer hunter2-own"}});
    let text = json!({"mcpServers": {"us": us}, "projects": {project.to_str().unwrap(): here}});
    desk.write("home/.claude.json", &text.to_string());
    let (answer, code) = desk.json(&["--apply"]);
    assert_eq!(code, 0, "{answer:#}");
    for name in ["off", "own", "us"] {
        assert_eq!(server(&answer, name)["state"], "off", "{answer:#}");
    }
    assert_eq!(answer["data"]["applied"], json!([]));
    assert!(!desk.path("data/one.log").exists());
}

#[test]
fn of_two_imports_at_once_one_waits_for_a_person() {
    let desk = Desk::new();
    let one = desk.server("one", &json!({"ONE_TOKEN": "hunter2-one"}));
    desk.write(
        "home/.cursor/mcp.json",
        &json!({"mcpServers": {"one": one}}).to_string(),
    );
    std::fs::create_dir_all(desk.site.path(".drawbridge")).unwrap();
    let lock = std::fs::File::create(desk.site.path(".drawbridge/imports.lock")).unwrap();
    lock.lock().unwrap();
    for arguments in [&["--apply"][..], &["--undo"]] {
        let output = desk.import(arguments);
        assert_eq!(output.status.code(), Some(2), "{}", said(&output));
        assert!(
            said(&output).contains("another `drawbridge import`"),
            "{}",
            said(&output)
        );
    }
    assert!(!desk.path("data/one.log").exists());
    drop(lock);
    assert_eq!(desk.json(&["--apply"]).1, 0);
}

#[test]
fn why_a_server_does_not_start_is_told_in_few_words_and_as_json_in_full() {
    let desk = Desk::new();
    let mut broken = desk.server("broken", &json!({}));
    broken["args"] = json!(["-c", "import json\njson.loads('no')"]);
    desk.write(
        "home/.cursor/mcp.json",
        &json!({"mcpServers": {"broken": broken, "nobody": {"url": "http://127.0.0.1:1/mcp"}}})
            .to_string(),
    );
    let output = desk.import(&["--dry-run"]);
    let told = said(&output);
    assert!(
        told.contains("in detail: json.decoder.JSONDecodeError: Expecting value"),
        "{told}"
    );
    for noise in ["Traceback", "next call", "WorkerTransport", "worker quit"] {
        assert!(!told.contains(noise), "{noise}: {told}");
    }
    let (answer, _) = desk.json(&["--dry-run"]);
    let why = server(&answer, "broken")["why"].as_str().unwrap();
    assert!(why.contains("Traceback"), "{why}");
    assert_eq!(server(&answer, "nobody")["report"]["command"], Value::Null);
}

#[test]
fn an_address_with_a_secret_of_the_environment_stands_nowhere() {
    let desk = Desk::new();
    let arguments = ["mcp-remote", "http://127.0.0.1:1/${SITE_TOKEN}/mcp"];
    let text = json!({"mcpServers": {"site": {"command": "npx", "args": arguments}}});
    desk.write("home/.cursor/mcp.json", &text.to_string());
    let mut command = desk.command(&["--json", "import"]);
    let output = command.env("SITE_TOKEN", "hunter2-site").output().unwrap();
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    let one = server(&answer, "site");
    let why = one["why"].as_str().unwrap();
    assert!(why.contains("its address holds a secret"), "{one:#}");
    assert!(!said(&output).contains("hunter2"), "{}", said(&output));
    desk.keeps("hunter2");
}
