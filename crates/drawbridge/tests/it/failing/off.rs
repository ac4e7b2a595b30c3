//! Off means off for what runs behind a connector, and down is told: nothing is left of a program that was
//! stopped, by whatever.

use serde_json::json;

use super::setup::{Den, Open, PATIENCE, Way, runs};
use crate::gate::{Gate, signal, wait_for};

const WAITS: &str = "  limits: {timeout: 90s}\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_down_keeps_its_tools_listed_and_its_state_told() {
    let den = Den::new(Way::Stdio("both"), &["one"], "");
    let open = den.open().await;
    let tools = |listed: &serde_json::Value| listed["result"]["tools"].clone();
    let before = tools(&open.mcp("tools/list", json!({})).await);
    let (idle, cold) = (told(&open).await, shown(&den));
    assert_eq!(idle["state"], "active", "{idle:#}");
    assert!(cold.contains("started with the first call"), "{cold}");
    assert_eq!(
        den.servers[0].count("start"),
        0,
        "telling how it stands starts nothing"
    );
    den.servers[0].state(&json!({"start": {"die": true}}));
    let answer = open.echo("one", "x").await;
    assert_eq!(answer["status"], "unavailable", "{answer:#}");
    let (down, cold) = (told(&open).await, shown(&den));
    assert_eq!(down["state"], "unavailable", "{down:#}");
    assert!(cold.contains("tried again"), "{cold}");
    assert_eq!(tools(&open.mcp("tools/list", json!({})).await), before);
    assert!(before.to_string().contains("one_echo"), "{before}");
    let ready = open
        .gate
        .http
        .get(format!("{}/readyz", open.gate.url))
        .send()
        .await;
    assert!(
        ready.unwrap().status().is_success(),
        "the gateway itself is ready"
    );
    den.servers[0].state(&json!({}));
    open.good("one").await;
    assert_eq!(told(&open).await["state"], "active");
    // A start that takes a while is told, too.
    den.servers[0].state(&json!({"start": {"sleep": 3}}));
    signal("KILL", den.servers[0].process());
    let (told, _) = tokio::join!(
        async {
            let end = std::time::Instant::now() + PATIENCE;
            loop {
                let told = told(&open).await;
                if told["state"] == "syncing" {
                    return told;
                }
                assert!(std::time::Instant::now() < end, "{told:#}");
            }
        },
        open.good("one")
    );
    assert!(told["why"].as_str().unwrap().contains("start"), "{told:#}");
}

/// What an AI client is told of the connector.
async fn told(open: &Open) -> serde_json::Value {
    let all = open.call("drawbridge_connectors", json!({})).await;
    let list = all["data"]["connectors"].as_array().unwrap();
    let one = list.iter().find(|one| one["name"] == "one");
    one.unwrap_or_else(|| panic!("{all:#}")).clone()
}

/// What its owner is told.
fn shown(den: &Den) -> String {
    den.site.json(&["connectors"]).to_string()
}

/// A list that never comes keeps nobody from being told how the others stand.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_hangs_hangs_nobody_who_asks_how_it_stands() {
    let den = Den::new(
        Way::Stdio("both"),
        &["one", "two"],
        "  limits: {timeout: 2s}\n",
    );
    let open = den.open().await;
    den.servers[0].state(&json!({"misbehave": {"tools/list": "hang"}}));
    let answer = open.echo("one", "x").await;
    assert_eq!(answer["status"], "timeout", "{answer:#}");
    let list = den.servers[0].count("tools/list");
    let own = std::fs::read_to_string(den.site.path(".drawbridge/local-token")).unwrap();
    let url = format!("{}/api/v1/connectors", open.gate.url);
    let asked = open.gate.http.get(url).bearer_auth(&own);
    let asked = asked
        .timeout(std::time::Duration::from_secs(15))
        .send()
        .await;
    let told: serde_json::Value = asked.unwrap().json().await.unwrap();
    let list_then = den.servers[0].count("tools/list");
    let all = told["data"]["connectors"].to_string();
    assert!(all.contains("\"two\""), "{told:#}");
    println!("{list} lists were asked for, {list_then} after");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_running_call_ends_with_its_connector_and_so_does_the_program() {
    for act in ["pause", "retire"] {
        for stubborn in [false, true] {
            let den = Den::new(Way::Stdio("both"), &["one"], WAITS);
            den.servers[0].state(&json!({"stubborn": stubborn, "misbehave": {"records": "fork"}}));
            let open = den.open().await;
            open.good("one").await;
            let forked = open.call("one_records", json!({"customer": "*"})).await;
            assert_eq!(forked["status"], "ok", "{forked:#}");
            let grandchild = &den.servers[0].seen("fork")[0]["params"]["pid"];
            let grandchild = u32::try_from(grandchild.as_u64().unwrap()).unwrap();
            let child = den.servers[0].process();
            let running = open.ask(&open.ann, "one_slow", &json!({"seconds": 80}));
            let mut calls = tokio::task::JoinSet::new();
            calls.spawn(async move {
                running
                    .send()
                    .await
                    .unwrap()
                    .json::<serde_json::Value>()
                    .await
            });
            wait_for("the call runs", || den.servers[0].count("tools/call") >= 3).await;
            tokio::task::block_in_place(|| den.site.ok(&[act, "one", "--reason", "stop it"]));
            let answer = calls.join_next().await.unwrap().unwrap().unwrap();
            assert_eq!(answer["status"], "unavailable", "{act}: {answer:#}");
            let what = format!("{act}, {stubborn}: the program is gone");
            wait_for(&what, || !runs(child) && !runs(grandchild)).await;
            if act == "pause" {
                den.site.ok(&["resume", "one", "--reason", "go on"]);
                open.good("one").await;
                assert_eq!(den.servers[0].count("start"), 2);
            }
        }
    }
}

/// A gateway with a program that runs, what that started, and a call that goes on.
async fn busy(stubborn: bool) -> (Den, Open, [u32; 2]) {
    let den = Den::new(Way::Stdio("both"), &["one"], WAITS);
    den.servers[0].state(&json!({"stubborn": stubborn, "misbehave": {"records": "fork"}}));
    let open = den.open().await;
    open.good("one").await;
    open.call("one_records", json!({"customer": "*"})).await;
    let grandchild = den.servers[0].seen("fork")[0]["params"]["pid"].clone();
    let ids = [
        den.servers[0].process(),
        u32::try_from(grandchild.as_u64().unwrap()).unwrap(),
    ];
    assert!(ids.iter().all(|id| runs(*id)));
    (den, open, ids)
}

fn gateway(open: &Open) -> u32 {
    Gate::process(&open.gate)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_left_when_the_gateway_stops() {
    for stubborn in [false, true] {
        let (_den, open, ids) = busy(stubborn).await;
        let running = open.ask(&open.ann, "one_slow", &json!({"seconds": 80}));
        let mut calls = tokio::task::JoinSet::new();
        calls.spawn(running.send());
        signal("TERM", gateway(&open));
        wait_for("all is gone", || {
            !runs(gateway(&open)) && !ids.iter().any(|id| runs(*id))
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_left_when_the_gateway_is_killed() {
    for stubborn in [false, true] {
        let (_den, open, ids) = busy(stubborn).await;
        signal("KILL", gateway(&open));
        wait_for("all is gone", || !ids.iter().any(|id| runs(*id))).await;
    }
}

/// A program lives as long as its connector, not as long as some thread of the gateway.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_does_not_end_with_a_thread() {
    let den = Den::new(Way::Stdio("both"), &["one"], WAITS);
    let open = den.open().await;
    open.good("one").await;
    let child = den.servers[0].process();
    // As long as tokio keeps a thread that has nothing to do.
    let answer = open.call("one_slow", json!({"seconds": 13})).await;
    assert_eq!(answer["status"], "ok", "{answer:#}");
    open.good("one").await;
    assert_eq!(den.servers[0].process(), child);
}
