//! Accounts with passwords: right ones, wrong ones, and ones that are replaced under load.

use std::{
    fmt::Write,
    path::PathBuf,
    process::Command,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use drawbridge_core::{
    answer::{Failure, Status},
    credential::{Credential, Version},
    secret::Secret,
};
use serde_json::json;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tokio::task::JoinSet;

use super::super::{
    super::{Database, base::Base, part::Target},
    Bench,
    engine::{Engine, SERVERS},
    opened, planned, scope,
};

/// A credential whose versions the test sets, and what targets made of them.
#[derive(Default)]
pub(super) struct Kept {
    versions: Mutex<Vec<Version>>,
    taken: Mutex<Vec<(String, bool)>>,
}

impl Kept {
    /// The secrets in force, the newest first; each is called what it is.
    pub(super) fn of(secrets: &[&str]) -> Arc<Self> {
        let kept = Arc::new(Self::default());
        kept.set(secrets);
        kept
    }

    fn set(&self, secrets: &[&str]) {
        let version = |secret: &&str| Version {
            id: Arc::from(*secret),
            secret: Secret::new((*secret).to_owned()),
        };
        *self.versions.lock().unwrap() = secrets.iter().map(version).collect();
    }

    /// How often a secret was let in, or refused.
    fn taken(&self, secret: &str, let_in: bool) -> usize {
        let all = self.taken.lock().unwrap();
        let same = all.iter().filter(|one| one.0 == secret && one.1 == let_in);
        same.count()
    }
}

#[async_trait::async_trait]
impl Credential for Kept {
    async fn versions(&self) -> Result<Vec<Version>, Failure> {
        Ok(self.versions.lock().unwrap().clone())
    }

    fn accepted(&self, version: &str) {
        self.taken.lock().unwrap().push((version.to_owned(), true));
    }

    fn refused(&self, version: &str) {
        self.taken.lock().unwrap().push((version.to_owned(), false));
    }
}

/// A PostgreSQL of one test alone that asks for passwords, as the common one does not.
struct Asking {
    folder: tempfile::TempDir,
    tools: PathBuf,
    port: u16,
}

/// The password of its owner.
const OWNER: &str = "the owner's";

impl Asking {
    fn new() -> Self {
        let tools = std::fs::read_dir("/usr/lib/postgresql").expect("`./test` installs PostgreSQL");
        let tools = tools.map(|entry| entry.unwrap().path().join("bin"));
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Self {
            folder: tempfile::tempdir().unwrap(),
            tools: tools.max().unwrap(),
            port: free.local_addr().unwrap().port(),
        };
        drop(free);
        let folder = server.folder.path();
        let password = folder.join("password");
        std::fs::write(&password, OWNER).unwrap();
        if is_root() {
            let done = Command::new("chown").arg("postgres").arg(folder).status();
            assert!(done.unwrap().success());
        }
        let password = format!("--pwfile={}", password.display());
        let ask = "--auth=scram-sha-256";
        server.run("initdb", &["-U", "drawbridge", "-N", ask, &password]);
        let options = format!(
            "-p {} -c listen_addresses=127.0.0.1 -c unix_socket_directories=''",
            server.port
        );
        let log = folder.join("log");
        let log = log.to_str().unwrap();
        server.run("pg_ctl", &["-w", "-l", log, "-o", &options, "start"]);
        server
    }

    fn run(&self, tool: &str, arguments: &[&str]) {
        let mut command = Command::new(self.tools.join(tool));
        if is_root() {
            command = Command::new("setpriv");
            command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]);
            command.arg(self.tools.join(tool));
        }
        let told = self.folder.path().join("told");
        let told = std::fs::File::create(told).unwrap();
        let data = self.folder.path().join("data");
        let command = command.arg("-D").arg(data).args(arguments);
        let command = command.stdout(told.try_clone().unwrap()).stderr(told);
        assert!(command.status().unwrap().success(), "{tool} {arguments:?}");
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        self.run("pg_ctl", &["-m", "immediate", "stop"]);
    }
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0)
}

/// A database, and accounts in it that have passwords.
struct Site {
    bench: Bench,
    asking: Option<Asking>,
}

impl Site {
    async fn new(engine: Engine) -> Self {
        let asking = (engine == Engine::Postgres).then(Asking::new);
        let site = Self {
            bench: Bench::on(engine).await,
            asking,
        };
        if site.asking.is_some() {
            site.sql(engine.schema()).await;
        }
        site
    }

    /// As who keeps the server does it.
    async fn sql(&self, text: &str) {
        let Some(asking) = &self.asking else {
            return self.bench.sql(text).await;
        };
        let options = sqlx::postgres::PgConnectOptions::new_without_pgpass()
            .host("127.0.0.1")
            .port(asking.port)
            .username("drawbridge")
            .password(OWNER)
            .database("postgres");
        let mut connection = PgConnection::connect_with(&options).await.unwrap();
        let text = AssertSqlSafe(text.to_owned());
        sqlx::raw_sql(text).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    }

    /// An account's name that no other test uses on the same server.
    fn account(&self, number: usize) -> String {
        let own: String = self.bench.place.name.chars().rev().take(18).collect();
        format!("a{number}{own}")
    }

    fn named(&self, account: &str) -> String {
        match self.asking {
            Some(_) => account.to_owned(),
            None => format!("'{account}'@'localhost'"),
        }
    }

    async fn make(&self, account: &str, password: &str) {
        let named = self.named(account);
        let make = match self.asking {
            Some(_) => format!("CREATE ROLE {named} LOGIN PASSWORD '{password}'"),
            None => format!("CREATE USER {named} IDENTIFIED BY '{password}'"),
        };
        let grant = format!("GRANT SELECT, INSERT, UPDATE, DELETE ON tickets TO {named}");
        self.sql(&format!("{make}; {grant}")).await;
    }

    async fn switch(&self, account: &str, password: &str) {
        let named = self.named(account);
        let words = match self.asking {
            Some(_) => format!("ALTER ROLE {named} PASSWORD '{password}'"),
            None => format!("ALTER USER {named} IDENTIFIED BY '{password}'"),
        };
        self.sql(&words).await;
    }

    /// The connector, as this account and with this credential.
    fn connector(&self, account: &str, credential: Option<Arc<Kept>>) -> Database {
        let mut database = opened(&self.bench.place, scope(), false);
        if let Target::Server(address) = &mut database.own.target {
            account.clone_into(&mut address.user);
            if let Some(asking) = &self.asking {
                address.port = Some(asking.port);
                "postgres".clone_into(&mut address.database);
            }
        }
        database.context.credential = credential.map(|kept| kept as Arc<dyn Credential>);
        let credential = database.context.credential.clone();
        database.base = Base::new(&database.own, credential);
        database
    }
}

/// One call on a connection of its own.
async fn call(database: &Database) -> Result<(), Failure> {
    let close = json!({"key": 1, "set": {"status": "closed"}});
    let planned = planned(database, "update", "tickets", close).await;
    database.base.close().await;
    planned.map(|_| ())
}

/// Everything that a failure tells anybody.
fn told(failure: &Failure) -> String {
    let mut all = format!("{failure} {failure:?}");
    let mut source = std::error::Error::source(failure);
    while let Some(error) = source {
        write!(all, " {error} {error:?}").unwrap();
        source = error.source();
    }
    all
}

#[tokio::test]
async fn an_account_with_a_password_is_let_in_by_its_credential_alone() {
    for engine in SERVERS {
        let site = Site::new(engine).await;
        let account = site.account(0);
        let right = "it's a right one: ü, $, %, @ ";
        site.make(&account, &right.replace('\'', "''")).await;
        let kept = Kept::of(&[right]);
        call(&site.connector(&account, Some(kept.clone())))
            .await
            .unwrap();
        assert!(kept.taken(right, true) > 0 && kept.taken(right, false) == 0);

        // PostgreSQL's client cannot even send the one with a line break.
        for wrong in ["hunter2 is wrong", "hunter2\u{0007}\nis wrong", "hunter2\0"] {
            let kept = Kept::of(&[wrong]);
            let refused = call(&site.connector(&account, Some(kept.clone()))).await;
            let refused = refused.unwrap_err();
            assert_eq!(
                refused.status,
                Status::Unavailable,
                "{engine:?} {refused:?}"
            );
            let told = told(&refused);
            assert!(told.contains("look at the credential"), "{told}");
            assert!(
                !told.contains("hunter2") && !told.contains("u{7}"),
                "{told}"
            );
            // It is tried once, so that the account is not locked by it.
            assert_eq!((kept.taken(wrong, false), kept.taken(wrong, true)), (1, 0));
        }

        // During a rotation either of two is let in.
        let kept = Kept::of(&["hunter2 is wrong", right]);
        call(&site.connector(&account, Some(kept.clone())))
            .await
            .unwrap();
        assert!(kept.taken("hunter2 is wrong", false) > 0 && kept.taken(right, true) > 0);

        let none = call(&site.connector(&account, None)).await.unwrap_err();
        assert_eq!(none.status, Status::Unavailable);
        assert!(none.message.contains("identity.credential"), "{none}");

        // A server that is not there has refused no secret.
        let kept = Kept::of(&[right, "another"]);
        let mut gone = site.connector(&account, Some(kept.clone()));
        if let Target::Server(address) = &mut gone.own.target {
            address.port = Some(1);
        }
        gone.base = Base::new(&gone.own, gone.context.credential.clone());
        let gone = call(&gone).await.unwrap_err();
        assert!(gone.message.contains("cannot be reached"), "{gone}");
        assert!(kept.taken.lock().unwrap().is_empty());
    }
}

#[derive(Default)]
struct Counts {
    done: AtomicUsize,
    failed: Mutex<Vec<String>>,
    stop: AtomicBool,
}

impl Counts {
    async fn more(&self, by: usize) {
        let (before, began) = (self.done.load(Ordering::Acquire), Instant::now());
        while self.done.load(Ordering::Acquire) < before + by {
            assert!(began.elapsed() < Duration::from_secs(60), "calls go on");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// Two accounts' passwords are replaced, three times each, while both connectors are called.
#[tokio::test]
async fn a_rotation_costs_no_call() {
    for engine in SERVERS {
        let site = Arc::new(Site::new(engine).await);
        let accounts = [site.account(1), site.account(2)];
        let mut kept = Vec::new();
        let counts = Arc::new(Counts::default());
        let mut workers = JoinSet::new();
        for account in &accounts {
            site.make(account, "p0").await;
            kept.push(Kept::of(&["p0"]));
            for _ in 0..3 {
                let (site, counts, account) = (site.clone(), counts.clone(), account.clone());
                let own = kept.last().unwrap().clone();
                workers.spawn(async move {
                    while !counts.stop.load(Ordering::Acquire) {
                        match call(&site.connector(&account, Some(own.clone()))).await {
                            Ok(()) => _ = counts.done.fetch_add(1, Ordering::AcqRel),
                            Err(failure) => counts.failed.lock().unwrap().push(told(&failure)),
                        }
                    }
                });
            }
        }
        for round in 1..=3 {
            let (old, new) = (format!("p{}", round - 1), format!("p{round}"));
            counts.more(8).await;
            kept.iter().for_each(|kept| kept.set(&[&new, &old]));
            counts.more(8).await;
            for account in &accounts {
                site.switch(account, &new).await;
            }
            counts.more(8).await;
            // On a busy machine all of them may have been of one account.
            let taken = || kept.iter().all(|kept| kept.taken(&new, true) > 0);
            for _ in 0..500 {
                if !taken() {
                    counts.more(1).await;
                }
            }
            assert!(taken());
            kept.iter().for_each(|kept| kept.set(&[&new]));
            counts.more(8).await;
        }
        counts.stop.store(true, Ordering::Release);
        workers.join_all().await;
        let done = counts.done.load(Ordering::Acquire);
        let failed = counts.failed.lock().unwrap();
        assert!(failed.is_empty(), "{engine:?}: {failed:?} of {done}");
        println!("{engine:?}: {done} calls over three rotations of two accounts, none failed");
    }
}
