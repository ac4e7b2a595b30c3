//! Real MCP servers behind the bridge: every tool of each is called through it, and answers as it does
//! when it is called directly.

mod pypi;

use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use serde_json::{Value, json};

use crate::{
    clients::prepared,
    gate::{GATEWAY, Gate, Site},
};

const ANN: &str = "ann@acme.example";

/// A server that is asked without anything between.
struct Direct {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    last: u64,
}

impl Direct {
    fn start(command: &[String]) -> Self {
        let mut child = Command::new(&command[0])
            .args(&command[1..])
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let input = child.stdin.take().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let mut direct = Self {
            child,
            input,
            output,
            last: 0,
        };
        let client = json!({"name": "test", "version": "1"});
        direct.ask(
            "initialize",
            &json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client}),
        );
        direct.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
        direct
    }

    fn send(&mut self, message: &Value) {
        writeln!(self.input, "{message}").unwrap();
        self.input.flush().unwrap();
    }

    fn ask(&mut self, method: &str, params: &Value) -> Value {
        self.last += 1;
        let id = self.last;
        self.send(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}));
        loop {
            let mut line = String::new();
            assert!(self.output.read_line(&mut line).unwrap() > 0, "it ended");
            let message: Value = serde_json::from_str(&line).unwrap();
            if message["id"] == id && message.get("method").is_none() {
                return message["result"].clone();
            }
        }
    }

    fn call(&mut self, tool: &str, arguments: &Value) -> Value {
        self.ask("tools/call", &json!({"name": tool, "arguments": arguments}))
    }

    fn tools(&mut self) -> Vec<String> {
        let listed = self.ask("tools/list", &json!({}));
        let tools = listed["tools"].as_array().unwrap().iter();
        tools
            .map(|tool| tool["name"].as_str().unwrap().to_owned())
            .collect()
    }
}

impl Drop for Direct {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A server of npm's, run by the Node that `./test` prepares.
fn npm(server: &str, arguments: &[&Path]) -> Vec<String> {
    let node = prepared("DRAWBRIDGE_TEST_NODE");
    let tools = prepared("DRAWBRIDGE_TEST_TOOLS");
    let script = Path::new(&tools).join(format!(
        "@modelcontextprotocol/server-{server}/dist/index.js"
    ));
    let mut command = vec![
        node.to_str().unwrap().to_owned(),
        script.to_str().unwrap().to_owned(),
    ];
    command.extend(
        arguments
            .iter()
            .map(|path| path.to_str().unwrap().to_owned()),
    );
    command
}

/// A gateway before a server, all of whose tools may be called without asking.
fn behind(name: &str, command: &[String], writes: &[&Path]) -> (Site, Gate, String) {
    let tools = prepared("DRAWBRIDGE_TEST_TOOLS");
    let mut grants = vec!["--read", tools.to_str().unwrap()];
    for path in writes {
        grants.extend(["--write", path.to_str().unwrap()]);
    }
    granted(name, command, &grants)
}

/// The same, before a server that is given just this of the machine.
fn granted(name: &str, command: &[String], grants: &[&str]) -> (Site, Gate, String) {
    let site = Site::new(GATEWAY);
    let mut arguments = vec!["connector", "add", "mcp", name];
    arguments.extend(grants);
    arguments.push("--");
    arguments.extend(command.iter().map(String::as_str));
    site.ok(&arguments);
    let file = format!("connectors/{name}.yaml");
    let text = std::fs::read_to_string(site.path(&file)).unwrap();
    let mut new = String::new();
    for line in text.lines() {
        // What a tool does is not what is looked at here.
        let line = match line.split_once("{power: ") {
            Some((before, _)) => format!("{before}{{power: read}}"),
            None if line.starts_with("access:") => "access: [read]".to_owned(),
            None if line.starts_with("  - {who:") => {
                format!("  - {{who: [\"{ANN}\"], may: [read]}}")
            }
            None => line.to_owned(),
        };
        new.push_str(&line);
        new.push('\n');
    }
    site.write(&file, &new);
    site.ok(&["approve-revision", name, "--reason", "test"]);
    let gate = site.serve();
    let token = site.token(ANN, "claude");
    (site, gate, token)
}

/// Calls every tool both ways.
async fn alike(
    name: &str,
    (gate, token): (&Gate, &str),
    direct: &mut Direct,
    calls: &[(&str, Value)],
    same: impl Fn(Value) -> Value,
) {
    let mut missing = direct.tools();
    for (tool, arguments) in calls {
        missing.retain(|one| one != tool);
        let wanted = direct.call(tool, arguments);
        let answer = gate.call(token, &format!("{name}_{tool}"), arguments).await;
        if wanted["isError"] == json!(true) {
            assert_eq!(answer["status"], "failed", "{tool}: {answer:#} {wanted:#}");
            continue;
        }
        assert_eq!(answer["status"], "ok", "{tool}: {answer:#} {wanted:#}");
        for key in ["content", "structuredContent"] {
            let (got, wanted) = (same(answer["data"][key].clone()), same(wanted[key].clone()));
            assert_eq!(got, wanted, "{tool} {arguments}: {key}");
        }
    }
    assert_eq!(missing, Vec::<String>::new(), "not called");
}

#[tokio::test]
async fn every_tool_of_everything_answers_through_the_bridge_as_directly() {
    let command = npm("everything", &[]);
    let (_site, gate, token) = behind("everything", &command, &[]);
    let mut direct = Direct::start(&command);
    let calls = [
        ("echo", json!({"message": "hello ü 🌉"})),
        ("get-sum", json!({"a": 2, "b": 3.5})),
        (
            "get-annotated-message",
            json!({"messageType": "error", "includeImage": true}),
        ),
        ("get-tiny-image", json!({})),
        ("get-structured-content", json!({"location": "Chicago"})),
        ("get-resource-links", json!({"count": 4})),
        (
            "get-resource-reference",
            json!({"resourceType": "Text", "resourceId": 7}),
        ),
        (
            "gzip-file-as-resource",
            json!({"name": "a.gz", "data": "data:text/plain,hello", "outputType": "resource"}),
        ),
        ("toggle-simulated-logging", json!({})),
        ("toggle-subscriber-updates", json!({})),
        (
            "trigger-long-running-operation",
            json!({"duration": 1, "steps": 2}),
        ),
        ("simulate-research-query", json!({"topic": "bridges"})),
        ("get-env", json!({})),
    ];
    let same = |value: Value| {
        let text = value.to_string();
        // Each process has an environment and a clock of its own.
        if text.contains("PATH") || text.contains("Resource created at") {
            return json!(null);
        }
        value
    };
    alike("everything", (&gate, &token), &mut direct, &calls, same).await;
    let told = gate.call(&token, "everything_get-env", &json!({})).await;
    let environment = told["data"]["content"][0]["text"].as_str().unwrap();
    let environment: Value = serde_json::from_str(environment).unwrap();
    let names: Vec<&String> = environment.as_object().unwrap().keys().collect();
    assert_eq!(names, ["HOME", "PATH", "TMPDIR"], "{environment}");
}

#[tokio::test]
async fn every_tool_of_filesystem_answers_through_the_bridge_as_directly() {
    let folder = tempfile::tempdir().unwrap();
    // Each way has files of its own: what one writes the other does not find.
    let [mine, theirs] = ["mine", "theirs"].map(|name| folder.path().join(name));
    for root in [&mine, &theirs] {
        std::fs::create_dir_all(root.join("sub")).unwrap();
        std::fs::write(root.join("a.txt"), "one\ntwo\nthree\n").unwrap();
        std::fs::write(root.join("sub/b.md"), "# B\n").unwrap();
        std::fs::write(root.join("dot.png"), [137, 80, 78, 71, 13, 10, 26, 10]).unwrap();
    }
    let command = npm("filesystem", &[&mine]);
    let (_site, gate, token) = behind("files", &command, &[&mine]);
    let mut direct = Direct::start(&npm("filesystem", &[&theirs]));
    let root = mine.to_str().unwrap().to_owned();
    let at = |path: &str| format!("{root}/{path}");
    let calls = [
        ("read_file", json!({"path": at("a.txt")})),
        ("read_text_file", json!({"path": at("a.txt"), "head": 2})),
        ("read_media_file", json!({"path": at("dot.png")})),
        (
            "read_multiple_files",
            json!({"paths": [at("a.txt"), at("sub/b.md")]}),
        ),
        (
            "write_file",
            json!({"path": at("new.txt"), "content": "ü\n"}),
        ),
        (
            "edit_file",
            json!({"path": at("a.txt"), "edits": [{"oldText": "two", "newText": "2"}]}),
        ),
        ("create_directory", json!({"path": at("made")})),
        ("list_directory", json!({"path": root})),
        (
            "list_directory_with_sizes",
            json!({"path": root, "sortBy": "name"}),
        ),
        ("directory_tree", json!({"path": root})),
        (
            "move_file",
            json!({"source": at("new.txt"), "destination": at("made/moved.txt")}),
        ),
        ("search_files", json!({"path": root, "pattern": "**/*.md"})),
        ("list_allowed_directories", json!({})),
        ("read_text_file", json!({"path": "/etc/passwd"})),
        ("get_file_info", json!({"path": at("sub/b.md")})),
    ];
    let theirs = theirs.to_str().unwrap();
    for (tool, arguments) in calls {
        let moved = arguments.to_string().replace(&root, theirs);
        let moved: Value = serde_json::from_str(&moved).unwrap();
        let wanted = direct.call(tool, &moved);
        let answer = gate
            .call(&token, &format!("files_{tool}"), &arguments)
            .await;
        let status = if wanted["isError"] == json!(true) {
            "failed"
        } else {
            "ok"
        };
        assert_eq!(answer["status"], status, "{tool}: {answer:#} {wanted:#}");
        if status == "failed" || tool == "get_file_info" {
            continue;
        }
        let got = answer["data"]["content"].to_string().replace(&root, theirs);
        assert_eq!(got, wanted["content"].to_string(), "{tool}");
    }
    assert_eq!(
        std::fs::read_to_string(mine.join("made/moved.txt")).unwrap(),
        "ü\n"
    );
    assert_eq!(
        std::fs::read_to_string(mine.join("a.txt")).unwrap(),
        "one\n2\nthree\n"
    );
}

#[tokio::test]
async fn every_tool_of_memory_and_sequential_thinking_answers_through_the_bridge_as_directly() {
    let folder = tempfile::tempdir().unwrap();
    let command = npm("memory", &[]);
    let (site, gate, token) = behind("memory", &command, &[]);
    drop(gate);
    // Where it keeps what it is told: each way a file of its own.
    let file = folder.path().join("mine/graph.jsonl");
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    let text = std::fs::read_to_string(site.path("connectors/memory.yaml")).unwrap();
    let text = text.replace(
        "  kind: mcp\n",
        &format!(
            "  kind: mcp\n  environment: {{MEMORY_FILE_PATH: {}}}\n",
            file.display()
        ),
    );
    let parent = file.parent().unwrap().display();
    let text = text.replace("  files: {", &format!("  files: {{write: [{parent}], "));
    site.write("connectors/memory.yaml", &text);
    site.ok(&["approve-revision", "memory", "--reason", "test"]);
    let gate = site.serve();
    let script = command[1].clone();
    let theirs = format!("MEMORY_FILE_PATH={}/theirs.jsonl", folder.path().display());
    let mut direct = Direct::start(&[
        "/usr/bin/env".to_owned(),
        theirs,
        command[0].clone(),
        script,
    ]);
    let ada = json!({"name": "Ada", "entityType": "person", "observations": ["counts"]});
    let bob = json!({"name": "Bob", "entityType": "person", "observations": []});
    let knows = json!([{"from": "Ada", "to": "Bob", "relationType": "knows"}]);
    let calls = [
        ("create_entities", json!({"entities": [ada, bob]})),
        ("create_relations", json!({"relations": knows})),
        (
            "add_observations",
            json!({"observations": [{"entityName": "Bob", "contents": ["sings"]}]}),
        ),
        ("read_graph", json!({})),
        ("search_nodes", json!({"query": "sings"})),
        ("open_nodes", json!({"names": ["Ada"]})),
        (
            "delete_observations",
            json!({"deletions": [{"entityName": "Bob", "observations": ["sings"]}]}),
        ),
        ("delete_relations", json!({"relations": knows})),
        ("delete_entities", json!({"entityNames": ["Ada"]})),
        ("read_graph", json!({})),
    ];
    alike("memory", (&gate, &token), &mut direct, &calls, |value| {
        value
    })
    .await;

    let command = npm("sequential-thinking", &[]);
    let (_site, gate, token) = behind("thinking", &command, &[]);
    let mut direct = Direct::start(&command);
    let thought = json!({"thought": "First.", "nextThoughtNeeded": true, "thoughtNumber": 1, "totalThoughts": 2});
    let calls = [("sequentialthinking", thought)];
    alike("thinking", (&gate, &token), &mut direct, &calls, |value| {
        value
    })
    .await;
}
