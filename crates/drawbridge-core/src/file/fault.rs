//! What is wrong with a file: where, which rule, and how to mend it.

use std::fmt;

use serde::Serialize;

/// Something wrong at one place of a file, by the place's path inside the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The place as a JSON pointer, such as `/scope/include/0`; empty for the whole file.
    pub pointer: String,
    /// The rule that is broken, in lower case without a full stop.
    pub rule: String,
    /// What to do about it.
    pub mend: String,
}

impl Fault {
    /// A fault at a JSON pointer.
    pub fn new(
        pointer: impl Into<String>,
        rule: impl Into<String>,
        mend: impl Into<String>,
    ) -> Self {
        Self {
            pointer: pointer.into(),
            rule: rule.into(),
            mend: mend.into(),
        }
    }
}

/// A fault with the line and column it was found at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FileError {
    /// The file, as the user knows it.
    pub file: String,
    /// Line, from 1.
    pub line: u64,
    /// Column, from 1, in characters.
    pub column: u64,
    /// The place inside the file, such as `scope.include[0]`.
    pub place: String,
    /// The rule that is broken.
    pub rule: String,
    /// What to do about it.
    pub mend: String,
}

impl fmt::Display for FileError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}:{}: ", self.file, self.line, self.column)?;
        if !self.place.is_empty() {
            write!(formatter, "`{}`: ", self.place)?;
        }
        write!(formatter, "{}; {}", self.rule, self.mend)
    }
}

/// Everything wrong with a file, in the order of its lines. Never empty.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("{}", self.0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
#[serde(transparent)]
pub struct FileErrors(pub Vec<FileError>);
