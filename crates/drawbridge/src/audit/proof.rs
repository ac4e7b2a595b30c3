//! Proofs that one record is on the log, to be checked by anyone with the public key.

use base64::{Engine, engine::general_purpose::STANDARD};
use drawbridge_core::log::{
    Record,
    checkpoint::PublicKey,
    merkle::{self, Hash},
};
use serde::{Deserialize, Serialize};

use super::AuditError;
use crate::store::{Store, StoredRecord};

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
    let parts = merkle::inclusion(stored.place, size).ok_or(AuditError::Unsigned)?;
    let mut path = Vec::with_capacity(parts.len());
    for part in parts {
        path.push(STANDARD.encode(reading.subtree(part).await?));
    }
    Ok(Proof {
        place: stored.place,
        body: STANDARD.encode(&stored.body),
        path,
        checkpoint,
    })
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
