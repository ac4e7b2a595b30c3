//! What a token is for: what the server wants, what is granted, and what the file allows.

use std::time::Duration;

use serde_json::json;

use super::{
    super::setup::until,
    setup::{ALL, CLIENT, Guarded, nothing, user},
};
use crate::acting::firm::{ANN, BOB};

const CODE: &str = "grant: authorization_code";
const SERVICE: &str =
    "grant: client_credentials, client_id: service, client_secret: up-client, issuer: \"ISSUER\"";

#[tokio::test(flavor = "multi_thread")]
async fn more_access_is_asked_for_where_the_server_wants_more() {
    let guarded = Guarded::new(SERVICE);
    guarded.secret("up-client", CLIENT);
    guarded.added(ALL, "");
    let open = guarded.open();
    let ann = guarded.client(&open, ANN);
    assert_eq!(
        ann.call("up_whoami", nothing()).await["data"]["structuredContent"]["scope"],
        "read"
    );
    let answer = ann.call("up_admin", nothing()).await;
    assert_eq!(
        answer["data"]["structuredContent"]["scope"], "read admin",
        "{answer:#}"
    );
    // A server that is never content is asked no more often than that.
    guarded.issuer.control(json!({"scope": "everything"})).await;
    let before = guarded.issuer.asked("client_credentials").await;
    for _ in 0..5 {
        let answer = ann.call("up_admin", nothing()).await;
        assert_eq!(answer["status"], "ok", "{answer:#}");
    }
    assert!(guarded.issuer.asked("client_credentials").await <= before + 1);
}

/// What a server wants and nobody grants ends neither a service's access nor a person's.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_wanted_and_never_granted_ends_no_access() {
    let guarded = Guarded::new(SERVICE);
    guarded.secret("up-client", CLIENT);
    guarded.added(ALL, "");
    let open = guarded.open();
    let ann = guarded.client(&open, ANN);
    let admin = ann.call("up_admin", nothing()).await;
    assert_eq!(admin["status"], "ok", "{admin:#}");
    guarded
        .issuer
        .control(json!({"scope": "root", "grants": ["read", "admin"]}))
        .await;
    let before = guarded.issuer.asked("client_credentials").await;
    for _ in 0..5 {
        ann.call("up_admin", nothing()).await;
        let answer = until(&ann, ("up_whoami", nothing()), "ok").await;
        let scope = &answer["data"]["structuredContent"]["scope"];
        assert_eq!(scope, "read admin", "what was granted before is kept");
    }
    let asked = guarded.issuer.asked("client_credentials").await - before;
    assert!(asked <= 2, "{asked}");
    // Nor when the token ends, and not where less is granted than before.
    for grants in [json!(["read", "admin"]), json!(["read"])] {
        let change = json!({"grants": grants, "revoke": "access"});
        guarded.issuer.control(change).await;
        let answer = until(&ann, ("up_whoami", nothing()), "ok").await;
        assert_eq!(user(&answer), "service-account", "{answer:#}");
        tokio::time::sleep(Duration::from_millis(5_100)).await;
    }
    guarded.nowhere(open);
}

/// Whatever the target wants, and whatever was granted when the file said more.
#[tokio::test(flavor = "multi_thread")]
async fn no_more_is_asked_for_than_the_scopes_of_the_file() {
    for (grant, set) in [(SERVICE, true), (CODE, false)] {
        let wide = format!("{grant}, scopes: [read, admin]");
        let narrow = format!("{grant}, scopes: [read]");
        let guarded = Guarded::new(&wide);
        if set {
            guarded.secret("up-client", CLIENT);
        } else {
            let told = guarded
                .connect(&["secret", "connect", "up-account"], "the-firm")
                .await;
            assert_eq!(told["status"], "ok", "{told:#}");
        }
        guarded.added(ALL, "");
        let open = guarded.open();
        let ann = guarded.client(&open, ANN);
        let answer = ann.call("up_admin", nothing()).await;
        assert_eq!(answer["status"], "ok", "{answer:#}");
        guarded.declare(&narrow);
        let mut rounds = 0;
        loop {
            guarded.issuer.control(json!({"revoke": "access"})).await;
            let answer = until(&ann, ("up_whoami", nothing()), "ok").await;
            let scope = answer["data"]["structuredContent"]["scope"].clone();
            if !scope.as_str().unwrap().contains("admin") {
                break;
            }
            rounds += 1;
            assert!(rounds < 4, "{grant}: {scope}");
            tokio::time::sleep(Duration::from_millis(5_100)).await;
        }
        // The target asks for what the file leaves out, and no later token is for it.
        for _ in 0..2 {
            let answer = ann.call("up_admin", nothing()).await;
            assert_eq!(answer["status"], "unavailable", "{answer:#}");
            tokio::time::sleep(Duration::from_millis(5_100)).await;
            guarded.issuer.control(json!({"revoke": "access"})).await;
            let answer = until(&ann, ("up_whoami", nothing()), "ok").await;
            let scope = &answer["data"]["structuredContent"]["scope"];
            assert!(!scope.as_str().unwrap().contains("admin"), "{scope}");
        }
        assert_eq!(guarded.issuer.seen().await["reused"], 0);
        guarded.nowhere(open);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_who_connects_again_gives_what_was_lacking() {
    let guarded = Guarded::new(CODE);
    guarded
        .connect(&["secret", "connect", "up-account"], "the-firm")
        .await;
    guarded.added(ALL, "");
    let open = guarded.open();
    let bob = guarded.client(&open, BOB);
    let answer = bob.call("up_admin", nothing()).await;
    assert_eq!(answer["status"], "unavailable", "{answer:#}");
    assert!(
        answer.to_string().contains("wants more access"),
        "{answer:#}"
    );
    // Nothing else is lost for it.
    assert_eq!(
        until(&bob, ("up_whoami", nothing()), "ok").await["status"],
        "ok"
    );
    let told = guarded
        .connect(&["secret", "connect", "up-account"], "the-firm")
        .await;
    let scopes = told["data"]["scopes"].to_string();
    assert!(
        scopes.contains("admin") && scopes.contains("read"),
        "{told:#}"
    );
    let answer = until(&bob, ("up_admin", nothing()), "ok").await;
    assert_eq!(user(&answer), "the-firm");
}
