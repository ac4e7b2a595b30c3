//! Off reaches what waits: a pause freezes, a retirement ends, a token takes what it asked for with it,
//! and one switch stops every effect.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::firm::{ANN, ASK, AUTO, Firm, LENA, PATIENCE};

fn close(key: u32) -> Value {
    json!({"table": "tickets", "key": key, "set": {"status": "closed"}})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_freezes_and_gives_the_time_back() {
    for engine in ["sqlite", "postgres"] {
        let gates = "  - {when: {power: update}, ask: [\"group:leads\"], expires: 3s}\n";
        let firm = Firm::on(engine, gates).await;
        let open = firm.open().await;
        let (ann, lena) = (open.client(&firm, ANN, "claude"), open.person(&firm, LENA));
        let id = ann.asks("crm_update", close(1)).await;
        let other = ann
            .asks("notes_write", json!({"path": "a.md", "content": "a"}))
            .await;
        firm.line(&["pause", "crm", "--reason", "moving"]);
        let frozen = lena.approve(&id).await;
        assert_eq!(frozen["status"], "unavailable", "{frozen:#}");
        assert!(
            frozen["message"].as_str().unwrap().contains("moving"),
            "{frozen:#}"
        );
        // Longer than it would have stood open.
        tokio::time::sleep(Duration::from_millis(3_500)).await;
        assert_eq!(
            lena.plan(&id).await["stage"],
            "waiting",
            "{engine}: it is frozen"
        );
        assert_eq!(
            firm.line(&["approvals", "show", &other])["data"]["stage"],
            "waiting"
        );
        firm.line(&["resume", "crm", "--reason", "moved"]);
        lena.approve(&id).await;
        lena.until(&id, &["applied"]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retirement_ends_what_waits_and_a_token_takes_its_questions_with_it() {
    for engine in ["sqlite", "postgres"] {
        let firm = Firm::on(engine, ASK).await;
        let open = firm.open().await;
        let (ann, lena) = (open.client(&firm, ANN, "claude"), open.person(&firm, LENA));
        let cursor = open.client(&firm, ANN, "cursor");
        let (mine, theirs) = (
            ann.asks("crm_update", close(1)).await,
            cursor.asks("crm_update", close(2)).await,
        );
        let note = cursor
            .asks("notes_write", json!({"path": "a.md", "content": "a"}))
            .await;
        let token = cursor.token.split('_').nth(1).unwrap().to_owned();
        firm.line(&["token", "revoke", &token]);
        for (id, stage) in [
            (&mine, "waiting"),
            (&theirs, "cancelled"),
            (&note, "cancelled"),
        ] {
            assert_eq!(lena.plan(id).await["stage"], stage, "{engine}");
        }
        assert_eq!(lena.approve(&theirs).await["status"], "conflict");
        let note = ann
            .asks("notes_write", json!({"path": "a.md", "content": "a"}))
            .await;
        firm.line(&["retire", "notes", "--reason", "replaced"]);
        let ended = lena.plan(&note).await;
        assert_eq!(ended["stage"], "cancelled", "{ended:#}");
        assert!(
            ended["ended"]["reason"]
                .as_str()
                .unwrap()
                .contains("replaced"),
            "{ended:#}"
        );
        assert_eq!(ann.result(&note).await["plan"]["stage"], "cancelled");
        lena.approve(&mine).await;
        lena.until(&mine, &["applied"]).await;
        assert_eq!(firm.says("a.md"), None);
        assert_eq!(
            firm.number("SELECT COUNT(*) FROM tickets WHERE status = 'closed'")
                .await,
            1
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_switch_stops_every_effect_of_every_connector() {
    for engine in ["sqlite", "postgres"] {
        let gates = format!("  - {{when: {{power: delete}}, ask: [\"group:leads\"]}}\n{AUTO}");
        let firm = Firm::on(engine, &gates).await;
        let open = firm.open().await;
        let (ann, lena) = (open.client(&firm, ANN, "claude"), open.person(&firm, LENA));
        let id = ann
            .asks("crm_delete", json!({"table": "tickets", "key": 2}))
            .await;
        // Under load: nothing is done after the switch was acknowledged.
        let mut calls = tokio::task::JoinSet::new();
        for worker in 0..8_u32 {
            let ann = ann.clone();
            calls.spawn(async move {
                for round in 0..400_u32 {
                    let arguments = json!({"table": "tickets", "values": {"subject": format!("w{worker}-{round}"), "status": "open"}});
                    if ann.call("crm_insert", arguments).await["status"] == "unavailable" {
                        return;
                    }
                }
            });
        }
        let end = Instant::now() + PATIENCE;
        while firm.number("SELECT COUNT(*) FROM tickets").await < 20 {
            assert!(Instant::now() < end, "no effect is done at all");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let stopped = firm.line(&["stop", "--all", "--reason", "something is odd"]);
        assert_eq!(stopped["status"], "ok", "{stopped:#}");
        let count = firm.number("SELECT COUNT(*) FROM tickets").await;
        calls.join_all().await;
        assert_eq!(
            firm.number("SELECT COUNT(*) FROM tickets").await,
            count,
            "{engine}: done after the switch"
        );
        let told = ann
            .call("notes_write", json!({"path": "a.md", "content": "a"}))
            .await;
        assert_eq!(told["status"], "unavailable", "{told:#}");
        assert!(
            told["message"]
                .as_str()
                .unwrap()
                .contains("something is odd"),
            "{told:#}"
        );
        assert_eq!(
            ann.call("crm_read", json!({"table": "tickets", "key": 1}))
                .await["status"],
            "ok",
            "reads go on"
        );
        // What is approved now waits for the start.
        lena.approve(&id).await;
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        assert_eq!(lena.plan(&id).await["stage"], "approved");
        // Starting again is another act, at the gateway's own command line and with a reason.
        assert_eq!(
            lena.post("/start", json!({"reason": "x"})).await["status"],
            "denied"
        );
        assert!(!firm.house.line(&["start", "--all"]).status.success());
        assert_eq!(
            firm.line(&["start", "--all", "--reason", "found it"])["status"],
            "ok"
        );
        lena.until(&id, &["applied"]).await;
        assert_eq!(
            ann.call("notes_write", json!({"path": "a.md", "content": "a"}))
                .await["status"],
            "ok"
        );
    }
}

/// A review does not begin a pause anew: what waits gets all of its time back.
#[tokio::test(flavor = "multi_thread")]
async fn a_review_during_a_pause_costs_what_waits_no_time() {
    let gates = "  - {when: {power: update}, ask: [\"group:leads\"], expires: 3s}\n";
    let firm = Firm::on("sqlite", gates).await;
    let open = firm.open().await;
    let (ann, lena) = (open.client(&firm, ANN, "claude"), open.person(&firm, LENA));
    let id = ann.asks("crm_update", close(1)).await;
    firm.line(&["pause", "crm", "--reason", "moving"]);
    tokio::time::sleep(Duration::from_millis(3_500)).await;
    firm.review("crm");
    firm.line(&["resume", "crm", "--reason", "moved"]);
    lena.approve(&id).await;
    lena.until(&id, &["applied"]).await;
}
