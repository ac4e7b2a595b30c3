//! Proofs by what is kept of complete parts of the log.

use std::sync::Arc;

use drawbridge::{
    audit::prove,
    store::{RecordFilter, Store, Writer},
};
use drawbridge_core::log::{Entry, Journal};
use sqlx::Executor;

use super::stored::{Stored, record};

/// Two complete parts of 256, and some more.
const RECORDS: usize = 700;

async fn fill(writer: &Arc<Writer>) {
    let all = (0..RECORDS).map(|number| {
        let entry = Entry::new(record(number, "ann")).unwrap();
        writer.append(entry)
    });
    for place in futures_util::future::join_all(all).await {
        place.unwrap();
    }
}

/// Whether each of these places can be proved.
async fn proved(stored: &Stored, store: &Store) {
    let key = stored.signer().public();
    for number in [0, 1, 255, 256, 511, 512, 640, 699] {
        let id = record(number, "ann").id;
        let found = store.record(&id).await.unwrap().unwrap();
        let proof = prove(store, &found).await.unwrap();
        let proved = proof.record(&key);
        assert_eq!(proved.map(|record| record.id), Some(id));
    }
}

#[tokio::test]
async fn proofs_are_right_with_and_without_what_is_kept_of_parts_and_when_it_is_wrong() {
    for stored in [Stored::sqlite(), Stored::postgres().await] {
        let (store, writer) = stored.open().await;
        fill(&writer).await;
        proved(&stored, &store).await;
        while store.tile_some().await.unwrap() {}
        let mut connection = stored.connection().await;
        let kept = sqlx::query("SELECT number FROM log_tiles WHERE level = 1");
        let kept = kept.fetch_all(&mut connection).await.unwrap();
        assert_eq!(kept.len(), RECORDS / 256, "as many as are complete");
        // Taken from there, the leaves of that part are not read.
        let lost = "UPDATE records SET leaf = body WHERE place BETWEEN 3 AND 200";
        connection.execute(lost).await.unwrap();
        let newest = RecordFilter {
            limit: 1,
            ..RecordFilter::default()
        };
        let found = store.records(&newest).await.unwrap().remove(0);
        let proof = prove(&store, &found).await.unwrap();
        assert!(proof.record(&stored.signer().public()).is_some());
        store.close().await;
    }
    for stored in [Stored::sqlite(), Stored::postgres().await] {
        let (store, writer) = stored.open().await;
        fill(&writer).await;
        while store.tile_some().await.unwrap() {}
        let mut connection = stored.connection().await;
        let wrong = "UPDATE log_tiles SET root = (SELECT leaf FROM records WHERE place = 9)";
        connection.execute(wrong).await.unwrap();
        proved(&stored, &store).await;
        connection
            .execute("DELETE FROM log_tiles WHERE number = 0")
            .await
            .unwrap();
        proved(&stored, &store).await;
        // What was changed since it was signed is not proved by anything.
        let changed = "UPDATE records SET body = (SELECT body FROM records WHERE place = 8) \
                       WHERE place = 9";
        let nine = RecordFilter {
            before: Some(10),
            limit: 1,
            ..RecordFilter::default()
        };
        connection.execute(changed).await.unwrap();
        let found = store.records(&nine).await.unwrap().remove(0);
        let told = prove(&store, &found).await.unwrap_err().to_string();
        assert!(told.contains("not as it was signed"), "{told}");
        store.close().await;
    }
}
