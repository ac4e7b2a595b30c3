//! The one way through. Every door calls [`Way::pass`], or [`Way::refuse`] where there is nothing
//! to pass; there is no second way.

mod bridge;
mod effect;
mod exchanged;
mod later;
mod person;
mod planned;
mod recorded;
mod told;
mod watch;
mod work;

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use serde_json::Value;

use crate::{
    answer::{
        Answer, Failure, Found, Status,
        shape::{Shaped, failed, shape},
    },
    call::{Call, Caller, Power},
    connector::Clock,
    decide::{Decision, Turn, View},
    file::{Content, Labels},
    log::{Kept, Log, LogDown, Record, Recorded, Seal, Unwritten},
    plan::{KeptPlan, Plans, Step},
};

pub use bridge::Bridge;
pub use watch::{Moment, Watch};
use watch::{Work, until};

/// The one way through.
#[derive(Clone)]
pub struct Way {
    log: Log,
    clock: Arc<dyn Clock>,
    digests: Seal,
    plans: Arc<dyn Plans>,
    ids: fn() -> String,
    gateway: Arc<str>,
}

/// What the way needs beside the log.
pub struct Lent {
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Makes digests of what records do not keep.
    pub digests: Seal,
    /// Kept plans.
    pub plans: Arc<dyn Plans>,
    /// Makes ids of records: UUIDv7 in lower case.
    pub ids: fn() -> String,
    /// The gateway's own id, another each time it starts.
    pub gateway: Arc<str>,
}

/// One call on its way.
struct Passage<'a> {
    way: &'a Way,
    bridge: &'a Bridge,
    call: &'a Call,
    began: Began,
    watch: &'a dyn Watch,
    record: Record,
    /// The draft that is sent on by it.
    draft: Option<&'a KeptPlan>,
}

/// When a request came in, by both clocks.
#[derive(Debug, Clone, Copy)]
pub struct Began {
    /// By the wall clock.
    pub time: Timestamp,
    /// By the clock that never goes back.
    pub monotonic: Duration,
}

/// A request that ends before there is a call: an unknown tool, an argument that is none.
#[derive(Debug)]
pub struct Refused<'a> {
    /// The id its record will have.
    pub id: &'a str,
    /// Who asks.
    pub caller: &'a Caller,
    /// The connector that was meant, or [`Record::GATEWAY`].
    pub connector: &'a str,
    /// The action or tool name that was asked for.
    pub action: &'a str,
    /// What the action can do, where there is one.
    pub power: Option<Power>,
    /// The arguments as they came.
    pub arguments: &'a Value,
    /// Why, for the record: it may say more than the caller is told.
    pub reason: String,
}

impl Way {
    /// A way that records to `log`.
    #[must_use]
    pub fn new(log: Log, lent: Lent) -> Self {
        Self {
            log,
            clock: lent.clock,
            digests: lent.digests,
            plans: lent.plans,
            ids: lent.ids,
            gateway: lent.gateway,
        }
    }

    /// The keyed digest under which records keep an argument's value.
    #[must_use]
    pub fn digest(&self, argument: &Value) -> String {
        self.digests.digest(argument.to_string().as_bytes())
    }

    /// The moment a request came in.
    #[must_use]
    pub fn begin(&self) -> Began {
        Began {
            time: self.clock.now(),
            monotonic: self.clock.monotonic(),
        }
    }

    /// Decides a call, fetches what the view admits or plans what it would do, and puts it on the
    /// log.
    ///
    /// # Errors
    /// [`LogDown`] when the call cannot be recorded: then there is no answer.
    pub async fn pass(
        &self,
        bridge: &Bridge,
        call: &Call,
        began: Began,
        watch: &dyn Watch,
    ) -> Result<Recorded, LogDown> {
        self.send_on(bridge, (call, None), began, watch).await
    }

    /// The same for a call that sends a draft on: the draft and what stands in its place change
    /// together, so that it is sent on once.
    ///
    /// # Errors
    /// As [`Self::pass`].
    pub async fn send_on(
        &self,
        bridge: &Bridge,
        (call, draft): (&Call, Option<&KeptPlan>),
        began: Began,
        watch: &dyn Watch,
    ) -> Result<Recorded, LogDown> {
        let target = (&*call.connector, &*call.action.name);
        let mut record = Record::begin(&call.id, began.time, &call.caller, target);
        record.revision = Some(call.revision.to_string());
        record.identity = Some(bridge.file.identity.account.clone());
        record.power = Some(call.action.power);
        self.brought(&mut record, &call.exchange);
        let mut passage = Passage {
            way: self,
            bridge,
            call,
            began,
            watch,
            record,
            draft,
        };
        let (view, _turn) = match passage.enter() {
            Ok(entered) => entered,
            Err(failure) => return passage.answer(Err(failure)).await,
        };
        match call.action.power {
            Power::Read | Power::Search => passage.read(view).await,
            Power::Draft
            | Power::Write
            | Power::Update
            | Power::Delete
            | Power::Send
            | Power::Trigger => Box::pin(passage.propose(view)).await,
        }
    }

    /// Puts a request that ends before there is a call on the log.
    ///
    /// # Errors
    /// [`LogDown`] when it cannot be recorded: then there is no answer.
    pub async fn refuse(
        &self,
        refused: Refused<'_>,
        failure: Failure,
        began: Began,
    ) -> Result<Recorded, LogDown> {
        let target = (refused.connector, refused.action);
        let mut record = Record::begin(refused.id, began.time, refused.caller, target);
        record.power = refused.power;
        record.decided.reasons = vec![refused.reason];
        let shaped = Shaped::from(failed(&failure, refused.power.unwrap_or(Power::Read)));
        self.describe(&mut record, refused.arguments, &shaped, Content::Summary);
        let finished = self
            .finish(record, shaped.answer, (began, Vec::new()))
            .await;
        finished.map_err(effect::down)
    }

    /// Puts something a person did with the gateway itself on the log (a pause, a token, a
    /// revision), or something the gateway answers by itself.
    ///
    /// # Errors
    /// [`LogDown`] when it cannot be recorded: then it must not happen.
    pub async fn note(
        &self,
        act: Act<'_>,
        outcome: Result<Found, Failure>,
        began: Began,
    ) -> Result<Recorded, LogDown> {
        let noted = self.note_turn(act, outcome, (began, Vec::new())).await;
        noted.map_err(effect::down)
    }

    /// The same, together with what becomes of kept plans.
    ///
    /// # Errors
    /// [`Unwritten::Overtaken`] when a plan is no longer as the step takes it to be: then neither
    /// is done.
    pub async fn note_turn(
        &self,
        act: Act<'_>,
        outcome: Result<Found, Failure>,
        (began, steps): (Began, Vec<Step>),
    ) -> Result<Recorded, Unwritten> {
        let target = (act.connector, act.action);
        let mut record = Record::begin(act.id, began.time, act.caller, target);
        record.decided.allowed =
            !matches!(&outcome, Err(failure) if failure.status == Status::Denied);
        record.decided.reasons = vec![act.reason];
        record.power = act.power;
        let first = steps.first();
        // What it is about is named by the call's own records, as far as the file lets them.
        record.plan = first.map(|step| self.planned(step.plan(), Content::Digest));
        let content = if act.in_full {
            Content::Full
        } else {
            Content::Summary
        };
        let power = act.power.unwrap_or(Power::Read);
        let shaped = shape(outcome, power, (usize::MAX, &Labels::default()));
        self.describe(&mut record, act.arguments, &shaped, content);
        self.finish(record, shaped.answer, (began, steps)).await
    }

    /// Fills in what was asked and what was returned, as much as the file lets the record keep.
    fn describe(
        &self,
        record: &mut Record,
        arguments: &Value,
        Shaped { answer, data }: &Shaped,
        content: Content,
    ) {
        for (name, value) in arguments.as_object().into_iter().flatten() {
            record
                .asked
                .arguments
                .insert(name.clone(), self.digest(value));
        }
        record.status = answer.status;
        if !answer.status.has_data() {
            record.message = answer.notices.first().cloned();
        }
        record.returned.count = answer.count;
        if !answer.data.is_null() {
            record.returned.bytes = data.len() as u64;
            record.returned.digest = Some(self.digests.digest(data));
        }
        record.returned.label.clone_from(&answer.label);
        record.returned.untrusted = answer.sources.iter().any(|source| source.untrusted);
        record.returned.asks = exchanged::asked(answer);
        for source in &answer.sources {
            let target = match content {
                Content::Digest => self.digests.digest(source.path.as_bytes()),
                Content::Summary | Content::Full => source.path.clone(),
            };
            if !record.returned.targets.contains(&target) {
                record.returned.targets.push(target);
            }
        }
        if content == Content::Full {
            record.kept = Some(Kept {
                arguments: arguments.clone(),
                data: answer.data.clone(),
            });
        }
    }

    fn finish(
        &self,
        mut record: Record,
        answer: Answer,
        (began, steps): (Began, Vec<Step>),
    ) -> impl Future<Output = Result<Recorded, Unwritten>> + Send {
        let took = self.clock.monotonic().saturating_sub(began.monotonic);
        record.duration_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.log.step(record, answer, steps)
    }
}

impl<'p> Passage<'p> {
    /// State, rules, limits: all that must be true before the connector is asked.
    fn enter(&mut self) -> Result<(View, Turn), Failure> {
        let decision = self.bridge.rules.decide(self.call);
        let decided = &mut self.record.decided;
        decided.allowed = decision.allows();
        decided.reasons = decision.reasons().to_vec();
        let view = match decision {
            Decision::Allow { view, .. } => view,
            Decision::Deny { told, .. } => return Err(Failure::new(Status::Denied, &*told)),
        };
        let effect = self.call.action.power.is_effect();
        self.bridge.admits(effect).inspect_err(|failure| {
            decided.allowed = false;
            decided.reasons = vec![failure.message.clone()];
        })?;
        let turn = self.bridge.limiter.enter(&self.call.caller)?;
        Ok((view, turn))
    }

    async fn until<T>(
        &self,
        moment: Moment,
        work: impl Future<Output = Result<T, Failure>> + Send,
    ) -> Work<T> {
        until(self.watch.ended(moment), work).await
    }

    /// Ends the call with what came of it.
    async fn answer(self, outcome: Result<Found, Failure>) -> Result<Recorded, LogDown> {
        self.step(outcome, Vec::new()).await.map_err(effect::down)
    }

    fn step<'s>(
        &'s self,
        outcome: Result<Found, Failure>,
        steps: Vec<Step>,
    ) -> impl Future<Output = Result<Recorded, Unwritten>> + Send + use<'s, 'p> {
        let limits = (self.bridge.answer_bytes, &*self.bridge.labels);
        let shaped = shape(outcome, self.call.action.power, limits);
        let plan = steps.first().map(|step| step.plan().clone());
        self.finish(shaped, plan.as_ref(), steps)
    }

    fn finish<'s>(
        &'s self,
        mut shaped: Shaped,
        plan: Option<&KeptPlan>,
        steps: Vec<Step>,
    ) -> impl Future<Output = Result<Recorded, Unwritten>> + Send + use<'s, 'p> {
        exchanged::note(&mut shaped.answer, &self.call.exchange);
        let mut record = self.record.clone();
        let content = self.bridge.file.logging.content;
        record.plan = plan.map(|plan| self.way.planned(plan, content));
        let arguments = &self.call.arguments;
        self.way.describe(&mut record, arguments, &shaped, content);
        self.way.finish(record, shaped.answer, (self.began, steps))
    }
}

/// Something done with the gateway itself, or answered by it.
#[derive(Debug)]
pub struct Act<'a> {
    /// The id its record will have.
    pub id: &'a str,
    /// Who does it.
    pub caller: &'a Caller,
    /// The connector it is done to, or [`Record::GATEWAY`].
    pub connector: &'a str,
    /// What is done, such as `pause`.
    pub action: &'a str,
    /// The power, where it is a tool that has one.
    pub power: Option<Power>,
    /// With which arguments.
    pub arguments: &'a Value,
    /// By which right, or why not.
    pub reason: String,
    /// Whether the record keeps arguments and result: for acts that people must be able to read
    /// later, such as the reason for a pause. Never where a secret is among them.
    pub in_full: bool,
}
