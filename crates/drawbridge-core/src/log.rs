//! Record or refuse: proofs that something is on the audit log.

pub mod checkpoint;
mod columns;
pub mod merkle;
pub mod plain;
mod record;
mod seal;
mod verify;

use std::sync::Arc;

use async_trait::async_trait;

pub use columns::{Row, TEXTS};
pub use record::{Asked, Decided, Kept, Planned, Record, Replied, Returned};
pub use seal::Seal;
pub use verify::{Finding, Head, Verified, Verifier};

use crate::{
    answer::Answer,
    decide::Clearance,
    plan::{KeptPlan, Stage, Step},
};

/// Durable, ordered storage of records.
#[async_trait]
pub trait Journal: Send + Sync {
    /// Appends a record and says where it stands. Returns only once the record would survive a
    /// power cut.
    ///
    /// # Errors
    /// When that cannot be promised; the record may or may not be on the log then.
    async fn append(&self, entry: Entry) -> Result<Appended, Unwritten>;
}

/// Why a record was not made durable.
#[derive(Debug, thiserror::Error)]
pub enum Unwritten {
    /// The log is down.
    #[error(transparent)]
    Down(#[from] LogDown),
    /// Another change of the plan was first, or a cap is reached: neither record nor change is
    /// kept. Says which.
    #[error("{0}")]
    Overtaken(String),
}

/// Where a record stands, and what was in force at that moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// Its place in the log, from 0.
    pub place: u64,
    /// How often what is in force (states, revisions, tokens) had been changed, by whichever
    /// gateway, when the record was made durable.
    pub version: u64,
}

/// A record and the exact bytes that are hashed for it.
#[derive(Debug, Clone)]
pub struct Entry {
    /// What the columns are filled from.
    pub record: Record,
    /// The record as JSON: the leaf of the Merkle tree.
    pub body: Vec<u8>,
    /// What becomes of kept plans: durable together with the record, or neither is.
    pub steps: Vec<Step>,
}

impl Entry {
    /// The entry of a record: JSON on one line, without characters that mislead.
    ///
    /// # Errors
    /// When the record cannot be written as JSON.
    pub fn new(record: Record) -> Result<Self, LogDown> {
        let body = plain::json(&record).map_err(LogDown::because)?;
        let steps = Vec::new();
        Ok(Self {
            record,
            body,
            steps,
        })
    }
}

/// The log cannot be written, so nothing may happen that would not be on it.
#[derive(Debug, thiserror::Error)]
#[error("the audit log cannot be written, so calls are refused")]
pub struct LogDown {
    /// For the operator's trace.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl LogDown {
    /// The log is down because of this.
    pub fn because(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self {
            source: Some(source.into()),
        }
    }
}

/// The audit log.
#[derive(Clone)]
pub struct Log {
    journal: Arc<dyn Journal>,
}

/// An answer that is on the log. Doors send nothing else, and only [`Log::record`] makes one.
///
/// ```compile_fail
/// let answer: drawbridge_core::answer::Answer = todo!();
/// let recorded = drawbridge_core::log::Recorded { answer, id: "x".into(), appended: todo!() };
/// ```
#[derive(Debug)]
pub struct Recorded {
    answer: Answer,
    id: Arc<str>,
    appended: Appended,
}

/// The idempotency key of an effect whose intent is durable. Only the log makes one, and no
/// connector applies anything without it.
///
/// ```compile_fail
/// let key = drawbridge_core::log::Key { id: "x".into() };
/// ```
#[derive(Debug)]
pub struct Key {
    id: Arc<str>,
}

impl Key {
    /// The same for every attempt at one effect, and for no other: at most 64 characters, digits
    /// and lower-case letters.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }
}

impl Log {
    /// A log that keeps its records in `journal`.
    #[must_use]
    pub fn new(journal: Arc<dyn Journal>) -> Self {
        Self { journal }
    }

    /// Puts what happened on the log; the answer may leave once that is durable.
    ///
    /// # Errors
    /// [`LogDown`] when the record cannot be made durable: then the answer must not leave.
    pub async fn record(&self, record: Record, answer: Answer) -> Result<Recorded, LogDown> {
        match self.step(record, answer, Vec::new()).await {
            Ok(recorded) => Ok(recorded),
            Err(Unwritten::Down(down)) => Err(down),
            Err(overtaken @ Unwritten::Overtaken(_)) => Err(LogDown::because(overtaken)),
        }
    }

    /// The same, together with what becomes of kept plans.
    ///
    /// # Errors
    /// [`Unwritten::Overtaken`] when a plan is no longer as the step takes it to be.
    pub fn step(
        &self,
        record: Record,
        answer: Answer,
        steps: Vec<Step>,
    ) -> impl Future<Output = Result<Recorded, Unwritten>> + Send {
        let id = Arc::from(record.id.as_str());
        // The record is handed on before anything is waited for: it is large, and who waits for
        // whoever waits here would each carry the room for it.
        let appended = Entry::new(record).map(|mut entry| {
            entry.steps = steps;
            self.journal.append(entry)
        });
        async move {
            let appended = appended?.await?;
            Ok(Recorded {
                answer,
                id,
                appended,
            })
        }
    }

    /// Puts the intent of an effect on the log, together with the step to [`Stage::Applying`] and
    /// what else becomes of plans by it, and gives the key to it once all is durable. Uses up the
    /// clearance.
    ///
    /// # Errors
    /// As [`Log::step`]; also when the clearance is for another plan.
    pub async fn intend(
        &self,
        record: Record,
        steps: Vec<Step>,
        clearance: Clearance,
    ) -> Result<(Key, Appended), Unwritten> {
        let plans = steps.iter().map(Step::plan);
        let mut begun = plans.filter(|plan| plan.stage == Stage::Applying);
        let id = match (begun.next(), begun.next()) {
            (Some(plan), None) if clearance.is_for(&plan.bound.digest) => plan.id.as_str().into(),
            _ => {
                let why = "nothing clears this plan".to_owned();
                return Err(Unwritten::Overtaken(why));
            }
        };
        let key = Key { id };
        let mut entry = Entry::new(record)?;
        entry.steps = steps;
        let appended = self.journal.append(entry).await?;
        Ok((key, appended))
    }

    /// The key of a plan whose intent is on the log already, to settle it.
    #[must_use]
    pub fn key(&self, plan: &KeptPlan) -> Option<Key> {
        let began = matches!(plan.stage, Stage::Applying | Stage::Unknown);
        began.then(|| Key {
            id: plan.id.as_str().into(),
        })
    }
}

impl Recorded {
    /// The record's id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The record's place in the log, from 0.
    #[must_use]
    pub fn place(&self) -> u64 {
        self.appended.place
    }

    /// How often what is in force had been changed by then: [`Appended::version`].
    #[must_use]
    pub fn version(&self) -> u64 {
        self.appended.version
    }

    /// What may leave.
    #[must_use]
    pub fn answer(&self) -> &Answer {
        &self.answer
    }

    /// What must be asked of the client's side first, if anything must. It leaves once.
    pub fn take_asks(&mut self) -> Option<Box<crate::exchange::Asks>> {
        self.answer.asks.take()
    }

    /// What may leave.
    #[must_use]
    pub fn into_answer(self) -> Answer {
        self.answer
    }
}
