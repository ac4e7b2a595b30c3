//! Reading a whole log, stored or exported, with nothing but the public key.

use std::io::BufRead;

use drawbridge_core::log::{Finding, Verified, Verifier, checkpoint::PublicKey};

use super::AuditError;
use crate::store::{Reading, Store};

/// Records read at once.
const ROWS: u32 = 256;
/// Checkpoints read at once.
const CHECKPOINTS: u32 = 1_000;
/// The longest line of an export, in bytes.
const LINE: u64 = 256 << 20;

/// Reads the whole log as it is at this moment and checks every record with its columns, every
/// checkpoint and the head. `witness` is a checkpoint kept elsewhere, read before this is called:
/// a gateway that runs may be ahead of it.
///
/// # Errors
/// The first thing that is wrong.
pub async fn verify(
    store: &Store,
    key: PublicKey,
    witness: Option<&str>,
) -> Result<Verified, AuditError> {
    let witness = witness.map(|note| key.open(note)).transpose()?;
    let mut verifier = Verifier::new(key, witness);
    let mut reading = store.reading().await?;
    let counts = reading.counts().await?;
    let mut checkpoints = Checkpoints::default();
    // The smallest place is no place either, and is found by counting.
    let mut last = i64::MIN;
    loop {
        let rows = reading.rows(last, ROWS).await?;
        let Some(end) = rows.last() else { break };
        last = end.place;
        for row in &rows {
            verifier.record(row)?;
            let size = row.place.saturating_add(1);
            while let Some((size, note)) = checkpoints.next(&mut reading, size).await? {
                verifier.checkpoint(size, &note)?;
            }
        }
    }
    // A checkpoint of more records than there are is one whose records were cut off.
    if let Some((size, note)) = checkpoints.next(&mut reading, i64::MAX).await? {
        verifier.checkpoint(size, &note)?;
    }
    let heads = reading.heads().await?;
    let verified = verifier.finish(&heads)?;
    let read = (verified.records, verified.checkpoints);
    let stored = (
        u64::try_from(counts.records),
        u64::try_from(counts.checkpoints),
    );
    if stored != (Ok(read.0), Ok(read.1)) {
        return Err(AuditError::Finding(Finding {
            place: None,
            what: "the store holds rows that are at no place of the log".to_owned(),
        }));
    }
    Ok(verified)
}

/// The stored checkpoints, one after the other.
struct Checkpoints {
    page: std::vec::IntoIter<(i64, String)>,
    peeked: Option<(i64, String)>,
    last: i64,
}

impl Default for Checkpoints {
    fn default() -> Self {
        Self {
            page: Vec::new().into_iter(),
            peeked: None,
            last: i64::MIN,
        }
    }
}

impl Checkpoints {
    /// The next one, if it is of at most so many records.
    async fn next(
        &mut self,
        reading: &mut Reading,
        most: i64,
    ) -> Result<Option<(i64, String)>, AuditError> {
        if self.peeked.is_none() {
            self.peeked = self.page.next();
        }
        if self.peeked.is_none() {
            let page = reading.checkpoints(self.last, CHECKPOINTS).await?;
            self.page = page.into_iter();
            self.peeked = self.page.next();
        }
        let due = self.peeked.take_if(|(size, _)| *size <= most);
        if let Some((size, _)) = &due {
            self.last = *size;
        }
        Ok(due)
    }
}

/// Checks an export, one record to a line, against the checkpoint that came with it.
///
/// # Errors
/// The first thing that is wrong.
pub fn verify_export(
    mut lines: impl BufRead,
    key: PublicKey,
    checkpoint: &str,
) -> Result<Verified, AuditError> {
    let witness = key.open(checkpoint)?;
    let mut verifier = Verifier::new(key, Some(witness));
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = std::io::Read::take(&mut lines, LINE).read_until(b'\n', &mut line)?;
        if read == 0 {
            return Ok(verifier.finish_export()?);
        }
        verifier.body(line.strip_suffix(b"\n").unwrap_or(&line))?;
    }
}
