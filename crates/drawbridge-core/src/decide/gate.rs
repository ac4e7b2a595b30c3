//! Gates: which one a plan stands before, and what it says.

mod matching;
#[cfg(test)]
mod tests;

use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use matching::{target_matches, within};

use crate::{
    call::{Caller, Power},
    file::{Approval, ConnectorFile, EffectLimits, Labels, Rate, Span, When, Who},
    plan::{Asking, Cap, Count, Counted, Plan, Plans, PlansDown},
};

/// How long a question stands where the gate does not say.
const EXPIRES: Duration = Duration::from_secs(24 * 3_600);
/// What counts as one task where none was opened.
const TASK: Duration = Duration::from_secs(3_600);

/// What a gate says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Gate {
    /// It may go through.
    Open,
    /// People must decide.
    Ask(Asking),
    /// It must not be, for this reason.
    Deny(String),
    /// There were so many effects that there may be no further one.
    Limited(String),
}

/// Leave to apply one plan: a gate let it through, or enough people said yes. Used up by
/// [`crate::log::Log::intend`].
///
/// ```compile_fail
/// let clearance = drawbridge_core::decide::Clearance { digest: String::new() };
/// ```
#[derive(Debug)]
pub struct Clearance {
    digest: String,
}

impl Clearance {
    pub(crate) fn new(digest: String) -> Self {
        Self { digest }
    }

    /// Whether it is for the plan with this digest.
    pub(crate) fn is_for(&self, digest: &str) -> bool {
        self.digest == digest
    }
}

/// A gate's word on one plan.
#[derive(Debug, Clone)]
pub struct Judged {
    /// What it says.
    pub gate: Gate,
    /// Which gate, for the record and for people.
    pub rule: String,
    /// What must still hold when the plan is kept: counting and keeping is one step there.
    pub caps: Vec<Cap>,
}

/// What a gate is asked about.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// Who asks.
    pub caller: &'a Caller,
    /// What the action is called.
    pub action: &'a str,
    /// What is done: a plan's power, not that of the draft it may come from.
    pub power: Power,
    /// What would be done; none for a read or a search.
    pub plan: Option<&'a Plan>,
    /// Now.
    pub now: Timestamp,
}

/// The rules a question is put to.
#[derive(Clone, Copy)]
pub struct Gates<'a> {
    /// The file with the gates.
    pub file: &'a ConnectorFile,
    /// The gateway's labels.
    pub labels: &'a Labels,
    /// Limits on effects, and on the targets of one plan.
    pub limits: (EffectLimits, u32),
    /// What was done before.
    pub plans: &'a dyn Plans,
}

/// One gate as it bears on a question, for people who want to know why.
#[derive(Debug, Clone, Serialize)]
pub struct GateView {
    /// Its place in the file.
    pub place: String,
    /// Whether it matches.
    pub matches: bool,
    /// What it says, in a sentence.
    pub sentence: String,
}

impl Gates<'_> {
    /// Asks the gates, the first that matches. An effect that matches none asks the owner; a read
    /// that matches none may go through.
    ///
    /// # Errors
    /// When a gate counts what was done before, and nobody can tell.
    pub async fn judge(&self, question: Question<'_>) -> Result<Judged, PlansDown> {
        let mut caps = Vec::new();
        if question.power.is_effect() {
            let targets = question.plan.map_or(0, |plan| plan.targets.len());
            if targets > self.limits.1 as usize {
                let most = self.limits.1;
                let told = format!(
                    "the plan has {targets} targets, and one plan may have at most {most}; ask for fewer at a time"
                );
                return Ok(judged("system.limits.targets", Gate::Limited(told)));
            }
            caps = self.caps(&self.limits.0, &question);
            if let Some(reached) = self.reached(&caps).await? {
                return Ok(judged("system.limits.effects", Gate::Limited(reached)));
            }
        }
        for (index, gate) in self.file.approval.iter().enumerate() {
            if !self.matches(gate, &question).await? {
                continue;
            }
            let rule = format!("approval[{index}]");
            if let Some(reason) = &gate.deny {
                return Ok(judged(&rule, Gate::Deny(reason.clone())));
            }
            let mut own = self.caps(&gate.limit, &question);
            // What others approved does not use up what goes through by itself.
            own.iter_mut()
                .for_each(|cap| cap.count.let_through = Some(rule.clone()));
            if gate.auto && self.reached(&own).await?.is_none() {
                caps.extend(own);
                let gate = Gate::Open;
                return Ok(Judged { gate, rule, caps });
            }
            let gate = Gate::Ask(self.asking(Some(gate), &rule));
            return Ok(Judged { gate, rule, caps });
        }
        if !question.power.is_effect() {
            return Ok(judged("no gate is about it", Gate::Open));
        }
        let rule = "no gate is about it, so its owner is asked".to_owned();
        let gate = Gate::Ask(self.asking(None, &rule));
        Ok(Judged { gate, rule, caps })
    }

    /// Every gate, and whether it would match.
    ///
    /// # Errors
    /// As [`Self::judge`].
    pub async fn views(&self, question: Question<'_>) -> Result<Vec<GateView>, PlansDown> {
        let mut views = Vec::new();
        for (index, gate) in self.file.approval.iter().enumerate() {
            views.push(GateView {
                place: format!("approval[{index}]"),
                matches: self.matches(gate, &question).await?,
                sentence: sentence(gate, self.file),
            });
        }
        Ok(views)
    }

    /// Who is asked: whom the gate names, else the owner.
    fn asking(&self, gate: Option<&Approval>, rule: &str) -> Asking {
        let named = gate.map(|gate| gate.ask.clone());
        let owner = || vec![Who::Person(self.file.purpose.owner.clone())];
        let escalate = gate.and_then(|gate| gate.escalate.as_ref());
        let expires = gate.and_then(|gate| gate.expires);
        Asking {
            rule: rule.to_owned(),
            ask: named
                .filter(|named| !named.is_empty())
                .unwrap_or_else(owner),
            quorum: gate.and_then(|gate| gate.quorum).unwrap_or(1),
            self_approval: gate.is_some_and(|gate| gate.self_approval),
            expires_s: expires.map_or(EXPIRES, Span::duration).as_secs(),
            escalate: escalate.map(|escalate| {
                let after = escalate.after.duration().as_secs();
                (after, escalate.to.clone())
            }),
        }
    }

    async fn matches(&self, gate: &Approval, question: &Question<'_>) -> Result<bool, PlansDown> {
        let when = &gate.when;
        let action = when.action.as_ref();
        let holds = when.power.values().contains(&question.power)
            && action
                .is_none_or(|action| action.values().iter().any(|name| name == question.action))
            && (when.who.is_empty() || when.who.iter().any(|who| who.is(question.caller)))
            && when
                .hours
                .as_ref()
                .is_none_or(|hours| within(hours, question.now, !gate.auto));
        if !holds {
            return Ok(false);
        }
        if let Some(plan) = question.plan {
            let most = when.targets_over.map(|most| most as usize);
            if most.is_some_and(|most| plan.targets.len() <= most) {
                return Ok(false);
            }
            let mut targets = plan.targets.iter();
            let matching = |target| target_matches(when, target, (gate.auto, self.labels));
            // What lets through must hold of every target; what stops, of any.
            let of_targets = if gate.auto {
                targets.all(matching)
            } else {
                plan.targets.is_empty() || targets.any(matching)
            };
            if !of_targets {
                return Ok(false);
            }
        }
        self.used_matches(when, question).await
    }

    /// What a gate says of what the person did before.
    async fn used_matches(&self, when: &When, question: &Question<'_>) -> Result<bool, PlansDown> {
        if let Some(first) = when.first_use {
            let count = Count {
                action: Some(question.action.to_owned()),
                // One that only waits is no use of it yet.
                counted: Counted::Applied,
                ..self.count(question, Timestamp::UNIX_EPOCH)
            };
            if (self.plans.count(&count).await? == 0) != first {
                return Ok(false);
            }
        }
        if let Some(rate) = when.effects_over {
            let count = self.count(question, since(question.now, rate.per));
            if self.plans.count(&count).await? <= u64::from(rate.count) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Effects of the person who asks.
    fn count(&self, question: &Question<'_>, since: Timestamp) -> Count {
        Count {
            counted: Counted::Effects,
            connector: self.file.connector.clone(),
            person: Some(question.caller.person.id.clone()),
            client: None,
            task: None,
            action: None,
            let_through: None,
            since,
        }
    }

    fn caps(&self, limits: &EffectLimits, question: &Question<'_>) -> Vec<Cap> {
        let mut caps = Vec::new();
        let now = question.now;
        let mut rate = |rate: Option<Rate>, of: &str, person: bool| {
            let Some(rate) = rate else { return };
            let mut count = self.count(question, since(now, rate.per));
            count.person = count.person.filter(|_| person);
            caps.push(Cap {
                count,
                most: u64::from(rate.count),
                told: format!("the file allows {rate} effects {of}; try again later"),
            });
        };
        rate(limits.per_person, "of one person", true);
        rate(limits.per_connector, "of this connector", false);
        if let Some(most) = limits.per_task {
            let task = question.caller.task.as_deref().map(str::to_owned);
            let from = if task.is_some() {
                Timestamp::UNIX_EPOCH
            } else {
                since(now, TASK)
            };
            let client = task.is_none().then(|| question.caller.client.to_string());
            caps.push(Cap {
                count: Count {
                    task,
                    client,
                    ..self.count(question, from)
                },
                most: u64::from(most),
                told: format!("the file allows {most} effects in one task"),
            });
        }
        caps
    }

    async fn reached(&self, caps: &[Cap]) -> Result<Option<String>, PlansDown> {
        for cap in caps {
            if self.plans.count(&cap.count).await? >= cap.most {
                return Ok(Some(cap.told.clone()));
            }
        }
        Ok(None)
    }
}

fn judged(rule: &str, gate: Gate) -> Judged {
    Judged {
        gate,
        rule: rule.to_owned(),
        caps: Vec::new(),
    }
}

fn since(now: Timestamp, span: Duration) -> Timestamp {
    now.checked_sub(span).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// A gate in words.
fn sentence(gate: &Approval, file: &ConnectorFile) -> String {
    let names = |who: &[Who]| {
        let who: Vec<String> = who.iter().map(ToString::to_string).collect();
        who.join(", ")
    };
    let when = serde_json::to_string(&gate.when).unwrap_or_default();
    let asked = if gate.ask.is_empty() {
        file.purpose.owner.clone()
    } else {
        names(&gate.ask)
    };
    let says = match (&gate.deny, gate.auto) {
        (Some(reason), _) => format!("it is refused: {reason}"),
        (None, true) if gate.limit.is_empty() => "it goes through without asking".to_owned(),
        (None, true) => {
            let limit = serde_json::to_string(&gate.limit).unwrap_or_default();
            format!("it goes through within {limit}, beyond that {asked} must approve")
        }
        (None, false) => match gate.quorum {
            Some(quorum) if quorum > 1 => format!("{quorum} of {asked} must approve"),
            _ => format!("{asked} must approve"),
        },
    };
    format!("when {when}: {says}")
}
