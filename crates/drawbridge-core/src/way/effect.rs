//! Effects: planned, put before a gate, kept or applied; and calls that wait for a person.

use super::{Moment, Passage, told::told};
use crate::{
    answer::{Failure, Found, Status},
    call::Power,
    decide::{Clearance, Decision, Gate, Judged, Question, View},
    log::{LogDown, Recorded, Unwritten, plain},
    plan::{Asking, Bound, Cap, KeptPlan, Origin, Plan, Reversal, Stage, Step},
};

/// How often a plan is judged again because another call was first.
const TRIES: usize = 5;

impl Passage<'_> {
    /// Answers a read or a search, unless a gate holds it.
    pub(super) async fn read(self, view: View) -> Result<Recorded, LogDown> {
        let power = self.call.action.power;
        let gated = |gate: &crate::file::Approval| gate.when.power.values().contains(&power);
        if !self.bridge.file.approval.iter().any(gated) {
            let outcome = self.until(Moment::Asking, self.fetch(&view)).await;
            return self.answer(outcome.flat()).await;
        }
        let plan = Plan {
            action: self.call.action.name.to_owned(),
            power,
            sentence: plain::visible(&format!(
                "{} of {} with {}",
                self.call.action.name, self.call.connector, self.call.arguments
            )),
            targets: Vec::new(),
            reversal: Reversal::Irreversible("what was read cannot be unread".to_owned()),
            work: serde_json::Value::Null,
        };
        for _ in 0..TRIES {
            match self.known().await? {
                Some(known) if known.stage == Stage::Approved => {
                    return self.read_approved(&view, known).await;
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
                Gate::Deny(why) | Gate::Limited(why) => {
                    return self.refused(&judged.rule, Status::Denied, why).await;
                }
            }
        }
        self.busy().await
    }

    /// A read that was approved is read once, by whoever asked for it, as the rules are by now.
    async fn read_approved(self, view: &View, known: KeptPlan) -> Result<Recorded, LogDown> {
        let plan = known.plan.digest();
        if let Err(failure) = known.clear(&self.bound(plan)) {
            let next = known.failed(&failure, self.way.clock.now());
            return self.tell(next).await;
        }
        let found = self.until(Moment::Asking, self.fetch(view)).await.flat();
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
        let planned = self.until(Moment::Asking, self.plan(&view)).await.flat();
        let plan = match planned {
            Ok(plan) => plan,
            Err(failure) => return self.answer(Err(failure)).await,
        };
        if draft {
            let kept = self.kept(plan, Stage::Draft, None);
            return self.keep(kept, Vec::new()).await.map_err(down);
        }
        if let Err(failure) = self.grants(&plan).await {
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
                }
                done => return done.map_err(down),
            }
        }
        passage.busy().await
    }

    /// What the connector would do, within bounds.
    async fn plan(&self, view: &View) -> Result<Plan, Failure> {
        let plan = self.connector()?.plan(self.call, view).await?;
        bounded(plan)
    }

    /// Whether the caller may use the power of the plan on just these targets, where it is another
    /// than the action's: adding a row where there is none may turn out to be a change of one.
    async fn grants(&self, plan: &Plan) -> Result<(), Failure> {
        if plan.power == self.call.action.power {
            return Ok(());
        }
        let connector = self.connector()?;
        let others = self.bridge.actions.iter();
        for action in others.filter(|action| action.power == plan.power) {
            let mut call = self.call.clone();
            call.action = action.clone();
            let Decision::Allow { view, .. } = self.bridge.rules.decide(&call) else {
                continue;
            };
            // What that view does not admit, it does not plan.
            let again = self.until(Moment::Asking, connector.plan(self.call, &view));
            if again
                .await
                .flat()
                .and_then(bounded)
                .is_ok_and(|again| again.digest() == plan.digest())
            {
                return Ok(());
            }
        }
        let told = format!("this would `{}`, and no rule allows you that", plan.power);
        Err(Failure::new(Status::Denied, told))
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
        let step = Step::Keep(Box::new(begun.clone()), caps);
        let (key, appended) = self.way.log.intend(intent, step, clearance).await?;
        let mut next = match self.watch.overtaken(appended.version).await {
            Some(failure) => begun.failed(&failure, self.way.clock.now()),
            None => {
                let work = (self.bridge, self.watch);
                self.way.carry_out(work, &begun, &key).await
            }
        };
        next.told = true;
        match self.step_told(&next).await {
            // Somebody settled it meanwhile: what they found counts.
            Err(Unwritten::Overtaken(why)) => Err(Unwritten::Down(LogDown::because(why))),
            done => done,
        }
    }

    /// The same call asked again: how the first one stands, and nothing runs twice.
    async fn again(self, known: KeptPlan) -> Result<Recorded, LogDown> {
        let next = if known.stage.is_open() {
            None
        } else {
            let mut next = known.turned(known.stage);
            next.told = true;
            Some(next)
        };
        match next {
            Some(next) => self.tell(next).await,
            None => self.as_it_stands(&known).await,
        }
    }

    /// The answer that a plan is, told for good together with its turn.
    async fn tell(self, mut next: KeptPlan) -> Result<Recorded, LogDown> {
        next.told = true;
        match self.step_told(&next).await {
            Err(Unwritten::Overtaken(_)) => self.as_it_stands(&next).await,
            done => done.map_err(down),
        }
    }

    async fn as_it_stands(&self, plan: &KeptPlan) -> Result<Recorded, LogDown> {
        let answer = told(plan, &self.bridge.address);
        self.finish(answer, Some(plan), Vec::new())
            .await
            .map_err(down)
    }

    async fn step_told(&self, next: &KeptPlan) -> Result<Recorded, Unwritten> {
        let answer = told(next, &self.bridge.address);
        let steps = vec![Step::Turn(Box::new(next.clone()))];
        self.finish(answer, Some(next), steps).await
    }

    async fn keep(&self, kept: KeptPlan, caps: Vec<Cap>) -> Result<Recorded, Unwritten> {
        let answer = told(&kept, &self.bridge.address);
        let steps = vec![Step::Keep(Box::new(kept.clone()), caps)];
        self.finish(answer, Some(&kept), steps).await
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
            action: self.call.action.name,
            power: plan.map_or(self.call.action.power, |plan| plan.power),
            plan,
            now: self.way.clock.now(),
        };
        let judged = self.way.gates(self.bridge).judge(question).await;
        judged.map_err(LogDown::because)
    }

    fn bound(&self, digest: String) -> Bound {
        self.way.bound(self.bridge, Some(self.call), digest)
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
            action: call.action.name.to_owned(),
            power: call.action.power,
            arguments: call.arguments.clone(),
            record: call.id.to_string(),
            same: self.way.same(call),
            origin: Origin::Call,
            bound: self.bound(plan.digest()),
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
        self.connector()?.fetch(self.call, view).await
    }
}

/// Who said yes, for a record.
pub(super) fn approved_by(plan: &KeptPlan) -> Option<String> {
    let voices: Vec<&str> = plan
        .voices
        .iter()
        .map(|voice| voice.person.as_str())
        .collect();
    let rule = plan.asking.as_ref().map_or("", |asking| &asking.rule);
    (!voices.is_empty()).then(|| format!("approved by {} ({rule})", voices.join(", ")))
}

/// The most characters of a plan's sentence.
const SENTENCE: usize = 300;

/// A plan that can be kept and shown: in one sentence on one line, whatever the values in it say.
pub(super) fn bounded(mut plan: Plan) -> Result<Plan, Failure> {
    let sentence: String = plan.sentence.chars().take(SENTENCE).collect();
    plan.sentence = plain::visible(&sentence);
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

pub(super) fn down(unwritten: Unwritten) -> LogDown {
    match unwritten {
        Unwritten::Down(down) => down,
        overtaken @ Unwritten::Overtaken(_) => LogDown::because(overtaken),
    }
}
