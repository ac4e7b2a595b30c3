//! What people decide stays within what they may: edits, looks, and what is told beside.

use std::time::Duration;

use drawbridge::store::PlanFilter;
use serde_json::{Value, json};
use sqlx::{Connection, SqliteConnection};

use super::firm::{ANN, ASK, BOB, Firm, LENA, MAX};

fn update(key: u32, set: &Value) -> Value {
    json!({"table": "tickets", "key": key, "set": set})
}

/// Somebody who was asked because nobody answered is not asked thereby where the file asks others.
#[tokio::test(flavor = "multi_thread")]
async fn an_edit_past_another_gate_is_for_those_whom_that_one_asks() {
    let gates = "  - {when: {power: update, set: {status: closed}}, ask: [\"group:leads\"], quorum: 2}\n  \
                 - {when: {power: update}, ask: [lena@x.example], escalate: {after: 1h, to: [bob@x.example]}}\n";
    let firm = Firm::on("sqlite", gates).await;
    let open = firm.open().await;
    let ann = open.client(&firm, ANN, "claude");
    let (lena, bob) = (open.person(&firm, LENA), open.person(&firm, BOB));
    let id = ann
        .asks("crm_update", update(1, &json!({"subject": "x"})))
        .await;
    lena.post(
        &format!("/approvals/{id}/escalate"),
        json!({"reason": "not mine"}),
    )
    .await;
    let same = bob.edit(&id, update(1, &json!({"subject": "y"}))).await;
    assert_eq!(same["data"]["yours_to_decide"], true, "{same:#}");
    let id = same["data"]["id"].as_str().unwrap();
    let other = bob.edit(id, update(1, &json!({"status": "closed"}))).await;
    assert_eq!(other["data"]["yours_to_decide"], false, "{other:#}");
    let id = other["data"]["id"].as_str().unwrap();
    assert_eq!(bob.approve(id).await["status"], "denied");
    let escalated = bob
        .post(&format!("/approvals/{id}/escalate"), json!({"reason": "x"}))
        .await;
    assert_eq!(escalated["status"], "denied", "{escalated:#}");
    assert_eq!(lena.plan(id).await["stage"], "waiting");
}

/// What is planned is planned as who asked may: an edit must not show others what they may see.
#[tokio::test(flavor = "multi_thread")]
async fn an_edit_does_not_look_into_other_targets() {
    let firm = Firm::on("sqlite", ASK).await;
    firm.note("plan.md", "# Plan\n");
    firm.note("pay.md", "# Pay\n\nEverybody earns 7311.\n");
    let open = firm.open().await;
    let (ann, lena) = (open.client(&firm, ANN, "claude"), open.person(&firm, LENA));
    let id = ann
        .asks("crm_update", update(1, &json!({"subject": "x"})))
        .await;
    let told = lena.edit(&id, update(2, &json!({"subject": "x"}))).await;
    assert_eq!(told["status"], "denied", "{told:#}");
    assert!(!told.to_string().contains("second"), "{told:#}");
    let id = ann
        .asks(
            "notes_update",
            json!({"path": "plan.md", "content": "# Plan B\n"}),
        )
        .await;
    let other = json!({"path": "pay.md", "content": "# Plan B\n"});
    let told = lena.edit(&id, other).await;
    assert_eq!(told["status"], "denied", "{told:#}");
    assert!(!told.to_string().contains("7311"), "{told:#}");
    // What is new shows nothing that was.
    let id = ann
        .asks("notes_write", json!({"path": "a.md", "content": "a"}))
        .await;
    let told = lena
        .edit(&id, json!({"path": "b.md", "content": "a"}))
        .await;
    assert_eq!(told["status"], "ok", "{told:#}");
}

/// Adding a row where one is by now is a change of it, which must be the caller's to make whenever
/// that turns out.
#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_nobody_granted_is_none_after_an_edit_or_an_approval_either() {
    let firm = Firm::on("sqlite", ASK).await;
    let file = firm.house.folder.join("connectors/crm.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    let less = text.replace("may: [read, write, update, delete]", "may: [read, write]");
    assert_ne!(less, text);
    std::fs::write(&file, less).unwrap();
    let open = firm.open().await;
    let (ann, lena) = (open.client(&firm, ANN, "claude"), open.person(&firm, LENA));
    let upsert = |key: u32| json!({"table": "tickets", "key": key, "values": {"subject": "new", "status": "open"}});
    let told = ann.call("crm_upsert", upsert(1)).await;
    assert_eq!(told["status"], "denied", "{told:#}");
    let id = ann.asks("crm_upsert", upsert(9)).await;
    let told = lena.edit(&id, upsert(1)).await;
    assert!(
        told["message"].as_str().unwrap().contains("no rule allows"),
        "{told:#}"
    );
    firm.tickets("INSERT INTO tickets VALUES (9, 'somebody else', 'open', 1)")
        .await;
    lena.approve(&id).await;
    let ended = lena.until(&id, &["failed", "conflict", "applied"]).await;
    assert_eq!(ended["stage"], "failed", "{ended:#}");
    assert_eq!(ended["next"], Value::Null, "{ended:#}");
    assert_eq!(ann.result(&id).await["status"], "denied");
    assert_eq!(
        firm.text("SELECT subject FROM tickets WHERE id = 9").await,
        "somebody else"
    );
}

/// An auditor sees that something was decided, and not by way of a refusal what was said.
#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_does_not_tell_how_it_ended() {
    let gates = "  - {when: {power: update}, ask: [lena@x.example]}\n";
    let firm = Firm::on("sqlite", gates).await;
    firm.gateway("roles: {auditor: [max@x.example]}\n");
    let open = firm.open().await;
    let ann = open.client(&firm, ANN, "claude");
    let (lena, max) = (open.person(&firm, LENA), open.person(&firm, MAX));
    let id = ann
        .asks("crm_update", update(1, &json!({"subject": "x"})))
        .await;
    let digest = lena.plan(&id).await["digest"].clone();
    let no = json!({"reason": "the salary is 7311"});
    lena.post(&format!("/approvals/{id}/reject"), no).await;
    let seen = max.get(&format!("/approvals/{id}")).await;
    assert_eq!(
        (&seen["status"], &seen["data"]["stage"]),
        (&json!("ok"), &json!("rejected"))
    );
    for (act, body) in [
        ("approve", json!({"digest": digest})),
        ("reject", json!({"reason": "x"})),
        ("escalate", json!({"reason": "x"})),
        ("edit", json!({"arguments": {}})),
        ("settle", json!({"applied": true, "reason": "x"})),
        ("send", json!({})),
    ] {
        let told = max.post(&format!("/approvals/{id}/{act}"), body).await;
        assert_ne!(told["status"], "ok", "{act}: {told:#}");
        assert!(!told.to_string().contains("7311"), "{act}: {told:#}");
    }
}

/// Where the file keeps digests of names only, what people decide does not put the names on the log.
#[tokio::test(flavor = "multi_thread")]
async fn a_decision_keeps_no_more_than_the_file_says() {
    let firm = Firm::on("sqlite", ASK).await;
    firm.note("merger-with-acme.md", "# Plan\n");
    let file = firm.house.folder.join("connectors/notes.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    let less = text.replace("{keep: 400d}", "{keep: 400d, content: digest}");
    assert_ne!(less, text);
    std::fs::write(&file, less).unwrap();
    let open = firm.open().await;
    let (ann, lena) = (open.client(&firm, ANN, "claude"), open.person(&firm, LENA));
    let own = open.person(&firm, ANN);
    let change = json!({"path": "merger-with-acme.md", "content": "# Plan B\n"});
    let id = ann.asks("notes_update", change).await;
    lena.approve(&id).await;
    lena.until(&id, &["applied"]).await;
    ann.result(&id).await;
    own.post("/undo", json!({"call": id, "reason": "a mistake"}))
        .await;
    let log = firm.line(&["log", "--limit", "200"]);
    let records = log["data"]["records"].as_array().unwrap();
    assert!(
        records.iter().any(|one| one["action"] == "approve"),
        "{log:#}"
    );
    assert!(!log.to_string().contains("merger"), "{log:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_taken_back_is_named_well_enough() {
    let firm = Firm::on("sqlite", ASK).await;
    let open = firm.open().await;
    let ann = open.client(&firm, ANN, "claude");
    let id = ann
        .asks("crm_update", update(1, &json!({"subject": "x"})))
        .await;
    for short in [&id[..1], &id[..5], "%", "g"] {
        let told = ann
            .post(&format!("/approvals/{short}/withdraw"), json!({}))
            .await;
        assert_eq!(told["status"], "not_found", "{short}: {told:#}");
    }
    let told = ann
        .post(&format!("/approvals/{}/withdraw", &id[..8]), json!({}))
        .await;
    assert_eq!(told["data"]["stage"], "withdrawn", "{told:#}");
}

/// More plans than are looked at at once that cannot be done, and one that cannot be read, do not
/// keep a question from expiring.
#[tokio::test(flavor = "multi_thread")]
async fn many_plans_that_cannot_be_done_do_not_keep_others_waiting() {
    let gates = "  - {when: {power: update}, ask: [\"group:leads\"], expires: 2s}\n";
    let firm = Firm::on("sqlite", gates).await;
    let mut open = firm.open().await;
    let ann = open.client(&firm, ANN, "claude");
    let token = ann.token.clone();
    ann.asks("crm_update", update(2, &json!({"subject": "x"})))
        .await;
    open.served.terminate();
    let url = format!(
        "sqlite:{}",
        firm.house.state().join("drawbridge.db").display()
    );
    let mut store = SqliteConnection::connect(&url).await.unwrap();
    let copies = "WITH RECURSIVE many (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM many WHERE n < 1200) \
        INSERT INTO plans (id, turn, stage, connector, action, person, client, same, again, counts, created, due, news, body) \
        SELECT printf('%032x', n), 0, 'approved', 'gone', action, person, client, printf('%032x', n), 1, 0, created, 0, 0, \
        CASE WHEN n = 7 THEN 'broken' ELSE \
        json_set(body, '$.id', printf('%032x', n), '$.stage', 'approved', '$.connector', 'gone', '$.expires', NULL, '$.turn', 0) END \
        FROM plans, many";
    let done = sqlx::query(copies).execute(&mut store).await.unwrap();
    assert_eq!(done.rows_affected(), 1_201);
    store.close().await.unwrap();
    let open = firm.open_again();
    let (ann, lena) = (open.holding(&token), open.person(&firm, LENA));
    let id = ann
        .asks("crm_update", update(1, &json!({"subject": "x"})))
        .await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    lena.until(&id, &["expired"]).await;
    let kept = firm.house.store().await;
    let filter = PlanFilter {
        connector: Some("crm".to_owned()),
        limit: 10,
        ..PlanFilter::default()
    };
    let plans = kept.kept_plans(&filter).await.unwrap();
    assert!(plans.iter().all(|plan| plan.ended.is_some()), "{plans:#?}");
    kept.close().await;
}
