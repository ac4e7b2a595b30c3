//! Verifying and proving the stored log, and what the gateway puts on it by itself.

pub mod export;
mod proof;
mod sign_ins;
mod verify;

use drawbridge_core::{
    answer::Found,
    call::Caller,
    log::{LogDown, Recorded},
    way::{Act, Way},
};
use serde_json::Value;

pub use proof::{Proof, prove};
pub use sign_ins::{SignIns, WhyNot};
pub use verify::{verify, verify_export};

use crate::{app::new_id, store::StoreError};

/// Why a log does not verify.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// It was changed.
    #[error("the log was changed: {0}")]
    Finding(#[from] drawbridge_core::log::Finding),
    /// The checkpoint kept elsewhere is not one of this log.
    #[error("the checkpoint kept elsewhere: {0}")]
    Witness(#[from] drawbridge_core::log::checkpoint::NoteError),
    /// It cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An export cannot be read.
    #[error("the export cannot be read: {0}")]
    Export(#[from] std::io::Error),
    /// The record is not the one that was signed for.
    #[error("the log was changed: this record is not as it was signed")]
    Unprovable,
    /// There is nothing to prove with yet.
    #[error("the log has no checkpoint of this record")]
    Unsigned,
}

/// Puts something on the log that the gateway did by itself, such as putting a narrower revision
/// into force. It must not happen when this fails.
///
/// # Errors
/// [`LogDown`] when it cannot be recorded.
pub async fn own_act(
    way: &Way,
    (connector, action): (&str, &str),
    arguments: &Value,
    reason: String,
) -> Result<Recorded, LogDown> {
    let (id, caller, began) = (new_id(), Caller::gateway(), way.begin());
    let act = Act {
        id: &id,
        caller: &caller,
        connector,
        action,
        power: None,
        arguments,
        reason,
        in_full: true,
    };
    let done = Found::new(Value::Null, String::new(), 1);
    way.note(act, Ok(done), began).await
}
