//! What goes wrong in the database, told without a word of what it holds.

use drawbridge_core::answer::{Failure, Status};

pub(in super::super) fn unreachable_base(shown: &str) -> Failure {
    let told = format!(
        "its database `{shown}` cannot be reached at this moment; tell whoever keeps the connector"
    );
    Failure::new(Status::Unavailable, told)
}

/// SQLite's extended result code.
pub(super) fn code_of(error: &sqlx::Error) -> Option<i32> {
    error.as_database_error()?.code()?.parse().ok()
}

/// The failure that an error is. Its own words may name what the caller may not see: they are for
/// the operator only.
pub(in super::super) fn told(error: sqlx::Error) -> Failure {
    let (status, message) = match code_of(&error) {
        Some(code) => by_code(code),
        None => match error {
            sqlx::Error::PoolTimedOut => (
                Status::Limited,
                "too many calls read the database at this moment; try again shortly",
            ),
            sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed => {
                (Status::Unavailable, "the connector was stopped")
            }
            _ => (
                Status::Unavailable,
                "its database cannot be used at this moment; tell whoever keeps the connector",
            ),
        },
    };
    Failure::new(status, message).with_source(error)
}

fn by_code(code: i32) -> (Status, &'static str) {
    match (code & 0xff, code) {
        (5 | 6, _) => (
            Status::Unavailable,
            "another program holds the database locked; try again shortly",
        ),
        (8, _) => (
            Status::Unavailable,
            "the database's file cannot be written; tell whoever keeps the connector",
        ),
        (9, _) => (
            Status::Timeout,
            "the database took too long, and was stopped",
        ),
        (13, _) => (Status::Unavailable, "the database's disk is full"),
        (19, 787) => (
            Status::Invalid,
            "the database refuses it: other rows belong to this one, or the one it belongs to is \
             not there",
        ),
        (19, 1299) => (
            Status::Invalid,
            "the database refuses it: a value that must be given is missing",
        ),
        (19, 1555 | 2067 | 2579) => (
            Status::Invalid,
            "the database refuses it: another row has a value that only one may have",
        ),
        (19, _) => (
            Status::Invalid,
            "the database refuses it: a rule of its own forbids this value or this change",
        ),
        (1, _) => (
            Status::Failed,
            "the database refuses the statement; tell whoever keeps the connector",
        ),
        _ => (
            Status::Unavailable,
            "its database cannot be used at this moment; tell whoever keeps the connector",
        ),
    }
}
