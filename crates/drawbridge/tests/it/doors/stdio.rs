//! MCP over stdio: nothing but answers on stdout, whatever comes in, and an end with the input.

use std::{
    io::Write,
    process::{Command, Stdio},
};

use serde_json::{Value, json};

use crate::bridge::{Bridge, PROGRAM};

/// What the program says to some lines, and what it traces.
fn say(bridge: &Bridge, arguments: &[&str], lines: &[&[u8]]) -> (Vec<Value>, String) {
    let mut child = Command::new(PROGRAM)
        .arg("--dir")
        .arg(bridge.folder())
        .args(arguments)
        .arg("stdio")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    for line in lines {
        input.write_all(line).unwrap();
        input.write_all(b"\n").unwrap();
    }
    drop(input);
    let output = child.wait_with_output().unwrap();
    let trace = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{trace}");
    let text = String::from_utf8(output.stdout).unwrap();
    // Every line of stdout is a message of the protocol.
    let told = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line:?} on stdout")));
    (told.collect(), trace)
}

const HELLO: &[u8] = br#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}"#;
const READY: &[u8] = br#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;

#[tokio::test]
async fn garbage_is_answered_and_passed_over() {
    let bridge = Bridge::start().await;
    let deep = "[".repeat(1_000_000);
    let long = format!("{{\"x\":\"{}\"}}", "y".repeat(5 << 20));
    let ask = br#"{"jsonrpc":"2.0","id":9,"method":"tools/call","params":{"name":"drawbridge_connectors","arguments":{}}}"#;
    let twice = br#"{"jsonrpc":"2.0","id":3,"method":"ping","method":"tools/list"}"#;
    let garbage: [&[u8]; 8] = [
        b"garbage",
        b"{",
        b"\xff\xfe\x00",
        deep.as_bytes(),
        long.as_bytes(),
        twice,
        b"{\"a\":1}}",
        b"\x1b[31m",
    ];
    let mut lines: Vec<&[u8]> = vec![b"", b"not yet", HELLO, READY];
    lines.extend(garbage);
    lines.push(ask);
    let (told, trace) = say(&bridge, &["--person", "ingrid@lindqvist.example"], &lines);
    let faults = told
        .iter()
        .filter(|told| told["error"]["code"] == -32700)
        .count();
    assert_eq!(faults, garbage.len() + 1, "{told:#?} {trace}");
    let answer = told
        .iter()
        .find(|told| told["id"] == 9)
        .unwrap_or_else(|| panic!("{told:#?}"));
    assert_eq!(
        answer["result"]["structuredContent"]["status"], "ok",
        "{answer}"
    );
    // What could not be read is on the log, by whom and by which door.
    let line = ["--json", "log", "--status", "invalid", "--client", "stdio"];
    let kept: Value = serde_json::from_slice(&bridge.line(&line).stdout).unwrap();
    let records = kept["data"]["records"].as_array().unwrap();
    assert_eq!(records.len(), garbage.len() + 1, "{kept}");
    assert!(
        records
            .iter()
            .all(|record| record.to_string().contains("stdio")),
        "{kept}"
    );
}

#[tokio::test]
async fn the_caller_is_the_person_that_the_flag_names() {
    let bridge = Bridge::start().await;
    let list: &[u8] = br#"{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"handbook_list","arguments":{}}}"#;
    let secrets: Vec<String> = ["local-token", "keys/secret"]
        .iter()
        .filter_map(|name| {
            std::fs::read_to_string(bridge.folder().join(".drawbridge").join(name)).ok()
        })
        .collect();
    assert!(!secrets.is_empty());
    for arguments in [&[][..], &["--person", "ingrid@lindqvist.example"]] {
        let (told, trace) = say(&bridge, arguments, &[HELLO, READY, list]);
        let text = json!(told).to_string();
        for secret in &secrets {
            assert!(
                !text.contains(secret.trim()) && !trace.contains(secret.trim()),
                "a secret was printed"
            );
        }
        assert!(told.iter().any(|told| told["id"] == 2), "{told:#?} {trace}");
    }
    let nobody = Command::new(PROGRAM)
        .arg("--dir")
        .arg(bridge.folder())
        .args(["--person", "nobody@x.example", "stdio"])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(!nobody.status.success() && nobody.stdout.is_empty());
}
