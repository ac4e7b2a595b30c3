//! The one way through. Every door calls [`Way::pass`], or [`Way::refuse`] where there is nothing
//! to pass; there is no second way.

use std::{panic::AssertUnwindSafe, pin::pin, sync::Arc, time::Duration};

use futures_util::{
    FutureExt,
    future::{Either, select},
};
use jiff::Timestamp;
use serde_json::Value;

use crate::{
    answer::{
        Answer, Failure, Found, Status,
        shape::{Shaped, failed, shape},
    },
    call::{Action, Call, Caller, Power},
    connector::{Clock, Connector},
    decide::{Decision, Limiter, RuleBook},
    file::{ConnectorFile, Content, Labels},
    lifecycle::Standing,
    log::{Kept, Log, LogDown, Record, Recorded, Seal},
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
}

/// The one way through.
#[derive(Clone)]
pub struct Way {
    log: Log,
    clock: Arc<dyn Clock>,
    digests: Seal,
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
    pub fn new(log: Log, clock: Arc<dyn Clock>, digests: Seal) -> Self {
        Self {
            log,
            clock,
            digests,
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

    /// Decides a call, fetches what the view admits, and puts it on the log. `stop` ends a call
    /// that takes too long, whose connector is stopped, or whose client is gone: it resolves to
    /// what the caller is told.
    ///
    /// # Errors
    /// [`LogDown`] when the call cannot be recorded: then there is no answer.
    pub async fn pass(
        &self,
        bridge: &Bridge,
        call: &Call,
        began: Began,
        stop: impl Future<Output = Failure> + Send,
    ) -> Result<Recorded, LogDown> {
        let target = (&*call.connector, call.action.name);
        let mut record = Record::begin(&call.id, began.time, &call.caller, target);
        record.revision = Some(call.revision.to_string());
        record.identity = Some(bridge.file.identity.account.clone());
        record.power = Some(call.action.power);
        let outcome = match self.enter(bridge, call, &mut record) {
            Ok((view, _turn)) => until(stop, fetch(bridge, call, &view)).await,
            Err(failure) => Err(failure),
        };
        let limits = (bridge.answer_bytes, &*bridge.labels);
        let shaped = shape(outcome, call.action.power, limits);
        self.describe(
            &mut record,
            &call.arguments,
            &shaped,
            bridge.file.logging.content,
        );
        self.finish(record, shaped.answer, began).await
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
        self.finish(record, shaped.answer, began).await
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
        let target = (act.connector, act.action);
        let mut record = Record::begin(act.id, began.time, act.caller, target);
        record.decided.allowed =
            !matches!(&outcome, Err(failure) if failure.status == Status::Denied);
        record.decided.reasons = vec![act.reason];
        record.power = act.power;
        let content = if act.in_full {
            Content::Full
        } else {
            Content::Summary
        };
        let power = act.power.unwrap_or(Power::Read);
        let shaped = shape(outcome, power, (usize::MAX, &Labels::default()));
        self.describe(&mut record, act.arguments, &shaped, content);
        self.finish(record, shaped.answer, began).await
    }

    /// State, rules, limits: all that must be true before the connector is asked.
    fn enter(
        &self,
        bridge: &Bridge,
        call: &Call,
        record: &mut Record,
    ) -> Result<(crate::decide::View, crate::decide::Turn), Failure> {
        let decision = bridge.rules.decide(call);
        record.decided.allowed = decision.allows();
        record.decided.reasons = decision.reasons().to_vec();
        let view = match decision {
            Decision::Allow { view, .. } => view,
            Decision::Deny { told, .. } => return Err(Failure::new(Status::Denied, &*told)),
        };
        bridge.standing.admits().inspect_err(|failure| {
            record.decided.allowed = false;
            record.decided.reasons = vec![failure.message.clone()];
        })?;
        let turn = bridge.limiter.enter(&call.caller)?;
        Ok((view, turn))
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

    async fn finish(
        &self,
        mut record: Record,
        answer: Answer,
        began: Began,
    ) -> Result<Recorded, LogDown> {
        let took = self.clock.monotonic().saturating_sub(began.monotonic);
        record.duration_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.log.record(record, answer).await
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

/// What comes of the work, unless it is stopped before; also of work that breaks.
async fn until(
    stop: impl Future<Output = Failure> + Send,
    work: impl Future<Output = Result<Found, Failure>> + Send,
) -> Result<Found, Failure> {
    let work = AssertUnwindSafe(work).catch_unwind();
    match select(pin!(work), pin!(stop)).await {
        Either::Left((Ok(outcome), _)) => outcome,
        Either::Left((Err(_), _)) => Err(Failure::new(
            Status::Failed,
            "the connector broke; its owner finds the cause in the gateway's trace",
        )),
        Either::Right((failure, _)) => Err(failure),
    }
}

async fn fetch(bridge: &Bridge, call: &Call, view: &crate::decide::View) -> Result<Found, Failure> {
    match call.action.power {
        Power::Read | Power::Search => match &bridge.connector {
            Ok(connector) => connector.fetch(call, view).await,
            Err(reason) => Err(Failure::new(Status::Unavailable, reason.clone())),
        },
        // Effects need a plan, a gate and an intent on the log before anything may happen.
        Power::Draft
        | Power::Write
        | Power::Update
        | Power::Delete
        | Power::Send
        | Power::Trigger => Err(Failure::new(
            Status::Denied,
            format!(
                "this version of Drawbridge does not `{}`",
                call.action.power
            ),
        )),
    }
}
