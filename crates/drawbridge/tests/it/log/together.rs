//! Records of calls that run at the same time are made durable together.

use drawbridge_core::log::{Entry, Journal};

use super::stored::{Stored, record};

/// Calls that could go on are let to before a sync begins, so that their records come along in it.
#[tokio::test]
async fn what_can_be_recorded_at_once_is_made_durable_in_one_sync() {
    let stored = Stored::sqlite();
    let (store, writer) = stored.open().await;
    writer.opened().await;
    // Each has some steps before it, as calls have, and waits for nothing between them.
    let calls = (0..30).map(|number| {
        let writer = &writer;
        async move {
            for _ in 0..number % 3 {
                tokio::task::yield_now().await;
            }
            let entry = Entry::new(record(number, "ann")).unwrap();
            writer.append(entry).await.unwrap();
        }
    });
    futures_util::future::join_all(calls).await;
    store.close().await;
    let mut connection = stored.connection().await;
    let signed: i64 = sqlx::query_scalar("SELECT count(*) FROM checkpoints")
        .fetch_one(&mut connection)
        .await
        .unwrap();
    assert_eq!(signed, 1, "one checkpoint signs for all of them");
}
