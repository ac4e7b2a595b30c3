//! What PostgreSQL's error codes say.

use drawbridge_core::answer::Failure;
use sqlx::postgres::{PgDatabaseError, PgSeverity};

use super::super::{remote::Refusal, trouble::Trouble};

pub(super) fn code_of(error: &sqlx::Error) -> Option<String> {
    Some(error.as_database_error()?.code()?.into_owned())
}

/// What the server refuses of somebody who signs in, if that is what an error says.
pub(super) fn refusal(error: &sqlx::Error) -> Option<Refusal> {
    match (error, code_of(error).as_deref()) {
        // A wrong password, or one that is no longer good.
        (_, Some("28P01")) => Some(Refusal::Secret),
        // No password of SCRAM can be made of it.
        (sqlx::Error::Configuration(_), _) => Some(Refusal::Secret),
        (_, Some("28000")) => Some(Refusal::Account),
        _ => None,
    }
}

/// The failure that an error is.
pub(super) fn told(error: sqlx::Error) -> Failure {
    let trouble = match code_of(&error) {
        Some(code) => by_code(&code),
        None => Trouble::Unusable,
    };
    trouble.failure(error)
}

/// Whether an error that answers a commit says that nothing was committed: one that ends no more
/// than the statement does, whatever raised it. Only 40003 says that nobody knows.
pub(super) fn refused(error: &sqlx::Error) -> bool {
    let error = error.as_database_error();
    let error = error.and_then(|error| error.try_downcast_ref::<PgDatabaseError>());
    error.is_some_and(|error| error.severity() == PgSeverity::Error && error.code() != "40003")
}

/// Whether an error says that the server has ended the connection.
pub(super) fn ended(error: &sqlx::Error) -> bool {
    let code = code_of(error).unwrap_or_default();
    // 25P03: it said nothing for too long inside a transaction.
    code.starts_with("57P") || code.starts_with("08") || code == "25P03"
}

/// Whether an error says that whoever acts may not do this: for want of a right, or by row-level
/// security.
pub(super) fn forbids(error: &sqlx::Error) -> bool {
    code_of(error).as_deref() == Some("42501")
}

fn by_code(code: &str) -> Trouble {
    match (code.get(..2).unwrap_or_default(), code) {
        (_, "57014") => Trouble::Slow,
        (_, "55P03") => Trouble::Locked,
        (_, "53300") => Trouble::Busy,
        (_, "53100") => Trouble::Full,
        (_, "25006") => Trouble::ReadOnly,
        (_, "42501") => Trouble::Rights,
        (_, "23503") => Trouble::Foreign,
        (_, "23502") => Trouble::Missing,
        (_, "23505" | "23P01") => Trouble::Unique,
        ("40", _) => Trouble::Raced,
        ("22", _) => Trouble::Value,
        ("23" | "P0" | "44" | "27", _) => Trouble::Rule,
        (_, "25P03") => Trouble::Slow,
        ("21" | "42" | "54" | "0A" | "25", _) => Trouble::Statement,
        _ => Trouble::Unusable,
    }
}
