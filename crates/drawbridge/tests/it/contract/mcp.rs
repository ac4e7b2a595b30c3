//! The stage of kind `mcp`: a real server over stdio. What MCP itself cannot promise is not in this
//! suite but said where it shows: no server can be asked what became of a call, so that `settle` says
//! `unknown` (`upstream/stopped.rs`).

use std::{fs, path::Path, process::Command};

use serde_json::{Value, json};

use super::stages::Stage;
use crate::{
    desk::documents,
    upstream::setup::{HERE, direct},
};

/// The tools that are offered; the server offers no others.
const TOOLS: &str = "{echo: {power: read, label: public}, records: {power: search, label: restricted}, \
     get: {power: read, label: public}, \
     put: {power: update, label: public, preview: {tool: get, arguments: {key: {argument: key}}}}, \
     remove: {power: delete, label: public, preview: {tool: get, arguments: {key: {argument: key}}}}}";
const OTHERS: [&str; 10] = [
    "send", "slow", "big", "image", "ask", "sample", "roots", "fail", "broken", "invalid",
];

pub(super) const MCP: Stage = Stage {
    kind: "mcp",
    connector: |folder| {
        let pinned: Vec<String> = ["echo", "records", "get", "put", "remove"]
            .into_iter()
            .map(|name| format!("{name}: {}", pin(name)))
            .collect();
        let of = |name: &str| folder.join(name).display().to_string();
        let (own, data) = (of("state/own"), of("data"));
        let command = json!([
            "python3",
            format!("{HERE}/server.py"),
            "--state",
            format!("{own}/state"),
            "--log",
            format!("{own}/log"),
            "--data",
            format!("{data}/data"),
        ]);
        let system = format!(
            "kind: mcp, command: {command}, files: {{read: [\"{HERE}\"], write: [\"{own}\", \"{data}\"]}}"
        );
        let scope = format!(
            "label: restricted, tools: {TOOLS}, pinned: {{tools: {{{}}}}}",
            pinned.join(", ")
        );
        let powers = "read, search, update, delete";
        let grants = format!(
            "{{who: [\"group:all\"], may: [{powers}]}}, \
             {{who: [everyone], may: [{powers}], only: {{label: public}}}}"
        );
        documents("", &scope, &grants)
            .replace("kind: documents, folder: documents", &system)
            .replace("access: [read, search]", &format!("access: [{powers}]"))
    },
    build: |folder| {
        // The suite takes what is beneath `state` for no part of the target.
        fs::create_dir_all(folder.join("state/own")).unwrap();
        fs::create_dir_all(folder.join("data")).unwrap();
        let data = json!({"next": 0, "keys": {"seen": "seen"}, "sent": []});
        fs::write(folder.join("data/data"), data.to_string()).unwrap();
        state(folder, &json!({"notify": true, "remove_tools": OTHERS}));
    },
    resources: 5,
    asked: || {
        vec![
            ("echo", json!({"text": "seen"})),
            ("records", json!({"customer": "acme"})),
            ("get", json!({"key": "seen"})),
        ]
    },
    hidden: "secret-of-acme",
    seen: "seen",
    kill: |folder| {
        state(folder, &json!({"start": {"die": true}}));
        let log = fs::read_to_string(folder.join("state/own/log")).unwrap_or_default();
        let entries = log
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap());
        for start in entries.filter(|entry| entry["method"] == "start") {
            let process = start["pid"].to_string();
            let _ = Command::new("kill").args(["-KILL", &process]).output();
        }
    },
    spoil: |folder| {
        let mut removed = OTHERS.to_vec();
        removed.push("records");
        state(folder, &json!({"notify": true, "remove_tools": removed}));
    },
    // Of a tool, all is hidden or nothing: there is no resource within it.
    effects: || {
        vec![
            (
                "put",
                json!({"key": "seen", "value": "new"}),
                Value::Null,
                Value::Null,
            ),
            ("remove", json!({"key": "seen"}), Value::Null, Value::Null),
        ]
    },
};

fn state(folder: &Path, state: &Value) {
    let file = folder.join("state/own/state");
    let unfinished = file.with_extension("new");
    fs::write(&unfinished, state.to_string()).unwrap();
    fs::rename(unfinished, file).unwrap();
}

/// What the server says of a tool, without its name.
fn pin(name: &str) -> Value {
    let listed = direct("tools/list", &json!({}));
    let tools = listed["tools"].as_array().unwrap().iter();
    let mut tool = tools
        .into_iter()
        .find(|tool| tool["name"] == name)
        .unwrap()
        .clone();
    tool.as_object_mut().unwrap().remove("name");
    tool
}
