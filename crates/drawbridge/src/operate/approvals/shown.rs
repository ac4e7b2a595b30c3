//! Kept plans as people see them, and who sees which.

use drawbridge_core::{
    call::Caller,
    plan::{KeptPlan, Stage},
};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::super::roles::{has_role, is_owner};
use crate::connectors::Snapshot;

/// Who asked, who may decide, who looks after the connector, and who audits.
pub(in crate::operate) fn sees(snapshot: &Snapshot, caller: &Caller, plan: &KeptPlan) -> bool {
    concerns(snapshot, caller, plan) || has_role(snapshot, caller, &snapshot.gateway.roles.auditor)
}

/// Who sees what is in it: an auditor sees what happened, not what was in it.
pub(super) fn concerns(snapshot: &Snapshot, caller: &Caller, plan: &KeptPlan) -> bool {
    plan.caller.person.id == caller.person.id || decides(snapshot, caller, plan)
}

/// Who is asked to decide on it, and who answers for its connector or the gateway.
pub(super) fn decides(snapshot: &Snapshot, caller: &Caller, plan: &KeptPlan) -> bool {
    let person = &caller.person;
    let mounted = snapshot.connectors.get(&plan.connector);
    plan.approvers().any(|who| who.is_person(person))
        || mounted.is_some_and(|mounted| mounted.bridge.file.purpose.owner == person.id)
        || is_owner(snapshot, caller)
}

/// Whether somebody answers for what a plan is about: the connector's owner, and owners of the gateway.
fn answers_for(snapshot: &Snapshot, caller: &Caller, plan: &KeptPlan) -> bool {
    let mounted = snapshot.connectors.get(&plan.connector);
    is_owner(snapshot, caller)
        || mounted.is_some_and(|mounted| mounted.bridge.file.purpose.owner == caller.person.id)
}

/// Whether it is somebody's to say what came of a plan of which nobody can tell.
pub(in crate::operate) fn settles(snapshot: &Snapshot, caller: &Caller, plan: &KeptPlan) -> bool {
    plan.stage == Stage::Unknown && answers_for(snapshot, caller, plan)
}

/// What somebody may do with a plan beside deciding: say what came of it, or take it back.
pub(super) fn with_acts(
    (snapshot, now): (&Snapshot, Timestamp),
    caller: &Caller,
    plan: &KeptPlan,
    mut shown: Value,
) -> Value {
    let answers = answers_for(snapshot, caller, plan);
    let settle = settles(snapshot, caller, plan);
    let asked = plan.caller.person.id == caller.person.id;
    let undo = plan.stage == Stage::Applied
        && plan.undo_until.is_some_and(|until| now < until)
        && (answers || asked);
    if let Some(shown) = shown.as_object_mut() {
        shown.insert("yours_to_settle".to_owned(), settle.into());
        shown.insert("yours_to_undo".to_owned(), undo.into());
    }
    shown
}

/// A plan in a list.
pub(super) fn line(caller: &Caller, plan: &KeptPlan, content: bool) -> Value {
    let may = plan.may_decide(&caller.person);
    let waits = plan.stage == Stage::Waiting;
    json!({
        "id": plan.id,
        "stage": plan.stage,
        "connector": plan.connector,
        "action": plan.action,
        "power": plan.plan.power,
        "sentence": if content { plan.plan.sentence.as_str() } else { "" },
        "targets": plan.plan.targets.len(),
        "person": plan.caller.person.id,
        "client": &*plan.caller.client,
        "created": plan.created,
        "expires": plan.expires,
        "escalated": plan.escalated,
        "yours_to_decide": waits && may.is_ok(),
        "why_not": may.err().filter(|_| waits).map(|failure| failure.message),
    })
}

/// A plan with everything people must see before they decide.
pub(super) fn whole(caller: &Caller, plan: &KeptPlan) -> Value {
    let mut data = line(caller, plan, true);
    let targets: Vec<Value> = plan
        .plan
        .targets
        .iter()
        .map(|target| {
            json!({
                "resource": target.resource,
                "change": target.change(),
                "facets": target.facets,
                "before": target.before,
                "after": target.after,
                "diff": target.difference(),
            })
        })
        .collect();
    let more = json!({
        "digest": plan.bound.digest,
        "bound": plan.bound,
        "arguments": plan.arguments,
        "targets": targets,
        "reversal": plan.plan.reversal,
        "undo_until": plan.undo_until,
        "escalate_at": plan.escalate_at(),
        "asking": plan.asking,
        "approved_by": plan.voices,
        "ended": plan.ended,
        "receipt": plan.receipt.as_ref().map(|receipt| json!({"sentence": receipt.sentence, "targets": receipt.applied})),
        "record": plan.record,
        "origin": plan.origin,
        "next": plan.next,
        "edited_by": plan.edited_by,
        "undone_by": plan.undone_by,
        "task": plan.caller.task,
    });
    if let (Some(all), Value::Object(more)) = (data.as_object_mut(), more) {
        all.extend(more);
    }
    data
}
