//! What people do with kept plans: look at how one ended, edit it, take an effect back.

use super::{Act, Began, Bridge, Moment, Watch, Way, planned, told::told, watch::until};
use crate::{
    answer::{Failure, Found, Status},
    call::{Call, Caller, Power},
    decide::{Gate, GateView, Judged, Question},
    log::{LogDown, Record, Recorded, Unwritten},
    plan::{Asking, KeptPlan, Origin, Plan, PlansDown, Stage, Step},
};

impl Way {
    /// Answers how a plan stands, to who asked for it.
    ///
    /// # Errors
    /// [`LogDown`] when it cannot be recorded: then there is no answer.
    pub async fn result(
        &self,
        act: &Act<'_>,
        (plan, address): (&KeptPlan, &str),
        began: Began,
    ) -> Result<Recorded, LogDown> {
        let ended = !plan.stage.is_open() && plan.stage != Stage::Draft && !plan.told;
        let steps = ended.then(|| Step::Turn(Box::new(plan.heard())));
        let steps: Vec<Step> = steps.into_iter().collect();
        let recorded = self.result_step(act, (plan, address), (began, steps)).await;
        match recorded {
            // Somebody told it, or went on with it: how it was when it was read is told.
            Err(Unwritten::Overtaken(_)) => {
                let again = self.result_step(act, (plan, address), (began, Vec::new()));
                again.await.map_err(super::effect::down)
            }
            done => done.map_err(super::effect::down),
        }
    }

    async fn result_step(
        &self,
        act: &Act<'_>,
        (plan, address): (&KeptPlan, &str),
        (began, steps): (Began, Vec<Step>),
    ) -> Result<Recorded, Unwritten> {
        let id = if steps.is_empty() {
            (self.ids)()
        } else {
            act.id.to_owned()
        };
        let mut record = Record::begin(&id, began.time, act.caller, (act.connector, act.action));
        record.power = act.power;
        record.decided.allowed = true;
        record.decided.reasons = vec![act.reason.clone()];
        record.plan = Some(self.planned(plan, crate::file::Content::Digest));
        let shaped = told(plan, address).into();
        self.describe(
            &mut record,
            act.arguments,
            &shaped,
            crate::file::Content::Summary,
        );
        // How it ended is on the records of that; why, only as far as those may keep it.
        record.message = record.message.map(|_| plan.stage.word().to_owned());
        self.finish(record, shaped.answer, (began, steps)).await
    }

    /// A plan with other arguments, planned and judged again. `call` is the call of the one who
    /// asked, with the edited arguments.
    ///
    /// # Errors
    /// Why it cannot be: also what the rules say of the one who asked.
    pub async fn edited(
        &self,
        bridge: &Bridge,
        (call, editor): (&Call, &str),
        kept: &KeptPlan,
        watch: &dyn Watch,
    ) -> Result<KeptPlan, Failure> {
        bridge.admits(false)?;
        let planned = planned::plan_anew(bridge, call);
        let plan = until(watch.ended(Moment::Asking), planned).await.flat()?;
        if editor != kept.caller.person.id {
            reaches_no_further(&plan, &kept.plan)?;
        }
        let bound = self.bound(bridge, Some(&call.action), self.seal(&plan));
        let now = self.clock.now();
        let id = self.plan_id(&format!("{} {} {}", kept.id, kept.turn, call.arguments));
        let mut next = if kept.stage == Stage::Draft {
            kept.drafted_anew(id, (plan, bound), now)
        } else {
            let judged = self.judged(bridge, (&kept.caller, &kept.action), &plan);
            let judged = judged.await.map_err(unread)?;
            let asking = match judged.gate {
                Gate::Ask(asking) => asking,
                // Who edits must still confirm what comes of it.
                Gate::Open => kept.asking.clone().unwrap_or_else(|| owner(bridge)),
                Gate::Deny(why) | Gate::Limited(why) => {
                    return Err(Failure::new(Status::Denied, why));
                }
            };
            let mut next = kept.asked_anew(id, (plan, bound), asking, now);
            // Those who were asked later can confirm what they edited, too; not past another gate.
            if let (Some(before), Some(asking)) = (&kept.asking, &mut next.asking)
                && before.rule == asking.rule
            {
                next.escalated = kept.escalated;
                asking.escalate.clone_from(&before.escalate);
            }
            next
        };
        next.arguments = call.arguments.clone();
        next.edited_by = Some(editor.to_owned());
        Ok(next)
    }

    /// The plan that takes an applied one back, judged like any other.
    ///
    /// # Errors
    /// `conflict` when a target is no longer as the effect left it; otherwise why it cannot be.
    pub async fn inverse(
        &self,
        bridge: &Bridge,
        (act, caller): (&str, &Caller),
        applied: &KeptPlan,
        watch: &dyn Watch,
    ) -> Result<KeptPlan, Failure> {
        bridge.admits(true)?;
        let now = self.clock.now();
        let Some(receipt) = applied.undoable(now)? else {
            return Err(Failure::new(Status::Conflict, "it was never applied"));
        };
        let work = planned::inverse(bridge, caller, (&applied.plan, receipt));
        let plan = until(watch.ended(Moment::Asking), work).await.flat()?;
        let judged = self.judged(bridge, (caller, &plan.action), &plan);
        let judged = judged.await.map_err(unread)?;
        let asking = match judged.gate {
            Gate::Open => None,
            Gate::Ask(asking) => Some(asking),
            Gate::Deny(why) | Gate::Limited(why) => return Err(Failure::new(Status::Denied, why)),
        };
        let bound = self.bound(bridge, bridge.action(&plan.action), self.seal(&plan));
        let (action, power) = (plan.action.clone(), plan.power);
        let asks = asking.clone().unwrap_or_else(|| owner(bridge));
        let id = self.plan_id(act);
        let mut next = applied.asked_anew(id.clone(), (plan, bound), asks, now);
        if asking.is_none() {
            next.stage = Stage::Approved;
            next.news = false;
        }
        // What it takes is kept no longer than that.
        next.expires = next.expires.into_iter().chain(applied.undo_until).min();
        next.asking = asking;
        next.caller = caller.clone();
        next.action = action;
        next.power = power;
        next.record = act.to_owned();
        next.origin = Origin::Undo(applied.id.clone());
        // Nobody asks for the same undo by a call.
        next.same = id;
        next.edited_by = None;
        Ok(next)
    }

    /// Which gate a call would stand before, worked out without keeping or changing anything: every
    /// gate of the file, and the word of the one that matches first.
    ///
    /// # Errors
    /// Why the call cannot be planned.
    pub async fn foresee(
        &self,
        bridge: &Bridge,
        call: &Call,
        watch: &dyn Watch,
    ) -> Result<(Judged, Vec<GateView>), Failure> {
        let power = call.action.power;
        bridge.admits(power.is_effect())?;
        let plan = if power.is_effect() {
            let planned = planned::plan_anew(bridge, call);
            Some(until(watch.ended(Moment::Asking), planned).await.flat()?)
        } else {
            None
        };
        let question = Question {
            caller: &call.caller,
            action: &call.action.name,
            power,
            plan: plan.as_ref(),
            now: self.clock.now(),
        };
        let gates = self.gates(bridge);
        let judged = async {
            let views = gates.views(question).await?;
            Ok::<_, PlansDown>((gates.judge(question).await?, views))
        };
        judged.await.map_err(unread)
    }

    /// What a search of a person would find, for somebody who sees to it that nobody finds too much:
    /// decided, gated and narrowed as their own call, within the limits of who asks. It leaves no record
    /// of theirs; what comes of it is for the record of who asks.
    ///
    /// # Errors
    /// What the person would be told in place of an answer.
    pub async fn search_as(
        &self,
        bridge: &Bridge,
        (call, by): (&Call, &Caller),
        watch: &dyn Watch,
    ) -> Result<Found, Failure> {
        if call.action.power != Power::Search {
            return Err(Failure::invalid(
                "only a search can be made as somebody else",
            ));
        }
        let view = planned::admitted(bridge, call)?;
        bridge.admits(false)?;
        let _turn = bridge.limiter.enter(by)?;
        let (judged, _) = self.foresee(bridge, call, watch).await?;
        match judged.gate {
            Gate::Open => {}
            Gate::Ask(_) => {
                let told = "people would be asked first, so nothing is searched";
                return Err(Failure::new(Status::ApprovalNeeded, told));
            }
            Gate::Deny(why) => return Err(Failure::new(Status::Denied, why)),
            Gate::Limited(why) => return Err(Failure::new(Status::Limited, why)),
        }
        let work = async { bridge.reach()?.fetch(call, &view).await };
        until(watch.ended(Moment::Asking), work).await.flat()
    }

    /// The gate before what stands in the place of a plan, or takes it back.
    pub(super) async fn judged(
        &self,
        bridge: &Bridge,
        (caller, action): (&Caller, &str),
        plan: &Plan,
    ) -> Result<Judged, PlansDown> {
        let question = Question {
            caller,
            action,
            power: plan.power,
            // Of a read nothing is known but the call itself.
            plan: (!plan.targets.is_empty()).then_some(plan),
            now: self.clock.now(),
        };
        let mut gates = self.gates(bridge);
        // What is edited was counted when it was asked for, and what is taken back restores.
        gates.limits.0 = crate::file::EffectLimits::default();
        gates.judge(question).await
    }
}

/// Who decides does not thereby look into what they may not see themselves: an edited plan shows
/// what was before only of targets that the plan before it was about.
fn reaches_no_further(edited: &Plan, before: &Plan) -> Result<(), Failure> {
    let known = |resource: &String| {
        let mut targets = before.targets.iter();
        targets.any(|target| target.resource == *resource)
    };
    let shown = edited
        .targets
        .iter()
        .filter(|target| target.before.is_some());
    if shown.map(|target| &target.resource).all(known) {
        return Ok(());
    }
    let told = "an edit may change what is done, and not to what else it is done; reject it, and say \
                what should be asked for instead";
    Err(Failure::new(Status::Denied, told))
}

pub(super) fn unread(error: PlansDown) -> Failure {
    Failure::new(Status::Unavailable, error.to_string()).with_source(error)
}

fn owner(bridge: &Bridge) -> Asking {
    Asking {
        rule: "its owner is asked".to_owned(),
        ask: vec![crate::file::Who::Person(bridge.file.purpose.owner.clone())],
        quorum: 1,
        self_approval: false,
        expires_s: 24 * 3_600,
        escalate: None,
    }
}
