//! Proofs that one record is on the log, to be checked by anyone with the public key.

use base64::{Engine, engine::general_purpose::STANDARD};
use drawbridge_core::log::{
    Record,
    checkpoint::PublicKey,
    merkle::{self, Frontier, Hash},
};
use serde::{Deserialize, Serialize};

use super::AuditError;
use crate::store::{Reading, Store, StoredRecord};

/// All that is needed, with the public key, to see that one record is on the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proof {
    /// The record's place, from 0.
    pub place: u64,
    /// The record as it was hashed, in base64.
    pub body: String,
    /// The audit path from the record to the root, in base64 (RFC 6962 section 2.1.1).
    pub path: Vec<String>,
    /// The signed checkpoint (C2SP).
    pub checkpoint: String,
}

/// The proof of a record under the newest checkpoint.
///
/// # Errors
/// When the log is not whole.
pub async fn prove(store: &Store, stored: &StoredRecord) -> Result<Proof, AuditError> {
    let mut reading = store.reading().await?;
    let newest = reading.newest_checkpoint().await?;
    let (size, checkpoint) = newest.ok_or(AuditError::Unsigned)?;
    let heads = reading.heads().await?;
    let head = heads.first().and_then(|head| {
        let size = u64::try_from(head.size).ok()?;
        Frontier::from_bytes(size, &head.frontier)
    });
    let root = head.map(|head| head.root());
    let place = (stored.place, size);
    let mut path = path(&mut reading, place, true).await?;
    let leaf = merkle::leaf(&stored.body);
    // What is kept of complete parts is a copy. Where it is not of this log, the records say.
    let holds =
        |path: &[Hash]| root.is_some_and(|root| merkle::verify_inclusion(leaf, place, path, &root));
    if !holds(&path) {
        path = self::path(&mut reading, place, false).await?;
        if !holds(&path) {
            return Err(AuditError::Unprovable);
        }
    }
    Ok(Proof {
        place: stored.place,
        body: STANDARD.encode(&stored.body),
        path: path.iter().map(|hash| STANDARD.encode(hash)).collect(),
        checkpoint,
    })
}

async fn path(
    reading: &mut Reading,
    (place, size): (u64, u64),
    by_tiles: bool,
) -> Result<Vec<Hash>, AuditError> {
    let parts = merkle::inclusion(place, size).ok_or(AuditError::Unsigned)?;
    let mut path = Vec::with_capacity(parts.len());
    for part in parts {
        path.push(reading.subtree(part, by_tiles).await?);
    }
    Ok(path)
}

impl Proof {
    /// The record that this proves to be on the log that this key signs for; none when it proves
    /// nothing.
    #[must_use]
    pub fn record(&self, key: &PublicKey) -> Option<Record> {
        let hash = |text: &String| Hash::try_from(STANDARD.decode(text).ok()?).ok();
        let path: Vec<Hash> = self.path.iter().map(hash).collect::<Option<_>>()?;
        let body = STANDARD.decode(&self.body).ok()?;
        let checkpoint = key.open(&self.checkpoint).ok()?;
        let place = (self.place, checkpoint.size);
        let holds = merkle::verify_inclusion(merkle::leaf(&body), place, &path, &checkpoint.root);
        holds.then(|| serde_json::from_slice(&body).ok()).flatten()
    }
}
