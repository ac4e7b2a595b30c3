//! What goes wrong in a database, told without a word of what it holds: an engine's own words may
//! name what the caller may not see, and are for the operator only.

use drawbridge_core::answer::{Failure, Status};

/// What went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trouble {
    /// Others hold what is needed.
    Locked,
    /// Too many use it.
    Busy,
    /// Another change came in between.
    Raced,
    /// It took too long.
    Slow,
    /// It cannot be written.
    ReadOnly,
    /// Its disk is full.
    Full,
    /// The account may not.
    Rights,
    /// A foreign key forbids it.
    Foreign,
    /// A value must be given.
    Missing,
    /// A value may be there once only.
    Unique,
    /// Another rule forbids it.
    Rule,
    /// A value is none of its field's type.
    Value,
    /// The statement is refused.
    Statement,
    /// Anything else.
    Unusable,
}

impl Trouble {
    pub(super) fn failure(self, error: sqlx::Error) -> Failure {
        let (status, message) = self.told();
        Failure::new(status, message).with_source(error)
    }

    pub(super) fn told(self) -> (Status, &'static str) {
        match self {
            Self::Locked => (
                Status::Unavailable,
                "another program holds the database locked; try again shortly",
            ),
            Self::Busy => (
                Status::Limited,
                "too many use the database at this moment; try again shortly",
            ),
            Self::Raced => (
                Status::Conflict,
                "another change came in between, so nothing was changed; ask again",
            ),
            Self::Slow => (
                Status::Timeout,
                "the database took too long, and was stopped",
            ),
            Self::ReadOnly => (
                Status::Unavailable,
                "the database cannot be written; tell whoever keeps the connector",
            ),
            Self::Full => (Status::Unavailable, "the database's disk is full"),
            Self::Rights => (
                Status::Unavailable,
                "the connector's account may not do this in the database; tell whoever keeps the \
                 connector",
            ),
            Self::Foreign => (
                Status::Invalid,
                "the database refuses it: other rows belong to this one, or the one it belongs to \
                 is not there",
            ),
            Self::Missing => (
                Status::Invalid,
                "the database refuses it: a value that must be given is missing",
            ),
            Self::Unique => (
                Status::Invalid,
                "the database refuses it: another row has a value that only one may have",
            ),
            Self::Rule => (
                Status::Invalid,
                "the database refuses it: a rule of its own forbids this value or this change",
            ),
            Self::Value => (
                Status::Invalid,
                "the database refuses it: a value is too large or none of its field's type",
            ),
            Self::Statement => (
                Status::Failed,
                "the database refuses the statement; tell whoever keeps the connector",
            ),
            Self::Unusable => (
                Status::Unavailable,
                "its database cannot be used at this moment; tell whoever keeps the connector",
            ),
        }
    }
}
