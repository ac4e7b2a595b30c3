//! Allow or deny, with the reasons, and the view that narrows the call.

mod book;
mod cedar;
mod compiled;
mod gate;
mod limits;
mod policy;
mod reads;
mod slice;
#[cfg(test)]
mod tests;
mod view;

use std::sync::Arc;

pub use book::{Explanation, PolicyFile, Rule, RuleBook, Ruled};
pub use gate::{Clearance, Gate, GateView, Gates, Judged, Question};
pub use limits::{Limiter, Turn};
pub use view::{Fingerprint, Resource, View};

/// Allow or deny, with the reasons, always.
#[derive(Debug, Clone)]
pub enum Decision {
    /// The call may go on, and sees what the view admits.
    Allow {
        /// What the caller may see.
        view: View,
        /// The rules that allow it.
        reasons: Arc<[String]>,
    },
    /// The call ends here.
    Deny {
        /// The rules that forbid it, or that none allows it: for the record and for auditors.
        reasons: Arc<[String]>,
        /// What the caller is told.
        told: Arc<str>,
    },
}

impl Decision {
    /// The rules that decided.
    #[must_use]
    pub fn reasons(&self) -> &[String] {
        match self {
            Self::Allow { reasons, .. } | Self::Deny { reasons, .. } => reasons,
        }
    }

    fn deny(reasons: Vec<String>, told: Option<&str>) -> Self {
        Self::Deny {
            reasons: reasons.into(),
            told: told.unwrap_or("no rule allows this").into(),
        }
    }

    /// Whether the call may go on.
    #[must_use]
    pub fn allows(&self) -> bool {
        matches!(self, Self::Allow { .. })
    }
}
