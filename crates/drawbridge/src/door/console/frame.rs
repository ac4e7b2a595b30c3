//! What stands around every page: who is signed in, what waits for them, whether effects are stopped.

use serde::Deserialize;

use super::visitor::{Trouble, Visitor, read};
use crate::operate::Operation;

/// Around a page.
pub(super) struct Frame {
    /// The page in the list of pages.
    pub(super) here: &'static str,
    pub(super) csrf: String,
    pub(super) told: Option<String>,
    pub(super) desk: Desk,
}

/// What `GET /desk` answers.
#[derive(Deserialize)]
pub(super) struct Desk {
    pub(super) gateway: String,
    pub(super) person: String,
    pub(super) name: Option<String>,
    pub(super) roles: Vec<String>,
    pub(super) waiting: u64,
    pub(super) halted: Option<Halted>,
}

/// Since when no effect goes through, and why.
#[derive(Deserialize)]
pub(super) struct Halted {
    pub(super) by: String,
    pub(super) at: String,
    pub(super) reason: String,
}

impl Desk {
    pub(super) fn is(&self, role: &str) -> bool {
        self.roles.iter().any(|known| known == role)
    }

    pub(super) fn is_owner(&self) -> bool {
        self.is("owner")
    }

    /// Whether they may see what everyone did.
    pub(super) fn audits(&self) -> bool {
        self.is_owner() || self.is("auditor")
    }

    pub(super) fn called(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.person)
    }
}

impl Frame {
    /// The frame of a page, by its place in the list.
    pub(super) async fn of(visitor: &Visitor, here: &'static str) -> Result<Self, Trouble> {
        let desk = read(visitor.look(Operation::Desk).await?)?;
        Ok(Self {
            here,
            csrf: visitor.csrf.clone(),
            told: visitor.told.clone(),
            desk,
        })
    }

    /// The pages that there are.
    pub(super) fn pages(&self) -> [(&'static str, &'static str); 6] {
        [
            ("/", "Home"),
            ("/approvals", "Approvals"),
            ("/activity", "Activity"),
            ("/lifecycle", "Lifecycle"),
            ("/people", "People"),
            ("/sources", "Sources"),
        ]
    }
}
