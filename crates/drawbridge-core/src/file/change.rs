//! How a revision differs from the one before it, and which way.

use serde::Serialize;

/// Which way a change goes. Narrowing takes effect at once; widening needs review.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// More may happen, or with less oversight.
    Widens,
    /// Less may happen, or with more oversight.
    Narrows,
    /// Neither: a description, a review date.
    Neutral,
}

/// One difference between two revisions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// The place as a JSON pointer.
    pub pointer: String,
    /// Which way it goes.
    pub direction: Direction,
    /// The difference in a sentence, in lower case without a full stop.
    pub sentence: String,
}

impl Change {
    /// A difference at a JSON pointer.
    pub fn new(
        pointer: impl Into<String>,
        direction: Direction,
        sentence: impl Into<String>,
    ) -> Self {
        Self {
            pointer: pointer.into(),
            direction,
            sentence: sentence.into(),
        }
    }
}
