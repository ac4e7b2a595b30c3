//! Where a connector stands in its life: `requested → in_review → active ⇄ paused → retired`.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    answer::{Failure, Status},
    file::Span,
};

/// A connector's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Somebody wants it; there may be no file yet.
    Requested,
    /// There is a file, and no revision of it was approved.
    InReview,
    /// An approved revision is in force.
    Active,
    /// Stopped, for a while.
    Paused,
    /// Stopped for good; its records stay.
    Retired,
}

impl State {
    /// Every state, in the order of a life.
    pub const ALL: [Self; 5] = [
        Self::Requested,
        Self::InReview,
        Self::Active,
        Self::Paused,
        Self::Retired,
    ];

    /// The word used in records and the store.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::InReview => "in_review",
            Self::Active => "active",
            Self::Paused => "paused",
            Self::Retired => "retired",
        }
    }

    /// The state with this word.
    #[must_use]
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.word() == word)
    }

    /// Whether a person may take a connector from this state to that one.
    #[must_use]
    pub fn leads_to(self, next: Self) -> bool {
        match self {
            Self::Requested => matches!(next, Self::InReview | Self::Retired),
            Self::InReview => matches!(next, Self::Active | Self::Retired),
            Self::Active => matches!(next, Self::Paused | Self::Retired),
            Self::Paused => matches!(next, Self::Active | Self::Retired),
            Self::Retired => false,
        }
    }
}

/// When a connector must be reviewed again, and what happens when it is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Due {
    /// Until when it must be reviewed.
    pub at: Timestamp,
    /// When it is paused, if nobody did.
    pub pause_at: Timestamp,
}

impl Due {
    /// For a connector that was last reviewed at this time. A date after the end of time never
    /// comes, and then there is none.
    #[must_use]
    pub fn after(reviewed: Timestamp, every: Span, grace: Span) -> Option<Self> {
        let at = reviewed.checked_add(every.duration()).ok()?;
        let pause_at = at.checked_add(grace.duration()).ok()?;
        Some(Self { at, pause_at })
    }

    /// Whether the review date has passed.
    #[must_use]
    pub fn is_overdue(&self, now: Timestamp) -> bool {
        now >= self.at
    }

    /// Whether the grace period has ended too.
    #[must_use]
    pub fn is_over(&self, now: Timestamp) -> bool {
        now >= self.pause_at
    }
}

/// A connector's state, and who brought it there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// The state.
    pub state: State,
    /// By whom.
    pub by: String,
    /// Since when.
    pub at: Timestamp,
    /// Why.
    pub reason: String,
}

impl Standing {
    /// Whether calls may go through.
    ///
    /// # Errors
    /// [`Status::Unavailable`] with who stopped it, when and why, in any other state than active.
    pub fn admits(&self) -> Result<(), Failure> {
        let why = |what: &str| {
            let reason = if self.reason.is_empty() {
                String::new()
            } else {
                format!(": {}", self.reason)
            };
            Err(Failure::new(
                Status::Unavailable,
                format!(
                    "this connector {what} by {} at {}{reason}",
                    self.by, self.at
                ),
            ))
        };
        match self.state {
            State::Active => Ok(()),
            State::Requested | State::InReview => Err(Failure::new(
                Status::Unavailable,
                "this connector has not been reviewed yet; its owner can have it approved",
            )),
            State::Paused => why("was paused"),
            State::Retired => why("was retired"),
        }
    }
}
