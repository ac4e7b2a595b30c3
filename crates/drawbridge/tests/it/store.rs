//! The store on both engines: one contiguous, verifiable log from many writers.

use std::{path::PathBuf, sync::Arc};

use drawbridge::{
    audit::verify,
    store::{NewToken, Place, Standing, Store},
};
use drawbridge_core::{
    answer::Status,
    call::Caller,
    lifecycle::State,
    log::{Entry, Journal, Record, checkpoint::Signer},
    secret::Secret,
};
use jiff::Timestamp;

fn entry(number: usize) -> Entry {
    let id = format!("{number:036}");
    let mut record = Record::begin(
        &id,
        Timestamp::UNIX_EPOCH,
        &Caller::gateway(),
        ("handbook", "search"),
    );
    record.status = Status::Ok;
    Entry::new(record).unwrap()
}

/// Everything the gateway asks of a store.
async fn works(place: Place, folder: PathBuf) {
    let (one, other) = (
        Store::open(&place).await.unwrap(),
        Store::open(&place).await.unwrap(),
    );
    let key = Signer::generate().unwrap();
    let signer = || Signer::new("test", &key).unwrap();
    let writers = [
        one.journal(signer(), folder.join("one")),
        other.journal(signer(), folder.join("other")),
    ];
    let mut appends = tokio::task::JoinSet::new();
    for number in 0..400 {
        let writer = Arc::clone(&writers[number % 2]);
        appends.spawn(async move { writer.append(entry(number)).await.unwrap() });
    }
    let appended = appends.join_all().await;
    let mut places: Vec<u64> = appended.iter().map(|appended| appended.place).collect();
    places.sort_unstable();
    assert_eq!(places, (0..400).collect::<Vec<u64>>());
    let verified = verify(&one, signer().public(), None).await.unwrap();
    assert_eq!(verified.records, 400);
    assert!(verified.checkpoints < 400, "many records share a sync");
    let stored = one.record(&format!("{:036}", 7)).await.unwrap().unwrap();
    assert_eq!(stored.body, entry(7).body);

    let mut changes = other.changes();
    changes.mark_unchanged();
    let standing = Standing {
        connector: "handbook".to_owned(),
        state: State::Paused,
        by: "ann".to_owned(),
        at: Timestamp::UNIX_EPOCH,
        reason: "because".to_owned(),
        active: Some("abc".to_owned()),
    };
    one.set_standing(&standing).await.unwrap();
    // The other gateway hears of it by itself.
    tokio::time::timeout(std::time::Duration::from_secs(10), changes.changed())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(other.standings().await.unwrap(), [standing]);

    let token = NewToken {
        id: "one".to_owned(),
        hash: [7; 32],
        person: "ann".to_owned(),
        client: "claude".to_owned(),
        name: String::new(),
        created: Timestamp::UNIX_EPOCH,
        expires: None,
        claims: None,
        parent: None,
        replaces: None,
    };
    one.add_token(&token).await.unwrap();
    assert_eq!(other.token("one").await.unwrap().unwrap().hash, [7; 32]);
    assert!(
        one.revoke_token("one", "ann", Timestamp::UNIX_EPOCH)
            .await
            .unwrap()
    );
    assert!(
        !one.revoke_token("one", "ann", Timestamp::UNIX_EPOCH)
            .await
            .unwrap()
    );
    assert_eq!(
        other
            .token("one")
            .await
            .unwrap()
            .unwrap()
            .revoked_by
            .as_deref(),
        Some("ann")
    );
    one.put_revision(("handbook", "abc"), "text", Timestamp::UNIX_EPOCH)
        .await
        .unwrap();
    one.put_revision(("handbook", "abc"), "other", Timestamp::UNIX_EPOCH)
        .await
        .unwrap();
    assert_eq!(other.revisions("handbook").await.unwrap()[0].text, "text");
    one.close().await;
    other.close().await;
}

#[tokio::test]
async fn sqlite_works() {
    let folder = tempfile::tempdir().unwrap();
    works(
        Place::Sqlite(folder.path().join("drawbridge.db")),
        folder.path().to_owned(),
    )
    .await;
}

#[tokio::test]
async fn postgresql_works() {
    let folder = tempfile::tempdir().unwrap();
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let url = crate::log::served::database().await;
    works(Place::Postgres(Secret::new(url)), folder.path().to_owned()).await;
}
