//! Credentials: the server gets its own, and nothing else that the gateway or its callers have.

use std::{
    io::Write,
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::setup::{Upstream, Written, told};
use crate::{acting::firm::ANN, gate::wait_for, log::served::House};

const ECHO: &[(&str, &str)] = &[("echo", "{power: read}")];

/// Keeps a secret for the connector.
pub(super) fn secret(upstream: &Upstream, secret: &str) {
    let mut child = upstream
        .firm
        .house
        .command(&[])
        .args(["secret", "set", "up-account"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(secret.as_bytes())
        .unwrap();
    let out = child.wait_with_output().unwrap();
    assert!(out.status.success(), "{}", told(&out));
}

fn written() -> Written<'static> {
    Written {
        tools: ECHO,
        ..Written::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_gets_its_secret_and_nothing_of_the_gateways_environment() {
    let house = House::new(None).with("SECRET_OF_THE_GATEWAY", "gateway-s3cret");
    let upstream = Upstream::within(house);
    secret(&upstream, "pr0gram-s3cret");
    let wanted = ["--credential", "up-account", "--variable", "UP_KEY"];
    upstream.added(&[&wanted[..], &["--env", "COLOUR=green"]].concat(), &[]);
    upstream.write(written());
    upstream.firm.review("up");
    assert!(!upstream.file().contains("pr0gram-s3cret"));
    let open = upstream.open();
    let ann = open.client(&upstream.firm, ANN, "claude");
    let answer = ann.call("up_echo", json!({"text": "a"})).await;
    assert_eq!(answer["status"], "ok", "{answer:#}");
    let log = upstream.log();
    let starts: Vec<&Value> = log
        .iter()
        .filter(|entry| entry["method"] == "start")
        .collect();
    assert_eq!(
        starts.len(),
        2,
        "once for `connector add`, once for the call"
    );
    for start in starts {
        let environment = start["env"].as_object().unwrap();
        let mut names: Vec<&str> = environment.keys().map(String::as_str).collect();
        // Python's own.
        names.retain(|name| *name != "LC_CTYPE");
        names.sort_unstable();
        assert_eq!(names, ["COLOUR", "HOME", "PATH", "TMPDIR", "UP_KEY"]);
        assert_eq!(environment["UP_KEY"], "pr0gram-s3cret");
        assert_eq!(start["fds"], json!([0, 1, 2]), "descriptors of the gateway");
        assert!(!start["argv"].to_string().contains("s3cret"));
    }
    let everything =
        std::fs::read_to_string(upstream.firm.house.folder.join("upstream/log")).unwrap();
    assert!(!everything.contains("gateway-s3cret") && !everything.contains(&ann.token));
    assert!(!upstream.records().contains("pr0gram-s3cret"));
}

/// Whoever could read the state could open every secret.
#[tokio::test(flavor = "multi_thread")]
async fn no_program_is_given_the_gateways_own_state() {
    let upstream = Upstream::new();
    let house = upstream.firm.house.folder.display().to_string();
    let state = format!("{house}/.drawbridge");
    let link = format!("{house}/link");
    std::fs::create_dir_all(&state).unwrap();
    std::os::unix::fs::symlink(&state, &link).unwrap();
    for granted in [
        ["--read", house.as_str()],
        ["--write", house.as_str()],
        ["--read", state.as_str()],
        ["--read", link.as_str()],
        ["--write", "/"],
    ] {
        let out = upstream.add(&granted, &[]);
        assert!(!out.status.success(), "{granted:?}");
        let told = told(&out);
        assert!(told.contains("keeps its keys and records"), "{told}");
        assert!(!upstream.path().exists(), "{granted:?}");
    }
    upstream.added(&[], &[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_elsewhere_gets_its_secret_and_no_callers_token() {
    for (place, header, wanted) in [
        (&[][..], "authorization", "Bearer s3cret-1"),
        (&["--header", "X-Up-Key"], "x-up-key", "s3cret-1"),
    ] {
        for era in ["legacy", "modern"] {
            let mut upstream = Upstream::new();
            let url = upstream.serve_elsewhere(&["--era", era]);
            secret(&upstream, "s3cret-1");
            let system = json!({"headers": {"X-Tenant": "acme"}}).to_string();
            let own = [
                "--label",
                "internal",
                "--url",
                &url,
                "--credential",
                "up-account",
                "--system",
                &system,
            ];
            let out = upstream.line(&[&own[..], place].concat());
            assert!(out.status.success(), "{}", told(&out));
            upstream.write(written());
            upstream.firm.review("up");
            let open = upstream.open();
            let ann = open.client(&upstream.firm, ANN, "claude");
            let answer = ann.call("up_echo", json!({"text": "a"})).await;
            assert_eq!(answer["status"], "ok", "{answer:#}");
            let log = upstream.log();
            let received = log.iter().filter(|entry| entry["headers"].is_object());
            for entry in received {
                let headers = entry["headers"].as_object().unwrap();
                assert_eq!(headers.get(header), Some(&json!(wanted)), "{entry:#}");
                assert_eq!(headers.get("x-tenant"), Some(&json!("acme")), "{entry:#}");
                assert!(header == "authorization" || !headers.contains_key("authorization"));
                assert!(!headers.contains_key("cookie"));
                assert!(!entry.to_string().contains(&ann.token), "{entry:#}");
            }
            assert_eq!(upstream.calls("echo").len(), 1);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_refuses_the_secret_is_unavailable_and_says_whom_to_tell() {
    let mut upstream = Upstream::new();
    let url = upstream.serve_elsewhere(&[]);
    upstream.state(&json!({"accept": ["Bearer right"]}));
    secret(&upstream, "right");
    let out = upstream.line(&[
        "--label",
        "internal",
        "--url",
        &url,
        "--credential",
        "up-account",
    ]);
    assert!(out.status.success(), "{}", told(&out));
    upstream.write(written());
    upstream.firm.review("up");
    let open = upstream.open();
    let ann = open.client(&upstream.firm, ANN, "claude");
    assert_eq!(
        ann.call("up_echo", json!({"text": "a"})).await["status"],
        "ok"
    );
    upstream.state(&json!({"accept": ["Bearer another"]}));
    let answer = ann.call("up_echo", json!({"text": "a"})).await;
    assert_eq!(answer["status"], "unavailable", "{answer:#}");
    assert!(answer.to_string().contains("credential"), "{answer:#}");
    assert!(!answer.to_string().contains("right"), "{answer:#}");
    upstream.state(&json!({"accept": ["Bearer right"]}));
    super::setup::until(&ann, ("up_echo", json!({"text": "a"})), "ok").await;
}

/// The new secret is set while the old one is still good; then the old one ends. Calls go on all the
/// time, and none fails.
#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_costs_no_call() {
    for era in ["legacy", "modern"] {
        let mut upstream = Upstream::new();
        let url = upstream.serve_elsewhere(&["--era", era]);
        upstream.state(&json!({"accept": ["Bearer s0"]}));
        secret(&upstream, "s0");
        let out = upstream.line(&[
            "--label",
            "internal",
            "--url",
            &url,
            "--credential",
            "up-account",
        ]);
        assert!(out.status.success(), "{}", told(&out));
        upstream.write(written());
        upstream.firm.review("up");
        let open = upstream.open();
        let ann = open.client(&upstream.firm, ANN, "claude");
        let (done, stop) = (
            Arc::new(AtomicUsize::new(0)),
            Arc::new(AtomicBool::new(false)),
        );
        let mut workers = JoinSet::new();
        for _ in 0..4 {
            let (ann, done, stop) = (ann.clone(), done.clone(), stop.clone());
            workers.spawn(async move {
                while !stop.load(Ordering::Acquire) {
                    let answer = ann.call("up_echo", json!({"text": "a"})).await;
                    assert_eq!(answer["status"], "ok", "{answer:#}");
                    done.fetch_add(1, Ordering::AcqRel);
                }
            });
        }
        let more = async |what: &str| {
            let before = done.load(Ordering::Acquire);
            wait_for(what, || done.load(Ordering::Acquire) >= before + 20).await;
        };
        for round in 1..=2 {
            more("calls go on").await;
            let (old, new) = (format!("Bearer s{}", round - 1), format!("Bearer s{round}"));
            upstream.state(&json!({"accept": [old, new]}));
            secret(&upstream, &format!("s{round}"));
            more("calls go on beside the new secret").await;
            upstream.state(&json!({"accept": [new]}));
            more("calls go on with the new secret").await;
        }
        stop.store(true, Ordering::Release);
        workers.join_all().await;
    }
}
