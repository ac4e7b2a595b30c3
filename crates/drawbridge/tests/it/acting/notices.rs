//! People are told that something waits for them: by a real mail server and by signed webhooks, again
//! and again until it is delivered.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    time::Instant,
};

use serde_json::{Value, json};

use super::firm::{ANN, ASK, Firm, LENA, MAX, PATIENCE};
use crate::clients::prepared;

/// A mail server and a web server that keep what they get, and refuse what comes first.
struct Sinks {
    child: Child,
    ports: (u16, u16),
    kept: std::path::PathBuf,
}

impl Sinks {
    fn start(folder: &std::path::Path) -> Self {
        let kept = folder.join("kept.jsonl");
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tools/sinks.py");
        let mut child = Command::new(prepared("DRAWBRIDGE_TEST_PYTHON"))
            .arg(script)
            .arg(&kept)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let ports: (u16, u16) = serde_json::from_str(&line).unwrap();
        Self { child, ports, kept }
    }

    fn kept(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(&self.kept).unwrap_or_default();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

impl Drop for Sinks {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

#[tokio::test(flavor = "multi_thread")]
async fn those_who_are_asked_are_told_until_it_is_delivered() {
    let firm = Firm::on("sqlite", ASK).await;
    let sinks = Sinks::start(&firm.house.folder);
    let (mail, web) = sinks.ports;
    firm.gateway(&format!(
        "notifications:\n  email: {{server: \"127.0.0.1:{mail}\", from: bridge@x.example, security: none}}\n  \
         webhooks: [{{url: \"http://127.0.0.1:{web}/hook\", secret: \"env:FIRM_HOOK\"}}]\n"
    ));
    let firm = Firm {
        house: firm.house.with("FIRM_HOOK", SECRET),
    };
    firm.crm(&format!(
        "  - {{when: {{power: read, action: read}}, ask: [\"group:leads\"]}}\n{ASK}"
    ));
    let open = firm.open().await;
    let (ann, lena) = (open.client(&firm, ANN, "claude"), open.person(&firm, LENA));
    let id = ann.asks("crm_update", json!({"table": "tickets", "key": 1, "set": {"subject": "a\r\nBcc: x@evil.example", "status": "closed"}})).await;
    let end = Instant::now() + PATIENCE;
    // The first of each is refused by the servers, so that it must be tried again.
    while sinks.kept().len() < 3 {
        assert!(Instant::now() < end, "{:#?}", sinks.kept());
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let kept = sinks.kept();
    let mut told: Vec<&str> = kept.iter().filter_map(|one| one["to"].as_str()).collect();
    told.sort_unstable();
    assert_eq!(
        told,
        [LENA, MAX],
        "those who may decide, and nobody else: {kept:#?}"
    );
    for one in &kept {
        let text = one["text"].as_str().unwrap();
        assert!(text.contains(&format!("/approvals/{id}")), "{one:#}");
        assert_eq!(
            one["bcc"],
            Value::Null,
            "no line of a value becomes a header: {one:#}"
        );
    }
    let hook = kept.iter().find(|one| one["signed"].is_boolean()).unwrap();
    assert_eq!(hook["signed"], true, "{hook:#}");
    assert_eq!(hook["type"], "approval.asked", "{hook:#}");
    // Each delivery is on the log, also the one that failed; and no secret is.
    let notified = |log: &Value| {
        let records = log["data"]["records"].as_array().unwrap();
        let told = records.iter().filter(|one| one["action"] == "notify");
        told.count()
    };
    let mut log = firm.line(&["log", "--limit", "200"]);
    while notified(&log) < 4 {
        assert!(Instant::now() < end, "{log:#}");
        log = firm.line(&["log", "--limit", "200"]);
    }
    let text = log.to_string();
    assert!(text.contains("\"failed\""), "the refused one is told");
    assert!(
        !text.contains("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
        "a secret is on the log"
    );
    lena.approve(&id).await;
    lena.until(&id, &["applied"]).await;
    // Of a read nobody knows how sensitive it is before it is read: what it asks for is not told.
    let read = ann
        .asks("crm_read", json!({"table": "tickets", "key": 4711}))
        .await;
    while sinks.kept().len() < 6 {
        assert!(Instant::now() < end, "{:#?}", sinks.kept());
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    for one in &sinks.kept()[3..] {
        let text = one["text"].as_str().unwrap();
        assert!(text.contains(&format!("/approvals/{read}")), "{one:#}");
        assert!(!one.to_string().contains("4711"), "{one:#}");
    }
}

/// A server that hangs keeps nobody else from being told; and what is decided by then is told to none.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_hangs_keeps_no_other_waiting() {
    let firm = Firm::on("sqlite", ASK).await;
    let sinks = Sinks::start(&firm.house.folder);
    let web = sinks.ports.1;
    let hangs = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = hangs.local_addr().unwrap().port();
    let hooks: Vec<String> = (0..6)
        .map(|number| {
            format!("{{url: \"http://127.0.0.1:{port}/{number}\", secret: \"env:FIRM_HOOK\"}}")
        })
        .collect();
    firm.gateway(&format!(
        "notifications:\n  webhooks: [{}, {{url: \"http://127.0.0.1:{web}/hook\", secret: \"env:FIRM_HOOK\"}}]\n",
        hooks.join(", ")
    ));
    let firm = Firm {
        house: firm.house.with("FIRM_HOOK", SECRET),
    };
    let open = firm.open().await;
    let (ann, lena) = (open.client(&firm, ANN, "claude"), open.person(&firm, LENA));
    let change = |subject: &str| json!({"table": "tickets", "key": 1, "set": {"subject": subject}});
    let told = |id: &str| {
        sinks
            .kept()
            .iter()
            .any(|one| one["text"].as_str().unwrap().contains(id))
    };
    let first = ann.asks("crm_update", change("a")).await;
    // The server that works refuses the first time: by the time it is tried again it was decided.
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    lena.approve(&first).await;
    lena.until(&first, &["applied"]).await;
    let end = Instant::now() + std::time::Duration::from_secs(50);
    let second = ann.asks("crm_update", change("b")).await;
    while !told(&second) {
        assert!(Instant::now() < end, "{:#?}", sinks.kept());
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert!(!told(&first), "{:#?}", sinks.kept());
}
