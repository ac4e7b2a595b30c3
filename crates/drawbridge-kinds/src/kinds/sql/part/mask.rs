//! Masks: what is shown of a field instead of its value.

use schemars::JsonSchema;
use serde::Deserialize;

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

    /// Whether what it shows is a text, whatever the field is.
    pub(in super::super) fn is_text(self) -> bool {
        match self {
            Self::Full | Self::Partial | Self::Hash => true,
            Self::Year => false,
        }
    }
}
