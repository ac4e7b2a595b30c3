//! Servers that people really have in their clients, as npm installs them.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::{Desk, server};
use crate::clients::prepared;

/// A server of those that `./test` installs, as its documentation has people write it.
fn npm(name: &str, arguments: &[&str], environment: &Value) -> Value {
    let folder = PathBuf::from(prepared("DRAWBRIDGE_TEST_TOOLS"));
    let script = folder.join(format!("@modelcontextprotocol/server-{name}/dist/index.js"));
    let mut all = vec![json!(script)];
    all.extend(arguments.iter().map(|word| json!(word)));
    json!({"command": prepared("DRAWBRIDGE_TEST_NODE").to_str(), "args": all, "env": environment})
}

#[test]
fn servers_that_people_have_come_along_and_answer() {
    let desk = Desk::new();
    let documents = desk.path("home/Documents");
    std::fs::create_dir(&documents).unwrap();
    std::fs::write(documents.join("a.txt"), "the bridge").unwrap();
    let memory = desk.write("home/memory/all.jsonl", "");
    let servers = json!({
        "filesystem": npm("filesystem", &[documents.to_str().unwrap()], &json!({})),
        "memory": npm("memory", &[], &json!({"MEMORY_FILE_PATH": memory})),
        "everything": npm("everything", &[], &json!({"API_KEY": "hunter2-everything"})),
    });
    let text = json!({"mcpServers": servers}).to_string();
    desk.write("home/.config/Claude/claude_desktop_config.json", &text);
    let (answer, code) = desk.json(&["--apply"]);
    assert_eq!(code, 0, "{answer:#}");
    desk.keeps("hunter2-everything");
    let calls = [
        (
            "filesystem",
            "read_text_file",
            format!("path={}", documents.join("a.txt").display()),
            "the bridge",
        ),
        ("memory", "read_graph", String::new(), "entities"),
        ("everything", "echo", "message=hello".to_owned(), "hello"),
        ("everything", "get-env", String::new(), "API_KEY"),
    ];
    for name in ["filesystem", "memory", "everything"] {
        assert_eq!(server(&answer, name)["state"], "imported", "{answer:#}");
        desk.site
            .ok(&["approve-revision", name, "--reason", "reviewed"]);
    }
    for (name, tool, argument, told) in calls {
        let tool = format!("{name}_{tool}");
        let mut line = vec!["call", tool.as_str()];
        line.extend((!argument.is_empty()).then_some(argument.as_str()));
        let answer = desk.site.json(&line);
        assert_eq!(answer["status"], "ok", "{tool}: {answer:#}");
        let text = answer.to_string();
        assert!(
            text.contains(told) && !text.contains("hunter2"),
            "{tool}: {answer:#}"
        );
    }
    let told = std::fs::read_to_string(desk.path("home/.config/Claude/claude_desktop_config.json"));
    let settings: Value = serde_json::from_str(&told.unwrap()).unwrap();
    let names: Vec<&String> = settings["mcpServers"].as_object().unwrap().keys().collect();
    assert_eq!(names, ["drawbridge"]);
}

#[test]
fn a_server_of_an_environment_of_python_comes_along_with_what_runs_it() {
    let desk = Desk::new();
    let folder = PathBuf::from(prepared("DRAWBRIDGE_TEST_SERVERS"));
    let program = folder.join("bin/mcp-server-time");
    let text = json!({"mcpServers": {"time": {"command": program}}}).to_string();
    desk.write("home/.cursor/mcp.json", &text);
    let (answer, code) = desk.json(&[]);
    assert_eq!(code, 0, "{answer:#}");
    let tools = &server(&answer, "time")["report"]["tools"];
    assert_eq!(
        tools,
        &json!({"read": ["convert_time", "get_current_time"]}),
        "{answer:#}"
    );
}
