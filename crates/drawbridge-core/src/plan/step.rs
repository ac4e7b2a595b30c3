//! What becomes of kept plans, made durable together with the record that says so.

use async_trait::async_trait;
use jiff::Timestamp;

use super::{KeptPlan, Stage};
use crate::call::Power;

/// A change of a kept plan. It and its record are made durable together, or neither is.
#[derive(Debug, Clone)]
pub enum Step {
    /// Keeps another plan: only if no plan of the same call is open or was not told yet, and none
    /// of the caps is reached.
    Keep(Box<KeptPlan>, Vec<Cap>),
    /// Puts a plan in the place of the one with the turn before: only if that is what is kept.
    Turn(Box<KeptPlan>),
}

impl Step {
    /// The plan as it will be.
    #[must_use]
    pub fn plan(&self) -> &KeptPlan {
        match self {
            Self::Keep(plan, _) | Self::Turn(plan) => plan,
        }
    }
}

/// How many there may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cap {
    /// Which are counted.
    pub count: Count,
    /// With so many, there may be no further one.
    pub most: u64,
    /// What is told when it is reached.
    pub told: String,
}

/// Of what there may be only so many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counted {
    /// Effects that calls asked for, from the first question on: those for which [`Stage::counts`].
    Effects,
    /// Of those the ones that were applied, and reads that were approved and read.
    Applied,
    /// Drafts that are kept.
    Drafts,
}

/// What is counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Count {
    /// Which sort.
    pub counted: Counted,
    /// Of this connector.
    pub connector: String,
    /// Asked for by this person.
    pub person: Option<String>,
    /// Through this client.
    pub client: Option<String>,
    /// In this task.
    pub task: Option<String>,
    /// With this action.
    pub action: Option<String>,
    /// Let through by this gate.
    pub let_through: Option<String>,
    /// Made since.
    pub since: Timestamp,
}

/// Kept plans, to be read. They change by [`Step`] only.
#[async_trait]
pub trait Plans: Send + Sync {
    /// The plan with this id.
    async fn plan(&self, id: &str) -> Result<Option<KeptPlan>, PlansDown>;

    /// The plan of the same call that is open, or whose end was not told yet.
    async fn same(&self, same: &str) -> Result<Option<KeptPlan>, PlansDown>;

    /// How many there are.
    async fn count(&self, count: &Count) -> Result<u64, PlansDown>;
}

/// Kept plans cannot be read, so nothing may happen that would need one.
#[derive(Debug, thiserror::Error)]
#[error("kept plans cannot be read")]
pub struct PlansDown {
    /// For the operator's trace.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// Whether a plan's call is found again by the same call.
#[must_use]
pub fn answers_again(plan: &KeptPlan) -> bool {
    match plan.stage {
        // Each draft is one of its own: a call that makes one again makes another.
        _ if plan.power == Power::Draft => false,
        Stage::Replaced => false,
        Stage::Waiting | Stage::Approved | Stage::Applying | Stage::Unknown => true,
        // Until it is told, or old: `KeptPlan::aged`.
        // What was taken back since says nothing of what is there by now.
        _ => !plan.told && plan.undone_by.is_none(),
    }
}
