//! Verifying a log from its rows and its public key alone.

use serde::Serialize;

use super::{
    Record, Row,
    checkpoint::{Checkpoint, PublicKey},
    merkle::{self, Frontier},
};

/// The first thing that is wrong with a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
pub struct Finding {
    /// The place of the first bad record, from 0; none where it is not about a record.
    pub place: Option<u64>,
    /// What is wrong.
    pub what: String,
}

impl std::fmt::Display for Finding {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.place {
            Some(place) => write!(formatter, "record {place}: {}", self.what),
            None => formatter.write_str(&self.what),
        }
    }
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
    /// The size of the checkpoint kept elsewhere with which the log agrees; none where there was
    /// none, and then a cut end or an older copy cannot be noticed.
    pub witness: Option<u64>,
}

/// The log's head as it is stored: where the next record would be appended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The key it is stored under: always 1.
    pub id: i64,
    /// How many records there are.
    pub size: i64,
    /// The frontier of their tree, as [`Frontier::to_bytes`] writes it.
    pub frontier: Vec<u8>,
}

/// Reads a log from its first record to its last.
///
/// Every record must be signed for by a later checkpoint, and every checkpoint name the one before
/// it: a writer signs each batch it commits.
pub struct Verifier {
    key: PublicKey,
    frontier: Frontier,
    /// The size of the last checkpoint that was checked.
    signed: u64,
    checkpoints: u64,
    witness: Option<Checkpoint>,
}

impl Verifier {
    /// Starts at the first record. `witness` is a checkpoint kept elsewhere, if there is one: it
    /// shows whether the end of the log was cut off or an older copy put in its place.
    #[must_use]
    pub fn new(key: PublicKey, witness: Option<Checkpoint>) -> Self {
        Self {
            key,
            frontier: Frontier::default(),
            signed: 0,
            checkpoints: 0,
            witness,
        }
    }

    /// How many records were read.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.frontier.size()
    }

    /// Reads the next record as it is stored.
    ///
    /// # Errors
    /// When it is not the next one, was changed, or its columns say something else than its body.
    pub fn record(&mut self, row: &Row) -> Result<(), Finding> {
        let place = self.frontier.size();
        let wrong = |what: String| Finding {
            place: Some(place),
            what,
        };
        if u64::try_from(row.place) != Ok(place) {
            let what = format!("it is missing; what is stored next is at {}", row.place);
            return Err(wrong(what));
        }
        if merkle::leaf(&row.body)[..] != row.leaf[..] {
            let what = "its body or its stored hash was changed".to_owned();
            return Err(wrong(what));
        }
        let record: Record = serde_json::from_slice(&row.body)
            .map_err(|error| wrong(format!("its body is no record: {error}")))?;
        if let Some(name) = row.differs(&record) {
            let what = format!("its column `{name}` says something else than its body");
            return Err(wrong(what));
        }
        self.push(&row.body)
    }

    /// Reads the next record of an export: the bytes that were hashed.
    ///
    /// # Errors
    /// When it is no record, or the log is not that of the witness.
    pub fn body(&mut self, body: &[u8]) -> Result<(), Finding> {
        if let Err(error) = serde_json::from_slice::<Record>(body) {
            return Err(Finding {
                place: Some(self.frontier.size()),
                what: format!("this line is no record: {error}"),
            });
        }
        self.push(body)
    }

    fn push(&mut self, body: &[u8]) -> Result<(), Finding> {
        self.frontier.push(merkle::leaf(body));
        let size = self.frontier.size();
        let reached = self.witness.as_ref().filter(|witness| witness.size == size);
        if reached.is_none_or(|witness| witness.root == self.frontier.root()) {
            return Ok(());
        }
        Err(Finding {
            place: None,
            what: format!(
                "the first {size} records are not those of the checkpoint kept elsewhere: another \
                 log was put in place, or records were changed"
            ),
        })
    }

    fn witness_size(&self) -> u64 {
        self.witness.as_ref().map_or(0, |witness| witness.size)
    }

    /// Checks the next checkpoint, which must be of the records read so far. `size` is the size it
    /// is stored under.
    ///
    /// # Errors
    /// When it is not signed by the log's key, signs for other records, or the one before is missing.
    pub fn checkpoint(&mut self, size: i64, note: &str) -> Result<(), Finding> {
        let (first, read) = (self.signed, self.frontier.size());
        let about = |what: String| Finding { place: None, what };
        let checkpoint = self
            .key
            .open(note)
            .map_err(|error| about(format!("the checkpoint stored for {size} records: {error}")))?;
        if u64::try_from(size) != Ok(checkpoint.size) || checkpoint.size != read {
            return Err(about(format!(
                "the checkpoint stored for {size} records is one of {}, and {read} were read",
                checkpoint.size
            )));
        }
        if checkpoint.previous != first {
            return Err(about(format!(
                "the checkpoint of {size} records follows one of {}, which is missing or was moved",
                checkpoint.previous
            )));
        }
        if checkpoint.root != self.frontier.root() {
            let last = read.saturating_sub(1);
            return Err(Finding {
                place: Some(first),
                what: format!("the records {first} to {last} are not those that were signed"),
            });
        }
        self.signed = read;
        self.checkpoints += 1;
        Ok(())
    }

    /// Ends after the last record and checkpoint of a store, with its heads.
    ///
    /// # Errors
    /// When the last records are not signed for, the head is not theirs, or the log is shorter
    /// than the witness.
    pub fn finish(self, heads: &[Head]) -> Result<Verified, Finding> {
        let records = self.frontier.size();
        let wrong = |what: String| Finding { place: None, what };
        if self.signed != records {
            return Err(Finding {
                place: Some(self.signed),
                what: "it and what follows are not signed for".to_owned(),
            });
        }
        let right = Head {
            id: 1,
            size: i64::try_from(records).unwrap_or(i64::MAX),
            frontier: self.frontier.to_bytes(),
        };
        let whole = match heads {
            [] => records == 0,
            [head] => *head == right,
            _ => false,
        };
        if !whole {
            let what = "the log's head, where the next record goes, is not that of its records";
            return Err(wrong(what.to_owned()));
        }
        self.end()
    }

    /// Ends after the last record of an export, which is verified by the witness alone.
    ///
    /// # Errors
    /// When the export is shorter than the witness, or there is none.
    pub fn finish_export(self) -> Result<Verified, Finding> {
        if self.witness.is_none() {
            let what = "an export is verified with a checkpoint: give the one that came with it";
            return Err(Finding {
                place: None,
                what: what.to_owned(),
            });
        }
        self.end()
    }

    fn end(self) -> Result<Verified, Finding> {
        let records = self.frontier.size();
        let witness = self.witness_size();
        if witness > records {
            return Err(Finding {
                place: Some(records),
                what: format!(
                    "it is missing: a checkpoint kept elsewhere knows {witness} records, so the \
                     end was cut off or an older copy put in place"
                ),
            });
        }
        Ok(Verified {
            records,
            checkpoints: self.checkpoints,
            root: hex::encode(self.frontier.root()),
            witness: self.witness.map(|witness| witness.size),
        })
    }
}
