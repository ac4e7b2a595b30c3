//! Masks: what is shown of a field instead of its value.

use schemars::JsonSchema;
use serde::Deserialize;

use super::super::shape::{Column, Sort};

/// What is shown of a field instead of its value. Filters, order and groups go by it, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(in super::super) enum Mask {
    /// Three stars for any value, also for none.
    Full,
    /// Of an address of e-mail the first letter and what comes after the `@`; of another text with
    /// at least eight characters the last two; of a shorter one nothing.
    Partial,
    /// A digest with a key of this gateway: equal values have equal ones. Not on SQLite, which has
    /// no hash function.
    Hash,
    /// The year of a date that is written with the year first.
    Year,
}

impl Mask {
    pub(in super::super) fn word(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Partial => "partial",
            Self::Hash => "hash",
            Self::Year => "year",
        }
    }

    /// What a column is behind it.
    pub(in super::super) fn shown(self, column: &Column) -> Column {
        let (least, most) = (i64::MIN, i64::MAX);
        let sort = match self {
            Self::Full | Self::Partial | Self::Hash => Sort::Text,
            Self::Year => Sort::Integer { least, most },
        };
        Column {
            not_null: column.not_null,
            ..Column::new(column.name.clone(), column.declared.clone(), sort)
        }
    }
}
