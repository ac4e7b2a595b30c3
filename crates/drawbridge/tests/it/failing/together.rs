//! Many calls at once, by several people, through one connection.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::setup::{Den, Way, text_of};

const MANY: &str = "  limits: {timeout: 60s, concurrent: 500}\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everyone_is_answered_with_his_own_text() {
    let ways = [
        Way::Stdio("both"),
        Way::Stdio("legacy"),
        Way::Json("both"),
        Way::Sse("legacy"),
        Way::Sessions,
    ];
    for way in ways {
        let den = Den::new(way, &["one"], MANY);
        let open = den.open().await;
        open.good("one").await;
        let mut calls = JoinSet::new();
        for number in 0..96_u64 {
            let person = if number % 2 == 0 {
                &open.ann
            } else {
                &open.bob
            };
            let text = format!("text {number} of its own");
            let ask = open.ask(person, "one_echo", &json!({"text": text, "extra": number}));
            calls.spawn(async move {
                let answer: Value = ask.send().await.unwrap().json().await.unwrap();
                assert_eq!(text_of(&answer), text, "{answer:#}");
                assert_eq!(answer["data"]["structuredContent"]["extra"], number);
            });
            if number % 3 == 0 {
                // Some give up meanwhile.
                let ask = open.ask(person, "one_slow", &json!({"seconds": 20}));
                let patience = Duration::from_millis(number * 5);
                calls.spawn(async move {
                    assert!(ask.timeout(patience).send().await.is_err());
                });
            }
        }
        while let Some(call) = calls.join_next().await {
            call.unwrap();
        }
        open.good("one").await;
        let starts = den.servers[0].count("initialize") + den.servers[0].count("server/discover");
        assert!(starts <= 3, "{way:?}: one connection for all, {starts}");
    }
}

/// A list or an answer that its server calls public and fresh is asked for again by everyone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_answer_is_kept_for_another_person() {
    for way in [Way::Stdio("modern"), Way::Json("modern")] {
        let mut den = Den::empty();
        let state = json!({"ttl_ms": 3_600_000, "cache_scope": "public"});
        den.add_with(way, &["one"], (MANY, &[]), &state);
        let file = den.site.path("connectors/one.yaml");
        let text = std::fs::read_to_string(&file).unwrap();
        let resources = "  resources: [{uri: \"demo://**\"}]\n  # What the system said";
        let text = text.replacen("  # What the system said", resources, 1);
        std::fs::write(&file, text).unwrap();
        let open = den.open().await;
        for person in [&open.ann, &open.bob, &open.ann] {
            let read = json!({"uri": "demo://public/1"});
            let answer = open.gate.call(person, "one_read_resource", &read).await;
            assert_eq!(answer["status"], "ok", "{answer:#}");
        }
        assert_eq!(den.servers[0].count("resources/read"), 3, "{way:?}");
    }
}

/// Sessions die with their server; a call that finds that out is done in a new one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_that_are_gone_are_made_anew() {
    let mut den = Den::new(Way::Sessions, &["one"], MANY);
    let open = den.open().await;
    open.good("one").await;
    for round in 1..4 {
        den.servers[0].serve();
        open.good("one").await;
        let put = json!({"key": "a", "value": round});
        let answer = open.call("one_put", put).await;
        assert_eq!(answer["status"], "ok", "{answer:#}");
        assert_eq!(den.servers[0].data()["next"], round);
    }
    // While calls run.
    let mut calls = JoinSet::new();
    for _ in 0..8 {
        let ask = open.ask(&open.ann, "one_slow", &json!({"seconds": 30}));
        calls.spawn(async move { ask.send().await.unwrap().json::<Value>().await.unwrap() });
    }
    let before = den.servers[0].count("tools/call");
    crate::gate::wait_for("they run", || den.servers[0].count("tools/call") >= before).await;
    den.servers[0].serve();
    while let Some(answer) = calls.join_next().await {
        let answer = answer.unwrap();
        assert!(
            ["unavailable", "ok"].contains(&answer["status"].as_str().unwrap()),
            "{answer:#}"
        );
    }
    open.good("one").await;
}
