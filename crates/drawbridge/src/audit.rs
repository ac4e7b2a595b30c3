//! Verifying the stored log, with nothing but the store and the public key.

use drawbridge_core::log::{Verified, Verifier, checkpoint::PublicKey, merkle::Frontier};

use crate::store::{Store, StoreError};

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
