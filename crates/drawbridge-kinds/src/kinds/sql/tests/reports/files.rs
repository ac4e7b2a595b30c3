//! Files that come, go and change, and what is left of them.

use std::os::unix::fs::MetadataExt;

use super::{super::super::freshness::Clock, *};

#[tokio::test]
async fn a_changed_file_is_seen_by_the_next_question() {
    let desk = Desk::of(&["id", "what"]);
    desk.write("t.csv", "id,what\n1,first\n");
    assert_eq!(desk.rows("t").await.unwrap(), json!([[1, "first"]]));
    let before = desk.shape("t").await.unwrap().unwrap().clock;
    let Clock::Of(before) = before else {
        panic!("{before:?}")
    };
    // The same size, so that only times and contents differ.
    desk.write("t.csv", "id,what\n1,other\n");
    assert_eq!(desk.rows("t").await.unwrap(), json!([[1, "other"]]));
    let after = desk.shape("t").await.unwrap().unwrap().clock;
    assert!(matches!(after, Clock::Of(after) if after > before));
    fs::remove_file(desk.folder.path().join("exports/t.csv")).unwrap();
    assert_eq!(desk.unfit("t").await, "the folder has no file `t`");
}

#[tokio::test]
async fn who_reads_while_a_file_is_replaced_reads_on_what_was_there() {
    let desk = Desk::of(&["id", "what"]);
    desk.write("t.csv", "id,what\n1,old\n");
    let mut reading = desk.database.base.read().await.unwrap();
    desk.write("t2", "id,what\n1,new\n");
    let exports = desk.folder.path().join("exports");
    fs::rename(exports.join("t2"), exports.join("t.csv")).unwrap();
    assert_eq!(desk.rows("t").await.unwrap(), json!([[1, "new"]]));
    let seen = desk.rows_by(reading.connection(), "t").await.unwrap();
    assert_eq!(seen, json!([[1, "old"]]));
    assert_eq!(desk.kept().len(), 2);
    drop(reading);
    // The last who reads takes the file along, when the pool has let go of its connection.
    for _ in 0..100 {
        if desk.kept().len() == 1 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(desk.kept().len(), 1);
}

#[tokio::test]
async fn many_at_once_load_once() {
    let desk = Desk::of(&["id"]);
    desk.write("t.csv", "id\n1\n2\n");
    let all = (0..8).map(|_| desk.rows("t"));
    for rows in futures_util::future::join_all(all).await {
        assert_eq!(rows.unwrap(), json!([[1], [2]]));
    }
    assert_eq!(desk.kept().len(), 1);
    assert!(desk.kept()[0].to_string_lossy().ends_with(".db"));
}

#[tokio::test]
async fn hidden_columns_are_in_no_file_and_the_file_is_nobody_elses() {
    let desk = Desk::of(&["id", "what"]);
    desk.write("t.csv", "id,secret,what\n1,kingfisher,seen\n");
    assert_eq!(desk.rows("t").await.unwrap(), json!([[1, "seen"]]));
    let kept = desk.kept();
    let bytes = fs::read(&kept[0]).unwrap();
    let has = |word: &[u8]| bytes.windows(word.len()).any(|part| part == word);
    assert!(has(b"seen") && !has(b"kingfisher") && !has(b"secret"));
    assert_eq!(fs::metadata(&kept[0]).unwrap().mode() & 0o777, 0o600);
    desk.database.base.close().await;
    assert!(desk.kept().is_empty());
    assert!(desk.rows("t").await.is_err());
}

#[tokio::test]
async fn what_a_dead_program_left_is_removed_and_what_is_in_use_is_not() {
    let desk = Desk::of(&["id"]);
    desk.write("t.csv", "id\n1\n");
    desk.rows("t").await.unwrap();
    let left = desk.folder.path().join(".drawbridge/state/reports-1-1.db");
    fs::write(&left, "left").unwrap();
    desk.database.base.reach().await.unwrap();
    assert!(!left.exists());
    assert_eq!(desk.kept().len(), 1);
    assert_eq!(desk.rows("t").await.unwrap(), json!([[1]]));
}

#[tokio::test]
async fn files_of_a_folder_are_one_table() {
    let desk = Desk::of(&["id", "amount"]);
    desk.write("t/2025.csv", "id,amount\n1,10\n");
    desk.write("t/2026.csv", "amount,id\n2.5,2\n");
    desk.write("t/2027.jsonl", "{\"id\": 3, \"amount\": 7}\n");
    desk.write("t/README", "no table");
    let rows = desk.rows("t").await.unwrap();
    assert_eq!(rows, json!([[1, 10], [2, 2.5], [3, 7]]));
    desk.write("t/2028.csv", "id\n4\n");
    assert_eq!(
        desk.unfit("t").await,
        "`t/2028.csv`: it has no column `amount`"
    );
}

#[tokio::test]
async fn a_bad_table_harms_no_other() {
    let desk = Desk::new(&[("bad", &["id"]), ("good", &["id"])]);
    desk.write("bad.csv", "id\n1\n1\n");
    desk.write("good.csv", "id\n1\n");
    assert_eq!(desk.unfit("bad").await, "several rows have the same id");
    assert_eq!(desk.rows("good").await.unwrap(), json!([[1]]));
}

#[tokio::test]
async fn reports_are_never_written() {
    let desk = Desk::of(&["id"]);
    desk.write("t.csv", "id\n1\n");
    let Err(refused) = desk.database.base.write("key").await else {
        panic!("it can be written");
    };
    assert!(refused.message.contains("only read"));
    let mut reading = desk.database.base.read().await.unwrap();
    let insert = super::super::super::statement::Statement::new("DELETE FROM t");
    assert!(reading.connection().run(insert).await.is_err());
    let rights = desk.database.base.rights(&desk.database.own).await.unwrap();
    assert_eq!(rights.excess.len(), 1, "the tests can write the folder");
    let scope = json!({"label": "internal", "tables": {
        "t": {"key": "id", "fields": ["id", "a"], "writable": {"a": {}}},
        "../u": {"key": "id", "fields": ["id"]},
    }});
    let faults = super::super::super::part::check(&part(scope), &Labels::default());
    let told: Vec<String> = faults.iter().map(|fault| format!("{fault:?}")).collect();
    assert!(
        told.iter().any(|told| told.contains("only read")),
        "{told:?}"
    );
    assert!(
        told.iter().any(|told| told.contains("names no file")),
        "{told:?}"
    );
}
