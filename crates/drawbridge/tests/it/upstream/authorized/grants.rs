//! Tokens for everyone: a service by its own credentials, and an account that a person connects.

use std::time::Duration;

use serde_json::json;
use tokio::task::JoinSet;

use super::{
    super::setup::until,
    setup::{CLIENT, Guarded, WHOAMI, nothing, user},
};
use crate::{
    acting::firm::ANN,
    log::served::{House, database},
};

const CODE: &str = "grant: authorization_code";
const SERVICE: &str =
    "grant: client_credentials, client_id: service, client_secret: up-client, issuer: \"ISSUER\"";

#[tokio::test(flavor = "multi_thread")]
async fn a_service_asks_for_itself_and_no_callers_token_goes_on() {
    let guarded = Guarded::new(SERVICE);
    guarded.secret("up-client", CLIENT);
    guarded.added(WHOAMI, "");
    let open = guarded.open();
    let ann = guarded.client(&open, ANN);
    for _ in 0..3 {
        let answer = ann.call("up_whoami", nothing()).await;
        assert_eq!(user(&answer), "service-account", "{answer:#}");
    }
    let seen = guarded.issuer.seen().await;
    let asked = seen["token"].as_array().unwrap();
    assert_eq!(
        asked.len(),
        1,
        "one token, for `connector add` and all calls: {asked:#?}"
    );
    assert_eq!(asked[0]["resource"], guarded.issuer.mcp.as_str());
    assert_eq!(asked[0]["scope"], "read", "what the server says it needs");
    assert!(
        !seen.to_string().contains(&ann.token),
        "a caller's token went on"
    );
    assert!(
        !seen.to_string().contains("dbr_"),
        "a token of ours went on"
    );
    guarded.nowhere(open);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_connects_an_account_for_everyone_in_a_browser() {
    let guarded = Guarded::new(CODE);
    let open = guarded.open();
    let told = guarded
        .connect(&["secret", "connect", "up-account"], "the-firm")
        .await;
    assert_eq!(told["status"], "ok", "{told:#}");
    assert_eq!(told["data"]["issuer"], guarded.issuer.issuer.as_str());
    guarded.added(WHOAMI, "");
    let ann = guarded.client(&open, ANN);
    let answer = until(&ann, ("up_whoami", nothing()), "ok").await;
    assert_eq!(user(&answer), "the-firm", "{answer:#}");
    let seen = guarded.issuer.seen().await;
    let registered = &seen["registered"][0];
    assert_eq!(
        registered["token_endpoint_auth_method"], "none",
        "{registered:#}"
    );
    assert_eq!(registered["application_type"], "native", "{registered:#}");

    let shown = guarded
        .upstream
        .firm
        .line(&["secret", "show", "up-account"]);
    assert_eq!(shown["data"]["kept"], "oauth", "{shown:#}");
    assert!(shown["data"]["problem"].is_null(), "{shown:#}");
    let records = guarded.upstream.records();
    assert!(records.contains("\"connected\""), "{records}");
    assert!(!seen.to_string().contains(&ann.token));

    let firm = &guarded.upstream.firm;
    let reason = ["--reason", "another account"];
    firm.line(&[&["secret", "disconnect", "up-account"], &reason[..]].concat());
    let shown = firm.line(&["secret", "show", "up-account"]);
    let problem = shown["data"]["problem"].as_str().unwrap();
    assert!(
        problem.contains("drawbridge secret connect up-account"),
        "{problem}"
    );
    // The connection stands, and is that account's no more.
    let answer = ann.call("up_whoami", nothing()).await;
    assert_eq!(answer["status"], "unavailable", "{answer:#}");
    guarded
        .connect(&["secret", "connect", "up-account"], "another-firm")
        .await;
    let answer = ann.call("up_whoami", nothing()).await;
    assert_eq!(user(&answer), "another-firm", "{answer:#}");
    guarded.nowhere(open);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_an_owner_connects_the_account_that_is_for_everyone() {
    let guarded = Guarded::new(CODE);
    let open = guarded.open();
    let why = guarded.connecting(&["--person", ANN, "secret", "connect", "up-account"]);
    let why = why.err().unwrap();
    assert!(why.contains("denied"), "{why}");
    // Nor does an AI client's token, and not a person's own from elsewhere.
    for asks in [
        guarded.client(&open, ANN),
        guarded.client(&open, super::super::setup::OLGA),
        open.person(&guarded.upstream.firm, super::super::setup::OLGA),
    ] {
        let told = asks
            .post("/secrets/up-account/connect", json!({"port": 1}))
            .await;
        assert_eq!(told["status"], "denied", "{told:#}");
    }
}

/// The access token ends all the time. Of twenty who ask at once, one renews it, and none of them notices.
#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_ends_is_renewed_once_for_all_who_ask() {
    let guarded = Guarded::new(CODE);
    guarded
        .connect(&["secret", "connect", "up-account"], "the-firm")
        .await;
    guarded.added(WHOAMI, "");
    let open = guarded.open();
    let ann = guarded.client(&open, ANN);
    for round in 1..=5 {
        guarded
            .issuer
            .control(json!({"revoke": "access", "token_delay": 0.2}))
            .await;
        let mut calls = JoinSet::new();
        for _ in 0..20 {
            let ann = ann.clone();
            calls.spawn(async move { ann.call("up_whoami", nothing()).await });
        }
        for answer in calls.join_all().await {
            assert_eq!(answer["status"], "ok", "{round}: {answer:#}");
        }
        assert_eq!(
            guarded.issuer.asked("refresh_token").await,
            round,
            "exactly one each time"
        );
        // Another is refused only once the last refusal is some time ago.
        tokio::time::sleep(Duration::from_millis(5_100)).await;
    }
    assert_eq!(guarded.issuer.seen().await["reused"], 0);
    guarded.nowhere(open);
}

/// Finding the server takes most of the time that it may, and so does being given the token.
#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_token_on_its_way_is_not_cut_off_for_what_took_long_before() {
    let guarded = Guarded::new(&format!("{CODE}, timeout: 4s"));
    guarded
        .connect(&["secret", "connect", "up-account"], "the-firm")
        .await;
    guarded.added(WHOAMI, "");
    let open = guarded.open();
    let ann = guarded.client(&open, ANN);
    let change = json!({"metadata_delay": 1.2, "token_delay": 3, "revoke": "access"});
    guarded.issuer.control(change).await;
    let answer = ann.call("up_whoami", nothing()).await;
    assert_eq!(user(&answer), "the-firm", "{answer:#}");
    assert_eq!(guarded.issuer.asked("refresh_token").await, 1);
    assert_eq!(guarded.issuer.seen().await["reused"], 0);
    guarded.nowhere(open);
}

/// Two gateways on one store: still one renewal, and no refresh token is used twice.
#[tokio::test(flavor = "multi_thread")]
async fn two_gateways_renew_a_token_once() {
    let guarded = Guarded::on(House::new(Some(database().await)), CODE);
    guarded
        .connect(&["secret", "connect", "up-account"], "the-firm")
        .await;
    guarded.added(WHOAMI, "");
    let one = guarded.open();
    let twin = guarded.twin();
    let other = twin.of(twin.house.serve());
    let ann = guarded.client(&one, ANN);
    let beside = other.holding(&ann.token);
    for round in 1..=3 {
        guarded
            .issuer
            .control(json!({"revoke": "access", "token_delay": 0.3}))
            .await;
        let mut calls = JoinSet::new();
        for asks in [&ann, &beside] {
            for _ in 0..5 {
                let asks = asks.clone();
                calls.spawn(async move { asks.call("up_whoami", nothing()).await });
            }
        }
        for answer in calls.join_all().await {
            assert_eq!(answer["status"], "ok", "{round}: {answer:#}");
        }
        assert_eq!(guarded.issuer.asked("refresh_token").await, round);
        tokio::time::sleep(Duration::from_millis(5_100)).await;
    }
    assert_eq!(guarded.issuer.seen().await["reused"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_renewed_before_it_ends_and_calls_go_on_all_the_time() {
    let guarded = Guarded::new(CODE);
    guarded.issuer.control(json!({"lifetime": 2})).await;
    guarded
        .connect(&["secret", "connect", "up-account"], "the-firm")
        .await;
    guarded.added(WHOAMI, "");
    let open = guarded.open();
    let ann = guarded.client(&open, ANN);
    let end = std::time::Instant::now() + Duration::from_secs(12);
    let mut calls = 0;
    while std::time::Instant::now() < end {
        let answer = ann.call("up_whoami", nothing()).await;
        assert_eq!(answer["status"], "ok", "{answer:#}");
        calls += 1;
    }
    let renewed = guarded.issuer.asked("refresh_token").await;
    assert!(
        calls > 50 && (3..20).contains(&renewed),
        "{calls} calls, {renewed} renewals"
    );
    assert_eq!(guarded.issuer.seen().await["reused"], 0);
    guarded.nowhere(open);
}

#[tokio::test(flavor = "multi_thread")]
async fn access_that_was_ended_there_is_told_with_what_to_do_and_comes_back() {
    let guarded = Guarded::new(CODE);
    guarded
        .connect(&["secret", "connect", "up-account"], "the-firm")
        .await;
    guarded.added(WHOAMI, "");
    let open = guarded.open();
    let ann = guarded.client(&open, ANN);
    assert_eq!(ann.call("up_whoami", nothing()).await["status"], "ok");
    guarded.issuer.control(json!({"revoke": "all"})).await;
    for _ in 0..3 {
        let answer = ann.call("up_whoami", nothing()).await;
        assert_eq!(answer["status"], "unavailable", "{answer:#}");
        assert!(
            answer.to_string().contains("whoever keeps the connector"),
            "{answer:#}"
        );
    }
    // What is refused for good is not asked for again and again.
    assert_eq!(guarded.issuer.asked("refresh_token").await, 1);
    let shown = guarded
        .upstream
        .firm
        .line(&["secret", "show", "up-account"]);
    let problem = shown["data"]["problem"].as_str().unwrap();
    assert!(problem.contains("has ended"), "{problem}");
    guarded
        .connect(&["secret", "connect", "up-account"], "the-firm")
        .await;
    let answer = until(&ann, ("up_whoami", nothing()), "ok").await;
    assert_eq!(user(&answer), "the-firm");
    guarded.nowhere(open);
}

/// The gateway's own metadata document is its client id where it has a public address.
#[tokio::test(flavor = "multi_thread")]
async fn the_gateways_own_document_says_who_it_is() {
    let guarded = Guarded::new(CODE);
    let mcp = &guarded.issuer.mcp;
    guarded.gateway(&format!(
        "credentials:\n  up-account: {{from: {{oauth: {{resource: \"{mcp}\", {CODE}}}}}}}\n\
         public_url: https://bridge.example\n"
    ));
    let open = guarded.open();
    let id = "https://bridge.example/oauth/client.json";
    let real = format!("{}/oauth/client.json", open.served.caller.url);
    guarded
        .issuer
        .control(json!({"documents": {id: real}}))
        .await;
    let told = guarded
        .connect(&["secret", "connect", "up-account"], "the-firm")
        .await;
    assert_eq!(told["status"], "ok", "{told:#}");
    let seen = guarded.issuer.seen().await;
    assert_eq!(seen["token"][0]["client_id"], id, "{seen:#}");
    assert_eq!(seen["registered"], json!([]), "{seen:#}");
}
