//! What each person's assistant sees, and what it does not.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::bridge::Bridge;

fn paths(answer: &Value) -> Vec<&str> {
    let hits = answer["data"]["hits"].as_array().unwrap();
    hits.iter()
        .map(|hit| hit["path"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn each_person_finds_what_they_may_see() {
    let bridge = Bridge::start().await;
    let heron = json!({"query": "Project Heron"});
    assert_eq!(
        paths(
            &bridge
                .call("ingrid", "handbook_search", heron.clone())
                .await
        ),
        ["hr/project-heron.md"]
    );
    for person in ["maja", "erik"] {
        let answer = bridge.call(person, "handbook_search", heron.clone()).await;
        assert_eq!(
            (&answer["status"], &answer["data"]["total"]),
            (&json!("ok"), &json!(0)),
            "{person}"
        );
    }
    let answer = bridge
        .call(
            "maja",
            "handbook_search",
            json!({"query": "refund window made-to-order"}),
        )
        .await;
    assert_eq!(paths(&answer)[0], "support/refunds.md");
    let answer = bridge
        .call(
            "maja",
            "handbook_search",
            json!({"query": "travel per diem", "limit": 50}),
        )
        .await;
    assert!(paths(&answer).contains(&"handbook/travel-expenses-2026.md"));
    assert!(
        !paths(&answer).contains(&"handbook/travel-expenses-2024.md"),
        "superseded"
    );
}

#[tokio::test]
async fn a_forbidden_path_is_answered_like_a_missing_one() {
    let bridge = Bridge::start().await;
    let long = "x/".repeat(5_000);
    let mut answers = Vec::new();
    for path in [
        "hr/project-heron.md",
        "hr/none.md",
        "../drawbridge.yaml",
        "/etc/passwd",
        "handbook/../hr/project-heron.md",
        "HR/project-heron.md",
        "hr/project-heron.md\0",
        "hr//project-heron.md",
        "./hr/project-heron.md",
        &long,
    ] {
        let mut answer = bridge
            .call("maja", "handbook_read", json!({"path": path}))
            .await;
        answer.as_object_mut().unwrap().remove("record");
        answers.push(answer.to_string());
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:#?}");
    assert!(answers[0].contains("not_found"));
}

#[tokio::test]
async fn answers_are_the_same_whether_or_not_forbidden_documents_exist() {
    let with = Bridge::start().await;
    let keep = tempfile::tempdir().unwrap();
    let folder = keep.path().join("demo");
    let copied = std::process::Command::new("cp")
        .arg("-a")
        .arg(with.folder())
        .arg(&folder)
        .status()
        .unwrap();
    assert!(copied.success());
    std::fs::remove_dir_all(folder.join(".drawbridge/connectors")).ok();
    for forbidden in ["hr", "sales"] {
        // The demo puts back files that are missing, so theirs are emptied of what makes them documents.
        for file in files(&folder.join("documents").join(forbidden)) {
            std::fs::remove_file(&file).unwrap();
            std::os::unix::fs::symlink("/nowhere", &file).unwrap();
        }
    }
    let without = Bridge::on(keep, folder).await;
    let mut asked = 0;
    for word in [
        "furniture",
        "lamps",
        "Heron",
        "refund",
        "percent price",
        "days",
        "kronor band",
        "the a of",
    ] {
        for arguments in [
            json!({"query": word, "limit": 3}),
            json!({"query": word, "folder": "support"}),
        ] {
            let mut pair = Vec::new();
            for bridge in [&with, &without] {
                let mut answer = bridge
                    .call("maja", "handbook_search", arguments.clone())
                    .await;
                strip(&mut answer);
                pair.push(answer.to_string());
            }
            assert_eq!(pair[0], pair[1], "{arguments}");
            asked += 1;
        }
    }
    assert_eq!(asked, 16);
}

/// Every file below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found
}

/// Removes what differs between any two runs: record ids and the time of the sync.
fn strip(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.remove("record");
            map.remove("synced");
            map.values_mut().for_each(strip);
        }
        Value::Array(items) => items.iter_mut().for_each(strip),
        _ => {}
    }
}

#[tokio::test]
async fn a_pause_holds_from_the_next_call_and_through_a_token_nobody_can_lift_it() {
    let bridge = Bridge::start().await;
    assert!(
        bridge
            .line(&["pause", "handbook", "--reason", "moving"])
            .status
            .success()
    );
    let answer = bridge
        .call("maja", "handbook_search", json!({"query": "refund"}))
        .await;
    assert_eq!(answer["status"], "unavailable");
    assert!(
        answer["notices"][0].as_str().unwrap().contains("moving"),
        "{answer}"
    );
    assert!(
        bridge
            .line(&["resume", "handbook", "--reason", "moved"])
            .status
            .success()
    );
    let answer = bridge
        .call("maja", "handbook_search", json!({"query": "refund"}))
        .await;
    assert_eq!(answer["status"], "ok");
}

#[tokio::test]
async fn a_revoked_token_ends_with_the_next_call() {
    let bridge = Bridge::start().await;
    let token = bridge.token("maja", "claude");
    let id = token.split('_').nth(1).unwrap();
    let arguments = json!({"query": "refund"});
    assert_eq!(
        bridge
            .send(&token, "handbook_search", &arguments)
            .await
            .unwrap()["status"],
        "ok"
    );
    assert!(bridge.line(&["token", "revoke", id]).status.success());
    assert_eq!(
        bridge
            .send(&token, "handbook_search", &arguments)
            .await
            .unwrap()["status"],
        "denied"
    );
}

#[tokio::test]
async fn a_wider_file_waits_and_a_broken_one_changes_nothing() {
    let bridge = Bridge::start().await;
    let file = bridge.folder().join("connectors/handbook.yaml");
    let good = std::fs::read_to_string(&file).unwrap();
    let heron = json!({"query": "Heron"});
    let wider = format!("{good}\n").replace(
        "permissions:\n",
        "permissions:\n  - {who: [everyone], may: [read, search]}\n",
    );
    for text in [wider, good.replace("purpose:", "purpos:")] {
        std::fs::write(&file, text).unwrap();
        tokio::time::sleep(std::time::Duration::from_millis(700)).await;
        let answer = bridge.call("erik", "handbook_search", heron.clone()).await;
        assert_eq!(
            (&answer["status"], &answer["data"]["total"]),
            (&json!("ok"), &json!(0))
        );
    }
    let check = bridge.line(&["check"]);
    let said = String::from_utf8_lossy(&check.stderr).into_owned();
    assert_eq!(check.status.code(), Some(2));
    assert!(said.contains("connectors/handbook.yaml:3:1"), "{said}");
    assert!(said.contains("did you mean `purpose`?"), "{said}");
}

#[tokio::test]
async fn mcp_lists_and_calls_tools_in_every_revision() {
    let bridge = Bridge::start().await;
    let token = bridge.token("maja", "claude");
    for revision in ["2025-06-18", "2025-11-25"] {
        let list = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}});
        let response = bridge
            .mcp()
            .bearer_auth(&token)
            .header("MCP-Protocol-Version", revision)
            .json(&list)
            .send()
            .await;
        let list: Value = response.unwrap().json().await.unwrap();
        let names: Vec<_> = list["result"]["tools"]
            .as_array()
            .unwrap()
            .iter()
            .map(|tool| tool["name"].as_str().unwrap())
            .collect();
        assert_eq!(
            names,
            [
                "drawbridge_connectors",
                "drawbridge_result",
                "drawbridge_report",
                "handbook_search",
                "handbook_read",
                "handbook_list"
            ],
            "{revision}"
        );
    }
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let call = json!({"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {
        "name": "handbook_search", "arguments": {"query": "refund"}, "_meta": meta}});
    let response = bridge
        .mcp()
        .bearer_auth(&token)
        .header("MCP-Protocol-Version", "2026-07-28")
        .header("Mcp-Method", "tools/call")
        .header("Mcp-Name", "handbook_search")
        .json(&call)
        .send()
        .await;
    let answer: Value = response.unwrap().json().await.unwrap();
    assert_eq!(
        answer["result"]["structuredContent"]["status"], "ok",
        "{answer}"
    );
    let unsigned = bridge.mcp().json(&call).send().await.unwrap();
    assert_eq!(unsigned.status(), 401);
    for (name, value) in [("Host", "evil.example"), ("Origin", "https://evil.example")] {
        let response = bridge
            .mcp()
            .bearer_auth(&token)
            .header(name, value)
            .json(&call)
            .send()
            .await
            .unwrap();
        assert_eq!(response.status(), 403, "{name}");
    }
}

/// Rules may let one client of a person see what another may not, so that neither reads the records
/// of the other, also when the person is an owner; and grants to others are not told.
#[tokio::test]
async fn an_ai_client_reads_the_records_of_its_own_calls_only() {
    let bridge = Bridge::start().await;
    let refund = json!({"query": "refund"});
    bridge.call("maja", "handbook_search", refund.clone()).await;
    bridge
        .call("ingrid", "handbook_search", refund.clone())
        .await;
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let api = bridge.url().replace("/mcp", "/api/v1");
    for (person, client) in [("maja", "reporting-bot"), ("ingrid", "claude")] {
        let token = bridge.token(person, client);
        bridge
            .send(&token, "handbook_search", &refund)
            .await
            .unwrap();
        let request = http.get(format!("{api}/records?limit=500"));
        let (_, page) = crate::house::answer(request.bearer_auth(&token)).await;
        let records = page["data"]["records"].as_array().unwrap();
        assert!(!records.is_empty(), "{page}");
        for record in records {
            let whose = (record["person"].as_str().unwrap(), &record["client"]);
            assert!(whose.0.starts_with(person) && whose.1 == client, "{record}");
        }
    }
    let question = json!({"tool": "handbook_search"});
    let request = http.post(format!("{api}/explain")).json(&question);
    let maja = bridge.token("maja", "claude");
    let (_, told) = crate::house::answer(request.bearer_auth(maja)).await;
    assert_eq!(told["data"]["decision"]["allowed"], true, "{told}");
    assert!(!told.to_string().contains("group:hr"), "{told}");
}
