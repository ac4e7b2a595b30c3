//! Verifying the stored log, with nothing but the store and the public key.

use base64::{Engine, engine::general_purpose::STANDARD};
use drawbridge_core::log::{
    Verified, Verifier,
    checkpoint::PublicKey,
    merkle::{self, Frontier, Hash},
};
use serde::{Deserialize, Serialize};

use crate::store::{Store, StoreError, StoredRecord};

/// Rows read at once.
const PAGE: u32 = 1_000;

/// Why a log does not verify.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// It was changed.
    #[error("the log was changed: {0}")]
    Finding(#[from] drawbridge_core::log::Finding),
    /// The checkpoint kept beside the store is broken.
    #[error("the checkpoint kept beside the store: {0}")]
    Witness(#[from] drawbridge_core::log::checkpoint::NoteError),
    /// It cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The head, from which the next record would be appended, is not that of the log.
    #[error("the log was changed: its head is not that of its records")]
    Head,
}

/// Reads the whole log and checks every record, every checkpoint and the head. `witness` is a
/// checkpoint kept elsewhere.
///
/// # Errors
/// The first thing that is wrong.
pub async fn verify(
    store: &Store,
    key: PublicKey,
    witness: Option<&str>,
) -> Result<Verified, AuditError> {
    let witness = witness.map(|note| key.open(note)).transpose()?;
    let mut verifier = Verifier::new(key);
    let mut frontier = Frontier::default();
    let mut checkpoints = store.checkpoints(0, PAGE).await?.into_iter().peekable();
    loop {
        let rows = store.rows(verifier.size(), PAGE).await?;
        if rows.is_empty() {
            break;
        }
        for row in &rows {
            verifier.record(row)?;
            frontier.push(drawbridge_core::log::merkle::leaf(&row.body));
            let size = verifier.size();
            if checkpoints.peek().is_none() {
                checkpoints = store.checkpoints(size, PAGE).await?.into_iter().peekable();
            }
            while let Some((_, note)) = checkpoints.next_if(|(at, _)| *at <= size) {
                verifier.checkpoint(size, &note)?;
            }
            if let Some(witness) = &witness {
                verifier.agrees(witness)?;
            }
        }
    }
    let head = store.log_head().await?;
    let right = (frontier.size(), frontier.to_bytes());
    if head.is_some_and(|head| head != right)
        || (frontier.size() > 0 && store.log_head().await?.is_none())
    {
        return Err(AuditError::Head);
    }
    // A checkpoint of more records than there are is one whose records were cut off.
    if let Some((size, note)) = checkpoints.next() {
        verifier.checkpoint(size, &note)?;
    }
    Ok(verifier.finish(witness.as_ref())?)
}

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
    let (size, checkpoint) = store.newest_checkpoint().await?.ok_or(AuditError::Head)?;
    let leaves = store.leaves(size).await?;
    let place = usize::try_from(stored.place).map_err(|_| AuditError::Head)?;
    let path = merkle::inclusion(&leaves, place).ok_or(AuditError::Head)?;
    Ok(Proof {
        place: stored.place,
        body: STANDARD.encode(&stored.body),
        path: path.iter().map(|hash| STANDARD.encode(hash)).collect(),
        checkpoint,
    })
}

impl Proof {
    /// Whether the record was on the log that this key signs for.
    #[must_use]
    pub fn holds(&self, key: &PublicKey) -> bool {
        let hash = |text: &String| Hash::try_from(STANDARD.decode(text).ok()?).ok();
        let path: Option<Vec<Hash>> = self.path.iter().map(hash).collect();
        let (Some(path), Ok(body), Ok(checkpoint)) = (
            path,
            STANDARD.decode(&self.body),
            key.open(&self.checkpoint),
        ) else {
            return false;
        };
        let place = (self.place, checkpoint.size);
        merkle::verify_inclusion(merkle::leaf(&body), place, &path, &checkpoint.root)
    }
}
