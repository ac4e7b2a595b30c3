//! A kind and the rules without doors: many questions in little time, and a clock that stands.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use drawbridge_core::{
    answer::{Failure, Status},
    call::{Action, Call, Caller, Door},
    connector::{Clock, Connector, Context, Health, Inspection, Kind},
    decide::{Decision, RuleBook, Ruled},
    file::{ConnectorFile, GatewayFile, read_connector, read_gateway},
    log::Seal,
    plan::Plan,
};
use drawbridge_kinds::kinds::KINDS;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::bridge::PROGRAM;

/// A clock that is set by hand.
pub(crate) struct Still {
    now: Mutex<Timestamp>,
    began: Instant,
    /// How far the time since the start is ahead of that of the machine.
    ahead: Mutex<Duration>,
}

impl Still {
    fn new() -> Self {
        Self {
            now: Mutex::new("2026-06-01T12:00:00Z".parse().unwrap()),
            began: Instant::now(),
            ahead: Mutex::new(Duration::ZERO),
        }
    }

    /// Lets intervals pass, without the time of day.
    pub(crate) fn jump(&self, time: Duration) {
        *self.ahead.lock().unwrap() += time;
    }

    pub(crate) fn pass(&self, time: Duration) {
        let mut now = self.now.lock().unwrap();
        *now += time;
    }

    pub(crate) fn back(&self, time: Duration) {
        let mut now = self.now.lock().unwrap();
        *now -= time;
    }
}

impl Clock for Still {
    fn now(&self) -> Timestamp {
        *self.now.lock().unwrap()
    }

    fn monotonic(&self) -> Duration {
        self.began.elapsed() + *self.ahead.lock().unwrap()
    }
}

/// One connector of a gateway that has no doors.
pub(crate) struct Desk {
    pub(crate) connector: Arc<dyn Connector>,
    pub(crate) clock: Arc<Still>,
    gateway: GatewayFile,
    rules: RuleBook,
    actions: Arc<[Arc<Action>]>,
    workspace: PathBuf,
}

impl Desk {
    /// Opens the connector of a file. Its documents are in `workspace/documents`.
    pub(crate) async fn open(workspace: &Path, gateway: &str, connector: &str) -> Self {
        let gateway = read_gateway("drawbridge.yaml", gateway).unwrap();
        let name = "connectors/desk.yaml";
        let read = read_connector(name, "desk", connector, &gateway, KINDS);
        let (file, kind) = read.unwrap();
        Self::with(workspace, gateway, file, kind).await
    }

    async fn with(
        workspace: &Path,
        gateway: GatewayFile,
        file: ConnectorFile,
        kind: &'static dyn Kind,
    ) -> Self {
        let (part, file) = (file.part(), Arc::new(file));
        let actions: Arc<[Arc<Action>]> = kind.actions(&part).into_iter().map(Arc::new).collect();
        let ruled = Ruled {
            file: &file,
            kind,
            actions: &actions,
        };
        let rules = RuleBook::build(&gateway, &[ruled], &[]).unwrap();
        let clock = Arc::new(Still::new());
        let context = Context {
            connector: Arc::from(file.connector.as_str()),
            workspace: workspace.to_owned(),
            state: workspace.join("state"),
            labels: Arc::new(gateway.labels()),
            clock: clock.clone(),
            seal: Seal::new(b"the same in every test", "cursor"),
            program: PathBuf::from(PROGRAM),
            credential: None,
        };
        let connector = kind.open(&part, context).await.unwrap();
        Self {
            connector,
            clock,
            gateway,
            rules,
            actions,
            workspace: workspace.to_owned(),
        }
    }

    pub(crate) fn documents(&self) -> PathBuf {
        self.workspace.join("documents")
    }

    pub(crate) fn actions(&self) -> &[Arc<Action>] {
        &self.actions
    }

    fn call(&self, person: &str, action: &str, arguments: Value) -> Call {
        let action = self.actions.iter().find(|one| one.name == action).unwrap();
        Call {
            id: Arc::from("0"),
            caller: Caller {
                person: Arc::new(self.gateway.person(person).unwrap()),
                client: Arc::from("test"),
                task: None,
                token: None,
                door: Door::Api,
                trace: None,
            },
            connector: Arc::from("desk"),
            revision: Arc::from("0"),
            action: action.clone(),
            arguments,
            exchange: drawbridge_core::exchange::Exchange::default(),
        }
    }

    /// All of what an answer says, in one order.
    pub(crate) async fn ask(&self, person: &str, action: &str, arguments: Value) -> Value {
        let call = self.call(person, action, arguments);
        let view = match self.rules.decide(&call) {
            Decision::Allow { view, .. } => view,
            Decision::Deny { told, .. } => return json!({"denied": told}),
        };
        match self.connector.fetch(&call, &view).await {
            Ok(found) => json!({
                "data": found.data, "text": found.text, "sources": found.sources, "count": found.count,
                "missing": found.missing, "notices": found.notices,
            }),
            Err(failure) => json!({"status": failure.status, "message": failure.message}),
        }
    }

    /// What a call would change.
    pub(crate) async fn plan(
        &self,
        person: &str,
        action: &str,
        arguments: Value,
    ) -> Result<Plan, Failure> {
        let call = self.call(person, action, arguments);
        match self.rules.decide(&call) {
            Decision::Allow { view, .. } => self.connector.plan(&call, &view).await,
            Decision::Deny { told, .. } => Err(Failure::new(Status::Denied, &*told)),
        }
    }

    /// Waits until something is true of the connector.
    pub(crate) async fn until(&self, what: &str, is_so: impl Fn(&Inspection) -> bool) {
        let end = Instant::now() + Duration::from_secs(120);
        loop {
            self.connector.reach().await;
            let inspection = self.connector.inspect().await;
            if is_so(&inspection) {
                return;
            }
            assert!(Instant::now() < end, "{what}: {inspection:#?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Waits until the first sync is complete, and so many files are documents.
    pub(crate) async fn synced(&self, documents: usize) {
        self.until("it does not sync", |inspection| {
            inspection.health != Health::Syncing
                && inspection.progress.is_none()
                && inspection.resources == documents as u64
        })
        .await;
    }

    /// Waits until an answer is as it should be.
    pub(crate) async fn answers(
        &self,
        (person, action, arguments): (&str, &str, Value),
        is_so: impl Fn(&Value) -> bool,
    ) -> Value {
        let end = Instant::now() + Duration::from_secs(60);
        loop {
            let answer = self.ask(person, action, arguments.clone()).await;
            if is_so(&answer) {
                return answer;
            }
            assert!(Instant::now() < end, "{action} {arguments}: {answer:#}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

/// Writes a file with a time that tests can compare.
pub(crate) fn write(documents: &Path, path: &str, text: impl AsRef<[u8]>) {
    let file = documents.join(path);
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    // As editors do: nobody sees half a file.
    let unfinished = documents.join("../unfinished");
    std::fs::write(&unfinished, text).unwrap();
    let time = std::time::UNIX_EPOCH + Duration::from_secs(1_770_000_000);
    let opened = std::fs::File::options()
        .write(true)
        .open(&unfinished)
        .unwrap();
    opened.set_modified(time).unwrap();
    std::fs::rename(unfinished, file).unwrap();
}

/// The paths of hits or documents.
pub(crate) fn paths(answer: &Value) -> Vec<String> {
    let data = &answer["data"];
    let list = data["hits"].as_array().or(data["documents"].as_array());
    let list = list.expect("the answer has neither hits nor documents");
    list.iter()
        .map(|one| one["path"].as_str().unwrap().to_owned())
        .collect()
}

/// A gateway file with some people.
pub(crate) fn gateway(people: &str) -> String {
    format!("gateway: test\noperator: ann\npeople:\n{people}")
}

/// A connector file for the kind `documents`.
pub(crate) fn documents(system: &str, scope: &str, permissions: &str) -> String {
    format!(
        "connector: desk\n\
         purpose: {{task: Tests, owner: ann, review_every: 90d}}\n\
         system: {{kind: documents, folder: documents{system}}}\n\
         scope: {{{scope}}}\n\
         access: [read, search]\n\
         identity: {{account: the tests, approved_by: ann}}\n\
         permissions: [{permissions}]\n\
         logging: {{keep: 400d, content: summary}}\n\
         approval: []\n\
         recovery: {{pause: []}}\n"
    )
}
