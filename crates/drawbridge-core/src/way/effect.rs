//! Effects: planned, put before a gate, kept or applied; and calls that wait for a person.

use jiff::Timestamp;

use super::{
    Moment, Passage,
    later::disputed,
    planned,
    told::{approved_by, told, told_again},
};
use crate::{
    answer::{Failure, Found, Status},
    call::Power,
    decide::{Clearance, Gate, Judged, Question, View},
    log::{LogDown, Recorded, Unwritten},
    plan::{Asking, Bound, Cap, Count, Counted, KeptPlan, Origin, Plan, Stage, Step},
};

/// How often a plan is judged again because another call was first.
const TRIES: usize = 5;
/// Drafts of one person that one connector keeps.
const DRAFTS: u64 = 100;

impl Passage<'_> {
    /// Answers a read or a search, unless a gate holds it.
    pub(super) async fn read(self, view: View) -> Result<Recorded, LogDown> {
        let power = self.call.action.power;
        let gated = |gate: &crate::file::Approval| gate.when.power.values().contains(&power);
        if !self.bridge.file.approval.iter().any(gated) {
            let outcome = self.until(Moment::Asking, self.fetch(&view)).await;
            return self.answer(outcome.flat()).await;
        }
        // What is rare is kept apart, so that each call need not carry the room for it.
        Box::pin(self.gated(view)).await
    }

    /// Answers a read or a search that a gate may hold.
    async fn gated(self, view: View) -> Result<Recorded, LogDown> {
        let plan = planned::of_read(self.call);
        for _ in 0..TRIES {
            match self.known().await? {
                Some(known) if known.stage == Stage::Approved => {
                    return self.read_approved(known).await;
                }
                Some(known) => return self.again(known).await,
                None => {}
            }
            let judged = self.judge(None).await?;
            match judged.gate {
                Gate::Open => {
                    let outcome = self.until(Moment::Asking, self.fetch(&view)).await;
                    return self.answer(outcome.flat()).await;
                }
                Gate::Ask(asking) => {
                    let kept = self.kept(plan.clone(), Stage::Waiting, Some(asking));
                    match self.keep(kept, judged.caps).await {
                        Err(Unwritten::Overtaken(_)) => {}
                        done => return done.map_err(down),
                    }
                }
                Gate::Deny(why) => {
                    return self.refused(&judged.rule, Status::Denied, why).await;
                }
                Gate::Limited(why) => {
                    return self.refused(&judged.rule, Status::Limited, why).await;
                }
            }
        }
        self.busy().await
    }

    /// A read that was approved is read once, by whoever asked for it, as the rules are by now.
    async fn read_approved(self, known: KeptPlan) -> Result<Recorded, LogDown> {
        let steps = |plan: &KeptPlan| vec![Step::Turn(Box::new(plan.clone()))];
        match disputed(&known, self.watch).await {
            Ok(None) => {}
            Ok(Some(waits)) => return self.tell(&waits, steps(&waits)).await,
            Err(failure) => return self.answer(Err(failure)).await,
        }
        let plan = self.way.seal(&known.plan);
        if let Err(failure) = known.clear(&self.bound(plan)) {
            let mut next = known.failed(&failure, self.way.clock.now());
            next.told = !self.watch.is_gone();
            return self.tell(&next, steps(&next)).await;
        }
        // What was approved is what is read, also where it was edited.
        let mut call = self.call.clone();
        call.arguments = known.arguments.clone();
        let fetched = async {
            let view = planned::admitted(self.bridge, &call)?;
            let mut found = self.bridge.reach()?.fetch(&call, &view).await?;
            if let Some(editor) = &known.edited_by {
                let told = format!("{editor} edited what was asked for: {}", call.arguments);
                found.notices.push(told);
            }
            Ok(found)
        };
        let found = self.until(Moment::Asking, fetched).await.flat();
        if found.is_err() {
            return self.answer(found).await;
        }
        let now = self.way.clock.now();
        let mut next = known.ended(Stage::Applied, (None, "it was read"), now);
        next.told = true;
        let reasons = approved_by(&known);
        let mut passage = self;
        passage.record.decided.reasons.extend(reasons);
        match passage.step(found, vec![Step::Turn(Box::new(next))]).await {
            Err(Unwritten::Overtaken(_)) => {
                let told = "the approval was for one read, and another call used it";
                passage
                    .answer(Err(Failure::new(Status::Conflict, told)))
                    .await
            }
            done => done.map_err(down),
        }
    }

    /// Plans a draft or an effect, and keeps or applies it.
    pub(super) async fn propose(self, view: View) -> Result<Recorded, LogDown> {
        let draft = self.call.action.power == Power::Draft;
        if !draft && let Some(known) = self.known().await? {
            return self.again(known).await;
        }
        let planned = planned::plan(self.bridge, self.call, &view);
        let plan = match self.until(Moment::Asking, planned).await.flat() {
            Ok(plan) => plan,
            Err(failure) => return self.answer(Err(failure)).await,
        };
        if draft {
            return self.draft(plan).await;
        }
        if let Some(failure) = self.not_as_drafted(&plan) {
            return self.answer(Err(failure)).await;
        }
        let mut passage = self;
        for _ in 0..TRIES {
            let judged = passage.judge(Some(&plan)).await?;
            passage.record.decided.reasons.push(judged.rule.clone());
            let done = match judged.gate {
                Gate::Open => {
                    let by = (judged.rule, judged.caps);
                    passage.apply(plan.clone(), by).await
                }
                Gate::Ask(asking) => {
                    let kept = passage.kept(plan.clone(), Stage::Waiting, Some(asking));
                    passage.keep(kept, judged.caps).await
                }
                Gate::Deny(why) => {
                    return passage.refused(&judged.rule, Status::Denied, why).await;
                }
                Gate::Limited(why) => {
                    return passage.refused(&judged.rule, Status::Limited, why).await;
                }
            };
            match done {
                Err(Unwritten::Overtaken(_)) => {
                    // The same call was first, or others used up what there was.
                    if let Some(known) = passage.known().await? {
                        return passage.again(known).await;
                    }
                    if passage.draft_changed().await? {
                        let told = "the draft was sent on or changed meanwhile; look at it again";
                        let failure = Failure::new(Status::Conflict, told);
                        return passage.answer(Err(failure)).await;
                    }
                }
                done => return done.map_err(down),
            }
        }
        passage.busy().await
    }

    /// Who sends a draft on has looked at what it would do. If it would do something else by now, they
    /// look again first.
    fn not_as_drafted(&self, plan: &Plan) -> Option<Failure> {
        let draft = self.draft?;
        let told = "what the draft is about was changed since, so it was not sent on; edit the draft, \
                    with the same arguments if they are right, and look at what it would do by now";
        let same = self.way.seal(plan) == draft.bound.digest;
        (!same).then(|| Failure::new(Status::Conflict, told))
    }

    /// Keeps a draft, as long as there are not too many.
    async fn draft(mut self, plan: Plan) -> Result<Recorded, LogDown> {
        let caller = &self.call.caller;
        let cap = Cap {
            count: Count {
                counted: Counted::Drafts,
                connector: self.call.connector.to_string(),
                person: Some(caller.person.id.clone()),
                client: None,
                task: None,
                action: None,
                let_through: None,
                since: Timestamp::UNIX_EPOCH,
            },
            most: DRAFTS,
            told: format!(
                "{} drafts are kept; send some on, or throw them away",
                DRAFTS
            ),
        };
        let kept = self.kept(plan, Stage::Draft, None);
        match self.keep(kept, vec![cap]).await {
            Err(Unwritten::Overtaken(why)) => {
                self.record.decided.allowed = false;
                self.answer(Err(Failure::new(Status::Limited, why))).await
            }
            done => done.map_err(down),
        }
    }

    /// A gate let it through: intent, effect, outcome.
    async fn apply(
        &self,
        plan: Plan,
        (rule, caps): (String, Vec<Cap>),
    ) -> Result<Recorded, Unwritten> {
        let mut kept = self.kept(plan, Stage::Approved, None);
        kept.let_through = Some(rule);
        let clearance = Clearance::new(kept.bound.digest.clone());
        let mut begun = kept.begun(self.way.runner(self.watch));
        begun.turn = 0;
        let intent = self
            .way
            .intent(&begun, self.bridge, &self.record.decided.reasons);
        let steps = self.together(Step::Keep(Box::new(begun.clone()), caps), &begun);
        let (key, appended) = self.way.log.intend(intent, steps, clearance).await?;
        let mut next = match self.watch.overtaken(appended.version).await {
            Some(failure) => begun.failed(&failure, self.way.clock.now()),
            None => {
                let work = (self.bridge, self.watch);
                let hears = self.call.exchange.hears.as_ref();
                self.way.carry_out(work, &begun, &key, hears).await
            }
        };
        // Who went away did not hear of it, and is answered from the receipt when they ask again; so
        // is everybody of what is to be found out yet.
        next.told = !self.watch.is_gone() && !next.stage.is_open();
        let steps = vec![Step::Turn(Box::new(next.clone()))];
        match self.say(&next, steps).await {
            // Somebody settled it meanwhile: what they found counts.
            Err(Unwritten::Overtaken(_)) => {
                let found = self.way.plans.plan(&next.id).await;
                let found = found.map_err(LogDown::because)?.unwrap_or(next);
                self.say(&found, Vec::new()).await
            }
            done => done,
        }
    }

    /// The same call asked again: how the first one stands, and nothing runs twice.
    async fn again(self, known: KeptPlan) -> Result<Recorded, LogDown> {
        let mut steps: Vec<Step> = self.sent_on(&known).into_iter().collect();
        if !known.stage.is_open() && !self.watch.is_gone() {
            steps.push(Step::Turn(Box::new(known.heard())));
        }
        self.tell(&known, steps).await
    }

    /// The answer that a plan is, with what becomes of plans by it; as it stood when it was read,
    /// where somebody was first.
    async fn tell(&self, plan: &KeptPlan, steps: Vec<Step>) -> Result<Recorded, LogDown> {
        let answer = || told_again(plan, &self.bridge.address);
        match self.finish(answer().into(), Some(plan), steps).await {
            Err(Unwritten::Overtaken(_)) => {
                let finish = self.finish(answer().into(), Some(plan), Vec::new());
                finish.await.map_err(down)
            }
            done => done.map_err(down),
        }
    }

    async fn say(&self, plan: &KeptPlan, steps: Vec<Step>) -> Result<Recorded, Unwritten> {
        let answer = told(plan, &self.bridge.address);
        self.finish(answer.into(), Some(plan), steps).await
    }

    /// A step to a plan of this call, with that of the draft in whose place it stands.
    fn together(&self, step: Step, plan: &KeptPlan) -> Vec<Step> {
        std::iter::once(step).chain(self.sent_on(plan)).collect()
    }

    fn sent_on(&self, plan: &KeptPlan) -> Option<Step> {
        let why = format!("{} sent it on", self.call.caller.person.id);
        let now = self.way.clock.now();
        let next = self.draft?.replaced(plan, Stage::Replaced, &why, now);
        Some(Step::Turn(Box::new(next)))
    }

    /// Whether the draft that is sent on is no longer what it was.
    async fn draft_changed(&self) -> Result<bool, LogDown> {
        let Some(draft) = self.draft else {
            return Ok(false);
        };
        let now = self.way.plans.plan(&draft.id).await;
        let now = now.map_err(LogDown::because)?;
        Ok(now.is_none_or(|now| now.turn != draft.turn))
    }

    async fn keep(&self, kept: KeptPlan, caps: Vec<Cap>) -> Result<Recorded, Unwritten> {
        let steps = self.together(Step::Keep(Box::new(kept.clone()), caps), &kept);
        self.say(&kept, steps).await
    }

    async fn refused(
        mut self,
        rule: &str,
        status: Status,
        why: String,
    ) -> Result<Recorded, LogDown> {
        self.record.decided.allowed = false;
        self.record.decided.reasons = vec![rule.to_owned()];
        self.answer(Err(Failure::new(status, why))).await
    }

    async fn busy(self) -> Result<Recorded, LogDown> {
        let told = "too many calls like this one are running; try again in a moment";
        self.answer(Err(Failure::new(Status::Limited, told))).await
    }

    async fn known(&self) -> Result<Option<KeptPlan>, LogDown> {
        let same = self.way.same(self.call);
        self.way.plans.same(&same).await.map_err(LogDown::because)
    }

    async fn judge(&self, plan: Option<&Plan>) -> Result<Judged, LogDown> {
        let question = Question {
            caller: &self.call.caller,
            action: &self.call.action.name,
            power: plan.map_or(self.call.action.power, |plan| plan.power),
            plan,
            now: self.way.clock.now(),
        };
        let judged = self.way.gates(self.bridge).judge(question).await;
        judged.map_err(LogDown::because)
    }

    fn bound(&self, digest: String) -> Bound {
        self.way.bound(self.bridge, Some(&self.call.action), digest)
    }

    fn kept(&self, plan: Plan, stage: Stage, asking: Option<Asking>) -> KeptPlan {
        let call = self.call;
        let now = self.way.clock.now();
        let expires = asking.as_ref().and_then(|asking| {
            let span = std::time::Duration::from_secs(asking.expires_s);
            now.checked_add(span).ok()
        });
        KeptPlan {
            id: self.way.plan_id(&call.id),
            turn: 0,
            stage,
            caller: call.caller.clone(),
            connector: call.connector.to_string(),
            action: call.action.name.to_string(),
            power: call.action.power,
            arguments: call.arguments.clone(),
            record: call.id.to_string(),
            same: self.way.same(call),
            origin: Origin::Call,
            bound: self.bound(self.way.seal(&plan)),
            plan,
            asking,
            let_through: None,
            voices: Vec::new(),
            escalated: false,
            created: now,
            frozen_s: 0,
            expires,
            runner: None,
            attempts: 0,
            again: None,
            receipt: None,
            ended: None,
            next: None,
            edited_by: None,
            undo_until: None,
            undone_by: None,
            told: false,
            news: stage == Stage::Waiting,
            dropped: false,
        }
    }

    async fn fetch(&self, view: &View) -> Result<Found, Failure> {
        self.bridge.reach()?.fetch(self.call, view).await
    }
}

pub(super) fn down(unwritten: Unwritten) -> LogDown {
    match unwritten {
        Unwritten::Down(down) => down,
        overtaken @ Unwritten::Overtaken(_) => LogDown::because(overtaken),
    }
}
