//! How far a kept plan has come.

use serde::{Deserialize, Serialize};

use crate::answer::Status;

/// How far a kept plan has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Kept for a person to open, edit, send on or throw away.
    Draft,
    /// People were asked.
    Waiting,
    /// It may be applied, once.
    Approved,
    /// Its intent is on the log.
    Applying,
    /// It was applied; of a read, it was answered.
    Applied,
    /// It was not applied, and will not be.
    Failed,
    /// A target or a rule changed, so it was not applied.
    Conflict,
    /// A person said no.
    Rejected,
    /// Nobody decided in time.
    Expired,
    /// Who asked for it took it back, or threw the draft away.
    Withdrawn,
    /// Its connector was retired, or its token ended.
    Cancelled,
    /// It was edited, or sent on: another plan stands in its place.
    Replaced,
    /// Nobody can tell whether it was applied.
    Unknown,
}

impl Stage {
    /// Every stage.
    pub const ALL: [Self; 13] = [
        Self::Draft,
        Self::Waiting,
        Self::Approved,
        Self::Applying,
        Self::Applied,
        Self::Failed,
        Self::Conflict,
        Self::Rejected,
        Self::Expired,
        Self::Withdrawn,
        Self::Cancelled,
        Self::Replaced,
        Self::Unknown,
    ];

    /// The word used in answers, records and the store.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Waiting => "waiting",
            Self::Approved => "approved",
            Self::Applying => "applying",
            Self::Applied => "applied",
            Self::Failed => "failed",
            Self::Conflict => "conflict",
            Self::Rejected => "rejected",
            Self::Expired => "expired",
            Self::Withdrawn => "withdrawn",
            Self::Cancelled => "cancelled",
            Self::Replaced => "replaced",
            Self::Unknown => "unknown",
        }
    }

    /// The stage with this word.
    #[must_use]
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|stage| stage.word() == word)
    }

    /// Whether something is still to come by itself or by a decision.
    #[must_use]
    pub fn is_open(self) -> bool {
        matches!(
            self,
            Self::Waiting | Self::Approved | Self::Applying | Self::Unknown
        )
    }

    /// Whether it counts as an effect where effects are limited.
    #[must_use]
    pub fn counts(self) -> bool {
        self.is_open() || self == Self::Applied
    }

    /// What the caller is told of it.
    #[must_use]
    pub fn status(self) -> Status {
        match self {
            Self::Draft | Self::Applied => Status::Ok,
            Self::Waiting | Self::Approved | Self::Applying => Status::ApprovalNeeded,
            Self::Failed => Status::Failed,
            Self::Conflict | Self::Replaced => Status::Conflict,
            Self::Rejected => Status::Rejected,
            // Nobody said no, so it is not told as a refusal.
            Self::Expired => Status::Timeout,
            Self::Withdrawn | Self::Cancelled => Status::Failed,
            Self::Unknown => Status::Unknown,
        }
    }
}
