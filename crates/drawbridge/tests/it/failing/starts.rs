//! Servers that start slowly, not at all, or only sometimes, and what is stopped because nobody needs it.

use std::time::{Duration, Instant};

use serde_json::json;

use super::setup::{Den, PATIENCE, Way, runs, text_of};
use crate::{
    gate::{children, wait_for},
    log::served::long,
};

const WAITS: &str = "  limits: {timeout: 90s}\n";

/// The SDK gives up after ten seconds, and is confused by what comes later.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_that_takes_long_to_start_answers_the_first_call() {
    let mut den = Den::empty();
    for (name, era) in [
        ("new", "modern"),
        ("old", "legacy"),
        ("both", "both"),
        ("left", "legacy"),
    ] {
        den.add(Way::Stdio(era), &[name], WAITS);
    }
    for server in &den.servers {
        server.state(&json!({"start": {"sleep": 12}}));
    }
    let open = den.open().await;
    let gives_up = open.ask(&open.ann, "left_echo", &json!({"text": "left"}));
    let gives_up = gives_up.timeout(Duration::from_secs(2)).send();
    let (new, old, both, left) = tokio::join!(
        open.echo("new", "a"),
        open.echo("old", "b"),
        open.echo("both", "c"),
        gives_up
    );
    for (answer, text) in [(new, "a"), (old, "b"), (both, "c")] {
        assert_eq!(text_of(&answer), text, "{answer:#}");
    }
    assert!(left.unwrap_err().is_timeout());
    // Whoever gave up did not stop the start.
    open.good("left").await;
    for server in &den.servers {
        assert_eq!(server.count("start"), 1, "{}", server.name);
    }
    let greeted = den.server("old");
    let greetings = greeted.seen("initialize");
    assert_eq!(greetings.len(), 1);
    let offered = &greetings[0]["params"]["protocolVersion"];
    assert_eq!(offered, "2025-11-25", "no newer one has a handshake");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_that_dies_at_once_is_left_alone_for_longer_and_longer() {
    let den = Den::new(Way::Stdio("both"), &["one"], "");
    den.servers[0].state(&json!({"start": {"die": true}}));
    let open = den.open().await;
    let end = Instant::now() + PATIENCE;
    let mut calls = 0;
    while den.servers[0].count("start") < 8 {
        let answer = open.echo("one", "x").await;
        assert_eq!(answer["status"], "unavailable", "{answer:#}");
        calls += 1;
        assert!(Instant::now() < end, "it is not tried again");
    }
    let starts = den.servers[0].count("start");
    for _ in 0..20 {
        let answer = open.echo("one", "x").await;
        assert!(
            answer["message"].as_str().unwrap().contains("tried again"),
            "{answer:#}"
        );
    }
    assert_eq!(
        den.servers[0].count("start"),
        starts,
        "it was started while it rests"
    );
    println!("{calls} calls, {starts} starts");
    den.servers[0].state(&json!({}));
    open.good("one").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_that_starts_only_sometimes_works_in_the_end() {
    let den = Den::new(Way::Stdio("legacy"), &["one"], "");
    den.servers[0].state(&json!({"start": {"flap": 3}}));
    let open = den.open().await;
    open.good("one").await;
    assert!(den.servers[0].count("start") >= 4);
    // One that dies under its work comes back, and is not asked again of which era it is.
    let asked = den.servers[0].count("server/discover");
    for _ in 0..2 {
        crate::gate::signal("KILL", den.servers[0].process());
        let died = den.servers[0].process();
        wait_for("it died", || !runs(died)).await;
        open.good("one").await;
    }
    assert_eq!(den.servers[0].count("server/discover"), asked);
    assert!(den.servers[0].count("initialize") >= 3);
}

/// A server may be replaced by one of another era while the gateway runs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_that_comes_back_in_another_era_is_greeted_anew() {
    for (first, second) in [("legacy", "modern"), ("modern", "legacy")] {
        let mut den = Den::empty();
        // The shell reads which era it is at each start.
        let era = den.site.path("servers/one/era");
        den.add(Way::Stdio(first), &["one"], "");
        let file = den.site.path("connectors/one.yaml");
        let text = std::fs::read_to_string(&file).unwrap();
        // `$0` is the program's path; what stands for the era is shifted away.
        let script = format!(
            "shift 2; exec python3 $0 --era $(cat {}) \\\"$@\\\"",
            era.display()
        );
        let text = text.replacen("\"--era\"", "x", 1);
        let script = format!("command: [sh, \"-c\", \"{script}\", ");
        let text = text.replacen("command: [python3, ", &script, 1);
        std::fs::write(&file, text).unwrap();
        std::fs::write(&era, first).unwrap();
        let open = den.open().await;
        open.good("one").await;
        std::fs::write(&era, second).unwrap();
        crate::gate::signal("KILL", den.servers[0].process());
        open.good("one").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_needs_is_stopped_and_what_runs_is_not() {
    let mut den = Den::empty();
    let idle = "  idle: 1s\n  limits: {timeout: 60s}\n";
    den.add(Way::Stdio("both"), &["program"], idle);
    den.add(Way::Sessions, &["sessions"], idle);
    let open = den.open().await;
    open.good("program").await;
    open.good("sessions").await;
    let first = den.server("program").process();
    wait_for("it is stopped", || !runs(first)).await;
    let ended = || den.servers[1].count("DELETE") > 0;
    wait_for("the session is ended", ended).await;
    // Longer than it may be idle.
    let slow = json!({"seconds": 4});
    let (one, two) = tokio::join!(
        open.call("program_slow", slow.clone()),
        open.call("sessions_slow", slow)
    );
    for answer in [one, two] {
        assert_eq!(text_of(&answer), "slept 4 seconds", "{answer:#}");
    }
    assert_ne!(den.server("program").process(), first);
    assert_eq!(den.server("program").count("start"), 2);
    assert_eq!(
        den.server("program").count("server/discover"),
        3,
        "twice at first, then once"
    );
    // Whoever only looks at how it stands keeps nothing running.
    let again = den.server("program").process();
    let own = std::fs::read_to_string(den.site.path(".drawbridge/local-token")).unwrap();
    let end = Instant::now() + PATIENCE;
    while runs(again) {
        let url = format!("{}/api/v1/connectors/program", open.gate.url);
        let told = open.gate.http.get(url).bearer_auth(&own).send().await;
        assert!(told.unwrap().status().is_success());
        assert!(Instant::now() < end, "it is kept running");
    }
}

/// Calls that come at about the moment of the stop are answered like any other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_at_the_moment_of_the_stop_is_answered() {
    let den = Den::new(
        Way::Stdio("both"),
        &["one"],
        "  idle: 1s\n  limits: {timeout: 60s}\n",
    );
    let open = den.open().await;
    open.good("one").await;
    for round in 0..12_u64 {
        let process = den.servers[0].process();
        // Around the second after the last call.
        tokio::time::sleep(Duration::from_millis(960 + round * 10)).await;
        let answer = open
            .call("one_put", json!({"key": "a", "value": round}))
            .await;
        assert_eq!(answer["status"], "ok", "{round}, {process}: {answer:#}");
    }
    println!("{} starts", den.servers[0].count("start"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hundreds_of_servers_cost_nothing_until_they_are_needed() {
    let mut den = Den::empty();
    let count = if long() { 200 } else { 40 };
    let names: Vec<String> = (0..count).map(|number| format!("m{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    den.add(Way::Stdio("both"), &names, "");
    for name in &names {
        only_echo(&den, name);
    }
    drop(den.open().await);
    let began = Instant::now();
    let open = den.open().await;
    let (took, idle) = (began.elapsed(), open.memory("VmRSS"));
    assert_eq!(children(open.gate.process()), [], "nothing runs for them");
    assert!(open.echo("m7", "x").await["status"] == "ok");
    let mut running = children(open.gate.process());
    running.retain(|(_, line)| line.contains("server.py"));
    assert_eq!(running.len(), 1, "{running:?}");
    println!(
        "{count} servers: the gateway is ready after {took:?} and needs {idle} KiB, with one running {} \
         KiB, {} KiB at most",
        open.memory("VmRSS"),
        open.memory("VmHWM")
    );
    let listed = open.mcp("tools/list", json!({})).await;
    let tools = listed["result"]["tools"].as_array().unwrap();
    assert!(!tools.is_empty(), "{listed:#}");
    open.good(&format!("m{}", count - 1)).await;
}

/// Leaves one tool in a file.
fn only_echo(den: &Den, name: &str) {
    let file = den.site.path(&format!("connectors/{name}.yaml"));
    let text = std::fs::read_to_string(&file).unwrap();
    let powers = "[read, update, delete, send, trigger]";
    let is_other = |line: &&str| {
        let entry = line.strip_prefix("      ").or(line.strip_prefix("    "));
        let key = entry.and_then(|entry| entry.split_once(": {"));
        key.is_some_and(|(tool, _)| !tool.starts_with(' ') && tool != "echo")
    };
    let mut kept: Vec<&str> = text.lines().filter(|line| !is_other(line)).collect();
    kept.retain(|line| !line.contains("auto: true"));
    let text = kept.join("\n").replace(powers, "[read]");
    let text = text.replace("\napproval:\n", "\napproval: []\n");
    std::fs::write(&file, text + "\n").unwrap();
}
