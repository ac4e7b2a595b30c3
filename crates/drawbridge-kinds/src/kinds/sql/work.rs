//! A plan's own instructions: each step with all that is needed to check it, do it and take it back.

use std::collections::BTreeMap;

use drawbridge_core::{
    answer::{Failure, Status},
    plan::{Plan, Receipt},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{cell::Cell, window::Given};

/// What a plan does, one step for each of its targets. It holds invisible columns too, and is shown
/// to nobody.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Work {
    pub(super) table: String,
    /// What was known of the caller, for the table's row rule and for acting as them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) given: Given,
    pub(super) steps: Vec<Step>,
}

/// What is done to one row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub(super) enum Step {
    /// It comes to be.
    Insert {
        set: Vec<(String, Cell)>,
        /// Its key, where it is known before.
        key: Option<Vec<Cell>>,
        /// Its number, of a row that comes back.
        rowid: Option<i64>,
        /// The digest of what lasts of it then, of a row that comes back.
        becomes: Option<String>,
    },
    /// It becomes another.
    Update {
        key: Vec<Cell>,
        /// The digest of the whole row before.
        whole: String,
        /// The digest of what lasts of the row after.
        becomes: String,
        set: Vec<(String, Cell)>,
        was: Vec<(String, Cell)>,
    },
    /// It goes away.
    Delete {
        key: Vec<Cell>,
        /// The digest of the whole row before.
        whole: String,
        row: Vec<(String, Cell)>,
        rowid: Option<i64>,
    },
}

/// What an effect left, one for each of its targets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Left {
    pub(super) key: Vec<Cell>,
    /// The digest of the whole row; none when it is gone.
    pub(super) whole: Option<String>,
}

impl Work {
    pub(super) fn of(plan: &Plan) -> Result<Self, Failure> {
        let work = read::<Self>(&plan.work)?;
        if work.steps.len() == plan.targets.len() {
            Ok(work)
        } else {
            Err(lost("its steps are not those of its targets"))
        }
    }

    pub(super) fn kept(&self) -> Result<Value, Failure> {
        serde_json::to_value(self).map_err(lost)
    }
}

impl Left {
    pub(super) fn of(receipt: &Receipt) -> Result<Vec<Self>, Failure> {
        read(&receipt.work)
    }

    pub(super) fn kept(left: &[Self]) -> Result<Value, Failure> {
        serde_json::to_value(left).map_err(lost)
    }
}

fn read<T: serde::de::DeserializeOwned>(value: &Value) -> Result<T, Failure> {
    if value.is_null() {
        let told = "what was there before is kept no longer, so it cannot be taken back";
        return Err(Failure::invalid(told));
    }
    serde_json::from_value(value.clone()).map_err(lost)
}

fn lost(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Failure {
    let told = "the plan cannot be read, so nothing was done; ask for the change again";
    Failure::new(Status::Failed, told).with_source(cause)
}
