//! What an authorization server, or somebody between, could do wrong.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::setup::{CLIENT, Guarded, Issuer, WHOAMI, nothing};
use crate::acting::firm::ANN;

const CODE: &str = "grant: authorization_code";
const SERVICE: &str =
    "grant: client_credentials, client_id: service, client_secret: up-client, issuer: \"ISSUER\"";
const CONNECT: &[&str] = &["secret", "connect", "up-account"];

/// What is said instead of an address to go to.
async fn refused(guarded: &Guarded, change: Value) -> String {
    guarded.issuer.control(change).await;
    let began = Instant::now();
    let why = guarded.connecting(CONNECT).err().expect("it is refused");
    assert!(began.elapsed() < Duration::from_secs(30), "{why}");
    assert!(!why.contains("canary-"), "{why}");
    why
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_not_what_it_should_be_is_not_gone_to() {
    let guarded = Guarded::new(CODE);
    let why = refused(&guarded, json!({"methods": ["plain"]})).await;
    assert!(why.contains("PKCE with S256"), "{why}");
    let why = refused(&guarded, json!({"methods": null})).await;
    assert!(why.contains("PKCE with S256"), "{why}");
    let change = json!({"methods": ["S256"], "issuer": "https://another.example"});
    let why = refused(&guarded, change).await;
    assert!(why.contains("calls itself another"), "{why}");
    let change = json!({"issuer": null, "resource": "http://127.0.0.1:1/mcp"});
    let why = refused(&guarded, change).await;
    assert!(why.contains("another address"), "{why}");
    let change = json!({"resource": null, "register": false});
    let why = refused(&guarded, change).await;
    assert!(why.contains("registers no clients"), "{why}");
    let pinned = format!("{CODE}, issuer: \"https://only.example\"");
    guarded.declare(&pinned);
    let why = refused(&guarded, json!({"register": true})).await;
    assert!(why.contains("calls itself another"), "{why}");
    guarded.declare(CODE);
    assert!(guarded.connecting(CONNECT).is_ok());
}

/// The resource names a document of its own as that of the issuer, with another place for codes and secrets.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_says_in_an_issuers_name_where_codes_and_secrets_go() {
    let guarded = Guarded::new(CODE);
    guarded.issuer.control(json!({"forged": true})).await;
    for more in ["", ", issuer: \"ISSUER\""] {
        guarded.declare(&format!("{CODE}{more}"));
        let told = guarded.connect(CONNECT, "the-firm").await;
        assert_eq!(told["status"], "ok", "{told:#}");
    }
    guarded.declare(SERVICE);
    guarded.secret("up-client", CLIENT);
    guarded.added(WHOAMI, "");
    let open = guarded.open();
    let ann = guarded.client(&open, ANN);
    assert_eq!(ann.call("up_whoami", nothing()).await["status"], "ok");
    let seen = guarded.issuer.seen().await;
    assert_eq!(seen["stolen"], 0, "{seen:#}");
    assert_eq!(guarded.issuer.asked("authorization_code").await, 2);
    guarded.nowhere(open);
}

/// The resource names another authorization server than it did when the client was registered.
#[tokio::test(flavor = "multi_thread")]
async fn a_clients_secret_goes_to_no_server_that_the_resource_names_instead() {
    let guarded = Guarded::new(SERVICE);
    guarded.secret("up-client", CLIENT);
    guarded.added(WHOAMI, "");
    let open = guarded.open();
    let ann = guarded.client(&open, ANN);
    assert_eq!(ann.call("up_whoami", nothing()).await["status"], "ok");
    let other = Issuer::start();
    let change = json!({"servers": [other.issuer], "revoke": "access"});
    guarded.issuer.control(change).await;
    let answer = ann.call("up_whoami", nothing()).await;
    assert_eq!(answer["status"], "unavailable", "{answer:#}");
    let seen = other.seen().await;
    assert_eq!(seen["token"], json!([]), "{seen:#}");
    guarded.nowhere(open);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_back_must_be_of_the_server_that_was_asked_and_works_once() {
    let guarded = Guarded::new(CODE);
    for (issuer, is_missing) in [("https://attacker.example", false), ("", true)] {
        guarded.issuer.control(json!({"answer_iss": issuer})).await;
        let told = guarded.connect(CONNECT, "the-firm").await;
        assert_eq!(told["status"], "failed", "{is_missing}: {told:#}");
        assert!(
            told.to_string().contains("calls itself another"),
            "{told:#}"
        );
    }
    assert_eq!(
        guarded.issuer.asked("authorization_code").await,
        0,
        "no code went on"
    );
    guarded.issuer.control(json!({"answer_iss": null})).await;
    let told = guarded.connect(CONNECT, "nobody").await;
    assert!(told.to_string().contains("access_denied"), "{told:#}");

    // Somebody else's state is not what the command line waits for, and it goes on waiting.
    let connecting = guarded.connecting(CONNECT).unwrap();
    let back = guarded.issuer.browse("the-firm", &connecting.address).await;
    let (place, _) = back.split_once('?').unwrap();
    for query in [
        "",
        "?code=x",
        "?code=x&state=guessed",
        "?error=access_denied",
    ] {
        assert_eq!(guarded.issuer.back(&format!("{place}{query}")).await, 400);
    }
    assert_eq!(guarded.issuer.back(&back).await, 200);
    let (out, _) = connecting.end();
    assert!(out.status.success());
    // Another that was begun meanwhile is the one that counts.
    let first = guarded.connecting(CONNECT).unwrap();
    let second = guarded.connecting(CONNECT).unwrap();
    let back = guarded.issuer.browse("the-firm", &first.address).await;
    guarded.issuer.back(&back).await;
    let (out, _) = first.end();
    assert!(
        String::from_utf8_lossy(&out.stdout).contains("not_found"),
        "{out:?}"
    );
    let back = guarded.issuer.browse("the-firm", &second.address).await;
    guarded.issuer.back(&back).await;
    assert!(second.end().0.status.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_for_another_resource_is_refused_and_not_asked_for_without_end() {
    let guarded = Guarded::new(SERVICE);
    guarded.secret("up-client", CLIENT);
    guarded.added(WHOAMI, "");
    let open = guarded.open();
    let ann = guarded.client(&open, ANN);
    assert_eq!(ann.call("up_whoami", nothing()).await["status"], "ok");
    let change = json!({"audience": "http://elsewhere.example/mcp", "revoke": "access"});
    guarded.issuer.control(change).await;
    let before = guarded.issuer.asked("client_credentials").await;
    for _ in 0..10 {
        let answer = ann.call("up_whoami", nothing()).await;
        assert_eq!(answer["status"], "unavailable", "{answer:#}");
    }
    let asked = guarded.issuer.asked("client_credentials").await - before;
    assert!(asked <= 2, "{asked}");
    guarded.nowhere(open);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_down_or_slow_is_told_in_time_and_does_no_harm_while_a_token_is_good() {
    let guarded = Guarded::new(&format!("{SERVICE}, timeout: 1s"));
    guarded.secret("up-client", CLIENT);
    guarded.added(WHOAMI, "");
    let open = guarded.open();
    let ann = guarded.client(&open, ANN);
    assert_eq!(ann.call("up_whoami", nothing()).await["status"], "ok");
    for (change, wanted) in [
        (json!({"down": true}), "unavailable"),
        (json!({"down": false, "token_delay": 30}), "timeout"),
    ] {
        guarded.issuer.control(change).await;
        // The token is good all the same.
        assert_eq!(
            ann.call("up_whoami", nothing()).await["status"],
            "ok",
            "{wanted}"
        );
    }
    guarded
        .issuer
        .control(json!({"token_delay": 0, "down": true, "revoke": "access"}))
        .await;
    let answer = told(&ann).await;
    assert_eq!(answer["status"], "unavailable", "{answer:#}");
    tokio::time::sleep(Duration::from_secs(6)).await;
    guarded
        .issuer
        .control(json!({"down": false, "token_delay": 30}))
        .await;
    let answer = told(&ann).await;
    assert_eq!(answer["status"], "timeout", "{answer:#}");
    guarded.issuer.control(json!({"token_delay": 0})).await;
    super::super::setup::until(&ann, ("up_whoami", nothing()), "ok").await;
    guarded.nowhere(open);
}

async fn told(ann: &crate::acting::firm::Person) -> Value {
    let began = Instant::now();
    let answer = ann.call("up_whoami", nothing()).await;
    assert!(began.elapsed() < Duration::from_secs(10), "{answer:#}");
    answer
}
