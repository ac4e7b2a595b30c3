//! `drawbridge.yaml` and connector files as types; errors with file, line, column, rule and mend;
//! what a revision widens.

mod change;
mod fault;
mod labels;

pub use change::{Change, Direction};
pub use fault::{Fault, FileError, FileErrors};
pub use labels::Labels;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What happens when data is older than `stale_after`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum WhenStale {
    /// The answer says so.
    #[default]
    Warn,
    /// There is no answer but the status `stale`.
    Refuse,
}
