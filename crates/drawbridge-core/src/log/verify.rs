//! Verifying a stored log from its rows and its public key alone.

use serde::Serialize;

use super::{
    Record,
    checkpoint::{Checkpoint, PublicKey},
    merkle::{self, Frontier, Hash},
};

/// One record as it is stored: the body, and the columns that were filled from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Its place in the log, from 0.
    pub place: u64,
    /// The bytes that were hashed.
    pub body: Vec<u8>,
    /// The stored hash of the body.
    pub leaf: Vec<u8>,
    /// Columns by name, as [`Row::columns`] fills them.
    pub columns: Vec<(&'static str, String)>,
}

impl Row {
    /// What the searchable columns of a record hold, in their order.
    #[must_use]
    pub fn columns(record: &Record) -> Vec<(&'static str, String)> {
        vec![
            ("id", record.id.clone()),
            ("time", record.time.as_microsecond().to_string()),
            ("person", record.person.clone()),
            ("client", record.client.clone()),
            ("connector", record.connector.clone()),
            ("action", record.action.clone()),
            (
                "power",
                record
                    .power
                    .map(|power| power.word().to_owned())
                    .unwrap_or_default(),
            ),
            ("status", record.status.word().to_owned()),
        ]
    }
}

/// The first thing that is wrong with a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("record {place}: {what}")]
pub struct Finding {
    /// The place in the log, from 0.
    pub place: u64,
    /// What is wrong there.
    pub what: String,
}

/// What a verified log is known to hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verified {
    /// How many records.
    pub records: u64,
    /// How many checkpoints were checked.
    pub checkpoints: u64,
    /// The root of its Merkle tree, in hexadecimal.
    pub root: String,
}

/// Reads a log from its first record to its last.
///
/// Every record must be signed for by a later checkpoint: a writer signs each batch it commits.
pub struct Verifier {
    key: PublicKey,
    frontier: Frontier,
    signed: Checkpoint,
    checkpoints: u64,
}

impl Verifier {
    /// Starts at the first record.
    #[must_use]
    pub fn new(key: PublicKey) -> Self {
        let frontier = Frontier::default();
        let signed = Checkpoint {
            origin: key.name().to_owned(),
            size: 0,
            root: frontier.root(),
        };
        Self {
            key,
            frontier,
            signed,
            checkpoints: 0,
        }
    }

    /// How many records were read.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.frontier.size()
    }

    /// Reads the next record.
    ///
    /// # Errors
    /// When it is not the next one, was changed, or its columns say something else than its body.
    pub fn record(&mut self, row: &Row) -> Result<(), Finding> {
        let place = self.frontier.size();
        let wrong = |what: String| Finding { place, what };
        if row.place != place {
            return Err(wrong(format!(
                "missing: the next one stored is {}",
                row.place
            )));
        }
        let leaf: Hash = merkle::leaf(&row.body);
        if leaf[..] != row.leaf[..] {
            return Err(wrong(
                "its body was changed: it has another hash".to_owned(),
            ));
        }
        let record: Record = serde_json::from_slice(&row.body)
            .map_err(|error| wrong(format!("its body is no record: {error}")))?;
        let columns = Row::columns(&record);
        for ((name, right), (_, stored)) in columns.iter().zip(&row.columns) {
            if right != stored {
                return Err(wrong(format!(
                    "its column `{name}` says something else than its body"
                )));
            }
        }
        if columns.len() != row.columns.len() {
            return Err(wrong("its columns are not whole".to_owned()));
        }
        self.frontier.push(leaf);
        Ok(())
    }

    /// Checks a checkpoint of the records read so far. `size` is the size it is stored under.
    ///
    /// # Errors
    /// When it is not signed by the log's key, or signs for other records.
    pub fn checkpoint(&mut self, size: u64, note: &str) -> Result<(), Finding> {
        let place = self.frontier.size().saturating_sub(1);
        let wrong = |what: String| Finding { place, what };
        let checkpoint = self
            .key
            .open(note)
            .map_err(|error| wrong(error.to_string()))?;
        if checkpoint.size != size || size != self.frontier.size() {
            return Err(wrong(format!(
                "the checkpoint stored for {size} records is one of {}",
                checkpoint.size
            )));
        }
        if checkpoint.root != self.frontier.root() {
            return Err(wrong(format!(
                "the first {size} records are not those that were signed"
            )));
        }
        self.signed = checkpoint;
        self.checkpoints += 1;
        Ok(())
    }

    /// Ends after the last record. `witness` is a checkpoint kept elsewhere, if there is one: it
    /// shows whether the end of the log was cut off or an older copy put in its place. It must
    /// have been compared with [`Verifier::agrees`] when its size was reached.
    ///
    /// # Errors
    /// When the last records are not signed for, or the log is shorter than the witness.
    pub fn finish(self, witness: Option<&Checkpoint>) -> Result<Verified, Finding> {
        let records = self.frontier.size();
        let wrong = |what: String| Finding {
            place: records,
            what,
        };
        if self.signed.size != records {
            return Err(wrong(format!(
                "the last {} records are not signed for",
                records - self.signed.size
            )));
        }
        if let Some(witness) = witness
            && witness.size > records
        {
            return Err(wrong(format!(
                "the end is cut off: a checkpoint kept elsewhere knows {} records",
                witness.size
            )));
        }
        Ok(Verified {
            records,
            checkpoints: self.checkpoints,
            root: hex::encode(self.frontier.root()),
        })
    }

    /// Whether the records read so far are those of a checkpoint kept elsewhere, whose size has
    /// just been reached.
    ///
    /// # Errors
    /// When they are others.
    pub fn agrees(&self, witness: &Checkpoint) -> Result<(), Finding> {
        if witness.size != self.frontier.size() || witness.root == self.frontier.root() {
            return Ok(());
        }
        Err(Finding {
            place: witness.size.saturating_sub(1),
            what: format!(
                "the first {} records are not those of the checkpoint kept elsewhere",
                witness.size
            ),
        })
    }
}
