//! A database that others hold, that is gone, or that a dead program left half written.

use std::time::{Duration, Instant};

use drawbridge_core::{answer::Status, connector::Health, plan::Settled};
use serde_json::json;
use sqlx::Connection;

use super::{
    super::{apply, inspect},
    Bench, each,
    engine::Engine,
    status,
};

const WAL: &str = "PRAGMA journal_mode = WAL";

#[tokio::test]
async fn planning_and_reading_change_no_byte_of_the_file() {
    for mode in ["PRAGMA journal_mode = DELETE", WAL] {
        let bench = Bench::new().await;
        bench.sql(mode).await;
        let file = bench.folder.path().join("crm.db");
        let before = std::fs::read(&file).unwrap();
        let made = std::fs::metadata(&file).unwrap().modified().unwrap();
        for (action, table, arguments) in [
            ("insert", "tickets", json!({"values": {"subject": "x"}})),
            (
                "update",
                "tickets",
                json!({"key": 1, "set": {"status": "closed"}}),
            ),
            ("upsert", "codes", json!({"key": "zz", "values": {}})),
            (
                "delete",
                "places",
                json!({"key": {"house": "north", "room": 1}}),
            ),
        ] {
            bench.plan(action, table, arguments).await.unwrap();
        }
        inspect::inspect(&bench.database).await;
        assert_eq!(std::fs::read(&file).unwrap(), before);
        assert_eq!(std::fs::metadata(&file).unwrap().modified().unwrap(), made);
        let log = bench.folder.path().join("crm.db-wal");
        assert!(std::fs::metadata(log).map_or(0, |log| log.len()) == 0);
    }
}

#[tokio::test]
async fn effects_are_done_and_taken_back_in_either_kind_of_journal() {
    for mode in ["PRAGMA journal_mode = TRUNCATE", WAL] {
        let bench = Bench::new().await;
        bench.sql(mode).await;
        let before = bench.dump().await;
        let (plan, receipt) = bench
            .act("delete", "tickets", json!({"keys": [1, 3]}))
            .await;
        assert_ne!(bench.dump().await, before);
        bench.undo(&plan, &receipt).await.unwrap();
        assert_eq!(bench.dump().await, before);
    }
}

#[tokio::test]
async fn a_locked_database_is_unavailable_in_time_and_nothing_is_changed() {
    let bench = Bench::new().await;
    let plan = bench
        .plan("delete", "tickets", json!({"key": 1}))
        .await
        .unwrap();
    let before = bench.dump().await;
    let mut other = bench.connect().await;
    sqlx::query("BEGIN EXCLUSIVE")
        .execute(&mut other)
        .await
        .unwrap();
    let began = Instant::now();
    assert_eq!(status(bench.apply(&plan, "k").await), Status::Unavailable);
    let again = bench.plan("delete", "tickets", json!({"key": 1})).await;
    assert_eq!(status(again), Status::Unavailable);
    assert!(
        began.elapsed() < Duration::from_secs(20),
        "{:?}",
        began.elapsed()
    );
    sqlx::query("ROLLBACK").execute(&mut other).await.unwrap();
    assert_eq!(bench.dump().await, before);
    bench.apply(&plan, "k").await.unwrap();
}

/// In a rollback journal, a reader keeps a commit from ending.
#[tokio::test]
async fn a_commit_that_readers_hold_up_is_taken_back() {
    let bench = Bench::new().await;
    let plan = bench
        .plan("delete", "tickets", json!({"key": 1}))
        .await
        .unwrap();
    let before = bench.dump().await;
    let mut other = bench.connect().await;
    sqlx::query("BEGIN").execute(&mut other).await.unwrap();
    sqlx::query("SELECT * FROM tickets")
        .execute(&mut other)
        .await
        .unwrap();
    assert_eq!(status(bench.apply(&plan, "k").await), Status::Unavailable);
    sqlx::query("ROLLBACK").execute(&mut other).await.unwrap();
    assert_eq!(bench.dump().await, before);
    assert_eq!(
        apply::settle(&bench.database, &plan, "k").await,
        Settled::NotApplied
    );
}

/// Whoever applies may be stopped at any moment, and the database is asked what came of it.
#[tokio::test]
async fn an_effect_that_is_cut_off_is_done_whole_or_not_at_all() {
    each(async |engine| {
        let bench = Bench::on(engine).await;
        let (mut done, mut not_done) = (0, 0);
        // Over a network it takes longer, and is to be cut off anywhere all the same.
        let pace = if engine == Engine::Sqlite { 150 } else { 600 };
        for round in 0..60_u64 {
            let before = bench.dump().await;
            let plan = bench
                .plan("insert", "tickets", json!({"rows": [{}, {}, {}]}))
                .await
                .unwrap();
            let key = format!("round{round}");
            let within = Duration::from_micros(round * pace);
            let _ = tokio::time::timeout(within, bench.apply(&plan, &key)).await;
            let settled = apply::settle(&bench.database, &plan, &key).await;
            let after = bench.dump().await;
            match settled {
                Settled::Applied(_) => {
                    done += 1;
                    assert_eq!(after.len(), before.len() + 3);
                }
                Settled::NotApplied => {
                    not_done += 1;
                    assert_eq!(after, before);
                }
                Settled::Unknown(why) | Settled::Later(why) => panic!("{why}"),
            }
            // It stays so.
            tokio::task::yield_now().await;
            assert_eq!(bench.dump().await, after);
        }
        assert!(not_done > 0, "{done} {not_done}");
    })
    .await;
}

#[tokio::test]
async fn a_file_that_is_gone_is_told_and_one_that_comes_in_its_place_is_read() {
    let bench = Bench::new().await;
    let file = bench.folder.path().join("crm.db");
    let plan = bench
        .plan("delete", "tickets", json!({"key": 1}))
        .await
        .unwrap();
    let other = Bench::new().await;
    std::fs::remove_file(&file).unwrap();
    assert_eq!(status(bench.apply(&plan, "k").await), Status::Unavailable);
    assert_eq!(inspect::inspect(&bench.database).await.health, Health::Down);
    assert!(!file.exists(), "it was created");
    std::fs::copy(other.folder.path().join("crm.db"), &file).unwrap();
    assert_eq!(
        inspect::inspect(&bench.database).await.health,
        Health::Ready
    );
    bench.apply(&plan, "k").await.unwrap();
    assert_eq!(bench.dump().await.len(), other.dump().await.len() - 1);
}

#[tokio::test]
async fn closed_it_lets_go_and_says_so() {
    let bench = Bench::new().await;
    let plan = bench
        .plan("delete", "tickets", json!({"key": 1}))
        .await
        .unwrap();
    bench.database.base.close().await;
    assert_eq!(status(bench.apply(&plan, "k").await), Status::Unavailable);
    assert_eq!(inspect::inspect(&bench.database).await.health, Health::Down);
    let settled = apply::settle(&bench.database, &plan, "k").await;
    assert!(matches!(settled, Settled::Later(_)));
    let mut connection = bench.connect().await;
    sqlx::query("BEGIN EXCLUSIVE")
        .execute(&mut connection)
        .await
        .unwrap();
    connection.close().await.unwrap();
}

/// The files as a machine leaves them that dies while another program commits: read-only eyes cannot
/// use them, and the first look tidies up.
#[tokio::test]
async fn what_a_dead_program_left_half_written_is_taken_back_before_anybody_reads() {
    for (mode, beside) in [("DELETE", "crm.db-journal"), ("WAL", "crm.db-wal")] {
        let bench = Bench::new().await;
        bench.sql(&format!("PRAGMA journal_mode = {mode}")).await;
        let before = bench.dump().await;
        let mut dying = bench.connect().await;
        for statement in [
            "PRAGMA cache_size = 1",
            "BEGIN",
            "UPDATE tickets SET secret = randomblob(100000)",
            "UPDATE codes SET hidden = randomblob(100000)",
        ] {
            sqlx::query(statement).execute(&mut dying).await.unwrap();
        }
        let after = Bench::new().await;
        for name in ["crm.db", beside] {
            let left = bench.folder.path().join(name);
            assert!(std::fs::metadata(&left).unwrap().len() > 0, "{name}");
            std::fs::copy(left, after.folder.path().join(name)).unwrap();
        }
        let inspection = inspect::inspect(&after.database).await;
        assert_eq!(inspection.health, Health::Ready, "{mode}: {inspection:?}");
        let delete = json!({"key": 1});
        after.plan("delete", "tickets", delete).await.unwrap();
        assert_eq!(after.dump().await, before, "{mode}");
    }
}
