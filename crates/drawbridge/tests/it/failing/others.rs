//! A server that hangs, floods or starts slows nobody else, and a caller who gives up is told to the server.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::setup::{Den, Open, Way, text_of};
use crate::gate::wait_for;

const WAITS: &str = "  limits: {timeout: 60s}\n";

async fn sent(request: reqwest::RequestBuilder) -> Value {
    let answer = request.send().await.unwrap();
    answer.json().await.unwrap()
}

fn begin(open: &Open, calls: &mut JoinSet<Value>, name: &str) {
    calls.spawn(sent(open.ask(
        &open.ann,
        &format!("{name}_echo"),
        &json!({"text": "x"}),
    )));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn others_are_answered_meanwhile() {
    let mut den = Den::empty();
    den.add(
        Way::Stdio("both"),
        &["hangs", "floods", "starts", "good"],
        WAITS,
    );
    den.add(Way::Json("both"), &["waits", "drips", "fine"], WAITS);
    let bad = ["hangs", "floods", "waits", "drips"];
    let good = ["good", "fine"];
    let open = den.open().await;
    for name in bad.iter().chain(&good) {
        open.good(name).await;
    }
    for (name, what) in bad
        .iter()
        .zip(["hang", "stderr_flood", "hang", "endless_sse"])
    {
        den.server(name)
            .state(&json!({"misbehave": {"echo": what}}));
    }
    den.server("starts").state(&json!({"start": {"sleep": 12}}));
    let mut hanging = JoinSet::new();
    for name in bad.iter().chain(&["starts"]) {
        let count = if *name == "floods" { 1 } else { 20 };
        for _ in 0..count {
            begin(&open, &mut hanging, name);
        }
    }
    wait_for("they hang", || den.servers[0].count("tools/call") > 10).await;
    for round in 0..30 {
        for name in good {
            let text = format!("{name} {round}");
            let answer = open.echo(name, &text).await;
            assert_eq!(text_of(&answer), text, "{answer:#}");
        }
    }
    // Those that hang still do: nothing had to wait for them.
    let mut ended = 0;
    while let Some(answer) = hanging.try_join_next() {
        assert_eq!(answer.unwrap()["status"], "ok");
        ended += 1;
    }
    assert!(
        ended <= 21,
        "only what floods and what starts may be answered by then: {ended}"
    );
    let starts = open.echo("starts", "late").await;
    assert_eq!(text_of(&starts), "late", "{starts:#}");
    hanging.shutdown().await;
}

/// A server that never stops talking is stopped, and not listened to for ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_never_stops_talking_is_left() {
    for way in [Way::Stdio("both"), Way::Sse("both")] {
        let den = Den::new(way, &["one"], "  limits: {timeout: 2s}\n");
        let open = den.open().await;
        open.good("one").await;
        den.servers[0].state(&json!({"misbehave": {"echo": "endless_notifications"}}));
        let answer = open.echo("one", "x").await;
        assert_ne!(answer["status"], "ok", "{answer:#}");
        den.servers[0].state(&json!({}));
        let process = (way == Way::Stdio("both")).then(|| den.servers[0].process());
        if let Some(process) = process {
            wait_for("it is ended", || !super::setup::runs(process)).await;
        }
        open.good("one").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_is_told_that_nobody_waits_any_more() {
    for way in [
        Way::Stdio("modern"),
        Way::Stdio("legacy"),
        Way::Json("modern"),
        Way::Sse("legacy"),
        Way::Sessions,
    ] {
        let den = Den::new(way, &["one"], WAITS);
        let open = den.open().await;
        open.good("one").await;
        let server = &den.servers[0];
        // One who hangs up, on either door.
        let hangs_up = open.ask(&open.ann, "one_slow", &json!({"seconds": 50}));
        let gone = hangs_up.timeout(Duration::from_secs(3)).send().await;
        assert!(gone.unwrap_err().is_timeout());
        wait_for(&format!("{way:?} is told"), || {
            server.count("cancelled") == 1
        })
        .await;
        if matches!(way, Way::Stdio(_)) {
            assert_eq!(server.count("notifications/cancelled"), 1, "{way:?}");
        }
        let call = open.mcp(
            "tools/call",
            json!({"name": "one_slow", "arguments": {"seconds": 50}}),
        );
        let gone = tokio::time::timeout(Duration::from_secs(3), call).await;
        assert!(gone.is_err());
        wait_for(&format!("{way:?} is told again"), || {
            server.count("cancelled") == 2
        })
        .await;
        open.good("one").await;
        assert!(
            matches!(way, Way::Json(_) | Way::Sse(_) | Way::Sessions) || server.count("start") == 1
        );
    }
}

/// An answer that comes after nobody waits for it goes to nobody.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_comes_too_late_harms_nobody() {
    for way in [Way::Stdio("both"), Way::Sse("legacy"), Way::Json("both")] {
        let den = Den::new(way, &["one"], "  limits: {timeout: 2s}\n");
        let open = den.open().await;
        open.good("one").await;
        den.servers[0].state(&json!({"misbehave": {"slow": "late"}}));
        let mut calls = JoinSet::new();
        for _ in 0..8 {
            calls.spawn(sent(open.ask(
                &open.ann,
                "one_slow",
                &json!({"seconds": 0}),
            )));
        }
        while let Some(answer) = calls.join_next().await {
            let answer = answer.unwrap();
            assert_eq!(answer["status"], "timeout", "{way:?}: {answer:#}");
        }
        for round in 0..40 {
            let text = format!("round {round}");
            let answer = open.echo("one", &text).await;
            assert_eq!(text_of(&answer), text, "{way:?}: {answer:#}");
            tokio::time::sleep(Duration::from_millis(60)).await;
        }
    }
}
