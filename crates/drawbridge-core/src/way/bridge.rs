//! One connector as calls pass over it.

use std::sync::Arc;

use crate::{
    answer::{Failure, Status},
    call::Action,
    connector::Connector,
    decide::{Limiter, RuleBook},
    file::{ConnectorFile, EffectLimits, Labels},
    lifecycle::Standing,
};

/// One connector as it stands at this moment. Never changed: a new standing is a new bridge.
pub struct Bridge {
    /// The approved file.
    pub file: Arc<ConnectorFile>,
    /// The content hash of the approved file.
    pub revision: Arc<str>,
    /// Whether it may be used.
    pub standing: Standing,
    /// What it offers.
    pub actions: Arc<[Arc<Action>]>,
    /// The rules in force.
    pub rules: Arc<RuleBook>,
    /// Its limits, with what was used of them.
    pub limiter: Arc<Limiter>,
    /// The way to the system; why there is none, where it could not be opened.
    pub connector: Result<Arc<dyn Connector>, String>,
    /// The largest answer, in bytes.
    pub answer_bytes: usize,
    /// The labels of this gateway, in order.
    pub labels: Arc<Labels>,
    /// Limits on effects, and the most targets of one plan.
    pub effects: (EffectLimits, u32),
    /// Who stopped every effect of every connector, when and why, while they are stopped.
    pub halted: Option<Standing>,
    /// The gateway's own address: plans are looked at below it.
    pub address: Arc<str>,
}

impl Bridge {
    /// The way to the system.
    ///
    /// # Errors
    /// [`Status::Unavailable`] with the reason why it could not be opened.
    pub fn reach(&self) -> Result<&dyn Connector, Failure> {
        match &self.connector {
            Ok(connector) => Ok(&**connector),
            Err(reason) => Err(Failure::new(Status::Unavailable, reason.clone())),
        }
    }

    /// The action of this name, if the file grants it.
    #[must_use]
    pub fn action(&self, name: &str) -> Option<&Action> {
        let mut actions = self.actions.iter();
        actions
            .find(|action| action.name == name)
            .map(|action| &**action)
    }

    /// Whether calls may go through; `effect`: calls that change something.
    ///
    /// # Errors
    /// [`Status::Unavailable`] with who stopped it, when and why.
    pub fn admits(&self, effect: bool) -> Result<(), Failure> {
        self.standing.admits()?;
        match self.halted.as_ref().filter(|_| effect) {
            None => Ok(()),
            Some(halted) => Err(Failure::new(
                Status::Unavailable,
                format!(
                    "every effect of every connector was stopped by {} at {}: {}",
                    halted.by, halted.at, halted.reason
                ),
            )),
        }
    }
}
