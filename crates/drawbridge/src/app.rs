//! Every long-lived part of the gateway, and what doors ask of it.

mod still;
mod tool;
mod watch;

use std::{path::PathBuf, sync::Arc};

use anyhow::Context;
use drawbridge_core::{
    answer::Failure,
    call::{Caller, Power},
    connector::Clock,
    exchange::Exchange,
    file::GatewayFile,
    log::{Log, LogDown, Record, Recorded, Seal, checkpoint::PublicKey},
    plan::{KeptPlan, Stage},
    secret::Secret,
    way::{self, Act, Began, Refused, Way},
};
use drawbridge_kinds::kinds::KINDS;
use serde_json::Value;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use uuid::Uuid;

use crate::{
    approvals::{Alive, InWork, Lookup, asked_for},
    audit::SignIns,
    check::Grades,
    clock::SystemClock,
    connectors::{Connectors, Lent, Snapshot},
    credentials::Credentials,
    gateway_tools,
    identify::Identify,
    keys::Keys,
    operate::Waiting,
    questions::Questions,
    resolve::{Refusal, Resolved},
    store::{Place, Store, StoreError, Writer},
    workspace::Workspace,
};
pub use tool::Tool;

/// The gateway.
pub struct App {
    /// The one way through.
    pub way: Way,
    /// Where records, tokens and states are kept.
    pub store: Store,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The connectors in force.
    pub connectors: Connectors,
    /// Who is asking.
    pub identify: Identify,
    /// What connectors prove their identity with.
    pub credentials: Arc<Credentials>,
    /// The log's writer: whether records can be made durable.
    pub journal: Arc<Writer>,
    /// Failed sign-ins, for the log.
    pub sign_ins: SignIns,
    /// Verifies the log.
    pub public_key: PublicKey,
    /// How each connector was last graded.
    pub grades: Grades,
    /// The plans that wait for a decision, as they were last seen.
    pub waiting: Waiting,
    /// The files.
    pub workspace: Workspace,
    /// Seals what clients carry back to say which plan they wait for.
    pub(crate) states: Seal,
    /// What clients are given to ask of their side.
    pub(crate) questions: Questions,
    /// Finds the secrets that drawbridge.yaml leaves to variables.
    pub(crate) lookup: Lookup,
    /// Which gateways of this workspace run.
    pub(crate) alive: Alive,
    /// Plans that are worked on.
    pub(crate) in_work: InWork,
    pub(crate) tasks: TaskTracker,
    pub(crate) stop: CancellationToken,
}

/// A call as it comes in by a door.
#[derive(Debug)]
pub struct ToolRequest {
    /// Who asks.
    pub caller: Caller,
    /// At the door of one connector: its name. Tool names are bare there.
    pub connector: Option<String>,
    /// The tool's name.
    pub tool: String,
    /// Its arguments.
    pub arguments: Value,
    /// Cancelled when the client is gone.
    pub cancel: CancellationToken,
    /// What the client takes and brings beside them.
    pub exchange: Exchange,
}

impl App {
    /// Starts the gateway on a workspace. `program` is this program, for confined children.
    ///
    /// # Errors
    /// When files, store or keys cannot be used; the message says what to do.
    pub async fn start(
        workspace: Workspace,
        program: PathBuf,
        (store, lookup): (Option<Secret<String>>, Lookup),
    ) -> anyhow::Result<Arc<Self>> {
        let gateway = match workspace.read().gateway {
            Ok(gateway) => gateway,
            Err(errors) => anyhow::bail!("{errors}"),
        };
        let state = workspace.state();
        let keys = Keys::open(&state, &gateway.gateway)?;
        let place = store.map_or_else(
            || Place::Sqlite(state.join("drawbridge.db")),
            Place::Postgres,
        );
        let store = Store::open(&place).await?;
        let public_key = keys.signer.public();
        let journal = store.journal(keys.signer, state.join("checkpoint"));
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
        let secret = keys.secret.expose();
        let alive = Alive::begin(&state)?;
        let log = Log::new(journal.clone());
        let way = way(log, (&store, &clock), (secret, &alive));
        let folders = (workspace.folder().to_owned(), state.clone());
        let parts = (store.clone(), clock.clone());
        let credentials = Arc::new(Credentials::new(folders, parts, (lookup, secret)));
        let lent = Lent {
            program,
            seal: Seal::new(secret, "cursor"),
            clock: clock.clone(),
            way: way.clone(),
            credentials: credentials.clone(),
        };
        let connectors = Connectors::open(workspace.clone(), store.clone(), KINDS, lent).await?;
        let identify = Identify::new((&state, secret), store.clone(), clock.clone())?;
        let sign_ins = SignIns::new(way.clone(), clock.clone());
        let app = Arc::new(Self {
            way,
            store,
            clock,
            connectors,
            identify,
            credentials,
            journal,
            sign_ins,
            public_key,
            grades: Grades::default(),
            waiting: Waiting::default(),
            workspace,
            states: Seal::new(secret, "state"),
            questions: Questions::new(secret).context("no key can be made")?,
            lookup,
            alive,
            in_work: InWork::default(),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
        });
        app.begin();
        Ok(app)
    }

    /// Begins background work.
    fn begin(self: &Arc<Self>) {
        self.tasks
            .spawn(crate::upkeep::run(self.clone(), self.stop.clone()));
        self.tasks
            .spawn(crate::upkeep::grade(self.clone(), self.stop.clone()));
        self.tasks
            .spawn(crate::upkeep::count(self.clone(), self.stop.clone()));
        let keeper = self.clone();
        self.tasks
            .spawn(async move { keeper.identify.keep(keeper.stop.clone()).await });
        let keeper = self.clone();
        self.tasks
            .spawn(async move { keeper.credentials.keep(keeper.stop.clone()).await });
        let keeper = self.clone();
        self.tasks
            .spawn(async move { keeper.sign_ins.keep(keeper.stop.clone()).await });
        self.tasks
            .spawn(crate::approvals::keep(self.clone(), self.stop.clone()));
        self.tasks
            .spawn(crate::approvals::tell(self.clone(), self.stop.clone()));
    }

    /// Ends running calls and background work.
    pub async fn close(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        self.connectors.close().await;
        self.credentials.close().await;
        self.credentials.keep_taken().await;
        self.identify.close().await;
        self.store.close().await;
    }

    /// `drawbridge.yaml` as it is in force.
    #[must_use]
    pub fn gateway(&self) -> Arc<GatewayFile> {
        self.connectors.snapshot().gateway.clone()
    }

    /// The connectors in force.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.connectors.snapshot()
    }

    /// Calls a tool. The call goes on to its record in a task of its own, also when the client is
    /// gone.
    ///
    /// # Errors
    /// [`LogDown`] when the call cannot be recorded: then there is no answer.
    pub async fn call(self: &Arc<Self>, request: ToolRequest) -> Result<Recorded, LogDown> {
        self.send_on(request, None).await
    }

    /// The same for a call that sends a draft on.
    pub(crate) async fn send_on(
        self: &Arc<Self>,
        request: ToolRequest,
        draft: Option<Box<KeptPlan>>,
    ) -> Result<Recorded, LogDown> {
        let app = self.clone();
        let pass = async move { app.pass(request, draft.as_deref()).await };
        let task = self.tasks.spawn(pass);
        task.await.map_err(LogDown::because)?
    }

    /// What is rare is kept apart in boxes, so that each call need not carry the room for it.
    async fn pass(
        &self,
        request: ToolRequest,
        draft: Option<&KeptPlan>,
    ) -> Result<Recorded, LogDown> {
        let began = self.way.begin();
        let snapshot = self.snapshot();
        let id = new_id();
        match snapshot.resolve(&request, &id) {
            Resolved::Call(mounted, call) => {
                let watch = self.watch((&snapshot, &mounted), &call.caller, Some(&call));
                let watch = watch.with_client(request.cancel);
                let calls = (&*call, draft);
                let recorded = self
                    .way
                    .send_on(&mounted.bridge, calls, began, &watch)
                    .await?;
                // An effect's answer tells what happened: it was looked at before that did.
                if recorded.answer().plan.is_some() {
                    return Ok(recorded);
                }
                let asked = (&call.caller, Some((&*mounted, &*call)));
                self.still(recorded, &snapshot, asked).await
            }
            Resolved::Gateway(tool) => {
                let arguments = &request.arguments;
                let answered = tool.answer(&snapshot, &request.caller, arguments);
                let outcome = Box::pin(answered).await;
                let act = Act {
                    id: &id,
                    caller: &request.caller,
                    connector: Record::GATEWAY,
                    action: tool.name,
                    power: Some(drawbridge_core::call::Power::Read),
                    arguments: &request.arguments,
                    reason: "every caller may".to_owned(),
                    in_full: tool.in_full,
                };
                let recorded = Box::pin(self.way.note(act, outcome, began)).await?;
                self.still(recorded, &snapshot, (&request.caller, None))
                    .await
            }
            Resolved::Result(plan) => Box::pin(self.result(&request, (&id, &plan), began)).await,
            Resolved::Refused(refusal) => {
                Box::pin(self.refuse(&request, (&id, began), refusal)).await
            }
        }
    }

    /// How a plan stands, for who asked for it. A read that was approved is read by asking.
    async fn result(
        &self,
        request: &ToolRequest,
        (id, plan): (&str, &str),
        began: Began,
    ) -> Result<Recorded, LogDown> {
        let caller = &request.caller;
        let act = Act {
            id,
            caller,
            connector: Record::GATEWAY,
            action: gateway_tools::RESULT,
            power: Some(Power::Read),
            arguments: &request.arguments,
            reason: "the caller asked for it".to_owned(),
            in_full: false,
        };
        let asked = self.store.kept_plan(plan).await.map_err(LogDown::because)?;
        let asked = asked.is_some_and(|asked| asked_for(caller, &asked));
        // Who asked is told of what stands in its place, too: what was edited, or sent on.
        let plan = self.newest(plan).await.map_err(LogDown::because)?;
        let Some(plan) = plan.filter(|_| asked) else {
            let none = Failure::not_found("you asked for no such plan");
            return self.way.note(act, Err(none), began).await;
        };
        if plan.stage == Stage::Approved && !plan.power.is_effect() {
            let again = ToolRequest {
                caller: caller.clone(),
                connector: Some(plan.connector.clone()),
                tool: plan.action.clone(),
                arguments: plan.arguments.clone(),
                cancel: request.cancel.clone(),
                exchange: request.exchange.clone(),
            };
            return Box::pin(self.pass(again, None)).await;
        }
        let address = self.gateway().own_address();
        self.way.result(&act, (&plan, &address), began).await
    }

    /// A plan, or the one that stands in its place by now.
    pub(crate) async fn newest(&self, id: &str) -> Result<Option<KeptPlan>, StoreError> {
        let mut plan = self.store.kept_plan(id).await?;
        for _ in 0..MOST_REPLACED {
            let Some(next) = plan.as_ref().and_then(|plan| plan.next.clone()) else {
                break;
            };
            plan = self.store.kept_plan(&next).await?;
        }
        Ok(plan)
    }

    async fn refuse(
        &self,
        request: &ToolRequest,
        (id, began): (&str, Began),
        refusal: Refusal,
    ) -> Result<Recorded, LogDown> {
        let refused = Refused {
            id,
            caller: &request.caller,
            connector: &refusal.connector,
            action: &refusal.action,
            power: refusal.power,
            arguments: &request.arguments,
            reason: refusal.reason,
        };
        self.way.refuse(refused, refusal.failure, began).await
    }
}

/// The one way through.
fn way(
    log: Log,
    (store, clock): (&Store, &Arc<dyn Clock>),
    (secret, alive): (&[u8], &Alive),
) -> Way {
    let lent = way::Lent {
        clock: clock.clone(),
        digests: Seal::new(secret, "digest"),
        plans: Arc::new(store.clone()),
        ids: new_id,
        gateway: alive.own().into(),
    };
    Way::new(log, lent)
}

/// How many plans that stand in each other's place are followed.
const MOST_REPLACED: usize = 100;

/// An id for a record: a UUIDv7 in lower case.
#[must_use]
pub fn new_id() -> String {
    Uuid::now_v7().to_string()
}
