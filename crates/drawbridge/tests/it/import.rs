//! `import`: settings files of real clients, with a real server behind them.

mod hostile;
mod places;
mod real;
mod undone;

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::{Value, json};

use crate::gate::{GATEWAY, Site};

/// A person's home, a project, and a workspace.
struct Desk {
    site: Site,
    keep: tempfile::TempDir,
}

impl Desk {
    fn new() -> Self {
        let desk = Self {
            site: Site::new(GATEWAY),
            keep: tempfile::tempdir().unwrap(),
        };
        for folder in ["home", "project", "data"] {
            std::fs::create_dir(desk.path(folder)).unwrap();
        }
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.keep.path().canonicalize().unwrap().join(name)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.site.command(arguments);
        command
            .env("HOME", self.path("home"))
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env_remove("DRAWBRIDGE_URL")
            .current_dir(self.path("project"));
        command
    }

    fn import(&self, arguments: &[&str]) -> Output {
        let mut all = vec!["import"];
        all.extend(arguments);
        self.command(&all).output().unwrap()
    }

    /// An import that says what it did as JSON, with its code.
    fn json(&self, arguments: &[&str]) -> (Value, i32) {
        let mut all = vec!["--json"];
        all.extend(arguments);
        let output = self.import(&all);
        let value = serde_json::from_slice(&output.stdout);
        let value = value.unwrap_or_else(|error| panic!("{arguments:?}: {error}: {output:?}"));
        (value, output.status.code().unwrap())
    }

    /// A server that writes what it gets into `data/NAME.log`.
    fn server(&self, name: &str, environment: &Value) -> Value {
        let mut environment = environment.clone();
        environment["DATA_DIR"] = json!(self.path("data"));
        json!({
            "command": "/usr/bin/python3",
            "args": [upstream(), "--log", self.path(&format!("data/{name}.log"))],
            "env": environment,
        })
    }

    /// The environment that a server was started with, the last time.
    fn environment(&self, name: &str) -> Value {
        let log = std::fs::read_to_string(self.path(&format!("data/{name}.log"))).unwrap();
        let mut starts = log
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let last = starts.rfind(|entry| entry["method"] == "start");
        last.unwrap()["env"].clone()
    }

    /// The files of the workspace, with everything in its state.
    fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let mut found = Vec::new();
        let mut folders = vec![self.site.path("")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap().flatten() {
                let path = entry.path();
                if path.is_dir() {
                    folders.push(path);
                } else if let Ok(bytes) = std::fs::read(&path) {
                    found.push((path, bytes));
                }
            }
        }
        found
    }

    /// Nothing of the workspace holds a secret in the clear, not even its store: but for a client's old
    /// settings, until a person deletes them.
    fn keeps(&self, secret: &str) {
        let old = self.site.path(".drawbridge/imports");
        for (path, bytes) in self.files() {
            if path.starts_with(&old) {
                continue;
            }
            let mut windows = bytes.windows(secret.len());
            assert!(
                !windows.any(|window| window == secret.as_bytes()),
                "{}",
                path.display()
            );
        }
    }
}

fn upstream() -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/upstream/server.py");
    path.canonicalize().unwrap()
}

fn said(output: &Output) -> String {
    let text = [&output.stdout[..], &output.stderr[..]].concat();
    String::from_utf8(text).unwrap()
}

fn server<'a>(answer: &'a Value, name: &str) -> &'a Value {
    let all = answer["data"]["servers"].as_array().unwrap();
    let found = all.iter().find(|server| server["name"] == name);
    found.unwrap_or_else(|| panic!("{name}: {answer:#}"))
}

const SECRETS: [&str; 4] = [
    "hunter2-desk-01",
    "hunter2-code-02",
    "hunter2-code-03",
    "hunter2-vscode-04",
];

/// The settings of four clients.
fn settings(desk: &Desk) {
    let [desktop, code, other, vscode] = SECRETS;
    let servers = json!({"Desk Notes": desk.server("desk", &json!({"NOTES_TOKEN": desktop, "MODE": "quick"}))});
    let text = json!({"mcpServers": servers, "theme": "dark"}).to_string();
    desk.write("home/.config/Claude/claude_desktop_config.json", &text);
    let both = desk.server(
        "code",
        &json!({"CODE_API_KEY": code, "DATABASE_URL": format!("postgres://x:{other}@db/x")}),
    );
    let project = desk.path("project");
    let text = json!({"numStartups": 7, "projects": {project.to_str().unwrap(): {"mcpServers": {"code": both}}}});
    desk.write("home/.claude.json", &text.to_string());
    let mut cursor = desk.server("cursor", &json!({"MODE": "slow"}));
    cursor["disabled"] = json!(true);
    let same = desk.server("desk", &json!({"NOTES_TOKEN": desktop, "MODE": "quick"}));
    let text = json!({"mcpServers": {"off": cursor, "notes": same}});
    desk.write("home/.cursor/mcp.json", &text.to_string());
    let env = format!("# of the person\nVSCODE_SETTING=\"{vscode}\"\n");
    desk.write("home/own.env", &env);
    let mut own = desk.server("vscode", &json!({}));
    own["envFile"] = json!("${userHome}/own.env");
    let text = format!(
        "{{\n  // ours\n  \"servers\": {{\n    \"own\": {own}, /* more later */\n  }},\n}}\n"
    );
    desk.write("home/.config/Code/User/mcp.json", &text);
}

#[test]
fn servers_of_every_client_become_connectors_and_their_secrets_are_sealed() {
    let desk = Desk::new();
    settings(&desk);
    let output = desk.import(&["--json"]);
    let text = said(&output);
    assert!(output.status.success(), "{text}");
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    for (name, state, connector) in [
        ("Desk Notes", "imported", json!("desk-notes")),
        ("code", "imported", json!("code")),
        ("notes", "already", json!("desk-notes")),
        ("off", "off", Value::Null),
        ("own", "imported", json!("own")),
    ] {
        let one = server(&answer, name);
        assert_eq!(
            (&one["state"], &one["connector"]),
            (&json!(state), &connector),
            "{one:#}"
        );
    }
    let notes = &server(&answer, "Desk Notes")["report"];
    assert_eq!(notes["tools"]["read"][0], "echo", "{notes:#}");
    assert_eq!(notes["write"], json!([desk.path("data")]), "{notes:#}");
    assert_eq!(notes["secrets"], json!(["NOTES_TOKEN"]), "{notes:#}");
    for secret in SECRETS {
        assert!(!text.contains(secret), "{text}");
        desk.keeps(secret);
    }
    // Nothing of it is active.
    let call = ["call", "desk-notes_echo", "text=hello"];
    assert_ne!(desk.command(&call).output().unwrap().status.code(), Some(0));
    reviewed(&desk);
    // A second time, everything is there.
    let (again, code) = desk.json(&[]);
    assert_eq!(code, 0, "{again:#}");
    assert_eq!(server(&again, "code")["state"], "already", "{again:#}");
    assert_eq!(
        std::fs::read_dir(desk.site.path("connectors"))
            .unwrap()
            .count(),
        3
    );
}

/// After a review, each server gets its secrets, and nothing else.
fn reviewed(desk: &Desk) {
    let [desktop, code, other, vscode] = SECRETS;
    for name in ["desk-notes", "code", "own"] {
        desk.site
            .ok(&["approve-revision", name, "--reason", "reviewed"]);
        let tool = format!("{name}_echo");
        let answer = desk.site.json(&["call", &tool, "text=hello"]);
        assert_eq!(answer["status"], "ok", "{answer:#}");
    }
    assert_eq!(desk.environment("desk")["NOTES_TOKEN"], desktop);
    assert_eq!(desk.environment("desk")["MODE"], "quick");
    assert_eq!(desk.environment("code")["CODE_API_KEY"], code);
    assert_eq!(
        desk.environment("code")["DATABASE_URL"],
        format!("postgres://x:{other}@db/x")
    );
    assert_eq!(desk.environment("vscode")["VSCODE_SETTING"], vscode);
    assert_eq!(desk.environment("vscode")["CODE_API_KEY"], Value::Null);
    for secret in SECRETS {
        desk.keeps(secret);
    }
}

#[test]
fn a_dry_run_shows_what_a_server_could_do_and_writes_nothing() {
    let desk = Desk::new();
    settings(&desk);
    let before = desk.files().len();
    let output = desk.import(&["--client", "claude-desktop", "--dry-run"]);
    let text = said(&output);
    assert!(output.status.success(), "{text}");
    for told in [
        "would be",
        "read: echo",
        "NOTES_TOKEN",
        "Nothing was written",
    ] {
        assert!(text.contains(told), "{told}: {text}");
    }
    assert!(!desk.site.path("connectors").exists());
    assert_eq!(
        desk.files().len(),
        before,
        "{:?}",
        desk.files().iter().map(|one| &one.0).collect::<Vec<_>>()
    );
    assert!(!text.contains(SECRETS[0]), "{text}");
}

#[test]
fn a_server_that_cannot_come_along_is_told_and_the_others_go_on() {
    let desk = Desk::new();
    let mut shown = desk.server("shown", &json!({}));
    shown["args"] = json!([upstream(), "--api-key=hunter2-shown"]);
    let mut silent = desk.server("silent", &json!({"SILENT_TOKEN": "hunter2-silent"}));
    silent["args"] = json!(["-c", "import os, sys; sys.exit(os.environ['SILENT_TOKEN'])"]);
    let servers = json!({
        "shown": shown,
        "silent": silent,
        "unset": desk.server("unset", &json!({"A": "${DRAWBRIDGE_TEST_NOT_SET}"})),
        "asked": desk.server("asked", &json!({"A": "${input:key}"})),
        "gone": {"command": "no-such-program"},
        "older": {"type": "sse", "url": "https://x.example/sse"},
        "hidden": {"url": "https://x.example/mcp?token=hunter2-hidden"},
        "good": desk.server("good", &json!({})),
    });
    let file = desk.write("servers.json", &json!({"mcpServers": servers}).to_string());
    let output = desk.import(&["--json", file.to_str().unwrap()]);
    let text = said(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    for (name, told) in [
        ("shown", "--api-key"),
        ("unset", "DRAWBRIDGE_TEST_NOT_SET"),
        ("asked", "key"),
        ("gone", "no-such-program"),
        ("older", "sse"),
        ("hidden", "a secret among its parameters"),
        ("silent", "confined"),
    ] {
        let one = server(&answer, name);
        let why = one["why"].as_str().unwrap_or_default();
        assert!(one["state"] == "left_out" && why.contains(told), "{one:#}");
    }
    assert_eq!(server(&answer, "good")["state"], "imported");
    assert!(!text.contains("hunter2"), "{text}");
    desk.keeps("hunter2");
    let only = desk.import(&["--only", "none", file.to_str().unwrap()]);
    assert_eq!(only.status.code(), Some(2), "{only:?}");
    let (one, code) = desk.json(&["--only", "good", file.to_str().unwrap()]);
    assert_eq!(
        (one["data"]["servers"].as_array().unwrap().len(), code),
        (1, 0)
    );
}

#[test]
fn whoever_has_no_settings_is_told_where_they_would_be() {
    let desk = Desk::new();
    let output = desk.import(&["--client", "cursor"]);
    let text = said(&output);
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.contains(".cursor/mcp.json"), "{text}");
}
