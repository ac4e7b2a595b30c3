//! What goes wrong in the database, told without a word of what it holds.

use drawbridge_core::answer::{Failure, Status};

use super::super::trouble::Trouble;

pub(super) fn unreachable_base(shown: &str) -> Failure {
    let told = format!(
        "its database `{shown}` cannot be reached at this moment; tell whoever keeps the connector"
    );
    Failure::new(Status::Unavailable, told)
}

/// SQLite's extended result code.
pub(super) fn code_of(error: &sqlx::Error) -> Option<i32> {
    error.as_database_error()?.code()?.parse().ok()
}

/// The failure that an error is.
pub(super) fn told(error: sqlx::Error) -> Failure {
    if let Some(code) = code_of(&error) {
        return by_code(code).failure(error);
    }
    match error {
        sqlx::Error::PoolTimedOut => Trouble::Busy.failure(error),
        sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed => {
            Failure::new(Status::Unavailable, "the connector was stopped").with_source(error)
        }
        _ => Trouble::Unusable.failure(error),
    }
}

fn by_code(code: i32) -> Trouble {
    match (code & 0xff, code) {
        (5 | 6, _) => Trouble::Locked,
        (8, _) => Trouble::ReadOnly,
        (9, _) => Trouble::Slow,
        (13, _) => Trouble::Full,
        (19, 787) => Trouble::Foreign,
        (19, 1299) => Trouble::Missing,
        (19, 1555 | 2067 | 2579) => Trouble::Unique,
        (19, _) => Trouble::Rule,
        (20, _) => Trouble::Value,
        // An error in the text, or one that is too large for the engine.
        (1 | 18, _) => Trouble::Statement,
        _ => Trouble::Unusable,
    }
}
