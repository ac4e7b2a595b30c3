//! Real databases: what is done is what the plan says, and taken back it is byte for byte as before.

use std::path::{Path, PathBuf};

use drawbridge_core::{
    answer::{Failure, Status},
    plan::{Plan, Receipt, Settled},
};
use proptest::prelude::*;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, Executor, Row, SqliteConnection};

use super::{
    Tables, apply,
    database::{self, Database},
    part::Scope,
    planned,
};

const SCHEMA: &str = "
    CREATE TABLE tickets (id INTEGER PRIMARY KEY, subject TEXT NOT NULL, status TEXT DEFAULT 'open',
        amount REAL, note, secret BLOB DEFAULT x'00ff');
    CREATE TABLE people (name TEXT PRIMARY KEY, age INTEGER) WITHOUT ROWID;
    INSERT INTO tickets (id, subject, amount, note) VALUES (1, 'first', 1.5, NULL), (2, 'second', 2, 7);
    INSERT INTO people VALUES ('ann', 40);";

struct Stage {
    file: PathBuf,
    tables: Tables,
    database: Database,
    _keep: tempfile::TempDir,
}

async fn stage(applied_table: bool, more: &str) -> Stage {
    let keep = tempfile::tempdir().unwrap();
    let file = keep.path().join("crm.db");
    std::fs::write(&file, "").unwrap();
    let mut connection = own(&file).await;
    connection.execute(SCHEMA).await.unwrap();
    connection
        .execute(AssertSqlSafe(more.to_owned()))
        .await
        .unwrap();
    connection.close().await.unwrap();
    let scope: Scope = serde_json::from_value(json!({"label": "internal", "tables": {
        "tickets": {"key": "id", "fields": ["id", "subject", "status", "amount", "note"],
            "writable": {"id": {}, "subject": {"max_length": 200}, "status": ["open", "closed", null],
                         "amount": {"min": 0, "max": 1000, "null": true}, "note": {"null": true}}},
        "people": {"key": "name", "fields": ["name", "age"], "writable": {"name": {}, "age": {"null": true}}},
    }}))
    .unwrap();
    let database = Database::open(&file).await.unwrap();
    let mut connection = database.readers.acquire().await.unwrap();
    let (facts, amiss) = database::facts(&mut connection, &scope).await.unwrap();
    assert_eq!(amiss, Vec::new());
    drop(connection);
    let tables = Tables {
        scope,
        facts,
        applied_table,
    };
    Stage {
        file,
        tables,
        database,
        _keep: keep,
    }
}

async fn own(file: &Path) -> SqliteConnection {
    SqliteConnection::connect(&format!("sqlite:{}", file.display()))
        .await
        .unwrap()
}

impl Stage {
    async fn plan(&self, action: &str, arguments: Value) -> Result<Plan, Failure> {
        let seen = self.tables.known(arguments["table"].as_str().unwrap())?;
        let mut connection = self.database.readers.acquire().await.unwrap();
        planned::plan_of(&seen, &mut connection, (action, arguments)).await
    }

    async fn apply(&self, plan: &Plan, key: &str) -> Result<Receipt, Failure> {
        let mut connection = self.database.writer.acquire().await.unwrap();
        apply::apply(&self.tables, &mut connection, (plan, key)).await
    }

    async fn settle(&self, plan: &Plan, key: &str) -> Settled {
        let mut connection = self.database.writer.acquire().await.unwrap();
        apply::settle(&self.tables, &mut connection, (plan, key))
            .await
            .unwrap()
    }

    async fn undo(&self, plan: &Plan, receipt: &Receipt) -> Result<Plan, Failure> {
        let mut connection = self.database.readers.acquire().await.unwrap();
        planned::undo(&self.tables, &mut connection, (plan, receipt)).await
    }

    async fn run(&self, statement: &str) {
        let mut connection = own(&self.file).await;
        connection
            .execute(AssertSqlSafe(statement.to_owned()))
            .await
            .unwrap();
    }

    /// Everything in the tables, with types, in order.
    async fn dump(&self) -> Vec<String> {
        let mut connection = own(&self.file).await;
        let mut dump = Vec::new();
        for statement in [
            "SELECT quote(id)||quote(subject)||quote(status)||quote(amount)||quote(note)||quote(secret) FROM tickets ORDER BY id",
            "SELECT quote(name)||quote(age) FROM people ORDER BY name",
        ] {
            let rows = connection.fetch_all(statement).await.unwrap();
            dump.extend(rows.iter().map(|row| row.get::<String, _>(0)));
        }
        dump
    }
}

#[tokio::test]
async fn a_plan_tells_what_becomes_of_which_row_and_changes_nothing() {
    let stage = stage(true, "").await;
    let before = std::fs::read(&stage.file).unwrap();
    let plan = stage
        .plan(
            "update",
            json!({"table": "tickets", "key": 1, "set": {"status": "closed"}}),
        )
        .await
        .unwrap();
    assert_eq!(plan.sentence, "Set tickets/1: status from open to closed");
    assert_eq!(plan.targets[0].resource, "tickets/1");
    let again = stage
        .plan(
            "update",
            json!({"table": "tickets", "key": 1, "set": {"status": "closed"}}),
        )
        .await
        .unwrap();
    assert_eq!(plan.digest(), again.digest());
    stage
        .plan(
            "insert",
            json!({"table": "people", "values": {"name": "bob"}}),
        )
        .await
        .unwrap();
    stage
        .plan("delete", json!({"table": "tickets", "keys": [1, 2]}))
        .await
        .unwrap();
    assert_eq!(std::fs::read(&stage.file).unwrap(), before);
    // What nobody sees is in no target, and yet a change of it is noticed.
    assert!(!json!(plan.targets).to_string().contains("secret"));
    stage
        .run("UPDATE tickets SET secret = x'01' WHERE id = 1")
        .await;
    assert_eq!(
        stage.apply(&plan, "k").await.unwrap_err().status,
        Status::Conflict
    );
}

#[expect(clippy::too_many_lines, reason = "one row for each case")]
#[tokio::test]
async fn what_breaks_a_rule_is_refused_with_field_and_rule() {
    let stage = stage(false, "").await;
    for (action, arguments, told) in [
        (
            "update",
            json!({"table": "tickets", "key": 1, "set": {"status": "lost"}}),
            "`set/status`: it must be one of",
        ),
        (
            "update",
            json!({"table": "tickets", "key": 1, "set": {"secret": "x"}}),
            "`set/secret`: it cannot be written",
        ),
        (
            "update",
            json!({"table": "tickets", "key": 1, "set": {"amount": 1001}}),
            "at most 1000",
        ),
        (
            "update",
            json!({"table": "tickets", "key": 1, "set": {"amount": "many"}}),
            "must be a number",
        ),
        (
            "update",
            json!({"table": "tickets", "key": 1, "set": {"subject": "x".repeat(201)}}),
            "at most 200",
        ),
        (
            "update",
            json!({"table": "tickets", "key": 1, "set": {"id": 9}}),
            "the key of a row stays",
        ),
        (
            "update",
            json!({"table": "tickets", "key": 1, "set": {"status": "open"}}),
            "says that already",
        ),
        (
            "update",
            json!({"table": "tickets", "key": 99, "set": {"status": "closed"}}),
            "there is no row tickets/99",
        ),
        (
            "delete",
            json!({"table": "tickets", "keys": [1, 1]}),
            "stands there twice",
        ),
        (
            "delete",
            json!({"table": "tickets"}),
            "`key`: it is missing",
        ),
        (
            "delete",
            json!({"table": "sqlite_schema", "key": 1}),
            "there is no table",
        ),
        (
            "insert",
            json!({"table": "tickets\"; DROP TABLE people; --", "values": {"x": 1}}),
            "there is no table",
        ),
    ] {
        let failure = stage.plan(action, arguments.clone()).await.unwrap_err();
        assert!(failure.message.contains(told), "{arguments}: {failure}");
    }
    // Whatever a text says, it stays a text.
    for text in ["'; DROP TABLE tickets; --", "x\0y", "\u{202e}", "\" OR 1=1"] {
        let plan = stage
            .plan(
                "update",
                json!({"table": "tickets", "key": 2, "set": {"subject": text}}),
            )
            .await
            .unwrap();
        stage.apply(&plan, text).await.unwrap();
        let seen = stage
            .plan(
                "update",
                json!({"table": "tickets", "key": 2, "set": {"subject": "back"}}),
            )
            .await
            .unwrap();
        assert_eq!(json!(seen.targets[0].before)["fields"]["subject"], text);
    }
}

#[tokio::test]
async fn the_same_key_is_done_once_and_gives_its_receipt_again() {
    for applied_table in [true, false] {
        let stage = stage(applied_table, "").await;
        let plan = stage
            .plan(
                "insert",
                json!({"table": "tickets", "values": {"subject": "new"}}),
            )
            .await
            .unwrap();
        let receipt = stage.apply(&plan, "key").await.unwrap();
        assert_eq!(receipt.applied[0].id.as_deref(), Some("3"));
        assert_eq!(receipt.applied[0].resource, "tickets/3");
        let found = stage.settle(&plan, "key").await;
        if applied_table {
            assert_eq!(stage.apply(&plan, "key").await.unwrap(), receipt);
            assert_eq!(found, Settled::Applied(receipt));
            assert_eq!(stage.settle(&plan, "another").await, Settled::NotApplied);
        } else {
            assert!(matches!(found, Settled::Unknown(_)), "{found:?}");
        }
        assert_eq!(stage.dump().await.len(), 4);
    }
}

/// Without a table of ours, what is there tells.
#[tokio::test]
async fn what_a_crash_left_is_told_by_what_is_there() {
    let stage = stage(false, "").await;
    let plan = stage
        .plan(
            "update",
            json!({"table": "tickets", "key": 1, "set": {"status": "closed"}}),
        )
        .await
        .unwrap();
    assert_eq!(stage.settle(&plan, "k").await, Settled::NotApplied);
    let receipt = stage.apply(&plan, "k").await.unwrap();
    assert_eq!(stage.settle(&plan, "k").await, Settled::Applied(receipt));
    stage.run("UPDATE tickets SET status = 'else'").await;
    assert!(matches!(
        stage.settle(&plan, "k").await,
        Settled::Unknown(_)
    ));
}

/// A transaction that is cut short anywhere leaves nothing, and one that somebody holds is waited for.
#[tokio::test]
async fn a_locked_database_is_told_and_nothing_is_changed() {
    let stage = stage(true, "").await;
    let plan = stage
        .plan(
            "update",
            json!({"table": "tickets", "key": 1, "set": {"status": "closed"}}),
        )
        .await
        .unwrap();
    let before = stage.dump().await;
    let mut other = own(&stage.file).await;
    other.execute("BEGIN IMMEDIATE").await.unwrap();
    let failure = stage.apply(&plan, "k").await.unwrap_err();
    assert_eq!(failure.status, Status::Unavailable);
    assert!(failure.message.contains("locked"), "{failure}");
    other.execute("ROLLBACK").await.unwrap();
    assert_eq!(stage.dump().await, before);
    stage.apply(&plan, "k").await.unwrap();
}

/// A writer that is killed in the middle of a commit leaves a journal that must be taken back before
/// anybody can read.
#[tokio::test]
async fn what_a_killed_writer_left_in_its_journal_is_taken_back() {
    let first = stage(true, "").await;
    let (file, journal) = (first.file.clone(), first.file.with_extension("db-journal"));
    let mut other = own(&file).await;
    // So that pages are written before the commit.
    other
        .execute("PRAGMA cache_size = 1; PRAGMA cache_spill = 1; BEGIN")
        .await
        .unwrap();
    for _ in 0..2_000 {
        other
            .execute("INSERT INTO tickets (subject) VALUES (hex(randomblob(200)))")
            .await
            .unwrap();
    }
    // As the disk is at that moment, for somebody who finds it later.
    let later = stage(true, "").await;
    assert!(std::fs::metadata(&journal).unwrap().len() > 512);
    std::fs::copy(&file, &later.file).unwrap();
    std::fs::copy(&journal, later.file.with_extension("db-journal")).unwrap();
    let database = Database::open(&later.file).await.unwrap();
    let mut reader = database.readers.acquire().await.unwrap();
    let (facts, amiss) = database::facts(&mut reader, &later.tables.scope)
        .await
        .unwrap();
    assert_eq!((facts.len(), amiss.len()), (2, 0));
    assert!(
        reader.execute("DELETE FROM tickets").await.is_err(),
        "a reader changes nothing"
    );
    assert_eq!(
        later.dump().await.len(),
        3,
        "what was never committed is gone"
    );
}

#[tokio::test]
async fn what_changes_more_than_the_plan_says_is_not_done() {
    for more in [
        "CREATE TRIGGER t AFTER UPDATE ON tickets BEGIN INSERT INTO people VALUES ('trigger', 1); END;",
        "CREATE TRIGGER t AFTER UPDATE ON tickets WHEN new.note IS NOT 'x' BEGIN UPDATE tickets SET note = 'x' WHERE id = new.id; END;",
        "CREATE TABLE child (id INTEGER PRIMARY KEY, ticket REFERENCES tickets (id) ON DELETE CASCADE); INSERT INTO child VALUES (1, 1);",
    ] {
        let stage = stage(true, more).await;
        let before = stage.dump().await;
        let (action, arguments) = if more.contains("child") {
            ("delete", json!({"table": "tickets", "key": 1}))
        } else {
            (
                "update",
                json!({"table": "tickets", "key": 1, "set": {"status": "closed"}}),
            )
        };
        let plan = stage.plan(action, arguments).await.unwrap();
        let failure = stage.apply(&plan, "k").await.unwrap_err();
        assert_eq!(failure.status, Status::Failed, "{failure}");
        assert_eq!(stage.dump().await, before);
    }
}

/// A batch of which one row is no longer as planned changes none.
#[tokio::test]
async fn a_conflict_in_a_batch_changes_nothing() {
    let stage = stage(true, "").await;
    let plan = stage
        .plan(
            "update",
            json!({"table": "tickets", "keys": [1, 2], "set": {"status": "closed"}}),
        )
        .await
        .unwrap();
    assert_eq!(plan.targets.len(), 2);
    stage
        .run("UPDATE tickets SET note = 'theirs' WHERE id = 2")
        .await;
    let before = stage.dump().await;
    assert_eq!(
        stage.apply(&plan, "k").await.unwrap_err().status,
        Status::Conflict
    );
    assert_eq!(stage.dump().await, before);
}

#[derive(Debug, Clone)]
enum Deed {
    Insert(i64, String),
    Make(String),
    Update(i64, Option<f64>, &'static str),
    Upsert(String, Option<i64>),
    Delete(Vec<i64>),
}

fn deed() -> impl Strategy<Value = Deed> {
    let id = 1..6_i64;
    prop_oneof![
        (id.clone(), "[a-z']{1,5}").prop_map(|(id, text)| Deed::Insert(id, text)),
        "[a-z]{1,5}".prop_map(Deed::Make),
        (
            id.clone(),
            proptest::option::of(0.0..1000.0),
            prop_oneof![Just("open"), Just("closed")]
        )
            .prop_map(|(id, amount, status)| Deed::Update(id, amount, status)),
        (
            prop_oneof![Just("ann".to_owned()), Just("bob".to_owned())],
            proptest::option::of(0..100_i64)
        )
            .prop_map(|(name, age)| Deed::Upsert(name, age)),
        proptest::collection::btree_set(id, 1..3)
            .prop_map(|ids| Deed::Delete(ids.into_iter().collect())),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Whatever is done in whichever order: taken back in reverse, all is byte for byte as before; and
    /// what somebody else changes in between is never overwritten.
    #[test]
    fn undone_in_reverse_all_is_as_before(deeds in proptest::collection::vec(deed(), 1..12), applied_table: bool) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let stage = stage(applied_table, "").await;
            let at_first = stage.dump().await;
            let mut done = Vec::new();
            for (turn, deed) in deeds.into_iter().enumerate() {
                let (action, arguments) = match deed {
                    Deed::Insert(id, subject) => ("insert", json!({"table": "tickets", "values": {"id": id, "subject": subject}})),
                    Deed::Make(subject) => ("insert", json!({"table": "tickets", "values": {"subject": subject, "note": turn}})),
                    Deed::Update(id, amount, status) => ("update", json!({"table": "tickets", "key": id, "set": {"amount": amount, "status": status}})),
                    Deed::Upsert(name, age) => ("upsert", json!({"table": "people", "key": name, "values": {"age": age}})),
                    Deed::Delete(ids) => ("delete", json!({"table": "tickets", "keys": ids})),
                };
                let Ok(plan) = stage.plan(action, arguments).await else { continue };
                // A key that is there already, for one.
                let Ok(receipt) = stage.apply(&plan, &format!("k{turn}")).await else { continue };
                done.push((plan, receipt));
            }
            for (turn, (plan, receipt)) in done.iter().enumerate().rev() {
                let back = stage.undo(plan, receipt).await.unwrap();
                let left = stage.apply(&back, &format!("u{turn}")).await.unwrap();
                if turn == 0 {
                    // Taken back itself, and then once more: the effect is as it was.
                    let forth = stage.undo(&back, &left).await.unwrap();
                    let left = stage.apply(&forth, "f").await.unwrap();
                    let back = stage.undo(&forth, &left).await.unwrap();
                    stage.apply(&back, "b").await.unwrap();
                }
            }
            assert_eq!(stage.dump().await, at_first);
        });
    }
}

#[tokio::test]
async fn what_was_changed_since_is_not_taken_back() {
    let stage = stage(true, "").await;
    for (action, arguments, theirs) in [
        (
            "update",
            json!({"table": "tickets", "key": 1, "set": {"status": "closed"}}),
            "UPDATE tickets SET secret = x'02' WHERE id = 1",
        ),
        (
            "insert",
            json!({"table": "people", "values": {"name": "bob"}}),
            "UPDATE people SET age = 5 WHERE name = 'bob'",
        ),
        (
            "delete",
            json!({"table": "tickets", "key": 2}),
            "INSERT INTO tickets (id, subject) VALUES (2, 'theirs')",
        ),
    ] {
        let plan = stage.plan(action, arguments).await.unwrap();
        let receipt = stage.apply(&plan, action).await.unwrap();
        stage.run(theirs).await;
        let before = stage.dump().await;
        assert_eq!(
            stage.undo(&plan, &receipt).await.unwrap_err().status,
            Status::Conflict,
            "{action}"
        );
        assert_eq!(stage.dump().await, before);
    }
}
