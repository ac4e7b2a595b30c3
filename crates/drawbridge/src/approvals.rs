//! Keeps plans going: expires and escalates questions, applies what was approved, settles what a
//! gateway left behind, and drops what need not be kept.

mod alive;
mod notify;

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use drawbridge_core::{
    answer::{Failure, Found, Status},
    call::{Call, Caller},
    lifecycle::State,
    log::{LogDown, Unwritten},
    plan::{KeptPlan, Origin, Stage, Step},
    way::Act,
};
use futures_util::{StreamExt, stream};
use serde_json::json;
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

use crate::{
    app::{App, new_id},
    connectors::{GATEWAY, Snapshot},
    identify::{COMMAND_LINE, CONSOLE},
    store::{Seen, StoreError},
};

pub(crate) use crate::operate::asked_for;
pub(crate) use alive::Alive;
pub use notify::Lookup;
pub(crate) use notify::tell;

/// How often it is looked what must be done.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long one who stops effects waits for those that are being applied.
const ENDED: Duration = Duration::from_secs(10);
/// How often it is looked whether they have ended.
const ENDED_LOOK: Duration = Duration::from_millis(10);
/// How many plans are worked on at once.
const AT_ONCE: usize = 16;
/// How long nobody looks again at a plan that must wait for its target.
const TRY_AGAIN: Duration = Duration::from_secs(2);

/// Plans that this gateway is working on.
#[derive(Default)]
pub(crate) struct InWork(Mutex<HashSet<String>>);

impl InWork {
    /// Takes a plan, unless it is taken.
    fn take(&self, id: &str) -> bool {
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        taken.insert(id.to_owned())
    }

    fn give_back(&self, id: &str) {
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        taken.remove(id);
    }
}

/// Runs until `stop`.
pub(crate) async fn keep(app: Arc<App>, stop: CancellationToken) {
    let mut seen = Seen::default();
    loop {
        if let Err(cause) = round(&app, &mut seen).await {
            warn!("plans cannot be looked after at the moment: {cause:#}");
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

async fn round(app: &Arc<App>, seen: &mut Seen) -> anyhow::Result<()> {
    let now = app.clock.now();
    let snapshot = app.snapshot();
    for plan in app.store.applying_plans().await? {
        let dead = |runner: &drawbridge_core::plan::Runner| {
            now >= runner.until || app.alive.is_dead(&runner.gateway)
        };
        if plan.runner.as_ref().is_none_or(dead) {
            app.work_on(plan);
        }
    }
    let stopped = stopped(&snapshot);
    let due = app.store.due_plans(now, &stopped, seen).await?;
    let quick = due.into_iter().filter_map(|plan| match plan.stage {
        Stage::Approved | Stage::Applying if !plan.is_over(now) => {
            app.work_on(plan);
            None
        }
        _ => Some(plan),
    });
    stream::iter(quick)
        .for_each_concurrent(AT_ONCE, |plan| async move {
            if let Err(cause) = app.time_passed(&plan).await {
                error!(plan = %plan.id, "the time of a plan cannot be recorded: {cause}");
            }
        })
        .await;
    Ok(())
}

/// Connectors whose plans stand still.
fn stopped(snapshot: &Snapshot) -> Vec<String> {
    let runs = |state| matches!(state, State::Active | State::Retired);
    let connectors = snapshot.connectors.iter();
    connectors
        .filter(|(_, mounted)| !runs(mounted.bridge.standing.state))
        .map(|(name, _)| name.clone())
        .collect()
}

impl App {
    /// Applies or settles a plan in a task of its own; at once, if nobody works on it.
    pub(crate) fn work_on(self: &Arc<Self>, plan: KeptPlan) {
        if !self.in_work.take(&plan.id) {
            return;
        }
        let app = self.clone();
        self.tasks.spawn(async move {
            let turn = plan.turn;
            let outcome = app.work(&plan).await;
            let waits = match outcome {
                Ok(next) => next.is_none_or(|next| next.turn == turn),
                Err(cause) => {
                    error!(plan = %plan.id, "a plan cannot be worked on: {cause:#}");
                    true
                }
            };
            if waits {
                tokio::select! {
                    () = app.stop.cancelled() => {}
                    () = tokio::time::sleep(TRY_AGAIN) => {}
                }
            }
            app.in_work.give_back(&plan.id);
        });
    }

    /// Applies an approved plan, or settles one that was begun. None where it must wait.
    async fn work(&self, plan: &KeptPlan) -> anyhow::Result<Option<KeptPlan>> {
        let snapshot = self.snapshot();
        let mounted = snapshot.connectors.get(&plan.connector);
        let here = mounted.filter(|mounted| mounted.bridge.standing.state != State::Retired);
        let Some(mounted) = here else {
            return Ok(self.without_connector(plan).await?);
        };
        let caller = snapshot.caller_of(plan);
        if plan.stage == Stage::Applying {
            let watch = self.watch((&snapshot, mounted), &caller, None);
            return Ok(self.way.settle(&mounted.bridge, plan, &watch).await?);
        }
        if !self.identify.asks_still(&caller).await? || snapshot.is_nobody(&caller) {
            let told = "who asked for it may ask for nothing any more";
            let next = plan.ended(Stage::Cancelled, (None, told), self.clock.now());
            self.by_itself("cancel", &next).await?;
            return Ok(Some(next));
        }
        let call = snapshot.call_of(plan, caller.clone());
        let watch = self.watch((&snapshot, mounted), &caller, call.as_deref());
        let run = self.way.run(&mounted.bridge, call.as_deref(), plan, &watch);
        Ok(run.await?)
    }

    /// Waits until what was being applied when something was stopped has come to its end, on every
    /// gateway: who stopped it is told once nothing more is done. At most so long as applying may take
    /// that nobody answers for any more.
    pub(crate) async fn effects_ended(&self, connector: &str) -> Result<(), StoreError> {
        let ended = async {
            loop {
                let applying = self.store.applying_plans().await?;
                let meant = |plan: &KeptPlan| connector == GATEWAY || plan.connector == connector;
                if !applying.iter().any(meant) {
                    return Ok(());
                }
                tokio::time::sleep(ENDED_LOOK).await;
            }
        };
        tokio::time::timeout(ENDED, ended).await.unwrap_or(Ok(()))
    }

    /// What becomes of a plan whose connector is gone for good: nobody can look what came of it.
    async fn without_connector(&self, plan: &KeptPlan) -> Result<Option<KeptPlan>, LogDown> {
        if plan.stage != Stage::Applying {
            return Ok(None);
        }
        let told = "its connector was gone before anybody could look whether it was done";
        let next = plan.failed(&Failure::new(Status::Unknown, told), self.clock.now());
        self.by_itself("settle", &next).await?;
        Ok(Some(next))
    }

    /// What becomes of a plan by time alone.
    async fn time_passed(&self, plan: &KeptPlan) -> Result<(), LogDown> {
        let now = self.clock.now();
        match plan.stage {
            Stage::Waiting if plan.is_over(now) => {
                let told = format!("it stood open from {} on", plan.created);
                let next = plan.ended(Stage::Expired, (None, &told), now);
                self.by_itself("expire", &next).await
            }
            Stage::Waiting => {
                let snapshot = self.snapshot();
                let mounted = snapshot.connectors.get(&plan.connector);
                let owner = mounted.map(|mounted| mounted.bridge.file.purpose.owner.clone());
                match plan.escalate(&owner.unwrap_or_default(), now) {
                    Ok(next) => self.by_itself("escalate", &next).await,
                    Err(_) => Ok(()),
                }
            }
            Stage::Approved => {
                let told = "it was approved, and could not be done in time";
                let next = plan.ended(Stage::Expired, (None, told), now);
                self.by_itself("expire", &next).await
            }
            Stage::Draft | Stage::Applying | Stage::Unknown => Ok(()),
            Stage::Applied
            | Stage::Failed
            | Stage::Conflict
            | Stage::Rejected
            | Stage::Expired
            | Stage::Withdrawn
            | Stage::Cancelled
            | Stage::Replaced => self.by_itself("drop_images", &plan.aged(now)).await,
        }
    }

    /// Records what the gateway does with a plan by itself. Somebody who was first counts.
    async fn by_itself(&self, action: &str, next: &KeptPlan) -> Result<(), LogDown> {
        let gateway = Caller::gateway();
        let arguments = json!({"plan": next.id});
        let act = Act {
            id: &new_id(),
            caller: &gateway,
            connector: &next.connector,
            action,
            power: None,
            arguments: &arguments,
            reason: "its time has come".to_owned(),
            in_full: false,
        };
        let found = Found::new(
            json!({"plan": next.id, "stage": next.stage}),
            String::new(),
            1,
        );
        let steps = vec![Step::Turn(Box::new(next.clone()))];
        let noted = self
            .way
            .note_turn(act, Ok(found), (self.way.begin(), steps));
        match noted.await {
            Ok(_) | Err(Unwritten::Overtaken(_)) => Ok(()),
            Err(Unwritten::Down(down)) => Err(down),
        }
    }
}

impl Snapshot {
    /// Who asked for a plan, as `drawbridge.yaml` knows them by now.
    pub(crate) fn caller_of(&self, plan: &KeptPlan) -> Caller {
        let mut caller = plan.caller.clone();
        if let Some(person) = self.gateway.person(&caller.person.id) {
            caller.person = Arc::new(person);
        }
        caller
    }

    /// Whether `drawbridge.yaml` no longer knows somebody that only it can know.
    fn is_nobody(&self, caller: &Caller) -> bool {
        let ours =
            caller.token.is_some() && *caller.client != *CONSOLE || *caller.client == *COMMAND_LINE;
        ours && self.gateway.person(&caller.person.id).is_none()
    }

    /// The call that asked for a plan, as it would be made by now; none where it would be none.
    pub(crate) fn call_of(&self, plan: &KeptPlan, caller: Caller) -> Option<Box<Call>> {
        let by_call = plan.origin == Origin::Call;
        by_call.then(|| self.call_or_fault(plan, caller).ok())?
    }
}
