//! From an approval to its outcome: made again, compared, intended, applied; and settled after a
//! crash.

use std::{sync::Arc, time::Duration};

use serde_json::json;

use super::{
    Bridge, Moment, Watch, Way,
    later::{again_later, disputed, left_to_settle},
    person::unread,
    planned,
    told::approved_by,
    watch::{Work, broke, until},
};
use crate::{
    answer::{Failure, Status},
    call::{Action, Call},
    decide::{Clearance, Gate, Gates},
    exchange::Hears,
    log::{Key, LogDown, Recorded, Unwritten},
    plan::{Bound, KeptPlan, Origin, Plan, Reversal, Runner, Settled, Stage, Step, digest},
};

/// How often an approved plan is begun that a crash kept from being applied.
const ATTEMPTS: u32 = 5;
/// How long a target that cannot be asked what came of an effect is asked again. Then a person looks.
const ASKED_FOR: Duration = Duration::from_secs(3_600);

impl Way {
    /// Applies an approved plan, once. `call` is the call that asked for it, as it would be made by
    /// now; none for an undo. None where it must wait, because its connector is stopped or down.
    ///
    /// # Errors
    /// [`LogDown`] when intent or outcome cannot be recorded.
    pub async fn run(
        &self,
        bridge: &Bridge,
        call: Option<&Call>,
        kept: &KeptPlan,
        watch: &dyn Watch,
    ) -> Result<Option<KeptPlan>, LogDown> {
        if !kept.power.is_effect() {
            // A read is answered when who asked for it comes back.
            return Ok(None);
        }
        if bridge.admits(true).is_err() || bridge.connector.is_err() {
            return Ok(None);
        }
        let plan = match until(
            watch.ended(Moment::Applying),
            self.again(bridge, call, kept),
        )
        .await
        {
            Work::Done(Ok(plan)) => plan,
            Work::Done(Err(failure)) if !failure.status.passes() => {
                return self.conflict(bridge, kept, (None, failure)).await;
            }
            Work::Done(Err(_)) | Work::Stopped(_) | Work::Broke => return Ok(None),
        };
        if let Some(waits) = disputed(kept, watch).await.map_err(LogDown::because)? {
            let why = "not enough of those who approved it still may".to_owned();
            return self.outcome(bridge, &waits, &[why]).await;
        }
        let action = match call {
            Some(call) => Some(&*call.action),
            None => bridge.action(&plan.action),
        };
        let bound = self.bound(bridge, action, self.seal(&plan));
        let clearance = match kept.clear(&bound) {
            Ok(clearance) => clearance,
            Err(failure) => {
                let fresh = self.fresh(bridge, kept, (plan, bound)).await?;
                return self.conflict(bridge, kept, (fresh, failure)).await;
            }
        };
        self.carry_on(bridge, kept, clearance, watch).await
    }

    async fn carry_on(
        &self,
        bridge: &Bridge,
        kept: &KeptPlan,
        clearance: Clearance,
        watch: &dyn Watch,
    ) -> Result<Option<KeptPlan>, LogDown> {
        let begun = kept.begun(self.runner(watch));
        let reasons: Vec<String> = approved_by(kept).into_iter().collect();
        let intent = self.intent(&begun, bridge, &reasons);
        let steps = vec![Step::Turn(Box::new(begun.clone()))];
        let (key, appended) = match self.log.intend(intent, steps, clearance).await {
            Ok(intended) => intended,
            Err(Unwritten::Overtaken(_)) => return Ok(None),
            Err(Unwritten::Down(down)) => return Err(down),
        };
        let next = match watch.overtaken(appended.version).await {
            // Stopped between the last look and the intent: it is as approved as it was.
            Some(_) => begun.turned(Stage::Approved),
            None => {
                let next = self.carry_out((bridge, watch), &begun, &key, None).await;
                again_later(&begun, next, self.clock.now())
            }
        };
        self.outcome(bridge, &next, &reasons).await
    }

    /// Applies what is intended. Whatever ends it early, the target is asked what came of it.
    pub(super) async fn carry_out(
        &self,
        (bridge, watch): (&Bridge, &dyn Watch),
        begun: &KeptPlan,
        key: &Key,
        hears: Option<&Arc<dyn Hears>>,
    ) -> KeptPlan {
        let connector = match bridge.reach() {
            Ok(connector) => connector,
            Err(failure) => return begun.failed(&failure, self.clock.now()),
        };
        let work = connector.apply(&begun.plan, key, hears);
        let failure = match until(watch.ended(Moment::Applying), work).await {
            Work::Done(Ok(receipt)) => return self.applied(bridge, begun, receipt),
            Work::Done(Err(failure)) if failure.status != Status::Unknown => {
                return begun.failed(&failure, self.clock.now());
            }
            Work::Done(Err(failure)) | Work::Stopped(failure) => failure,
            Work::Broke => broke(),
        };
        let settled = until(watch.ended(Moment::Settling), async {
            Ok(connector.settle(&begun.plan, key).await)
        });
        match settled.await.flat() {
            Ok(Settled::Applied(receipt)) => self.applied(bridge, begun, receipt),
            Ok(Settled::NotApplied) => {
                let status = match failure.status {
                    Status::Unknown => Status::Failed,
                    status => status,
                };
                begun.failed(&Failure { status, ..failure }, self.clock.now())
            }
            Ok(Settled::Unknown(why)) => begun.failed(&untold(failure, why), self.clock.now()),
            Ok(Settled::Later(_)) | Err(_) => left_to_settle(begun, self.clock.now()),
        }
    }

    /// Finds out what came of a plan that a gateway began and did not end.
    ///
    /// # Errors
    /// [`LogDown`] when it cannot be recorded; then it is tried again.
    pub async fn settle(
        &self,
        bridge: &Bridge,
        kept: &KeptPlan,
        watch: &dyn Watch,
    ) -> Result<Option<KeptPlan>, LogDown> {
        let Some(key) = self.log.key(kept) else {
            return Ok(None);
        };
        let work = async { Ok(bridge.reach()?.settle(&kept.plan, &key).await) };
        let settled = until(watch.ended(Moment::Settling), work).await.flat();
        let settled = settled.unwrap_or_else(|failure| Settled::Later(failure.message));
        let now = self.clock.now();
        let until = kept
            .runner
            .as_ref()
            .map_or(kept.created, |runner| runner.until);
        let given_up = until.checked_add(ASKED_FOR).is_ok_and(|end| now >= end);
        let next = match settled {
            Settled::Applied(receipt) => self.applied(bridge, kept, receipt),
            Settled::NotApplied if kept.asking.is_some() && kept.attempts < ATTEMPTS => {
                let mut next = kept.turned(Stage::Approved);
                next.runner = None;
                next
            }
            // What nobody approved is not done late, when nobody waits for it any more.
            Settled::NotApplied => {
                let told = "the gateway stopped before it was done, and nothing was changed";
                kept.failed(&Failure::new(Status::Failed, told), now)
            }
            Settled::Later(_) if !given_up => return Ok(None),
            Settled::Unknown(why) | Settled::Later(why) => {
                kept.failed(&Failure::new(Status::Unknown, why), now)
            }
        };
        let reasons = ["looked up in the target after an interruption".to_owned()];
        self.outcome(bridge, &next, &reasons).await
    }

    fn applied(
        &self,
        bridge: &Bridge,
        begun: &KeptPlan,
        receipt: crate::plan::Receipt,
    ) -> KeptPlan {
        let now = self.clock.now();
        let kept_for = bridge.file.recovery.undo;
        let until = match begun.plan.reversal {
            Reversal::Reversible => kept_for.and_then(|span| now.checked_add(span.duration()).ok()),
            Reversal::Irreversible(_) => None,
        };
        begun.applied(receipt, until, now)
    }

    /// The plan, made again as its call would be made by now.
    async fn again(
        &self,
        bridge: &Bridge,
        call: Option<&Call>,
        kept: &KeptPlan,
    ) -> Result<Plan, Failure> {
        match (&kept.origin, call) {
            (Origin::Undo(of), _) => {
                let original = self.plans.plan(of).await.map_err(unread)?;
                let gone =
                    || Failure::new(Status::Conflict, "what it takes back is kept no longer");
                let original = original.ok_or_else(gone)?;
                let receipt = original.receipt.as_ref().ok_or_else(gone)?;
                planned::inverse(bridge, &kept.caller, (&original.plan, receipt)).await
            }
            (Origin::Call, Some(call)) => {
                let planned = planned::plan_anew(bridge, call).await;
                planned.map_err(|mut failure| {
                    if failure.status == Status::Denied {
                        failure.message = format!("not any more: {}", failure.message);
                    }
                    failure
                })
            }
            (Origin::Call, None) => Err(Failure::new(
                Status::Conflict,
                "its action or its arguments are none of this connector any more",
            )),
        }
    }

    /// The plan as it is by now, put before the gates anew.
    async fn fresh(
        &self,
        bridge: &Bridge,
        kept: &KeptPlan,
        (plan, bound): (Plan, Bound),
    ) -> Result<Option<KeptPlan>, LogDown> {
        let now = self.clock.now();
        let judged = self.judged(bridge, (&kept.caller, &kept.action), &plan);
        let Gate::Ask(asking) = judged.await.map_err(LogDown::because)?.gate else {
            return Ok(None);
        };
        Ok(Some(kept.asked_anew(
            self.plan_id(&format!("{} {}", kept.id, kept.turn)),
            (plan, bound),
            asking,
            now,
        )))
    }

    /// Ends a plan that is not what was approved; the fresh one, where there is one, is asked about.
    async fn conflict(
        &self,
        bridge: &Bridge,
        kept: &KeptPlan,
        (fresh, failure): (Option<KeptPlan>, Failure),
    ) -> Result<Option<KeptPlan>, LogDown> {
        let now = self.clock.now();
        let Some(fresh) = fresh else {
            let next = kept.failed(&failure, now);
            return self.outcome(bridge, &next, &[failure.message]).await;
        };
        let next = kept.replaced(&fresh, Stage::Conflict, &failure.message, now);
        let record = self.outcome_record(bridge, &next, std::slice::from_ref(&failure.message));
        let answer = super::told::told(&next, &bridge.address);
        let steps = vec![
            Step::Turn(Box::new(next.clone())),
            Step::Keep(Box::new(fresh), Vec::new()),
        ];
        written(self.log.step(record, answer, steps).await, next)
    }

    async fn outcome(
        &self,
        bridge: &Bridge,
        next: &KeptPlan,
        reasons: &[String],
    ) -> Result<Option<KeptPlan>, LogDown> {
        let record = self.outcome_record(bridge, next, reasons);
        let answer = super::told::told(next, &bridge.address);
        let steps = vec![Step::Turn(Box::new(next.clone()))];
        written(self.log.step(record, answer, steps).await, next.clone())
    }

    /// What an approval of this plan is bound to.
    pub(super) fn bound(&self, bridge: &Bridge, action: Option<&Action>, digest: String) -> Bound {
        let rules = action.map(|action| bridge.rules.revision(&bridge.file.connector, action));
        Bound {
            revision: bridge.revision.to_string(),
            rules: rules.unwrap_or_default(),
            identity: bridge.file.identity.account.clone(),
            digest,
        }
    }

    /// The gates of a connector.
    #[must_use]
    pub fn gates<'a>(&'a self, bridge: &'a Bridge) -> Gates<'a> {
        Gates {
            file: &bridge.file,
            labels: &bridge.labels,
            limits: bridge.effects,
            plans: &*self.plans,
        }
    }

    /// What identifies a plan to people and on the log: it is bound to all of it, also to what of its
    /// targets nobody may see, so that without the gateway's secret no guess at that can be tried.
    pub(super) fn seal(&self, plan: &Plan) -> String {
        self.digests.digest(plan.digest().as_bytes())
    }

    /// What is equal for the same call, asked again by the same caller.
    pub(super) fn same(&self, call: &Call) -> String {
        let caller = &call.caller;
        let parts = json!([
            caller.person.id,
            caller.client,
            caller.task,
            call.connector,
            call.action.name,
            digest(&call.arguments),
        ]);
        self.digest(&parts)
    }

    /// An id that nobody can guess who does not hold the gateway's secret: 32 hexadecimal digits.
    pub(super) fn plan_id(&self, of: &str) -> String {
        let sealed = self.digests.digest(format!("plan {of}").as_bytes());
        digest(&json!(sealed)).chars().take(32).collect()
    }

    pub(super) fn runner(&self, watch: &dyn Watch) -> Runner {
        let now = self.clock.now();
        Runner {
            gateway: self.gateway.to_string(),
            until: now.checked_add(watch.longest()).unwrap_or(now),
        }
    }
}

fn written(done: Result<Recorded, Unwritten>, next: KeptPlan) -> Result<Option<KeptPlan>, LogDown> {
    match done {
        Ok(_) => Ok(Some(next)),
        Err(Unwritten::Overtaken(_)) => Ok(None),
        Err(Unwritten::Down(down)) => Err(down),
    }
}

/// What nobody can tell: why, and where the connector itself came to that, what it was told by its target.
fn untold(failure: Failure, why: String) -> Failure {
    let message = match failure.status {
        Status::Unknown if failure.message != why => format!("{}; {why}", failure.message),
        _ => why,
    };
    Failure {
        status: Status::Unknown,
        message,
        ..failure
    }
}
