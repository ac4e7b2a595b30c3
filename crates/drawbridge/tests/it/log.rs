//! The audit log: whole after a crash, and no change of it goes unnoticed.

mod crash;
pub(crate) mod disk;
mod exported;
mod hostile;
mod many;
mod mutations;
mod postgres;
pub(crate) mod served;
pub(crate) mod server;
mod sign_ins;
pub(crate) mod stored;
mod tiles;
mod together;
mod witness;

use std::process::Command;

use drawbridge::{audit::Proof, store::Store};
use drawbridge_core::log::checkpoint::{PublicKey, Signer};
use serde_json::json;

use crate::bridge::Bridge;

/// The signing key and the store of a workspace.
async fn parts(house: &served::House) -> (Signer, Store) {
    let key = std::fs::read(house.state().join("keys/log.pk8")).unwrap();
    let url = house.url.clone().unwrap();
    let place = drawbridge::store::Place::Postgres(drawbridge_core::secret::Secret::new(url));
    (
        Signer::new("house", &key).unwrap(),
        Store::open(&place).await.unwrap(),
    )
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
