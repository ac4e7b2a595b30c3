//! Effects on real databases, of every engine.

mod ages;
mod asked;
mod engine;
mod hostile;
mod killed;
mod locked;
mod named;
mod once;
mod reading;
mod replicas;
mod reports;
mod searching;
mod second_route;
mod servers;
mod taken_back;
mod triggers;
mod types;
mod views;

use std::{path::Path, sync::Arc, time::Duration};

use drawbridge_core::{
    answer::{Failure, Status},
    call::Power,
    connector::{Clock, Context, Part},
    file::{Labels, WhenStale},
    log::Seal,
    plan::{Plan, Receipt},
};
use serde_json::{Value, json};
use sqlx::{ConnectOptions, SqliteConnection, sqlite::SqliteConnectOptions};

use super::{Database, apply, base::Base, part::Own, plan};
use engine::{Engine, Place, SCHEMA, each};

struct Still;

impl Clock for Still {
    fn now(&self) -> jiff::Timestamp {
        "2026-06-01T12:00:00Z".parse().unwrap()
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }
}

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

/// A database of its own.
struct Bench {
    folder: tempfile::TempDir,
    place: Place,
    database: Database,
}

impl Bench {
    /// One of SQLite.
    async fn new() -> Self {
        Self::on(Engine::Sqlite).await
    }

    /// One of SQLite, with a schema of its own.
    async fn with(schema: &str, scope: Value, applied_table: bool) -> Self {
        Self::made(Engine::Sqlite, schema, (scope, applied_table)).await
    }

    /// One with a schema that is written for SQLite.
    async fn spoken(engine: Engine, schema: &str, scope: Value) -> Self {
        Self::made(engine, &engine.spoken(schema), (scope, true)).await
    }

    async fn on(engine: Engine) -> Self {
        Self::made(engine, engine.schema(), (scope(), true)).await
    }

    /// One without a table for the keys of effects.
    async fn without_keys(engine: Engine) -> Self {
        Self::made(engine, engine.schema(), (scope(), false)).await
    }

    async fn made(engine: Engine, schema: &str, (scope, applied_table): (Value, bool)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let place = Place::new(engine, folder.path()).await;
        place.sql(schema).await;
        let database = opened(&place, scope, applied_table);
        Self {
            folder,
            place,
            database,
        }
    }

    /// The same database, as another gateway has it open.
    fn other(&self) -> Database {
        opened(&self.place, scope(), self.database.own.applied_table)
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
        self.place.sql(text).await;
    }

    async fn connect(&self) -> SqliteConnection {
        let options = SqliteConnectOptions::new().filename(self.folder.path().join("crm.db"));
        options.connect().await.unwrap()
    }

    async fn dump(&self) -> Vec<String> {
        self.place.dump().await
    }
}

/// A key for a plan that is applied once.
fn key_of(plan: &Plan) -> String {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let next = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("{}{next}", &plan.digest()[..16])
}

fn opened(place: &Place, scope: Value, applied_table: bool) -> Database {
    let system = json!({"url": place.url(), "applied_table": applied_table});
    opened_by(place, system, scope)
}

/// As a file with this `system` has it.
fn opened_by(place: &Place, system: Value, scope: Value) -> Database {
    opened_at(system, scope, place.folder.as_path())
}

fn opened_at(system: Value, scope: Value, workspace: &Path) -> Database {
    let part = Part {
        system,
        scope,
        stale_after: None,
        when_stale: WhenStale::Warn,
        powers: [Power::Read, Power::Write, Power::Update, Power::Delete].into(),
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
    let own = Own::read(&part, Some(&context)).unwrap();
    let base = Base::new(&own, context.credential.clone());
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
