//! Clients that go away before they are answered, and do it again.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sqlx::{Connection, Executor};
use tokio::{task::JoinSet, time::timeout};

use super::firm::{ANN, ASK, AUTO, BOB, Firm, LENA, PATIENCE};

/// The answer was lost, so the same call is answered by what was done, and nothing is done twice.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_went_away_during_an_effect_is_answered_from_its_receipt() {
    let firm = Firm::on("sqlite", AUTO).await;
    let open = firm.open().await;
    let (ann, bob) = (open.client(&firm, ANN, "claude"), open.person(&firm, BOB));
    let insert = json!({"table": "tickets", "values": {"subject": "once", "status": "open"}});
    let mut busy = firm.database().await;
    busy.execute("BEGIN IMMEDIATE").await.unwrap();
    let (client, arguments) = (ann.clone(), insert.clone());
    let mut call = JoinSet::new();
    call.spawn(async move { client.call("crm_insert", arguments).await });
    let end = Instant::now() + PATIENCE;
    let id = loop {
        let found = bob.get("/approvals?stage=applying").await;
        if let Some(id) = found["data"]["approvals"][0]["id"].as_str() {
            break id.to_owned();
        }
        assert!(Instant::now() < end, "{found:#}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    call.shutdown().await;
    // The gateway must see that the client is gone, while the database still is busy.
    tokio::time::sleep(Duration::from_millis(700)).await;
    busy.execute("COMMIT").await.unwrap();
    busy.close().await.unwrap();
    bob.until(&id, &["applied"]).await;
    let again = ann.call("crm_insert", insert.clone()).await;
    assert_eq!(
        (&again["status"], &again["plan"]["id"]),
        (&json!("ok"), &json!(id)),
        "{again:#}"
    );
    let rows = "SELECT COUNT(*) FROM tickets WHERE subject = 'once'";
    assert_eq!(firm.number(rows).await, 1);
    // From here on it was heard of, and the same call is another one.
    let other = ann.call("crm_insert", insert).await;
    assert_ne!(other["plan"]["id"], json!(id), "{other:#}");
    assert_eq!(firm.number(rows).await, 2);
}

/// A draft is sent on together with what it becomes: whoever hangs up in between finds it either
/// as it was or as sent on.
#[tokio::test(flavor = "multi_thread")]
async fn a_draft_is_sent_on_once_whenever_who_sends_it_hangs_up() {
    let firm = Firm::on("sqlite", AUTO).await;
    let open = firm.open().await;
    let (ai, ann) = (open.client(&firm, ANN, "claude"), open.person(&firm, ANN));
    // So much that it takes a while to write it.
    let content = "Once upon a time. ".repeat(20_000);
    for round in 0..12_u64 {
        let name = format!("{round}.md");
        let draft = json!({"path": name, "content": content});
        let draft = ai.call("notes_draft", draft).await;
        let id = draft["plan"]["id"].as_str().unwrap().to_owned();
        let path = format!("/approvals/{id}/send");
        let patience = Duration::from_millis(round * 25);
        let _ = timeout(patience, ann.post(&path, json!({}))).await;
        let again = ann.post(&path, json!({})).await;
        assert!(
            again["status"] != "invalid",
            "{round}: it was done, and the draft still was one: {again:#}"
        );
        let end = Instant::now() + PATIENCE;
        while firm.says(&name).is_none() {
            assert!(Instant::now() < end, "{again:#}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let sent = ann.until(&id, &["replaced"]).await;
        assert!(sent["next"].is_string(), "{sent:#}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draft_that_is_sent_on_twice_at_once_is_sent_on_once() {
    let firm = Firm::on("sqlite", AUTO).await;
    let open = firm.open().await;
    let (ai, ann) = (open.client(&firm, ANN, "claude"), open.person(&firm, ANN));
    for round in 0..10 {
        let draft = json!({"path": format!("{round}.md"), "content": "# Once\n"});
        let draft = ai.call("notes_draft", draft).await;
        let path = format!("/approvals/{}/send", draft["plan"]["id"].as_str().unwrap());
        let (one, two) = tokio::join!(ann.post(&path, json!({})), ann.post(&path, json!({})));
        let done: Vec<&Value> = [&one, &two]
            .into_iter()
            .filter(|answer| answer["plan"]["stage"] == "applied")
            .collect();
        assert!(!done.is_empty(), "{one:#} {two:#}");
        let plans: Vec<&Value> = [&one, &two]
            .into_iter()
            .map(|answer| &answer["plan"]["id"])
            .filter(|id| id.is_string())
            .collect();
        assert!(plans.iter().all(|id| *id == plans[0]), "{one:#} {two:#}");
        for answer in [&one, &two] {
            assert_ne!(answer["status"], "invalid", "{answer:#}");
        }
    }
}

/// What a person found to be done is not done again for a client that was never told.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_person_found_done_is_not_done_again() {
    let firm = Firm::on("sqlite", AUTO).await;
    let file = firm.house.folder.join("connectors/crm.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    let hasty = text.replace("applied_table: true", "limits: {timeout: 1s}");
    assert_ne!(hasty, text);
    std::fs::write(&file, hasty).unwrap();
    let open = firm.open().await;
    let (ann, bob) = (open.client(&firm, ANN, "claude"), open.person(&firm, BOB));
    let row = json!({"table": "tickets", "values": {"subject": "new", "status": "open"}});
    let mut other = firm.database().await;
    other.execute("BEGIN IMMEDIATE").await.unwrap();
    let cut = ann.call("crm_insert", row.clone()).await;
    let id = cut["plan"]["id"]
        .as_str()
        .unwrap_or_else(|| panic!("{cut:#}"));
    assert_eq!(cut["plan"]["stage"], "applying", "{cut:#}");
    other.execute("ROLLBACK").await.unwrap();
    bob.until(id, &["unknown"]).await;
    let found = json!({"applied": true, "reason": "I looked"});
    let told = bob.post(&format!("/approvals/{id}/settle"), found).await;
    assert_eq!(told["status"], "ok", "{told:#}");
    let again = ann.call("crm_insert", row).await;
    assert_eq!(again["plan"]["id"], json!(id), "{again:#}");
    assert_eq!(firm.number("SELECT count(*) FROM tickets").await, 2);
}

/// An AI that asks again after a person took something back is not told that it is done.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_taken_back_is_not_told_as_done() {
    let firm = Firm::on("sqlite", ASK).await;
    let open = firm.open().await;
    let (ann, own) = (open.client(&firm, ANN, "claude"), open.person(&firm, ANN));
    let lena = open.person(&firm, LENA);
    let close = json!({"table": "tickets", "key": 1, "set": {"status": "closed"}});
    let id = ann.asks("crm_update", close.clone()).await;
    lena.approve(&id).await;
    lena.until(&id, &["applied"]).await;
    let undo = own
        .post("/undo", json!({"call": id, "reason": "not yet"}))
        .await;
    let undo = undo["data"]["id"].as_str().unwrap();
    lena.approve(undo).await;
    lena.until(undo, &["applied"]).await;
    let told = ann.result(&id).await;
    assert!(
        told["notices"].to_string().contains("take it back"),
        "{told:#}"
    );
    let again = ann.call("crm_update", close.clone()).await;
    assert_eq!(again["status"], "approval_needed", "{again:#}");
    // One that only was not heard of says when it was done, and that nothing was done by now.
    let id = again["plan"]["id"].as_str().unwrap();
    lena.approve(id).await;
    lena.until(id, &["applied"]).await;
    let again = ann.call("crm_update", close).await;
    assert_eq!(again["status"], "ok", "{again:#}");
    let notices = again["notices"].to_string();
    assert!(
        notices.contains("nothing was done for this one"),
        "{again:#}"
    );
}
