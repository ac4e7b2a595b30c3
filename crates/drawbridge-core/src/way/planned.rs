//! Plans as they are made for a call: within bounds, and with no power that its caller lacks.

use super::Bridge;
use crate::{
    answer::{Failure, Status},
    call::{Call, Caller, Power},
    decide::{Decision, View},
    log::plain,
    plan::{Plan, Receipt, Reversal},
};

/// The most characters of a plan's sentence.
const SENTENCE: usize = 300;

/// What a call would do, as far as its view admits.
pub(super) async fn plan(bridge: &Bridge, call: &Call, view: &View) -> Result<Plan, Failure> {
    let plan = bounded(bridge.reach()?.plan(call, view).await?)?;
    granted(bridge, call, &plan).await?;
    Ok(plan)
}

/// What a call would do as the rules are by now.
pub(super) async fn plan_anew(bridge: &Bridge, call: &Call) -> Result<Plan, Failure> {
    let view = admitted(bridge, call)?;
    let power = call.action.power;
    if power.is_effect() || power == Power::Draft {
        plan(bridge, call, &view).await
    } else {
        Ok(of_read(call))
    }
}

/// What a call may see as the rules are by now.
pub(super) fn admitted(bridge: &Bridge, call: &Call) -> Result<View, Failure> {
    match bridge.rules.decide(call) {
        Decision::Allow { view, .. } => Ok(view),
        Decision::Deny { told, .. } => Err(Failure::new(Status::Denied, &*told)),
    }
}

/// What is asked of people about a read or a search: the call itself. What it finds is not known.
pub(super) fn of_read(call: &Call) -> Plan {
    Plan {
        action: call.action.name.to_string(),
        power: call.action.power,
        sentence: sentence(&format!(
            "{} of {} with {}",
            call.action.name, call.connector, call.arguments
        )),
        targets: Vec::new(),
        reversal: Reversal::Irreversible("what was read cannot be unread".to_owned()),
        work: serde_json::Value::Null,
    }
}

/// What takes an applied plan back. Whoever may see it may have it taken back, through its gates; but
/// not where a rule forbids them just that.
pub(super) async fn inverse(
    bridge: &Bridge,
    caller: &Caller,
    (plan, receipt): (&Plan, &Receipt),
) -> Result<Plan, Failure> {
    let inverse = bounded(bridge.reach()?.undo(plan, receipt).await?)?;
    let action = bridge.action(&inverse.action);
    let forbids = |action| {
        let connector = &bridge.file.connector;
        bridge.rules.forbids(caller, connector, action)
    };
    match action.and_then(forbids) {
        Some(Decision::Deny { told, .. }) => Err(Failure::new(Status::Denied, &*told)),
        Some(Decision::Allow { .. }) | None => Ok(inverse),
    }
}

/// Whether the caller may use the power of the plan on just these targets, where it is another
/// than the action's: adding a row where there is none may turn out to be a change of one.
async fn granted(bridge: &Bridge, call: &Call, plan: &Plan) -> Result<(), Failure> {
    let asked = call.action.power;
    // A draft changes nothing, and is asked about when it is sent on.
    if asked == Power::Draft || asked == plan.power {
        return Ok(());
    }
    let others = bridge.actions.iter();
    for action in others.filter(|action| action.power == plan.power) {
        let mut other = call.clone();
        other.action = action.clone();
        let Decision::Allow { view, .. } = bridge.rules.decide(&other) else {
            continue;
        };
        // What that view does not admit, it does not plan.
        let again = bridge.reach()?.plan(call, &view).await.and_then(bounded);
        if again.is_ok_and(|again| again.digest() == plan.digest()) {
            return Ok(());
        }
    }
    let told = format!("this would `{}`, and no rule allows you that", plan.power);
    Err(Failure::new(Status::Denied, told))
}

/// A plan that can be kept and shown: in one sentence on one line, whatever the values in it say.
pub(super) fn bounded(mut plan: Plan) -> Result<Plan, Failure> {
    plan.sentence = sentence(&plan.sentence);
    let size = serde_json::to_vec(&plan).map_or(usize::MAX, |bytes| bytes.len());
    if size > Plan::MOST_BYTES {
        let most = Plan::MOST_BYTES >> 20;
        let told = format!("the plan would have more than {most} MiB; change less at a time");
        return Err(Failure::new(Status::Limited, told));
    }
    if plan.targets.is_empty() {
        return Err(Failure::invalid("this would change nothing"));
    }
    Ok(plan)
}

fn sentence(text: &str) -> String {
    let short: String = text.chars().take(SENTENCE).collect();
    plain::visible(&short)
}
