//! The audit log: whole after a crash, and no change of it goes unnoticed.

use std::{path::Path, process::Command};

use drawbridge::{
    audit::{Proof, verify},
    store::{Place, Store},
};
use drawbridge_core::log::checkpoint::PublicKey;
use serde_json::json;
use sqlx::{AssertSqlSafe, Connection, SqliteConnection};

use crate::bridge::{Bridge, PROGRAM};

/// Kills in one run; `DRAWBRIDGE_KILLS` makes it more.
fn kills() -> usize {
    std::env::var_os("DRAWBRIDGE_KILLS")
        .and_then(|kills| kills.to_str()?.parse().ok())
        .unwrap_or(5)
}

/// Distance between the bytes that are changed; `DRAWBRIDGE_LONG` changes more of them.
fn step() -> usize {
    if std::env::var_os("DRAWBRIDGE_LONG").is_some() {
        2
    } else {
        43
    }
}

#[tokio::test]
async fn every_answered_call_survives_a_kill() {
    for _ in 0..kills() {
        let mut bridge = Bridge::start().await;
        let token = bridge.token("maja", "claude");
        let mut answered = Vec::new();
        for round in 0..20 {
            let arguments = json!({"query": format!("refund {round}")});
            let answer = bridge
                .send(&token, "handbook_search", &arguments)
                .await
                .unwrap();
            answered.push(answer["record"].as_str().unwrap().to_owned());
        }
        bridge.kill();
        let out = Command::new(PROGRAM)
            .arg("--dir")
            .arg(bridge.folder())
            .args(["log", "verify"])
            .output()
            .unwrap();
        assert!(
            out.status.success(),
            "{}",
            String::from_utf8_lossy(&out.stderr)
        );
        let store = Store::open(&Place::Sqlite(
            bridge.folder().join(".drawbridge/drawbridge.db"),
        ))
        .await
        .unwrap();
        for id in answered {
            assert!(store.record(&id).await.unwrap().is_some(), "{id}");
        }
        store.close().await;
    }
}

#[tokio::test]
async fn a_changed_log_does_not_verify() {
    let mut bridge = Bridge::start().await;
    for round in 0..10 {
        bridge
            .call(
                "maja",
                "handbook_search",
                json!({"query": format!("lamp {round}")}),
            )
            .await;
    }
    bridge.kill();
    let state = bridge.folder().join(".drawbridge");
    let key =
        PublicKey::parse(&std::fs::read_to_string(state.join("keys/log.pub")).unwrap()).unwrap();
    let witness = std::fs::read_to_string(state.join("checkpoint")).unwrap();
    let database = state.join("drawbridge.db");
    let whole = check(&database, &key, &witness).await;
    assert!(whole, "the log as it was written verifies");
    let mut mutations = vec![
        "DELETE FROM records WHERE place = 5".to_owned(),
        "DELETE FROM records WHERE place = (SELECT max(place) FROM records)".to_owned(),
        "DELETE FROM checkpoints".to_owned(),
        "UPDATE log_head SET size = size - 1".to_owned(),
        "UPDATE records SET place = 1000000 WHERE place = 5".to_owned(),
        "DELETE FROM records WHERE place >= 8; DELETE FROM checkpoints WHERE size > 8".to_owned(),
    ];
    for column in [
        "id",
        "person",
        "client",
        "connector",
        "action",
        "status",
        "power",
    ] {
        mutations.push(format!(
            "UPDATE records SET {column} = {column} || 'x' WHERE place = 6"
        ));
    }
    for place in 0..10 {
        mutations.push(format!(
            "UPDATE records SET time = time + 1 WHERE place = {place}"
        ));
        mutations.push(format!(
            "UPDATE records SET leaf = zeroblob(32) WHERE place = {place}"
        ));
        for byte in (1..=300).step_by(step()) {
            mutations.push(format!(
                "UPDATE records SET body = CAST(substr(body, 1, {byte} - 1) || '~' || substr(body, {byte} + 1) AS BLOB) \
                 WHERE place = {place}"
            ));
        }
        mutations.push(format!("UPDATE checkpoints SET note = replace(note, 'lindqvist', 'lindqvisu') WHERE size = {place} + 1"));
    }
    for mutation in &mutations {
        let copy = tempfile::tempdir().unwrap();
        let changed = copy.path().join("drawbridge.db");
        for suffix in ["", "-wal", "-shm"] {
            let from = format!("{}{suffix}", database.display());
            if Path::new(&from).exists() {
                std::fs::copy(from, format!("{}{suffix}", changed.display())).unwrap();
            }
        }
        let mut connection = SqliteConnection::connect(&format!("sqlite:{}", changed.display()))
            .await
            .unwrap();
        sqlx::raw_sql(AssertSqlSafe(mutation.clone()))
            .execute(&mut connection)
            .await
            .unwrap();
        connection.close().await.unwrap();
        assert!(!check(&changed, &key, &witness).await, "{mutation}");
    }
}

async fn check(database: &Path, key: &PublicKey, witness: &str) -> bool {
    let store = Store::open(&Place::Sqlite(database.to_owned()))
        .await
        .unwrap();
    let verified = verify(&store, key.clone(), Some(witness)).await.is_ok();
    store.close().await;
    verified
}

#[tokio::test]
async fn a_record_can_be_proved_and_another_cannot() {
    let bridge = Bridge::start().await;
    let answer = bridge
        .call("maja", "handbook_search", json!({"query": "lamp"}))
        .await;
    let id = answer["record"].as_str().unwrap();
    let out = bridge.line(&["log", "prove", id, "--json"]);
    let told: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap();
    let proof: Proof = serde_json::from_value(told["data"].clone()).unwrap();
    let key = bridge.folder().join(".drawbridge/keys/log.pub");
    let key = PublicKey::parse(&std::fs::read_to_string(key).unwrap()).unwrap();
    assert!(proof.record(&key).is_some());
    let other = bridge.line(&["log", "show", id, "--json"]);
    assert!(String::from_utf8_lossy(&other.stdout).contains("handbook"));
    let mut forged = proof.clone();
    forged.body = proof.body.replacen('e', "f", 1);
    assert!(forged.record(&key).is_none());
    forged = proof.clone();
    forged.place += 1;
    assert!(forged.record(&key).is_none());
}

/// A proof carries the bytes that were hashed, so it shows all that the record keeps.
#[tokio::test]
async fn a_proof_shows_content_only_to_those_who_may_see_it() {
    let keep = tempfile::tempdir().unwrap();
    let folder = keep.path().join("demo");
    let files = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../demo");
    let copied = Command::new("cp")
        .arg("-r")
        .arg(files)
        .arg(&folder)
        .status()
        .unwrap();
    assert!(copied.success());
    let file = folder.join("connectors/handbook.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("content: summary", "content: full")).unwrap();
    let bridge = Bridge::on(keep, folder).await;
    let answer = bridge
        .call("maja", "handbook_search", json!({"query": "lamp"}))
        .await;
    let id = answer["record"].as_str().unwrap();
    let maja = bridge.line(&[
        "--person",
        "maja@lindqvist.example",
        "log",
        "prove",
        id,
        "--json",
    ]);
    let told: serde_json::Value = serde_json::from_slice(&maja.stdout).unwrap();
    assert_eq!(
        (&told["status"], &told["data"]),
        (&json!("denied"), &json!(null)),
        "{told}"
    );
    let shown = bridge.line(&[
        "--person",
        "maja@lindqvist.example",
        "log",
        "show",
        id,
        "--json",
    ]);
    let shown: serde_json::Value = serde_json::from_slice(&shown.stdout).unwrap();
    assert_eq!(
        (&shown["status"], &shown["data"]["kept"]),
        (&json!("ok"), &json!(null)),
        "{shown}"
    );
    let owner = bridge.line(&["log", "prove", id, "--json"]);
    let told: serde_json::Value = serde_json::from_slice(&owner.stdout).unwrap();
    let proof: Proof = serde_json::from_value(told["data"].clone()).unwrap();
    let key = bridge.folder().join(".drawbridge/keys/log.pub");
    let key = PublicKey::parse(&std::fs::read_to_string(key).unwrap()).unwrap();
    assert!(proof.record(&key).is_some(), "the owner gets the proof");
}
