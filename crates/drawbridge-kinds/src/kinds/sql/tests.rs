//! Effects on real database files.

mod hostile;
mod killed;
mod locked;
mod once;
mod reading;
mod taken_back;
mod triggers;

use std::{path::Path, sync::Arc, time::Duration};

use drawbridge_core::{
    answer::{Failure, Status},
    connector::{Clock, Context, Part},
    file::{Labels, WhenStale},
    log::Seal,
    plan::{Plan, Receipt},
};
use serde_json::{Value, json};
use sqlx::{ConnectOptions, Connection, SqliteConnection, sqlite::SqliteConnectOptions};

use super::{Database, apply, base::Base, cell::Cell, part::Own, plan, statement::Statement};

struct Still;

impl Clock for Still {
    fn now(&self) -> jiff::Timestamp {
        "2026-06-01T12:00:00Z".parse().unwrap()
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }
}

/// The schema that most tests use: a number as key, a text, and two columns; hidden columns with
/// bytes of every class.
const SCHEMA: &str = "
    CREATE TABLE tickets (
        id INTEGER PRIMARY KEY, customer_id INTEGER, subject TEXT NOT NULL DEFAULT 'none',
        status TEXT NOT NULL DEFAULT 'open', amount REAL, opened TEXT DEFAULT CURRENT_TIMESTAMP,
        secret BLOB DEFAULT x'00ff', shout TEXT GENERATED ALWAYS AS (upper(subject)) VIRTUAL);
    CREATE TABLE codes (code TEXT PRIMARY KEY, title TEXT UNIQUE, hidden ANY);
    CREATE TABLE places (
        house TEXT, room INTEGER, note TEXT, hidden BLOB, PRIMARY KEY (house, room)) WITHOUT ROWID;
    CREATE TABLE unseen (id INTEGER PRIMARY KEY, word TEXT);
    INSERT INTO tickets (id, customer_id, subject, amount, opened, secret) VALUES
        (1, 7, 'Printer', 10.5, '2026-01-01', x'00'), (2, 8, 'Screen', 3, NULL, 'text'),
        (3, NULL, 'Mouse', NULL, '2026-01-02', 5);
    INSERT INTO codes (rowid, code, title, hidden) VALUES
        (5, 'a', 'Alpha', 1), (9, 'b', 'Beta', 2.5), (12, 'c', NULL, x'');
    INSERT INTO places VALUES ('north', 1, 'cold', x'01'), ('north', 2, NULL, NULL);
    INSERT INTO unseen VALUES (1, 'hidden word');
";

fn scope() -> Value {
    json!({
        "label": "internal",
        "tables": {
            "tickets": {
                "key": "id", "fields": ["id", "customer_id", "subject", "status", "amount", "shout"],
                "writable": {
                    "status": ["open", "waiting", "closed"], "subject": {"max_length": 200},
                    "amount": {"min": 0, "max": 1000, "null": true}, "customer_id": {"once": true},
                },
            },
            "codes": {
                "key": "code", "fields": ["code", "title"],
                "writable": {"code": {"pattern": "[a-z]+"}, "title": {"null": true}},
            },
            "places": {
                "key": ["house", "room"], "fields": ["house", "room", "note"],
                "writable": {"house": {}, "room": {}, "note": {"null": true}},
            },
        },
    })
}

/// A database in a folder of its own.
struct Bench {
    folder: tempfile::TempDir,
    database: Database,
}

impl Bench {
    async fn new() -> Self {
        Self::with(SCHEMA, scope(), true).await
    }

    async fn with(schema: &str, scope: Value, applied_table: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("crm.db");
        let options = SqliteConnectOptions::new()
            .filename(&file)
            .create_if_missing(true);
        let mut connection = options.connect().await.unwrap();
        sqlx::raw_sql(sqlx::AssertSqlSafe(schema.to_owned()))
            .execute(&mut connection)
            .await
            .unwrap();
        connection.close().await.unwrap();
        let database = opened(folder.path(), scope, applied_table);
        Self { folder, database }
    }

    /// The same database, as another gateway has it open.
    fn other(&self) -> Database {
        opened(self.folder.path(), scope(), self.database.own.applied_table)
    }

    async fn plan(&self, action: &str, table: &str, arguments: Value) -> Result<Plan, Failure> {
        planned(&self.database, action, table, arguments).await
    }

    async fn apply(&self, plan: &Plan, key: &str) -> Result<Receipt, Failure> {
        apply::apply(&self.database, plan, key).await
    }

    /// Plans and applies.
    async fn act(&self, action: &str, table: &str, arguments: Value) -> (Plan, Receipt) {
        let plan = self.plan(action, table, arguments).await.unwrap();
        let receipt = self.apply(&plan, &key_of(&plan)).await.unwrap();
        (plan, receipt)
    }

    async fn undo(&self, plan: &Plan, receipt: &Receipt) -> Result<(Plan, Receipt), Failure> {
        let inverse = plan::undo(&self.database, plan, receipt).await?;
        let receipt = self.apply(&inverse, &key_of(&inverse)).await?;
        Ok((inverse, receipt))
    }

    /// As another program does it.
    async fn sql(&self, text: &str) {
        let mut connection = self.connect().await;
        sqlx::raw_sql(sqlx::AssertSqlSafe(text.to_owned()))
            .execute(&mut connection)
            .await
            .unwrap();
        connection.close().await.unwrap();
    }

    async fn connect(&self) -> SqliteConnection {
        let options = SqliteConnectOptions::new().filename(self.folder.path().join("crm.db"));
        options.connect().await.unwrap()
    }

    /// Everything that is in the database, to the byte and the storage class; without the keys of
    /// effects, and without what SQLite itself counts.
    async fn dump(&self) -> Vec<String> {
        let mut connection = self.connect().await;
        let rows = Statement::new(
            "SELECT name, sql FROM sqlite_schema WHERE type = 'table' \
             AND name NOT IN ('drawbridge_applied', 'sqlite_sequence') ORDER BY name",
        )
        .rows(&mut connection)
        .await
        .unwrap();
        let mut all = Vec::new();
        for row in rows {
            let [Cell::Text(name), Cell::Text(sql)] = row.as_slice() else {
                panic!("{row:?}")
            };
            let (name, sql) = (String::from_utf8_lossy(name), String::from_utf8_lossy(sql));
            let number = if sql.contains("WITHOUT ROWID") {
                ""
            } else {
                "rowid, "
            };
            let text = format!("SELECT {number}* FROM \"{}\"", name.replace('"', "\"\""));
            let select: &'static str = text.leak();
            for cells in Statement::new(select).rows(&mut connection).await.unwrap() {
                all.push(format!(
                    "{name}: {}",
                    serde_json::to_string(&cells).unwrap()
                ));
            }
        }
        connection.close().await.unwrap();
        all
    }
}

/// A key for a plan that is applied once.
fn key_of(plan: &Plan) -> String {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let next = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("{}{next}", &plan.digest()[..16])
}

fn opened(workspace: &Path, scope: Value, applied_table: bool) -> Database {
    let part = Part {
        system: json!({"url": "sqlite:crm.db", "applied_table": applied_table}),
        scope,
        stale_after: None,
        when_stale: WhenStale::Warn,
    };
    let context = Context {
        connector: Arc::from("crm"),
        workspace: workspace.to_owned(),
        state: workspace.join(".drawbridge/state"),
        labels: Arc::new(Labels::default()),
        clock: Arc::new(Still),
        seal: Seal::new(b"secret", "cursor"),
        program: "none".into(),
        credential: None,
    };
    let faults = super::part::check(&part, &context.labels);
    assert!(faults.is_empty(), "{faults:?}");
    let own = Own::read(&part, &context).unwrap();
    let base = Base::new(&own);
    Database { own, base, context }
}

async fn planned(
    database: &Database,
    action: &str,
    table: &str,
    arguments: Value,
) -> Result<Plan, Failure> {
    let scope = &database.own.tables[table];
    plan::planned(database, action, (scope, &arguments)).await
}

fn status<T: std::fmt::Debug>(done: Result<T, Failure>) -> Status {
    done.unwrap_err().status
}
