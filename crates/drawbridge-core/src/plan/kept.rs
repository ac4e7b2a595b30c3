//! A kept plan: who asked for it, who must decide, how far it has come. Every draft, every approval,
//! every effect and every undo is one of these.
//!
//! A change makes another value with the next turn; the store takes it only if it still holds the
//! turn before. So of two who decide at once, one finds that the other was first.

#[cfg(test)]
mod tests;
mod turn;

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Counted, Plan, Receipt, Reversal, Stage};
use crate::{
    answer::{Failure, Status},
    call::{Caller, Person, Power},
    file::Who,
};

/// How long people can look at what a plan that was not applied would have changed.
const LOOKED_AT: Duration = Duration::from_secs(24 * 3_600);
/// How long a draft is kept that nobody sends on.
const DRAFTED: Duration = Duration::from_secs(30 * 24 * 3_600);
/// How long the same call is answered by a plan that ended, where who asked did not hear of it.
const ANSWERS: Duration = Duration::from_secs(24 * 3_600);

/// Who is asked, and for how long.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asking {
    /// The gate that asks: its place in the file, or that none matched.
    pub rule: String,
    /// Any of these may decide.
    pub ask: Vec<Who>,
    /// How many of them must say yes.
    pub quorum: u32,
    /// Whether the person it is for may decide too.
    pub self_approval: bool,
    /// How long the question stands, in seconds.
    pub expires_s: u64,
    /// Who is asked too, and after how many seconds.
    pub escalate: Option<(u64, Vec<Who>)>,
}

/// What an approval is bound to, beside the plan and who asked: if one of these differs when the
/// plan is to be applied, it is not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bound {
    /// The connector's revision.
    pub revision: String,
    /// The rules that bear on the action.
    pub rules: String,
    /// The account in the target.
    pub identity: String,
    /// The plan's digest.
    pub digest: String,
}

/// Where a plan comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// A call asked for it.
    Call,
    /// It takes back an applied plan, by that plan's id.
    Undo(String),
}

/// A yes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Voice {
    /// Whose.
    pub person: String,
    /// When.
    pub at: Timestamp,
    /// Why, where it was said.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// The id of the token it was said with, where there was one. No secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<Arc<str>>,
}

/// How it ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// By whom, where a person ended it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// When.
    pub at: Timestamp,
    /// What the caller is told.
    pub status: Status,
    /// Why: the caller is told.
    pub reason: String,
    /// What the target itself says of it, for those who may see the plan: content, so never for a record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub words: Option<String>,
}

/// When an approved plan is tried again that its target could not take at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Again {
    /// Not before this.
    pub at: Timestamp,
    /// How long that is after the time before, in seconds.
    pub after_s: u64,
}

/// Which gateway applies it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Runner {
    /// The gateway's own id, another each time it starts.
    pub gateway: String,
    /// Until when it will have ended, whatever happens; by then others may settle it.
    pub until: Timestamp,
}

/// A kept plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KeptPlan {
    /// 32 hexadecimal digits that nobody can guess.
    pub id: String,
    /// Counts its changes, from 0.
    pub turn: u64,
    /// How far it has come.
    pub stage: Stage,
    /// Who asked.
    pub caller: Caller,
    /// Of which connector.
    pub connector: String,
    /// With which action.
    pub action: String,
    /// That action's power.
    pub power: Power,
    /// With which arguments.
    pub arguments: Value,
    /// The record of the call that asked.
    pub record: String,
    /// A keyed digest over who asked for what: equal for the same call asked again.
    pub same: String,
    /// Where it comes from.
    pub origin: Origin,
    /// What it is bound to.
    pub bound: Bound,
    /// The plan itself. Of a read or a search, one without targets.
    pub plan: Plan,
    /// Who is asked; none for drafts, and for what a gate let through.
    pub asking: Option<Asking>,
    /// The gate that let it through without asking.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub let_through: Option<String>,
    /// Who said yes so far.
    pub voices: Vec<Voice>,
    /// Whether those of `escalate` are asked by now.
    pub escalated: bool,
    /// When it was made.
    pub created: Timestamp,
    /// Seconds in which nobody could decide, because its connector was paused.
    #[serde(default)]
    pub frozen_s: u64,
    /// When the question, or the approval, ends.
    pub expires: Option<Timestamp>,
    /// Which gateway applies it.
    pub runner: Option<Runner>,
    /// How often it was begun and not ended, because a gateway died.
    pub attempts: u32,
    /// When it is tried again, if its target could not take it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub again: Option<Again>,
    /// Proof that it was applied.
    pub receipt: Option<Receipt>,
    /// How it ended.
    pub ended: Option<Ended>,
    /// The plan that stands in its place.
    pub next: Option<String>,
    /// Who edited the arguments, where somebody did.
    pub edited_by: Option<String>,
    /// Until when it can be undone.
    pub undo_until: Option<Timestamp>,
    /// The plan that took it back, or is about to.
    pub undone_by: Option<String>,
    /// Whether who asked was told how it ended.
    pub told: bool,
    /// Whether people are to be told of this turn.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub news: bool,
    /// Whether what was in its targets is kept no longer.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dropped: bool,
}

impl KeptPlan {
    /// People who may decide by now.
    pub fn approvers(&self) -> impl Iterator<Item = &Who> {
        self.asking.iter().flat_map(|asking| {
            let more = asking.escalate.iter().filter(|_| self.escalated);
            asking.ask.iter().chain(more.flat_map(|(_, to)| to))
        })
    }

    /// Whether this person may decide on it.
    ///
    /// # Errors
    /// [`Status::Denied`] with the reason.
    pub fn may_decide(&self, person: &Person) -> Result<(), Failure> {
        let denied = |why: &str| Err(Failure::new(Status::Denied, why));
        let Some(asking) = &self.asking else {
            return denied("nobody was asked about this plan");
        };
        if !self.approvers().any(|who| who.is_person(person)) {
            return denied("you are not among the people who are asked");
        }
        if person.id == self.caller.person.id && !asking.self_approval {
            return denied(
                "nobody approves their own request; somebody else who is asked must decide",
            );
        }
        Ok(())
    }

    /// When those of `escalate` are asked by themselves.
    #[must_use]
    pub fn escalate_at(&self) -> Option<Timestamp> {
        let (after, _) = self.asking.as_ref()?.escalate.as_ref()?;
        let waits = self.stage == Stage::Waiting && !self.escalated;
        let after = Duration::from_secs(after.saturating_add(self.frozen_s));
        self.created.checked_add(after).ok().filter(|_| waits)
    }

    /// When something must be done about it, whoever asks or does not.
    #[must_use]
    pub fn due(&self) -> Option<Timestamp> {
        match self.stage {
            Stage::Unknown => None,
            Stage::Draft => self.created.checked_add(DRAFTED).ok(),
            Stage::Waiting => self.expires.into_iter().chain(self.escalate_at()).min(),
            Stage::Approved if self.power.is_effect() => {
                let again = self.again.map_or(Timestamp::UNIX_EPOCH, |again| again.at);
                self.expires.into_iter().chain([again]).min()
            }
            Stage::Approved => self.expires,
            Stage::Applying => self.runner.as_ref().map(|runner| runner.until),
            Stage::Applied
            | Stage::Failed
            | Stage::Conflict
            | Stage::Rejected
            | Stage::Expired
            | Stage::Withdrawn
            | Stage::Cancelled
            | Stage::Replaced => self.images_end().into_iter().chain(self.answer_end()).min(),
        }
    }

    /// Until when what was in the targets of an ended plan is kept.
    fn images_end(&self) -> Option<Timestamp> {
        let end = self.ended.as_ref()?.at;
        let until = match self.stage {
            Stage::Applied => Some(self.undo_until.unwrap_or(end)),
            _ => end.checked_add(LOOKED_AT).ok(),
        };
        until.filter(|_| !self.dropped)
    }

    /// Until when an ended plan answers the same call.
    fn answer_end(&self) -> Option<Timestamp> {
        let end = self.ended.as_ref()?.at;
        end.checked_add(ANSWERS).ok().filter(|_| !self.told)
    }

    /// As what it counts, if at all. What takes an effect back is no further one.
    #[must_use]
    pub fn counts(&self) -> Option<Counted> {
        match self.stage {
            Stage::Draft => Some(Counted::Drafts),
            _ if self.origin != Origin::Call => None,
            stage if self.power.is_effect() => stage.counts().then_some(Counted::Effects),
            Stage::Applied => Some(Counted::Applied),
            _ => None,
        }
    }

    /// What the caller is told of it.
    #[must_use]
    pub fn status(&self) -> Status {
        let ended = self.ended.as_ref();
        ended.map_or_else(|| self.stage.status(), |ended| ended.status)
    }

    /// What it takes to undo it; none where it was never applied.
    ///
    /// # Errors
    /// [`Status::Conflict`] with the reason why it cannot be undone.
    pub fn undoable(&self, now: Timestamp) -> Result<Option<&Receipt>, Failure> {
        let conflict = |why: String| Err(Failure::new(Status::Conflict, why));
        if self.stage != Stage::Applied {
            return conflict(format!(
                "it is {}, so there is nothing to undo",
                self.stage.word()
            ));
        }
        if let Reversal::Irreversible(why) = &self.plan.reversal {
            return conflict(format!("it cannot be undone: {why}"));
        }
        match self.undo_until {
            None => conflict(
                "it cannot be undone: `recovery.undo` keeps no before-images of this connector"
                    .to_owned(),
            ),
            Some(until) if now >= until || self.dropped => conflict(format!(
                "it could be undone until {until}; what was before is kept no longer"
            )),
            Some(_) => Ok(self.receipt.as_ref()),
        }
    }

    /// Whether its time is over.
    #[must_use]
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.expires.is_some_and(|end| now >= end)
    }
}
