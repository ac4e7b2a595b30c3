use drawbridge_core::{answer::Status, call::Caller, log::Record};
use jiff::Timestamp;
use sqlx::{Connection, Executor, Row as _};

use super::*;

async fn store() -> AnyConnection {
    sqlx::any::install_default_drivers();
    let mut store = AnyConnection::connect("sqlite::memory:").await.unwrap();
    let tables = include_str!("../../migrations/0001_first.sql");
    store.execute(tables).await.unwrap();
    let head = "INSERT INTO log_head (id, size, frontier) VALUES (1, 0, x'')";
    store.execute(head).await.unwrap();
    store
}

fn entry(number: usize) -> Entry {
    let (id, caller) = (format!("{number:036}"), Caller::gateway());
    let begun = Record::begin(&id, Timestamp::UNIX_EPOCH, &caller, ("handbook", "search"));
    let mut record = begun;
    record.status = Status::Ok;
    Entry::new(record).unwrap()
}

async fn counted(store: &mut AnyConnection, statement: &'static str) -> i64 {
    let row = store.fetch_one(statement).await.unwrap();
    row.try_get(0).unwrap()
}

#[tokio::test]
async fn every_value_of_several_statements_in_one_text_has_its_place() {
    for length in [1, 2, 31, 32, 33, 64, 100, 512] {
        let mut store = store().await;
        let entries: Vec<Entry> = (0..length).map(entry).collect();
        let mut head = Frontier::default();
        let mut rows = Vec::new();
        for entry in &entries {
            let leaf = drawbridge_core::log::merkle::leaf(&entry.body);
            rows.push((head.size(), leaf, entry));
            head.push(leaf);
        }
        store.execute("BEGIN").await.unwrap();
        insert(&mut store, &rows, (&head, "a note")).await.unwrap();
        let open = store.execute("ROLLBACK").await;
        assert!(open.is_err(), "it ends the transaction");
        let found = store
            .fetch_all("SELECT place, id, status, body, leaf FROM records ORDER BY place")
            .await
            .unwrap();
        assert_eq!(found.len(), length);
        for (row, (place, leaf, entry)) in found.iter().zip(&rows) {
            assert_eq!(row.get::<i64, _>("place"), number(*place).unwrap());
            assert_eq!(row.get::<String, _>("id"), entry.record.id);
            assert_eq!(row.get::<String, _>("status"), "ok");
            assert_eq!(row.get::<Vec<u8>, _>("body"), entry.body);
            assert_eq!(row.get::<Vec<u8>, _>("leaf"), leaf);
        }
        let signed = store.fetch_all("SELECT size, note FROM checkpoints").await;
        let signed = signed.unwrap();
        let [signed] = signed.as_slice() else {
            panic!("one batch has one checkpoint, not {}", signed.len());
        };
        let ends = (signed.get::<i64, _>("size"), signed.get("note"));
        assert_eq!(ends, (length as i64, "a note".to_owned()));
        let kept = store.fetch_one("SELECT size, frontier FROM log_head").await;
        let kept = kept.unwrap();
        let kept: (i64, Vec<u8>) = (kept.get("size"), kept.get("frontier"));
        assert_eq!(kept, (length as i64, head.to_bytes()));
    }
}

#[tokio::test]
async fn the_statement_that_fails_is_told_and_nothing_after_it_is_run() {
    let mut store = store().await;
    let entry = entry(0);
    let rows = [(0, [0; 32], &entry)];
    let mut head = Frontier::default();
    head.push([0; 32]);
    store
        .execute("INSERT INTO checkpoints (size, note) VALUES (1, 'another')")
        .await
        .unwrap();
    let mut transaction = store.begin().await.unwrap();
    let failed = insert(&mut transaction, &rows, (&head, "a note")).await;
    assert!(super::super::is_about_a_record(&failed.unwrap_err()));
    assert_eq!(
        counted(&mut transaction, "SELECT size FROM log_head").await,
        0
    );
    transaction.rollback().await.unwrap();
    assert_eq!(counted(&mut store, "SELECT COUNT(*) FROM records").await, 0);
}

#[test]
fn postgres_gets_one_statement_whose_values_are_counted_through() {
    let text = last(true, 2);
    assert!(!text.contains(';') && !text.contains('?'), "{text}");
    assert_eq!(last(false, 2).split("; ").count(), statements(false));
    for value in 1..=2 * COLUMNS + 4 {
        assert_eq!(text.matches(&format!("${value}")).count(), {
            let longer = (1..=2 * COLUMNS + 4)
                .filter(|other| other.to_string().starts_with(&value.to_string()));
            longer.count()
        });
    }
    let taken = |left| together(true, left);
    assert_eq!([200, 64, 63, 15, 3].map(taken), [64, 64, 16, 4, 1]);
}
