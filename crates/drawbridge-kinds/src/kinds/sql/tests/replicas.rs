//! Copies of servers, and how old what they show is. Each test starts a primary and a replica of its
//! own.

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use drawbridge_core::connector::Clock as Now;
use jiff::Timestamp;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, MySqlConnection, PgConnection};

use super::{
    super::{
        Database,
        fetch::fetched,
        freshness::{Clock, told},
        inspect,
        shape::Shape,
    },
    opened_at,
};

/// How long a server may take to start, and a copy to follow.
const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(200);

struct At(Timestamp);

impl Now for At {
    fn now(&self) -> Timestamp {
        self.0
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0)
}

/// A command, as the account of a server when root.
fn as_account(account: &str, program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    let (user, group) = (format!("--reuid={account}"), format!("--regid={account}"));
    command.args([&user, &group, "--clear-groups"]).arg(program);
    command
}

/// A folder that belongs to the account of a server when root.
fn folder_of(account: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    if is_root() {
        let done = Command::new("chown")
            .arg(account)
            .arg(folder.path())
            .status();
        assert!(done.unwrap().success());
    }
    folder
}

fn free_port() -> u16 {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    free.local_addr().unwrap().port()
}

fn scope() -> Value {
    json!({"label": "internal", "tables": {"notes": {
        "key": "id", "fields": ["id", "word", "changed"], "updated_at": "changed",
    }}})
}

async fn clock_of(database: &Database) -> Clock {
    let mut reading = database.base.read().await.unwrap();
    let notes = &database.own.tables["notes"];
    Shape::load(reading.connection(), notes)
        .await
        .unwrap()
        .clock
}

/// Waits until the clock of a copy is as it should be.
async fn until(database: &Database, what: &str, is: impl Fn(Clock) -> bool) -> Clock {
    let started = std::time::Instant::now();
    loop {
        let clock = clock_of(database).await;
        if is(clock) {
            return clock;
        }
        assert!(started.elapsed() < PATIENCE, "{what}: {clock:?}");
        tokio::time::sleep(PAUSE).await;
    }
}

/// Whether a copy shows what there was at that time, or later.
fn since(clock: Clock, then: Timestamp) -> bool {
    matches!(clock, Clock::Of(shown) if shown >= then)
}

struct Postgres {
    data: PathBuf,
    tools: PathBuf,
    port: u16,
}

impl Postgres {
    fn run(&self, tool: &str, arguments: &[&str]) {
        let mut command = as_account("postgres", &self.tools.join(tool));
        command.arg("-D").arg(&self.data).args(arguments);
        command
            .current_dir("/")
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        assert!(command.status().unwrap().success(), "{tool} {arguments:?}");
    }

    fn start(&self) {
        let options = format!(
            "-p {} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c fsync=off",
            self.port
        );
        let log = format!("{}.log", self.data.display());
        self.run("pg_ctl", &["-w", "-l", &log, "-o", &options, "start"]);
    }

    fn url(&self) -> String {
        format!("postgres://drawbridge@127.0.0.1:{}/postgres", self.port)
    }

    async fn sql(&self, text: &str) {
        let mut connection = PgConnection::connect(&self.url()).await.unwrap();
        let text = AssertSqlSafe(text.to_owned());
        sqlx::raw_sql(text).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    }

    async fn now(&self) -> Timestamp {
        let mut connection = PgConnection::connect(&self.url()).await.unwrap();
        let now: String = sqlx::query_scalar("SELECT clock_timestamp()::text")
            .fetch_one(&mut connection)
            .await
            .unwrap();
        now.parse().unwrap()
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let mut command = as_account("postgres", &self.tools.join("pg_ctl"));
        command
            .arg("-D")
            .arg(&self.data)
            .args(["-m", "immediate", "stop"]);
        let _ = command
            .current_dir("/")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
    }
}

/// A primary with a row, and a standby of it.
async fn pair(folder: &Path) -> (Postgres, Postgres) {
    let tools = std::fs::read_dir("/usr/lib/postgresql").expect("`./test` installs PostgreSQL");
    let tools = tools.map(|entry| entry.unwrap().path().join("bin"));
    let tools = tools.max().unwrap();
    let server = |name: &str| Postgres {
        data: folder.join(name),
        tools: tools.clone(),
        port: free_port(),
    };
    let (primary, standby) = (server("primary"), server("standby"));
    primary.run("initdb", &["-U", "drawbridge", "-N", "--auth=trust"]);
    primary.start();
    primary
        .sql(
            "CREATE TABLE notes (id integer PRIMARY KEY, word text, changed timestamptz); \
             INSERT INTO notes VALUES (1, 'first', '2026-01-01 00:00:00+00')",
        )
        .await;
    let from = primary.port.to_string();
    let here = ["-R", "-h", "127.0.0.1", "-p", &from];
    let copy = [&here[..], &["-U", "drawbridge", "-c", "fast"]].concat();
    standby.run("pg_basebackup", &copy);
    standby.start();
    (primary, standby)
}

#[tokio::test]
async fn a_standby_of_postgresql_says_of_when_it_is_also_when_its_primary_is_gone() {
    let folder = folder_of("postgres");
    let (primary, standby) = pair(folder.path()).await;
    let live = opened_at(json!({"url": primary.url()}), scope(), folder.path());
    assert_eq!(clock_of(&live).await, Clock::Live);
    let database = opened_at(json!({"url": standby.url()}), scope(), folder.path());
    let before = primary.now().await;
    until(&database, "it follows", |clock| since(clock, before)).await;
    primary
        .sql("INSERT INTO notes VALUES (2, 'second', now())")
        .await;
    let written = primary.now().await;
    until(&database, "it follows", |clock| since(clock, written)).await;
    // A row says its own time.
    assert_eq!(
        read_of(&database).await,
        ("2026-01-01T00:00:00Z".to_owned(), false)
    );
    primary.run("pg_ctl", &["-m", "fast", "stop"]);
    let stopped = standby.now().await;
    let clock = until(
        &database,
        "it stands still",
        |clock| matches!(clock, Clock::Of(shown) if shown <= written),
    );
    let clock = clock.await;
    assert!(since(clock, before), "{clock:?}");
    too_old(database, (clock, stopped)).await;
    // Started anew without its primary, it has replayed nothing, and nobody knows.
    standby.run("pg_ctl", &["-m", "fast", "stop"]);
    standby.start();
    let again = opened_at(json!({"url": standby.url()}), scope(), folder.path());
    assert!(matches!(clock_of(&again).await, Clock::Unknown(_)));
    assert!(says_unknown(&again).await);
}

/// When the first row was changed, as its answer says, and whether that is stale.
async fn read_of(database: &Database) -> (String, bool) {
    let notes = &database.own.tables["notes"];
    let found = fetched(database, "read", (notes, &json!({"key": 1}))).await;
    let source = found.unwrap().sources.remove(0);
    (source.modified.unwrap().to_string(), source.stale)
}

/// A copy that stands still says of when it is, before what its rows say, and also where it has none.
async fn too_old(mut database: Database, (clock, stopped): (Clock, Timestamp)) {
    let Clock::Of(shown) = clock else {
        panic!("{clock:?}")
    };
    database.own.stale_after = Some(Duration::from_secs(60));
    database.context.clock = Arc::new(At(stopped + Duration::from_secs(600)));
    assert_eq!(read_of(&database).await, (shown.to_string(), true));
    let notes = &database.own.tables["notes"];
    let none = fetched(&database, "list", (notes, &json!({"after": 9}))).await;
    let none = told(&database, none.unwrap()).unwrap();
    let notices = &none.notices;
    assert!(notices[0].contains(&shown.to_string()), "{notices:?}");
}

/// Whether `inspect` tells that nobody knows how old it is.
async fn says_unknown(database: &Database) -> bool {
    let problems = inspect::inspect(database).await.problems;
    problems
        .iter()
        .any(|problem| problem.reason.contains("unknown"))
}

struct MariaDb {
    process: Child,
    port: u16,
    root: String,
}

impl MariaDb {
    fn new(folder: &Path, name: &str, more: &[&str]) -> Self {
        let data = folder.join(name);
        let datadir = format!("--datadir={}", data.display());
        let mut install = as_account("mysql", Path::new("mariadb-install-db"));
        install.args(["--no-defaults", &datadir, "--skip-test-db"]);
        install.args(["--auth-root-authentication-method=normal"]);
        install
            .current_dir(folder)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        assert!(install.status().unwrap().success(), "it cannot be set up");
        let port = free_port();
        let socket = folder.join(format!("{name}.socket"));
        let mut start = as_account("mysql", Path::new("mariadbd"));
        start.args(["--no-defaults", &datadir, "--bind-address=127.0.0.1"]);
        start.arg(format!("--port={port}"));
        start.arg(format!("--socket={}", socket.display()));
        start
            .args(["--innodb-flush-log-at-trx-commit=0"])
            .args(more);
        start
            .current_dir(folder)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        Self {
            process: start.spawn().unwrap(),
            port,
            root: format!("mysql://root@localhost/mysql?socket={}", socket.display()),
        }
    }

    async fn connect(&self) -> MySqlConnection {
        let started = std::time::Instant::now();
        loop {
            match MySqlConnection::connect(&self.root).await {
                Ok(connection) => return connection,
                Err(error) => assert!(started.elapsed() < PATIENCE, "{error}"),
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn sql(&self, text: &str) {
        let mut connection = self.connect().await;
        let text = AssertSqlSafe(text.to_owned());
        sqlx::raw_sql(text).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    }

    async fn now(&self) -> Timestamp {
        let now = "SELECT DATE_FORMAT(UTC_TIMESTAMP(6), '%Y-%m-%dT%H:%i:%s.%fZ')";
        let mut connection = self.connect().await;
        let now: String = sqlx::query_scalar(now)
            .fetch_one(&mut connection)
            .await
            .unwrap();
        now.parse().unwrap()
    }

    fn opened(&self, account: &str, folder: &Path) -> Database {
        let url = format!("mariadb://{account}@127.0.0.1:{}/crm", self.port);
        opened_at(json!({"url": url}), scope(), folder)
    }
}

impl Drop for MariaDb {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What a primary has, with an account that may see how far a replica is behind, and one that may not.
const PRIMARY: &str = "
    CREATE USER copier@'127.0.0.1'; GRANT REPLICATION SLAVE ON *.* TO copier@'127.0.0.1';
    CREATE DATABASE crm; USE crm; SET time_zone = '+00:00';
    CREATE TABLE notes (id INT PRIMARY KEY, word VARCHAR(20), changed TIMESTAMP NULL) ENGINE = InnoDB;
    INSERT INTO notes VALUES (1, 'first', '2026-01-01 00:00:00');
    CREATE USER looker@'127.0.0.1'; GRANT SELECT ON crm.* TO looker@'127.0.0.1';
    CREATE USER watcher@'127.0.0.1'; GRANT SELECT ON crm.* TO watcher@'127.0.0.1';
    GRANT REPLICA MONITOR ON *.* TO watcher@'127.0.0.1'";

#[tokio::test]
async fn a_replica_of_mariadb_says_how_far_it_is_behind_to_accounts_that_may_see_it() {
    let folder = folder_of("mysql");
    let log = ["--server-id=1", "--log-bin=log"];
    let primary = MariaDb::new(folder.path(), "primary", &log);
    let zone = ["--server-id=2", "--default-time-zone=+02:00"];
    let replica = MariaDb::new(folder.path(), "replica", &zone);
    primary.sql(PRIMARY).await;
    let from = format!(
        "CHANGE MASTER TO MASTER_HOST = '127.0.0.1', MASTER_PORT = {}, MASTER_USER = 'copier', \
         MASTER_USE_GTID = slave_pos; START SLAVE; SELECT MASTER_GTID_WAIT('0-1-10', 30)",
        primary.port
    );
    replica.sql(&from).await;
    for account in ["looker", "watcher"] {
        let live = primary.opened(account, folder.path());
        assert_eq!(clock_of(&live).await, Clock::Live, "{account}");
    }
    let before = replica.now().await - Duration::from_secs(1);
    let watcher = replica.opened("watcher", folder.path());
    until(&watcher, "it follows", |clock| since(clock, before)).await;
    // The zone of the account does not count.
    assert_eq!(
        read_of(&watcher).await,
        ("2026-01-01T00:00:00Z".to_owned(), false)
    );
    let seen = inspect::inspect(&watcher).await;
    assert!(seen.problems.is_empty(), "{:?}", seen.problems);
    let excess = seen.excess.join("; ");
    assert!(!excess.contains("whole server"), "{excess}");
    // Held back, it falls behind.
    replica
        .sql("STOP SLAVE; CHANGE MASTER TO MASTER_DELAY = 3600; START SLAVE")
        .await;
    primary
        .sql("INSERT INTO crm.notes VALUES (2, 'second', NOW())")
        .await;
    let written = primary.now().await;
    let behind =
        |clock| matches!(clock, Clock::Of(shown) if shown <= written + Duration::from_secs(1));
    tokio::time::sleep(Duration::from_secs(3)).await;
    until(&watcher, "it is behind", behind).await;
    let looker = replica.opened("looker", folder.path());
    assert!(matches!(clock_of(&looker).await, Clock::Unknown(mend) if mend.contains("GRANT")));
    assert!(says_unknown(&looker).await);
    replica.sql("STOP SLAVE").await;
    let stopped = |clock| matches!(clock, Clock::Unknown(mend) if mend.contains("replication"));
    until(&watcher, "it stopped", stopped).await;
    assert!(matches!(clock_of(&looker).await, Clock::Unknown(_)));
}
