//! What is there to read, and what the database is told to be.

use drawbridge_core::connector::Health;
use serde_json::json;

use super::{
    super::{
        cell::Cell,
        inspect,
        part::Acting,
        rows::{self, Table},
        shape::Shape,
    },
    Bench, SCHEMA, each, opened, scope,
};

#[tokio::test]
async fn pages_follow_one_another_by_key_and_show_visible_fields_only() {
    each(async |engine| {
        let bench = Bench::on(engine).await;
        let scope = &bench.database.own.tables["tickets"];
        let mut reading = bench.database.base.read(&Acting::account()).await.unwrap();
        let shape = Shape::load(reading.connection(), scope).await.unwrap();
        let table = Table {
            scope,
            shape: &shape,
        };
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let wanted = (after.as_deref(), 1);
            let page = table
                .page(reading.connection(), wanted, (1 << 16, 1 << 20))
                .await
                .unwrap();
            let Some((row, whole)) = page.into_iter().next() else {
                break;
            };
            assert!(whole);
            assert_eq!(row.len(), scope.fields.len());
            after = Some(vec![row[0].clone()]);
            seen.push(row[0].shown());
        }
        assert_eq!(json!(seen), json!([1, 2, 3]));
    })
    .await;
}

#[tokio::test]
async fn a_row_that_is_too_large_is_not_read_into_a_page() {
    let bench = Bench::new().await;
    bench
        .sql("UPDATE tickets SET subject = hex(zeroblob(1000000)) WHERE id = 2")
        .await;
    let scope = &bench.database.own.tables["tickets"];
    let mut reading = bench.database.base.read(&Acting::account()).await.unwrap();
    let shape = Shape::load(reading.connection(), scope).await.unwrap();
    let table = Table {
        scope,
        shape: &shape,
    };
    let page = table
        .page(reading.connection(), (None, 9), (1 << 16, 1 << 20))
        .await
        .unwrap();
    let whole: Vec<bool> = page.iter().map(|(_, whole)| *whole).collect();
    assert_eq!(whole, [true, false, true]);
    assert!(page[1].0[2].shown().is_null());
    drop(reading);
    bench
        .sql("UPDATE tickets SET subject = hex(zeroblob(2000000)) WHERE id = 2")
        .await;
    let plan = bench.plan("delete", "tickets", json!({"key": 2})).await;
    assert_eq!(
        super::status(plan),
        drawbridge_core::answer::Status::Limited
    );
}

/// Table, key, another field, and what is told of it; nothing of what fits.
const MISFITS: &str = "
no_such | id | id | no table
Tickets | id | id | no table
tickets | id | gone | no column `gone`
tickets | subject | subject | several rows
tickets | shout | shout | worked out
seen | id | id | view
words | rowid | rowid | virtual
codes | title | title |
";

#[tokio::test]
async fn what_the_file_says_and_the_database_does_not_is_a_problem_with_its_mend() {
    let more =
        "CREATE VIEW seen AS SELECT * FROM tickets; CREATE VIRTUAL TABLE words USING fts5(word);";
    for line in MISFITS.lines().skip(1) {
        let parts: Vec<&str> = line.split('|').map(str::trim).collect();
        let [name, key, field, reason] = parts[..] else {
            panic!("{line}")
        };
        let mut fields = vec![key, field];
        fields.dedup();
        let table =
            |key: &str, fields: &[&str]| json!({"key": key, "fields": fields, "label": "public"});
        let scope = json!({"tables": {name: table(key, &fields), "unseen": table("id", &["id"])}});
        let bench = Bench::with(&format!("{SCHEMA}{more}"), scope, false).await;
        let inspection = inspect::inspect(&bench.database).await;
        if reason.is_empty() {
            assert_eq!(
                (inspection.health, inspection.resources),
                (Health::Ready, 2)
            );
            continue;
        }
        assert_eq!(
            (inspection.health, inspection.resources),
            (Health::Degraded, 1),
            "{name}"
        );
        let problem = &inspection.problems[0];
        assert!(
            problem.reason.contains(reason) && !problem.mend.is_empty(),
            "{problem:?}"
        );
    }
}

#[tokio::test]
async fn an_account_that_could_write_what_the_file_does_not_let_is_told() {
    let mut read_only = scope();
    for table in ["tickets", "codes", "places"] {
        read_only["tables"][table]["writable"] = json!({});
    }
    let bench = Bench::with(SCHEMA, read_only, false).await;
    let inspection = inspect::inspect(&bench.database).await;
    assert_eq!(inspection.excess.len(), 1, "{inspection:?}");
    let writing = inspect::inspect(&bench.other()).await;
    assert!(
        writing.excess.is_empty() && writing.problems.is_empty(),
        "{writing:?}"
    );
}

#[tokio::test]
async fn the_gateways_own_state_and_what_is_no_file_cannot_be_reached() {
    let bench = Bench::new().await;
    let own = bench.folder.path().join(".drawbridge");
    std::fs::create_dir(&own).unwrap();
    let file = bench.folder.path().join("crm.db");
    std::fs::rename(&file, own.join("store.db")).unwrap();
    std::os::unix::fs::symlink(own.join("store.db"), &file).unwrap();
    let database = opened(&bench.place, scope(), false);
    let inspection = inspect::inspect(&database).await;
    assert_eq!(inspection.health, Health::Down);
    assert!(
        inspection.summary.contains("gateway's own"),
        "{}",
        inspection.summary
    );
    std::fs::remove_file(&file).unwrap();
    std::fs::create_dir(&file).unwrap();
    assert_eq!(inspect::inspect(&database).await.health, Health::Down);
}

/// A version that went with hidden columns would tell that they changed.
#[tokio::test]
async fn the_version_of_a_row_is_that_of_its_visible_fields() {
    each(async |engine| {
        let bench = Bench::on(engine).await;
        let scope = &bench.database.own.tables["tickets"];
        let version = async || {
            let mut reading = bench.database.base.read(&Acting::account()).await.unwrap();
            let shape = Shape::load(reading.connection(), scope).await.unwrap();
            let table = Table {
                scope,
                shape: &shape,
            };
            let key = [Cell::Integer(1)];
            let row = table.find_visible(reading.connection(), &key).await;
            rows::version(scope, &row.unwrap().unwrap())
        };
        let first = version().await;
        bench
            .sql(&format!(
                "UPDATE tickets SET secret = {}, opened = 'x' WHERE id = 1",
                engine.bytes("99")
            ))
            .await;
        assert_eq!(version().await, first);
        bench
            .sql("UPDATE tickets SET status = 'closed' WHERE id = 1")
            .await;
        let second = version().await;
        assert_ne!(second, first);
        let (_, receipt) = bench
            .act(
                "update",
                "tickets",
                json!({"key": 1, "set": {"status": "open"}}),
            )
            .await;
        assert_eq!(receipt.applied[0].version.as_ref(), Some(&first));
    })
    .await;
}
