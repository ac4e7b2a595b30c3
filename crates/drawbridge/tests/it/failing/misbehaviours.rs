//! Everything that a server can do wrong: a call ends within its limit and says why, the next one works,
//! and nothing leaks or grows.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::setup::{Den, Open, Way, text_of};

/// How much more memory the gateway may need while all of it happens at once, in KiB.
const MOST_MORE: u64 = 250 << 10;
const LIMIT: &str = "  limits: {timeout: 12s}\n";

/// How a call may end.
type Ends = &'static [&'static str];
const GONE: Ends = &["unavailable"];
const LATE: Ends = &["timeout"];
const WRONG: Ends = &["failed"];

/// What happens on a call, and how that may end, whatever the way.
const ON_CALL: [(&str, Ends); 20] = [
    ("die", GONE),
    ("die_after", GONE),
    ("hang", LATE),
    ("wrong_id", &["timeout", "unavailable"]),
    ("no_id", &["timeout", "unavailable"]),
    // The id that was asked with, as a text: the SDK takes it or waits on.
    ("string_id", &["ok", "timeout", "unavailable"]),
    ("twice", &["ok"]),
    ("not_json", &["timeout", "unavailable"]),
    ("half_line", &["timeout", "unavailable"]),
    ("cut", GONE),
    ("endless_line", GONE),
    ("endless_notifications", &["timeout", "unavailable"]),
    ("giant", GONE),
    ("deep", GONE),
    ("wrong_schema", WRONG),
    ("wrong_structured", WRONG),
    ("wrong_content", WRONG),
    ("unknown_result", WRONG),
    ("null_result", WRONG),
    ("error_and_result", &["ok", "failed", "unavailable"]),
];
const OF_PROGRAMS: [(&str, Ends); 2] = [("stderr_flood", &["ok"]), ("fork", &["ok"])];
const OF_HTTP: [(&str, Ends); 10] = [
    ("redirect", &["failed", "unavailable"]),
    ("slow_headers", LATE),
    ("endless_sse", &["timeout", "unavailable"]),
    ("compress_bomb", GONE),
    ("status:401", GONE),
    ("status:403", &["failed", "unavailable"]),
    ("status:404", &["failed", "unavailable"]),
    ("status:429", &["failed", "unavailable"]),
    ("status:500", &["failed", "unavailable"]),
    ("status:503", &["failed", "unavailable"]),
];

fn names(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("m{number}")).collect()
}

/// Lets every server misbehave on the same method or tool at once.
async fn all(way: Way, on: &str, cases: &[(&str, Ends)]) {
    let names = names(cases.len());
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut den = Den::new(way, &names, LIMIT);
    let open = den.open().await;
    let is_call = on == "echo";
    if is_call {
        futures_util::future::join_all(names.iter().map(|name| open.good(name))).await;
    }
    let before = open.memory("VmHWM");
    for ((what, _), server) in cases.iter().zip(&den.servers) {
        let state = json!({"misbehave": {on: what}, "redirect_to": "http://127.0.0.1:9/mcp"});
        server.state(&state);
    }
    let answers =
        futures_util::future::join_all(names.iter().map(|name| open.echo(name, "x"))).await;
    let mut told = String::new();
    for (((what, ends), answer), server) in cases.iter().zip(&answers).zip(&den.servers) {
        let status = answer["status"].as_str().unwrap();
        // The SDK waits for a stream of events that was cut to go on elsewhere.
        let waits = matches!(way, Way::Sse(_)) && status == "timeout";
        let fits = ends.contains(&status) || (waits && ends == &GONE);
        assert!(fits, "{way:?}, {on} {what}: {answer:#}");
        let message = answer["message"].as_str().unwrap_or_default();
        assert!(status == "ok" || message.len() > 10, "{what}: {answer:#}");
        told.push_str(&format!("{way:?} {on} {what}: {status} {message}\n"));
        told.push_str(&answer.to_string());
        assert!(server.count("tools/call") > 0 || !is_call, "{what}");
    }
    let most = open.memory("VmHWM");
    println!(
        "{way:?} {on}: {before} KiB before, {most} KiB at most, {} KiB then",
        open.memory("VmRSS")
    );
    assert!(
        most < before + MOST_MORE,
        "it grew from {before} to {most} KiB"
    );
    for server in &mut den.servers {
        server.state(&json!({}));
        server.revive();
    }
    futures_util::future::join_all(names.iter().map(|name| open.good(name))).await;
    told.push_str(&den.everything());
    for secret in ["SECRET-IN-BODY", "SECRET-IN-ERROR", "panicked"] {
        assert!(!told.contains(secret), "{secret} is told");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn programs_that_misbehave_on_a_call() {
    let cases = [&ON_CALL[..], &OF_PROGRAMS].concat();
    all(Way::Stdio("both"), "echo", &cases).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_that_misbehave_on_a_call() {
    let cases = [&ON_CALL[..], &OF_HTTP].concat();
    all(Way::Json("both"), "echo", &cases).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_that_misbehave_in_events_on_a_call() {
    all(Way::Sse("legacy"), "echo", &ON_CALL).await;
}

/// What a server can do wrong when it says what it offers: nothing that it offers may be called then.
const ON_LIST: [(&str, Ends); 12] = [
    ("die", GONE),
    ("hang", LATE),
    ("wrong_id", &["timeout", "unavailable"]),
    ("no_id", &["timeout", "unavailable"]),
    ("not_json", &["timeout", "unavailable"]),
    ("cut", GONE),
    ("giant", GONE),
    ("deep", GONE),
    ("wrong_schema", &["failed", "unavailable"]),
    ("unknown_result", &["failed", "unavailable"]),
    ("null_result", &["failed", "unavailable"]),
    ("loop_cursor", &["failed", "unavailable"]),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn programs_that_misbehave_on_a_list() {
    all(Way::Stdio("both"), "tools/list", &ON_LIST).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_that_misbehave_on_a_list() {
    all(Way::Json("both"), "tools/list", &ON_LIST).await;
}

/// What can go wrong with a handshake. `hang` is beside these: it takes as long as a start may.
const ON_GREETING: [(&str, Ends); 8] = [
    ("die", &["unavailable"]),
    ("no_id", &["unavailable", "timeout"]),
    ("cut", &["unavailable"]),
    ("giant", &["unavailable"]),
    ("deep", &["unavailable"]),
    ("unknown_result", &["unavailable", "timeout"]),
    ("null_result", &["unavailable", "timeout"]),
    ("wrong_schema", &["unavailable", "ok"]),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn programs_that_misbehave_when_they_are_greeted() {
    all(Way::Stdio("legacy"), "initialize", &ON_GREETING).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_that_misbehave_when_they_are_greeted() {
    all(Way::Json("modern"), "server/discover", &ON_GREETING).await;
}

/// A program of the older era may say nothing at all to a question that it does not know.
#[tokio::test]
async fn a_program_that_never_answers_the_newer_greeting_gets_the_older() {
    let den = Den::new(
        Way::Stdio("legacy"),
        &["mute"],
        "  limits: {timeout: 90s}\n",
    );
    den.servers[0].state(&json!({"misbehave": {"server/discover": "hang"}}));
    let open = den.open().await;
    let answer = open.echo("mute", "heard").await;
    assert_eq!(text_of(&answer), "heard", "{answer:#}");
}

/// What the tool itself says of a failure reaches the caller; what the server says of its insides does not.
#[tokio::test]
async fn errors_of_a_server_are_told_without_its_insides() {
    for way in [Way::Stdio("both"), Way::Json("both"), Way::Sse("legacy")] {
        let den = Den::new(way, &["one"], LIMIT);
        let open = den.open().await;
        open.good("one").await;
        for (tool, status) in [
            ("fail", "failed"),
            ("broken", "failed"),
            ("invalid", "invalid"),
        ] {
            let answer = open.call(&format!("one_{tool}"), json!({})).await;
            assert_eq!(answer["status"], status, "{way:?}: {answer:#}");
            assert!(!answer.to_string().contains("SECRET"), "{answer:#}");
            assert!(!answer.to_string().contains("10.0.0.5"), "{answer:#}");
        }
        open.good("one").await;
        let all = den.everything();
        assert!(!all.contains("SECRET-IN-ERROR"), "{way:?}");
    }
}

async fn put(open: &Open, name: &str, key: &str) -> Value {
    open.call(&format!("{name}_put"), json!({"key": key, "value": 1}))
        .await
}

/// Done and not answered: nobody may say that it was done, nor that it was not, nor do it again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_effect_whose_answer_is_lost_ends_as_unknown() {
    for way in [
        Way::Stdio("both"),
        Way::Json("both"),
        Way::Sse("both"),
        Way::Sse("legacy"),
    ] {
        for what in ["die_after", "cut", "hang", "wrong_schema"] {
            let mut den = Den::new(way, &["one"], "  limits: {timeout: 4s}\n");
            let open = den.open().await;
            open.good("one").await;
            den.servers[0].state(&json!({"misbehave": {"put": what}}));
            let answer = put(&open, "one", "a").await;
            assert_eq!(answer["status"], "unknown", "{way:?} {what}: {answer:#}");
            den.servers[0].state(&json!({}));
            den.servers[0].revive();
            open.good("one").await;
            assert_eq!(
                den.servers[0].count("tools/call"),
                1 + open_calls(&den),
                "{way:?} {what}"
            );
        }
    }
}

/// The calls of `echo` that a server saw.
fn open_calls(den: &Den) -> usize {
    let calls = den.servers[0].seen("tools/call");
    calls
        .iter()
        .filter(|call| call["params"]["name"] == "echo")
        .count()
}

/// Nothing reached the server: it was not done, and can be asked for again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_effect_that_was_never_sent_was_not_done() {
    let mut den = Den::new(Way::Json("both"), &["one"], "  limits: {timeout: 4s}\n");
    let open = den.open().await;
    open.good("one").await;
    den.servers[0].kill();
    let answer = put(&open, "one", "a").await;
    assert_eq!(answer["status"], "unavailable", "{answer:#}");
    den.servers[0].serve();
    open.good("one").await;
    assert_eq!(den.servers[0].data()["keys"], json!({}));
    let answer = put(&open, "one", "a").await;
    assert_eq!(answer["status"], "ok", "{answer:#}");
    for (status, ends) in [("status:401", "unavailable"), ("status:429", "unavailable")] {
        den.servers[0].state(&json!({"misbehave": {"put": status}}));
        let answer = put(&open, "one", status).await;
        assert_eq!(answer["status"], ends, "{status}: {answer:#}");
        den.servers[0].state(&json!({}));
        open.good("one").await;
    }
    assert_eq!(den.servers[0].data()["keys"], json!({"a": 1}));
}

/// A tool that fails over HTTP ends its own call, and no other that runs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_fails_over_http_ends_no_other() {
    let den = Den::new(Way::Json("both"), &["one"], "  limits: {timeout: 30s}\n");
    let open = den.open().await;
    open.good("one").await;
    let ways = [
        "status:500",
        "status:503",
        "giant",
        "deep",
        "cut",
        "redirect",
        "not_json",
    ];
    for what in ways {
        let state = json!({"misbehave": {"echo": what}, "redirect_to": "http://127.0.0.1:9/"});
        den.servers[0].state(&state);
        let mut running = JoinSet::new();
        let sent = open.ask(&open.ann, "one_slow", &json!({"seconds": 3}));
        let before = den.servers[0].count("tools/call");
        running.spawn(async move { sent.send().await.unwrap().json::<Value>().await.unwrap() });
        crate::gate::wait_for("the call runs", || {
            den.servers[0].count("tools/call") > before
        })
        .await;
        let failed = tokio::time::timeout(Duration::from_secs(30), open.echo("one", "x")).await;
        assert_ne!(failed.unwrap()["status"], "ok", "{what}");
        let other = running.join_next().await.unwrap().unwrap();
        assert_eq!(other["status"], "ok", "{what}: {other:#}");
        // Nor does it put the server to rest.
        den.servers[0].state(&json!({}));
        let next = open.echo("one", "next").await;
        assert_eq!(next["status"], "ok", "{what}: {next:#}");
    }
}
