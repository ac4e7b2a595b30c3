//! What people do with kept plans: look, decide, edit, send on, take back, settle.

mod beside;
mod shown;
mod taken_back;
mod voices;

use std::sync::Arc;

use drawbridge_core::{
    answer::{Failure, Found, Status},
    call::Caller,
    plan::{KeptPlan, Origin, Receipt, Stage, Step},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::IntoParams;

use super::{
    Effect, Prepared,
    roles::{in_person, is_owner, own_client},
    store_down,
};
use crate::{app::App, connectors::Snapshot, store::PlanFilter};
use shown::{concerns, line, whole, with_acts};
pub(super) use shown::{sees, settles};

/// Plans of one answer.
const PLANS: u32 = 100;

/// Which kept plans.
#[derive(Debug, Clone, Default, Serialize, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PlanQuery {
    /// At this stage; without it those that wait for somebody: `waiting`, `draft`, `unknown`.
    #[param(value_type = Option<String>)]
    pub stage: Option<Stage>,
    /// Of this connector.
    pub connector: Option<String>,
    /// Also those that ended.
    pub all: bool,
    /// Only those made before this time: the `next` of an earlier answer.
    #[param(value_type = Option<String>)]
    pub before: Option<Timestamp>,
}

/// What a person decides.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// Yes, to the plan with this digest.
    Approve { digest: String, reason: String },
    /// With other arguments: another plan takes its place, which must be approved.
    Edit { arguments: Value },
    /// No.
    Reject { reason: String },
    /// Others must decide too.
    Escalate { reason: String },
    /// By who asked: not any more.
    Withdraw { reason: String },
    /// What came of a plan of which nobody could tell.
    Settle { applied: bool, reason: String },
}

impl Decision {
    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::Approve { .. } => "approve",
            Self::Edit { .. } => "edit",
            Self::Reject { .. } => "reject",
            Self::Escalate { .. } => "escalate",
            Self::Withdraw { .. } => "withdraw",
            Self::Settle { .. } => "settle",
        }
    }
}

impl App {
    pub(super) async fn plans_found(
        &self,
        snapshot: &Snapshot,
        caller: &Caller,
        query: &PlanQuery,
    ) -> Prepared {
        own_client(caller)?;
        let stages = match (query.stage, query.all) {
            (Some(stage), _) => vec![stage],
            (None, true) => Vec::new(),
            (None, false) => vec![Stage::Waiting, Stage::Draft, Stage::Unknown],
        };
        let mut filter = PlanFilter {
            stages,
            connector: query.connector.clone(),
            before: query.before,
            limit: PLANS,
            ..PlanFilter::default()
        };
        let now = self.clock.now();
        let mut list = Vec::new();
        let (mut next, mut last) = (None, None);
        // Of many plans few may be this person's to see: it is looked on until there are enough.
        loop {
            let page = self.store.kept_plans(&filter).await.map_err(store_down)?;
            let whole = page.len() < PLANS as usize;
            filter.before = page.last().map(|last| last.created);
            let seen = page.iter().filter(|plan| sees(snapshot, caller, plan));
            for plan in seen {
                if list.len() >= PLANS as usize {
                    next = next.or(last);
                    break;
                }
                last = Some(plan.created);
                let shown = line(caller, plan, concerns(snapshot, caller, plan));
                list.push(with_acts((snapshot, now), caller, plan, shown));
            }
            if whole || next.is_some() {
                break;
            }
        }
        let count = list.len() as u64;
        Ok((
            Found::new(
                json!({"approvals": list, "next": next}),
                String::new(),
                count,
            ),
            Effect::Nothing,
        ))
    }

    pub(super) async fn plan_found(
        &self,
        snapshot: &Snapshot,
        caller: &Caller,
        id: &str,
    ) -> Prepared {
        own_client(caller)?;
        let plan = self.visible_plan(snapshot, caller, id).await?;
        if !concerns(snapshot, caller, &plan) {
            let at = (snapshot, self.clock.now());
            let shown = with_acts(at, caller, &plan, line(caller, &plan, false));
            return Ok((Found::new(shown, String::new(), 1), Effect::Nothing));
        }
        let at = (snapshot, self.clock.now());
        let mut shown = with_acts(at, caller, &plan, whole(caller, &plan));
        let read = self.read_before(snapshot, caller, &plan).await?;
        let similar = self.similar(snapshot, caller, &plan).await?;
        if let Some(shown) = shown.as_object_mut() {
            shown.insert("read_before".to_owned(), read);
            shown.insert("similar".to_owned(), similar.into());
        }
        Ok((Found::new(shown, String::new(), 1), Effect::Nothing))
    }

    pub(super) async fn decide_on(
        self: &Arc<Self>,
        snapshot: &Snapshot,
        caller: &Caller,
        (id, decision): (&str, &Decision),
    ) -> Prepared {
        let now = self.clock.now();
        if let Decision::Withdraw { reason } = decision {
            let plan = self.own_plan(caller, id).await?;
            // What stands in its place by now is what is not wanted any more.
            let newest = self.newest(&plan.id).await.map_err(store_down)?;
            let plan = newest.unwrap_or(plan);
            let next = withdrawn(&plan, caller, (reason, now))?;
            return Ok(turned(vec![next]));
        }
        themselves(snapshot, caller)?;
        let plan = self.visible_plan(snapshot, caller, id).await?;
        if plan.stage == Stage::Waiting {
            let mounted = snapshot.connectors.get(&plan.connector);
            let frozen = mounted.map(|mounted| mounted.bridge.standing.admits());
            frozen.unwrap_or(Ok(()))?;
        }
        let person = &caller.person;
        match decision {
            Decision::Approve { digest, reason } => {
                let voices = self.voices(snapshot, &plan).await.map_err(store_down)?;
                let plan = KeptPlan { voices, ..plan };
                let by = (&**person, caller.token.as_ref());
                let next = plan.approve(by, (digest, reason), now)?;
                Ok(turned(vec![next]))
            }
            Decision::Reject { reason } => Ok(turned(vec![plan.reject(person, reason, now)?])),
            Decision::Escalate { reason } => {
                plan.may_decide(person)?;
                said(reason)?;
                let mounted = snapshot.connectors.get(&plan.connector);
                let owner = mounted.map(|mounted| mounted.bridge.file.purpose.owner.as_str());
                Ok(turned(vec![plan.escalate(owner.unwrap_or_default(), now)?]))
            }
            Decision::Settle { applied, reason } => {
                said(reason)?;
                let next = settled(snapshot, caller, &plan, (*applied, reason, now))?;
                Ok(turned(vec![next]))
            }
            Decision::Edit { arguments } => {
                let next = self.edited(snapshot, caller, (&plan, arguments)).await?;
                let told = format!("{} edited it", person.id);
                let before = plan.replaced(&next, Stage::Replaced, &told, now);
                let data = whole(caller, &next);
                let steps = vec![
                    Step::Turn(Box::new(before)),
                    Step::Keep(Box::new(next), Vec::new()),
                ];
                Ok((Found::new(data, String::new(), 1), Effect::Turn(steps)))
            }
            Decision::Withdraw { .. } => Err(Failure::invalid("nothing is withdrawn here")),
        }
    }

    async fn edited(
        &self,
        snapshot: &Snapshot,
        caller: &Caller,
        (plan, arguments): (&KeptPlan, &Value),
    ) -> Result<KeptPlan, Failure> {
        let now = self.clock.now();
        match plan.stage {
            Stage::Draft if plan.caller.person.id == caller.person.id => {}
            Stage::Draft => return Err(Failure::new(Status::Denied, "the draft is not yours")),
            Stage::Waiting if !plan.is_over(now) && plan.origin == Origin::Call => {
                plan.may_decide(&caller.person)?;
            }
            Stage::Waiting if plan.origin != Origin::Call => {
                return Err(Failure::invalid("an undo has no arguments to edit"));
            }
            stage => {
                let told = format!("it is {}, so there is nothing to edit", stage.word());
                return Err(Failure::new(Status::Conflict, told));
            }
        }
        let mounted = snapshot.connectors.get(&plan.connector);
        let gone = || Failure::new(Status::Unavailable, "its connector is gone");
        let mounted = mounted.ok_or_else(gone)?;
        let asker = snapshot.caller_of(plan);
        let edited = KeptPlan {
            arguments: arguments.clone(),
            ..plan.clone()
        };
        let call = snapshot.call_or_fault(&edited, asker.clone())?;
        let watch = self.watch((snapshot, mounted), &asker, Some(&call));
        let by = (&*call, caller.person.id.as_str());
        self.way.edited(&mounted.bridge, by, plan, &watch).await
    }

    /// A plan that this person may see.
    async fn visible_plan(
        &self,
        snapshot: &Snapshot,
        caller: &Caller,
        id: &str,
    ) -> Result<KeptPlan, Failure> {
        let none = "there is no such plan that you may see";
        self.one_plan(id, none, |plan| sees(snapshot, caller, plan))
            .await
    }

    /// A plan that this caller asked for.
    async fn own_plan(&self, caller: &Caller, id: &str) -> Result<KeptPlan, Failure> {
        let none = "you asked for no such plan";
        self.one_plan(id, none, |plan| asked_for(caller, plan))
            .await
    }

    /// A plan by its id or the beginning of it. One that is not meant and none are answered alike.
    async fn one_plan(
        &self,
        id: &str,
        none: &str,
        meant: impl Fn(&KeptPlan) -> bool,
    ) -> Result<KeptPlan, Failure> {
        let plain = id.len() >= 6 && id.bytes().all(|digit| digit.is_ascii_hexdigit());
        if !plain {
            return Err(Failure::not_found(none));
        }
        let found = self.store.plans_like(id).await.map_err(store_down)?;
        let mut meant = found.into_iter().filter(meant);
        match (meant.next(), meant.next()) {
            (Some(plan), None) => Ok(plan),
            (Some(_), Some(_)) => Err(Failure::invalid(
                "`id`: several plans begin so; write more of it",
            )),
            (None, _) => Err(Failure::not_found(none)),
        }
    }
}

/// Whether a caller asked for a plan: the person themselves for all of theirs, an AI client
/// for its own.
pub(crate) fn asked_for(caller: &Caller, plan: &KeptPlan) -> bool {
    let own = &plan.caller;
    let client = own.client == caller.client && own.task == caller.task;
    own.person.id == caller.person.id && (client || in_person(caller))
}

/// Who decides is there themselves: the command line that only says it acts for somebody is not.
fn themselves(snapshot: &Snapshot, caller: &Caller) -> Result<(), Failure> {
    own_client(caller)?;
    if caller.token.is_none() && caller.person.id != snapshot.gateway.operator {
        return Err(Failure::new(
            Status::Denied,
            "only they themselves decide for somebody, with a token of their own: \
             `drawbridge token new --personal`",
        ));
    }
    Ok(())
}

/// A reason is kept for those who look at it later.
fn said(reason: &str) -> Result<(), Failure> {
    if reason.trim().is_empty() {
        let told = "`reason`: say why, for those who look at it later";
        return Err(Failure::invalid(told));
    }
    Ok(())
}

fn turned(plans: Vec<KeptPlan>) -> (Found, Effect) {
    let first = plans.first();
    let data = first.map_or(Value::Null, |plan| {
        json!({"id": plan.id, "stage": plan.stage, "sentence": plan.plan.sentence,
               "approved_by": plan.voices.iter().map(|voice| &voice.person).collect::<Vec<_>>()})
    });
    let steps = plans.into_iter().map(|plan| Step::Turn(Box::new(plan)));
    let found = Found::new(data, String::new(), 1);
    (found, Effect::Turn(steps.collect()))
}

fn withdrawn(
    plan: &KeptPlan,
    caller: &Caller,
    (reason, now): (&str, jiff::Timestamp),
) -> Result<KeptPlan, Failure> {
    match plan.stage {
        Stage::Draft | Stage::Waiting | Stage::Approved => {
            let reason = if reason.trim().is_empty() {
                "no longer wanted"
            } else {
                reason
            };
            Ok(plan.ended(Stage::Withdrawn, (Some(&caller.person.id), reason), now))
        }
        stage => Err(Failure::new(
            Status::Conflict,
            format!("it is {}, and cannot be withdrawn from there", stage.word()),
        )),
    }
}

fn settled(
    snapshot: &Snapshot,
    caller: &Caller,
    plan: &KeptPlan,
    (applied, reason, now): (bool, &str, jiff::Timestamp),
) -> Result<KeptPlan, Failure> {
    if plan.stage != Stage::Unknown {
        let told = format!("it is {}, so there is nothing to settle", plan.stage.word());
        return Err(Failure::new(Status::Conflict, told));
    }
    let mounted = snapshot.connectors.get(&plan.connector);
    let owns = mounted.is_some_and(|mounted| mounted.bridge.file.purpose.owner == caller.person.id);
    if !owns && !is_owner(snapshot, caller) {
        let told = "only the connector's owner and owners of the gateway may settle it";
        return Err(Failure::new(Status::Denied, told));
    }
    let by = &caller.person.id;
    if applied {
        let receipt = Receipt {
            sentence: format!(
                "{}; {by} found that it was done: {reason}",
                plan.plan.sentence
            ),
            applied: Vec::new(),
            work: Value::Null,
        };
        // What a person says is no receipt that it could be undone by.
        return Ok(plan.applied(receipt, None, now));
    }
    let told = format!("{by} found that it was not done: {reason}");
    Ok(plan.ended(Stage::Failed, (Some(by), &told), now))
}
