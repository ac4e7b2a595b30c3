//! Ten thousand questions wait and cost neither connection nor thread; and what a yes takes.

use std::time::{Duration, Instant};

use serde_json::json;

use super::firm::{ANN, ASK, Firm, LENA};
use crate::log::served::long;

fn status(id: u32, name: &str) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let line = text.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn sockets(id: u32) -> usize {
    let files = std::fs::read_dir(format!("/proc/{id}/fd")).unwrap();
    let links = files.filter_map(|file| std::fs::read_link(file.ok()?.path()).ok());
    links
        .filter(|link| link.to_string_lossy().starts_with("socket:"))
        .count()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_costs_no_connection_and_no_thread() {
    let many = if long() { 10_000 } else { 500 };
    let firm = Firm::on("sqlite", ASK).await;
    let open = firm.open().await;
    let (ann, lena) = (open.client(&firm, ANN, "claude"), open.person(&firm, LENA));
    let gateway = open.served.child.id();
    ann.call("crm_describe", json!({})).await;
    let mut asks = tokio::task::JoinSet::new();
    for worker in 0..16 {
        let ann = ann.clone();
        asks.spawn(async move {
            let mut last = String::new();
            for number in (worker..many).step_by(16) {
                last = ann.asks("crm_insert", json!({"table": "tickets", "values": {"subject": format!("w{number}"), "status": "open"}})).await;
            }
            last
        });
    }
    let last = asks.join_all().await.pop().unwrap();
    // The callers' own connections end; what is left belongs to the gateway and to the test's client.
    let (threads, connections) = (status(gateway, "Threads:"), sockets(gateway));
    tokio::time::sleep(Duration::from_secs(2)).await;
    let after = (status(gateway, "Threads:"), sockets(gateway));
    println!(
        "{many} wait: {threads} threads, {connections} sockets; later {after:?}; {} KiB",
        status(gateway, "VmRSS:")
    );
    assert!(after.0 <= 64 && after.1 <= 64, "{after:?}");
    let mut took = Vec::new();
    for number in 0..if long() { 200 } else { 20 } {
        let id = if number == 0 {
            last.clone()
        } else {
            ann.asks("crm_insert", json!({"table": "tickets", "values": {"subject": format!("t{number}"), "status": "open"}})).await
        };
        let digest = lena.plan(&id).await["digest"].clone();
        let began = Instant::now();
        lena.post(
            &format!("/approvals/{id}/approve"),
            json!({"digest": digest}),
        )
        .await;
        lena.until(&id, &["applied"]).await;
        took.push(began.elapsed());
    }
    took.sort_unstable();
    println!(
        "from a yes to the effect seen by its approver: p50 {:?}, p99 {:?}",
        took[took.len() / 2],
        took[took.len() * 99 / 100]
    );
    let applied = firm.number("SELECT COUNT(*) FROM tickets").await;
    assert_eq!(applied, 2 + took.len() as i64);
}
