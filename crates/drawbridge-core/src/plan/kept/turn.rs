//! From one turn of a kept plan to the next: what may follow what, and by whom.

use std::{collections::BTreeSet, sync::Arc};

use jiff::Timestamp;
use serde_json::Value;

use super::{Asking, Bound, Ended, KeptPlan, Runner, Voice};
use crate::{
    answer::{Failure, Status},
    call::Person,
    decide::Clearance,
    file::Who,
    plan::{Plan, Receipt, Stage},
};

/// For how many seconds an approval stands at least.
const SHORTEST_S: u64 = 60;

impl KeptPlan {
    /// A yes by this person to exactly this plan.
    ///
    /// # Errors
    /// When it is not theirs to say, or nothing waits for it.
    pub fn approve(
        &self,
        (person, token): (&Person, Option<&Arc<str>>),
        (digest, reason): (&str, &str),
        now: Timestamp,
    ) -> Result<Self, Failure> {
        // How it ended is not for everybody to know.
        self.may_decide(person)?;
        self.open_question(now)?;
        if digest != self.bound.digest {
            let told = "the plan is another one by now; look at it again";
            return Err(Failure::new(Status::Conflict, told));
        }
        if self.voices.iter().any(|voice| voice.person == person.id) {
            return Err(Failure::new(Status::Conflict, "you said yes already"));
        }
        let mut next = self.turned(Stage::Waiting);
        next.voices.push(Voice {
            person: person.id.clone(),
            at: now,
            reason: reason.to_owned(),
            token: token.cloned(),
        });
        if next.is_agreed() {
            next.stage = Stage::Approved;
            // The yes stands as long as the question did: one at the last moment is not lost.
            let span = self.asking.as_ref().map_or(0, |asking| asking.expires_s);
            let span = std::time::Duration::from_secs(span.max(SHORTEST_S));
            next.expires = now.checked_add(span).ok();
        }
        Ok(next)
    }

    /// Whether as many people said yes as must.
    #[must_use]
    pub fn is_agreed(&self) -> bool {
        let people: BTreeSet<&String> = self.voices.iter().map(|voice| &voice.person).collect();
        let quorum = self.asking.as_ref().map_or(1, |asking| asking.quorum);
        people.len() >= quorum as usize
    }

    /// An approved plan that waits again, because not enough of those who said yes still may.
    #[must_use]
    pub fn disputed(&self, voices: Vec<Voice>) -> Self {
        let mut next = self.turned(Stage::Waiting);
        next.voices = voices;
        next.again = None;
        next.news = true;
        next
    }

    /// A no by this person.
    ///
    /// # Errors
    /// As [`Self::approve`].
    pub fn reject(&self, person: &Person, reason: &str, now: Timestamp) -> Result<Self, Failure> {
        self.may_decide(person)?;
        self.open_question(now)?;
        if reason.trim().is_empty() {
            let told = "`reason`: say why; the AI is told, and can do better";
            return Err(Failure::invalid(told));
        }
        Ok(self.ended(Stage::Rejected, (Some(&person.id), reason), now))
    }

    /// Asks the people of `escalate` too, or `owner` where the gate names none. By whom it was
    /// asked, where a person did.
    ///
    /// # Errors
    /// When nothing waits, or they are asked already.
    pub fn escalate(&self, owner: &str, now: Timestamp) -> Result<Self, Failure> {
        self.open_question(now)?;
        if self.escalated {
            return Err(Failure::new(Status::Conflict, "it is escalated already"));
        }
        let mut next = self.turned(Stage::Waiting);
        next.escalated = true;
        next.news = true;
        if let Some(asking) = &mut next.asking {
            let owner = || (0, vec![Who::Person(owner.to_owned())]);
            asking.escalate.get_or_insert_with(owner);
        }
        Ok(next)
    }

    /// The same plan, given back the time in which nobody could decide.
    #[must_use]
    pub fn thawed(&self, frozen: std::time::Duration) -> Self {
        let mut next = self.turned(self.stage);
        next.frozen_s = next.frozen_s.saturating_add(frozen.as_secs());
        next.expires = next.expires.and_then(|end| end.checked_add(frozen).ok());
        next
    }

    /// The same plan, of which who asked was told how it ended.
    #[must_use]
    pub fn heard(&self) -> Self {
        let mut next = self.turned(self.stage);
        next.told = true;
        next
    }

    /// The same plan, some time after its end ([`Self::due`]): without what was in its targets, and
    /// no longer the answer to the same call.
    #[must_use]
    pub fn aged(&self, now: Timestamp) -> Self {
        let over = |end: Option<Timestamp>| end.is_some_and(|end| now >= end);
        let mut next = if over(self.images_end()) {
            self.without_images()
        } else {
            self.turned(self.stage)
        };
        next.told |= over(self.answer_end());
        next
    }

    /// The same plan without what was and would be in its targets: it can be undone no longer.
    #[must_use]
    pub fn without_images(&self) -> Self {
        let mut next = self.turned(self.stage);
        next.plan = next.plan.without_images();
        next.arguments = Value::Null;
        if let Some(ended) = &mut next.ended {
            ended.words = None;
        }
        next.dropped = true;
        next.news = false;
        next
    }

    /// The same plan, at an end it came to without being applied.
    #[must_use]
    pub fn ended(&self, stage: Stage, (by, reason): (Option<&str>, &str), now: Timestamp) -> Self {
        let mut next = self.turned(stage);
        next.runner = None;
        next.ended = Some(Ended {
            by: by.map(str::to_owned),
            at: now,
            status: stage.status(),
            reason: reason.to_owned(),
            words: None,
        });
        next
    }

    /// The same plan, not applied for this reason.
    #[must_use]
    pub fn failed(&self, failure: &Failure, now: Timestamp) -> Self {
        let stage = match failure.status {
            Status::Conflict => Stage::Conflict,
            Status::Unknown => Stage::Unknown,
            _ => Stage::Failed,
        };
        let mut next = self.ended(stage, (None, &failure.message), now);
        if let Some(ended) = &mut next.ended {
            ended.status = failure.status;
            ended.words.clone_from(&failure.words);
        }
        next
    }

    /// The same plan, with another in its place.
    #[must_use]
    pub fn replaced(&self, by: &Self, stage: Stage, reason: &str, now: Timestamp) -> Self {
        let mut next = self.ended(stage, (by.edited_by.as_deref(), reason), now);
        next.next = Some(by.id.clone());
        next.told = true;
        next
    }

    /// What it asks for, asked about anew with another plan in its place.
    #[must_use]
    pub fn asked_anew(
        &self,
        id: String,
        (plan, bound): (Plan, Bound),
        asking: Asking,
        now: Timestamp,
    ) -> Self {
        let span = std::time::Duration::from_secs(asking.expires_s);
        Self {
            id,
            turn: 0,
            stage: Stage::Waiting,
            bound,
            plan,
            asking: Some(asking),
            let_through: None,
            voices: Vec::new(),
            escalated: false,
            created: now,
            frozen_s: 0,
            expires: now.checked_add(span).ok(),
            runner: None,
            attempts: 0,
            again: None,
            receipt: None,
            ended: None,
            next: None,
            undo_until: None,
            undone_by: None,
            told: false,
            news: true,
            dropped: false,
            ..self.clone()
        }
    }

    /// A draft with another plan in its place.
    #[must_use]
    pub fn drafted_anew(&self, id: String, (plan, bound): (Plan, Bound), now: Timestamp) -> Self {
        Self {
            id,
            turn: 0,
            bound,
            plan,
            created: now,
            ..self.clone()
        }
    }

    /// The same plan, about to be applied by a gateway.
    #[must_use]
    pub fn begun(&self, runner: Runner) -> Self {
        let mut next = self.turned(Stage::Applying);
        next.runner = Some(runner);
        next.attempts += 1;
        next
    }

    /// Leave to apply this plan, made again: what was approved is what runs.
    ///
    /// # Errors
    /// [`Status::Conflict`] when it is another plan by now, or what it is bound to changed.
    pub fn clear(&self, bound: &Bound) -> Result<Clearance, Failure> {
        let conflict = |what: &str| {
            let told = format!("{what} since it was approved, so it was not done");
            Err(Failure::new(Status::Conflict, told))
        };
        if self.stage != Stage::Approved {
            return conflict("it is no longer approved; something happened");
        }
        let own = &self.bound;
        if own.revision != bound.revision {
            return conflict("the connector's file changed");
        }
        if own.rules != bound.rules {
            return conflict("the rules changed");
        }
        if own.identity != bound.identity {
            return conflict("the account it acts as changed");
        }
        if own.digest != bound.digest {
            return conflict("what it would change is no longer as it was");
        }
        Ok(Clearance::new(own.digest.clone()))
    }

    /// The same plan, applied.
    #[must_use]
    pub fn applied(&self, receipt: Receipt, undo_until: Option<Timestamp>, now: Timestamp) -> Self {
        let reason = receipt.sentence.clone();
        let mut next = self.ended(Stage::Applied, (None, &reason), now);
        next.receipt = Some(receipt);
        next.undo_until = undo_until;
        next
    }

    /// The same plan at another stage, one turn on.
    #[must_use]
    pub fn turned(&self, stage: Stage) -> Self {
        let mut next = self.clone();
        next.turn += 1;
        next.stage = stage;
        next.news = stage == Stage::Unknown && self.stage != Stage::Unknown;
        next
    }

    /// Whether a question stands open.
    fn open_question(&self, now: Timestamp) -> Result<(), Failure> {
        if self.stage != Stage::Waiting {
            let how = self.ended.as_ref().map_or_else(String::new, |ended| {
                let by = ended
                    .by
                    .as_ref()
                    .map_or_else(String::new, |by| format!(" by {by}"));
                format!("{by}: {}", ended.reason)
            });
            let message = format!(
                "nothing waits for a decision: it is {}{how}",
                self.stage.word()
            );
            return Err(Failure::new(Status::Conflict, message));
        }
        if self.is_over(now) {
            let told = "nobody decided in time, so the question has ended";
            return Err(Failure::new(Status::Conflict, told));
        }
        Ok(())
    }
}
