//! The searchable columns of a stored record, filled from its body and compared with it.

use super::{Record, plain};
use crate::call::Power;

/// One record as it is stored: the body, and the columns that were filled from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Its place in the log, from 0. Negative only where somebody put it there.
    pub place: i64,
    /// The bytes that were hashed.
    pub body: Vec<u8>,
    /// The stored hash of the body.
    pub leaf: Vec<u8>,
    /// The time column, in microseconds since 1970.
    pub time: i64,
    /// The text columns, in the order of [`TEXTS`].
    pub texts: Vec<String>,
}

/// The text columns by which records can be found.
pub const TEXTS: [&str; 7] = [
    "id",
    "person",
    "client",
    "connector",
    "action",
    "power",
    "status",
];

impl Row {
    /// What the text columns of a record hold, in the order of [`TEXTS`].
    #[must_use]
    pub fn texts(record: &Record) -> [String; TEXTS.len()] {
        let power = record.power.map(Power::word);
        [
            plain::column(&record.id),
            plain::column(&record.person),
            plain::column(&record.client),
            plain::column(&record.connector),
            plain::column(&record.action),
            power.unwrap_or_default().to_owned(),
            record.status.word().to_owned(),
        ]
    }

    /// The first column that says something else than the record it stands beside.
    pub(super) fn differs(&self, record: &Record) -> Option<&'static str> {
        if self.time != record.time.as_microsecond() {
            return Some("time");
        }
        let right = Self::texts(record);
        if self.texts.len() != right.len() {
            return Some("id");
        }
        let mut pairs = TEXTS.iter().zip(right.iter().zip(&self.texts));
        pairs
            .find(|(_, (right, stored))| right != stored)
            .map(|(name, _)| *name)
    }
}
