//! A gateway that really serves, on a workspace without connectors, to be killed and started again.

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use drawbridge::store::{Place, Store};
use drawbridge_core::secret::Secret;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use tokio::task::JoinSet;

use crate::bridge::PROGRAM;

/// Where PostgreSQL tests make their databases.
pub(crate) fn postgres() -> String {
    let url = std::env::var_os("DRAWBRIDGE_TEST_POSTGRES")
        .expect("`./test` starts a PostgreSQL and names it here");
    url.into_string().unwrap()
}

/// A database of its own on PostgreSQL.
pub(crate) async fn database() -> String {
    let server = postgres();
    let name = format!("log_{}", uuid::Uuid::now_v7().simple());
    let mut connection = PgConnection::connect(&server).await.unwrap();
    connection
        .execute(AssertSqlSafe(format!("CREATE DATABASE {name}")))
        .await
        .unwrap();
    let (base, _) = server.rsplit_once('/').unwrap();
    format!("{base}/{name}")
}

/// Whether tests take their long form.
pub(crate) fn long() -> bool {
    std::env::var_os("DRAWBRIDGE_LONG").is_some()
}

/// A workspace without connectors, and the store its gateways use.
pub(crate) struct House {
    pub(crate) folder: PathBuf,
    pub(crate) url: Option<String>,
    /// A variable that its gateways find set.
    variable: Option<(&'static str, &'static str)>,
    _keep: Arc<tempfile::TempDir>,
}

impl House {
    pub(crate) fn on_sqlite() -> Self {
        Self::new(None)
    }

    pub(crate) async fn on_postgres() -> Self {
        Self::new(Some(database().await))
    }

    pub(crate) fn new(url: Option<String>) -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let keep = tempfile::tempdir().unwrap();
        let folder = keep.path().join("house");
        let house = Self {
            folder,
            url,
            variable: None,
            _keep: Arc::new(keep),
        };
        house.furnish();
        house
    }

    /// Another machine's workspace on the same store, with the same keys.
    pub(crate) fn twin(&self) -> Self {
        let twin = Self {
            folder: self.folder.with_file_name("twin"),
            url: self.url.clone(),
            variable: self.variable,
            _keep: self._keep.clone(),
        };
        twin.furnish();
        let keys = twin.state().join("keys");
        std::fs::create_dir_all(&keys).unwrap();
        for name in ["log.pk8", "log.pub", "secret"] {
            std::fs::copy(self.state().join("keys").join(name), keys.join(name)).unwrap();
        }
        twin
    }

    /// The same, whose gateways find a variable set.
    pub(crate) fn with(mut self, name: &'static str, value: &'static str) -> Self {
        self.variable = Some((name, value));
        self
    }

    fn furnish(&self) {
        std::fs::create_dir_all(&self.folder).unwrap();
        let store = match self.url {
            Some(_) => "store: env:LOG_TEST_STORE\n",
            None => "",
        };
        let file = format!(
            "gateway: house\naddress: 127.0.0.1:0\noperator: olga@x.example\n{store}\
             people:\n  olga@x.example: {{}}\n  ann@x.example: {{}}\n"
        );
        std::fs::write(self.folder.join("drawbridge.yaml"), file).unwrap();
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.folder.join(".drawbridge")
    }

    /// The program on this workspace, run by another one where `wrapper` says so.
    pub(crate) fn command(&self, wrapper: &[&str]) -> Command {
        let mut command = match wrapper {
            [] => Command::new(PROGRAM),
            [first, rest @ ..] => {
                let mut command = Command::new(first);
                command.args(rest).arg(PROGRAM);
                command
            }
        };
        command.arg("--dir").arg(&self.folder);
        if let Some(url) = &self.url {
            command.env("LOG_TEST_STORE", url);
        }
        command.envs(self.variable);
        command
    }

    pub(crate) fn line(&self, arguments: &[&str]) -> Output {
        self.command(&[]).args(arguments).output().unwrap()
    }

    /// `log verify`, which must hold.
    pub(crate) fn verify(&self) -> Value {
        let out = self.line(&["log", "verify", "--json"]);
        let told = String::from_utf8_lossy(&out.stdout).into_owned();
        assert!(
            out.status.success(),
            "{told}{}",
            String::from_utf8_lossy(&out.stderr)
        );
        serde_json::from_str(&told).unwrap()
    }

    pub(crate) async fn store(&self) -> Store {
        let place = match &self.url {
            Some(url) => Place::Postgres(Secret::new(url.clone())),
            None => Place::Sqlite(self.state().join("drawbridge.db")),
        };
        Store::look(&place).await.unwrap()
    }

    /// Whether every one of these records is on the log.
    pub(crate) async fn holds(&self, ids: &[String]) {
        let store = self.store().await;
        for id in ids {
            assert!(
                store.record(id).await.unwrap().is_some(),
                "{id} was answered"
            );
        }
        store.close().await;
    }

    pub(crate) fn serve(&self) -> Served {
        self.serve_by(&[]).expect("the gateway starts")
    }

    /// Serves until the kernel kills it, just as a thread enters the Nth system call of these; none
    /// where that was before it was ready.
    pub(crate) fn serve_until(&self, calls: &str, nth: usize) -> Option<Served> {
        let inject = format!("inject={calls}:signal=KILL:when={nth}");
        let trace = format!("trace={calls}");
        let quiet = ["strace", "-D", "-f", "-qqq", "-o", "/dev/null"];
        self.serve_by(&[&quiet[..], &["-e", &trace, "-e", &inject]].concat())
    }

    /// Serves; none when it ended before it served.
    pub(crate) fn serve_by(&self, wrapper: &[&str]) -> Option<Served> {
        let mut child = self
            .command(wrapper)
            .arg("serve")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let Some(url) = line
            .split_whitespace()
            .find(|word| word.starts_with("http"))
        else {
            child.wait().unwrap();
            return None;
        };
        let url = url.split("/mcp").next().unwrap().to_owned();
        let token = std::fs::read_to_string(self.state().join("local-token")).unwrap();
        Some(Served {
            child,
            caller: Caller {
                url,
                token,
                http: reqwest::Client::builder().no_proxy().build().unwrap(),
            },
        })
    }
}

pub(crate) struct Served {
    pub(crate) child: Child,
    pub(crate) caller: Caller,
}

#[derive(Clone)]
pub(crate) struct Caller {
    pub(crate) url: String,
    token: String,
    http: reqwest::Client,
}

impl Caller {
    /// A call that is recorded: the record's id, once it was answered with success.
    pub(crate) async fn call(&self) -> Option<String> {
        let (code, answer) = self
            .send("drawbridge_connectors", json!({}).to_string())
            .await?;
        (code == 200).then(|| answer["record"].as_str().unwrap().to_owned())
    }

    pub(crate) async fn send(&self, tool: &str, body: String) -> Option<(u16, Value)> {
        let request = self
            .http
            .post(format!("{}/api/v1/tools/{tool}", self.url))
            .bearer_auth(&self.token)
            .header("Content-Type", "application/json")
            .timeout(Duration::from_secs(40))
            .body(body);
        let response = request.send().await.ok()?;
        let code = response.status().as_u16();
        Some((code, response.json().await.ok()?))
    }

    pub(crate) async fn get(&self, path: &str) -> (u16, String) {
        let request = self.http.get(format!("{}{path}", self.url));
        let response = request.bearer_auth(&self.token).send().await.unwrap();
        let code = response.status().as_u16();
        (code, response.text().await.unwrap())
    }

    /// Calls until one is answered.
    pub(crate) async fn until_answered(&self) -> String {
        let end = Instant::now() + Duration::from_secs(60);
        loop {
            if let Some(id) = self.call().await {
                return id;
            }
            assert!(Instant::now() < end, "no call is answered again");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

impl Served {
    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        self.child.wait().unwrap();
    }

    /// Ends like a service is ended.
    pub(crate) fn terminate(&mut self) {
        let id = self.child.id().to_string();
        Command::new("kill").args(["-TERM", &id]).status().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Many callers at once, who note what was answered, until told to stop.
pub(crate) struct Load {
    answered: Arc<Mutex<Vec<String>>>,
    stop: Arc<AtomicBool>,
    tasks: JoinSet<()>,
}

impl Load {
    pub(crate) fn of(caller: &Caller, callers: usize) -> Self {
        let answered: Arc<Mutex<Vec<String>>> = Arc::default();
        let stop = Arc::new(AtomicBool::new(false));
        let mut tasks = JoinSet::new();
        for _ in 0..callers {
            let (caller, answered, stop) = (caller.clone(), answered.clone(), stop.clone());
            tasks.spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    match caller.call().await {
                        Some(id) => answered.lock().unwrap().push(id),
                        None => tokio::time::sleep(Duration::from_millis(5)).await,
                    }
                }
            });
        }
        Self {
            answered,
            stop,
            tasks,
        }
    }

    pub(crate) fn count(&self) -> usize {
        self.answered.lock().unwrap().len()
    }

    /// Waits until so many calls were answered, or the gateway is gone.
    pub(crate) async fn reach(&self, count: usize) {
        let end = Instant::now() + Duration::from_secs(60);
        while self.count() < count && Instant::now() < end {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    pub(crate) async fn end(self) -> Vec<String> {
        self.stop.store(true, Ordering::Relaxed);
        self.tasks.join_all().await;
        Arc::into_inner(self.answered)
            .unwrap()
            .into_inner()
            .unwrap()
    }
}

/// Copies a SQLite store with all that belongs to it.
pub(crate) fn copy_store(from: &Path, to: &Path) {
    for suffix in ["", "-wal", "-shm"] {
        let (from, to) = (
            format!("{}{suffix}", from.display()),
            format!("{}{suffix}", to.display()),
        );
        let _ = std::fs::remove_file(&to);
        if Path::new(&from).exists() {
            std::fs::copy(from, to).unwrap();
        }
    }
}
