//! What people are shown beside a plan before they decide, and who is not.

use serde_json::{Value, json};

use crate::acting::firm::{ANN, ASK, BOB, Firm, LENA, MAX};

#[tokio::test(flavor = "multi_thread")]
async fn who_decides_sees_what_was_read_before() {
    for engine in ["sqlite", "postgres"] {
        let firm = Firm::on(engine, ASK).await;
        firm.note("monday.md", "# Monday\n\nWe meet at nine.\n");
        let open = firm.open().await;
        let (claude, cursor) = (
            open.client(&firm, ANN, "claude"),
            open.client(&firm, ANN, "cursor"),
        );
        let read = |key: u64| json!({"table": "tickets", "key": key});
        for key in [1, 2, 1] {
            claude.call("crm_read", read(key)).await;
        }
        let end = std::time::Instant::now() + crate::acting::firm::PATIENCE;
        let monday = json!({"path": "monday.md"});
        while claude.call("notes_read", monday.clone()).await["status"] != "ok" {
            assert!(std::time::Instant::now() < end, "it never syncs");
        }
        // Neither what failed counts, nor what another client of hers read.
        claude.call("crm_read", read(99)).await;
        cursor.call("crm_read", read(2)).await;
        let close = json!({"table": "tickets", "key": 1, "set": {"status": "closed"}});
        let id = claude.asks("crm_update", close).await;
        let lena = open.person(&firm, LENA);
        let before = lena.plan(&id).await["read_before"].clone();
        assert_eq!(before["whole"], true, "{before:#}");
        let connectors = before["connectors"].as_array().unwrap();
        let names: Vec<&Value> = connectors.iter().map(|one| &one["connector"]).collect();
        assert_eq!(names, ["notes", "crm"], "the newest first: {before:#}");
        let notes = &connectors[0];
        assert_eq!(notes["targets"], json!(["monday.md"]));
        assert_eq!(notes["label"], "internal", "{before:#}");
        let crm = &connectors[1];
        assert_eq!(crm["calls"], 3, "{before:#}");
        assert_eq!(crm["targets"], json!(["tickets/1", "tickets/2"]));
        // Who only audits sees that there is a plan.
        firm.gateway(&format!("roles: {{auditor: [{MAX}]}}\n"));
        let max = open.person(&firm, MAX);
        let note = json!({"table": "tickets", "key": 2, "set": {"status": "closed"}});
        let other = claude.asks("crm_update", note).await;
        assert!(
            max.plan(&other).await["read_before"].is_object(),
            "max leads"
        );
        let sally = open.client(&firm, LENA, "claude");
        assert_eq!(
            sally.get(&format!("/approvals/{id}")).await["status"],
            "denied"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_decides_sees_how_plans_like_it_ended() {
    let firm = Firm::with_tickets(None, ASK).await;
    let open = firm.open().await;
    let claude = open.client(&firm, ANN, "claude");
    let cursor = open.client(&firm, BOB, "cursor");
    let lena = open.person(&firm, LENA);
    let set =
        |key: u64, amount: u64| json!({"table": "tickets", "key": key, "set": {"amount": amount}});
    let refused = claude.asks("crm_update", set(1, 500)).await;
    let reason = json!({"reason": "far too much"});
    lena.post(&format!("/approvals/{refused}/reject"), reason)
        .await;
    let done = cursor.asks("crm_update", set(2, 30)).await;
    lena.approve(&done).await;
    lena.until(&done, &["applied"]).await;
    let insert = json!({"table": "tickets", "values": {"subject": "third", "status": "open"}});
    let another = claude.asks("crm_insert", insert).await;
    lena.post(
        &format!("/approvals/{another}/reject"),
        json!({"reason": "no"}),
    )
    .await;
    let id = claude.asks("crm_update", set(1, 60)).await;
    let similar = lena.plan(&id).await["similar"].clone();
    let ids: Vec<&str> = similar
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["id"].as_str().unwrap())
        .collect();
    assert_eq!(ids, [&done, &refused], "the newest first: {similar:#}");
    assert_eq!(similar[0]["decided_by"], json!([LENA]));
    assert_eq!(similar[1]["decided_by"], json!([LENA]));
    assert_eq!(similar[1]["reason"], "far too much");
    assert!(similar[0]["sentence"].as_str().unwrap().contains("tickets"));
    // Who only asked learns nothing of what others asked for.
    let ann = open.person(&firm, ANN);
    let own = ann.plan(&id).await["similar"].clone();
    assert_eq!(own.as_array().unwrap().len(), 1, "{own:#}");
    assert_eq!(own[0]["id"], json!(refused));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_decide_is_told_why() {
    let gates = "  - {when: {power: [write, update, delete]}, ask: [\"group:leads\"]}\n";
    let firm = Firm::with_tickets(None, gates).await;
    let open = firm.open().await;
    let close = json!({"table": "tickets", "key": 1, "set": {"status": "closed"}});
    let id = open
        .client(&firm, LENA, "claude")
        .asks("crm_update", close)
        .await;
    let (lena, bob, max) = (
        open.person(&firm, LENA),
        open.person(&firm, BOB),
        open.person(&firm, MAX),
    );
    for (who, told) in [
        (&lena, "nobody approves their own request"),
        (&bob, "you are not among the people who are asked"),
    ] {
        let why = who.plan(&id).await["why_not"].clone();
        assert!(why.as_str().unwrap().contains(told), "{why}");
    }
    assert_eq!(max.plan(&id).await["why_not"], Value::Null);
    max.approve(&id).await;
    max.until(&id, &["applied"]).await;
    assert_eq!(bob.plan(&id).await["why_not"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_desk_says_at_once_how_many_wait_for_whom() {
    for engine in ["sqlite", "postgres"] {
        let firm = Firm::on(engine, ASK).await;
        let open = firm.open().await;
        let claude = open.client(&firm, ANN, "claude");
        let (lena, bob) = (open.person(&firm, LENA), open.person(&firm, BOB));
        let waits = async |who: &crate::acting::firm::Person| {
            let desk = who.get("/desk").await;
            desk["data"]["waiting"].as_u64().unwrap()
        };
        assert_eq!(waits(&lena).await, 0);
        let close = |key: u64| json!({"table": "tickets", "key": key, "set": {"status": "closed"}});
        let first = claude.asks("crm_update", close(1)).await;
        let second = claude.asks("crm_update", close(2)).await;
        assert_eq!((waits(&lena).await, waits(&bob).await), (2, 0));
        lena.approve(&first).await;
        lena.until(&first, &["applied"]).await;
        assert_eq!(waits(&lena).await, 1);
        lena.approve(&second).await;
        lena.until(&second, &["applied"]).await;
        let reopen = json!({"table": "tickets", "key": 1, "set": {"status": "open"}});
        claude.asks("crm_update", reopen).await;
        assert_eq!(waits(&lena).await, 1, "another one in its place");
    }
}
