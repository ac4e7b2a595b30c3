//! Real MCP clients that must wait for a person: one that takes tasks, one that opens pages, one that
//! does neither. Each is carried through approve, edit, reject and expire.

use std::{
    io::Write,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::firm::{ANN, Firm, LENA, PATIENCE, Person};
use crate::clients::prepared;

const GATES: &str = "  - {when: {power: write}, ask: [\"group:leads\"]}\n  \
                     - {when: {power: delete}, ask: [\"group:leads\"], expires: 4s}\n";

fn python(way: &str, ann: &Person, (tool, arguments): (&str, &Value)) -> Child {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tools/waiting.py");
    let mut child = Command::new(prepared("DRAWBRIDGE_TEST_PYTHON"))
        .args([script, way])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let asked =
        json!({"url": ann.mcp_url(), "token": ann.token, "tool": tool, "arguments": arguments});
    child
        .stdin
        .take()
        .unwrap()
        .write_all(asked.to_string().as_bytes())
        .unwrap();
    child
}

/// MCP Inspector, which declares tasks and polls them.
fn inspector(firm: &Firm, ann: &Person, (tool, arguments): (&str, &Value)) -> Child {
    let tools = std::path::PathBuf::from(prepared("DRAWBRIDGE_TEST_TOOLS"));
    let launcher = tools.join("@modelcontextprotocol/inspector/clients/launcher/build/index.js");
    let header = format!("Authorization: Bearer {}", ann.token);
    let mut command = Command::new(prepared("DRAWBRIDGE_TEST_NODE"));
    command
        .arg(launcher)
        .args([
            "--cli",
            "--transport",
            "http",
            "--server-url",
            &ann.mcp_url(),
            "--header",
            &header,
        ])
        .args([
            "--protocol-era",
            "modern",
            "-q",
            "--format",
            "json",
            "--method",
            "tools/call",
            "--tool-name",
            tool,
        ])
        .env("MCP_CATALOG_PATH", firm.house.folder.join("inspector.json"))
        .stdin(Stdio::null());
    for (name, value) in arguments.as_object().unwrap() {
        let value = value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned);
        command.args(["--tool-arg", &format!("{name}={value}")]);
    }
    command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn ended(mut child: Child, case: &str) -> String {
    let end = Instant::now() + PATIENCE;
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > end {
            let _ = child.kill();
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let out = child.wait_with_output().unwrap();
    let (told, wrong) = (
        String::from_utf8_lossy(&out.stdout),
        String::from_utf8_lossy(&out.stderr),
    );
    assert!(told.contains("status"), "{case}: {told}{wrong}");
    told.into_owned()
}

async fn waiting(lena: &Person, subject: &str) -> String {
    let end = Instant::now() + PATIENCE;
    loop {
        let list = lena.get("/approvals?stage=waiting").await;
        let found = list["data"]["approvals"]
            .as_array()
            .unwrap()
            .iter()
            .find(|plan| plan["sentence"].as_str().unwrap().contains(subject));
        if let Some(plan) = found {
            return plan["id"].as_str().unwrap().to_owned();
        }
        assert!(Instant::now() < end, "`{subject}` never waits: {list:#}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn carried(client: &str) {
    let firm = Firm::on("sqlite", GATES).await;
    let open = firm.open().await;
    let (ann, lena) = (open.client(&firm, ANN, "claude"), open.person(&firm, LENA));
    let begin = |tool: &str, arguments: &Value| match client {
        "tasks" => inspector(&firm, &ann, (tool, arguments)),
        way => python(way, &ann, (tool, arguments)),
    };
    let insert = |subject: &str| json!({"table": "tickets", "values": {"subject": subject, "status": "open"}});

    let child = begin("crm_insert", &insert("approve me"));
    let id = waiting(&lena, "approve me").await;
    lena.approve(&id).await;
    let told = ended(child, client);
    assert!(
        told.contains("tickets/3") && told.contains("applied"),
        "{client} approve: {told}"
    );
    if client == "page" {
        assert!(
            told.contains(&format!("/approvals/{id}")),
            "the page was opened: {told}"
        );
    }

    let child = begin("crm_insert", &insert("edit me"));
    let id = waiting(&lena, "edit me").await;
    let next = lena
        .post(
            &format!("/approvals/{id}/edit"),
            json!({"arguments": insert("edited")}),
        )
        .await;
    lena.approve(next["data"]["id"].as_str().unwrap()).await;
    let told = ended(child, client);
    assert!(
        told.contains("subject edited") && told.contains("applied"),
        "{client} edit: {told}"
    );

    let child = begin("crm_insert", &insert("reject me"));
    let id = waiting(&lena, "reject me").await;
    lena.post(
        &format!("/approvals/{id}/reject"),
        json!({"reason": "not this customer"}),
    )
    .await;
    let told = ended(child, client);
    assert!(
        told.contains("rejected") && told.contains("not this customer"),
        "{client} reject: {told}"
    );

    let child = begin("crm_delete", &json!({"table": "tickets", "key": 2}));
    waiting(&lena, "Delete tickets/2").await;
    let told = ended(child, client);
    assert!(told.contains("nobody decided"), "{client} expire: {told}");

    let subjects = firm
        .text("SELECT group_concat(subject) FROM (SELECT subject FROM tickets ORDER BY id)")
        .await;
    assert_eq!(subjects, "first,second,approve me,edited", "{client}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_with_tasks_is_carried_through() {
    carried("tasks").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_opens_pages_is_carried_through() {
    carried("page").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_with_neither_is_carried_through() {
    carried("words").await;
}
