//! A store that is not the one last seen: nothing is appended to it, and it is told what to do.

use std::{sync::Arc, time::Duration};

use drawbridge::store::{LogState, Writer};
use drawbridge_core::log::{
    Entry, Journal, Row as LogRow, TEXTS, Unwritten, checkpoint::Signer, merkle,
};
use sqlx::{AnyConnection, AssertSqlSafe, Connection, Executor};

use super::{
    served::{House, copy_store},
    stored::{RECORDS, Stored, record},
};

async fn refused(writer: &Arc<Writer>) -> String {
    let entry = Entry::new(record(500, "ann")).unwrap();
    match writer.append(entry).await.unwrap_err() {
        Unwritten::Down(down) => down.source.unwrap().to_string(),
        overtaken @ Unwritten::Overtaken(_) => panic!("{overtaken}"),
    }
}

async fn changed(connection: &mut AnyConnection, statement: &str) {
    connection
        .execute(AssertSqlSafe(statement.to_owned()))
        .await
        .unwrap();
}

async fn cut_off_and_put_back(stored: Stored) {
    stored.fill("ann").await;
    let note = stored.note();
    let mut connection = stored.connection().await;
    changed(
        &mut connection,
        "CREATE TABLE saved AS SELECT * FROM records",
    )
    .await;
    changed(&mut connection, "DELETE FROM records WHERE place >= 26").await;
    let (store, writer) = stored.open().await;
    let LogState::Down(why) = writer.opened().await else {
        panic!("a log whose end was cut off is taken up");
    };
    assert!(
        why.contains("log verify") && why.contains("log accept"),
        "{why}"
    );
    assert!(refused(&writer).await.contains("do not end where"), "{why}");
    assert_eq!(stored.note(), note, "the witness stays");
    // Put back, it is taken up by itself.
    changed(
        &mut connection,
        "INSERT INTO records SELECT * FROM saved WHERE place >= 26",
    )
    .await;
    tokio::time::timeout(Duration::from_secs(20), async {
        while writer.state() != LogState::Ready {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await
    .unwrap();
    let entry = Entry::new(record(501, "ann")).unwrap();
    assert_eq!(writer.append(entry).await.unwrap().place, RECORDS as u64);
    store.close().await;
    connection.close().await.unwrap();
    assert_eq!(stored.finding(Some(&stored.note())).await, None);
}

#[tokio::test]
async fn a_log_whose_end_is_cut_off_is_refused_until_it_is_back() {
    cut_off_and_put_back(Stored::sqlite()).await;
    cut_off_and_put_back(Stored::postgres().await).await;
}

#[tokio::test]
async fn an_older_copy_and_a_fork_are_refused() {
    let (stored, older) = (Stored::sqlite(), tempfile::tempdir().unwrap());
    let file = stored.folder.path().join("drawbridge.db");
    let older = older.path().join("older.db");
    let (store, writer) = stored.open().await;
    for number in 0..5 {
        let entry = Entry::new(record(600 + number, "ann")).unwrap();
        writer.append(entry).await.unwrap();
    }
    store.close().await;
    copy_store(&file, &older);
    let (store, writer) = stored.open().await;
    writer
        .append(Entry::new(record(700, "ann")).unwrap())
        .await
        .unwrap();
    store.close().await;
    copy_store(&older, &file);
    let note = stored.note();
    let (store, writer) = stored.open().await;
    assert!(
        refused(&writer)
            .await
            .contains("5 records, and 6 were seen")
    );
    store.close().await;
    // As long as the one that was seen, and another one.
    let witness = stored.folder.path().join("elsewhere");
    let store = drawbridge::store::Store::open(&stored.place).await.unwrap();
    let writer = store.journal(stored.signer(), witness);
    writer
        .append(Entry::new(record(701, "ann")).unwrap())
        .await
        .unwrap();
    store.close().await;
    let (store, writer) = stored.open().await;
    assert!(
        refused(&writer)
            .await
            .contains("are not those that were seen")
    );
    store.close().await;
    assert_eq!(stored.note(), note, "the witness stays");
}

/// A checkpoint of records to come would stand in the way when there are so many.
#[tokio::test]
async fn a_checkpoint_of_what_is_not_there_is_told_before_it_is_reached() {
    let stored = Stored::sqlite();
    stored.fill("ann").await;
    let mut connection = stored.connection().await;
    let insert =
        "INSERT INTO checkpoints (size, note) SELECT 41, note FROM checkpoints WHERE size = 40";
    changed(&mut connection, insert).await;
    connection.close().await.unwrap();
    let (store, writer) = stored.open().await;
    assert!(
        refused(&writer)
            .await
            .contains("do not end where its head says")
    );
    store.close().await;
}

/// Forged records must not come under the gateway's signature by being appended to.
#[tokio::test]
async fn what_is_not_signed_is_not_signed_by_appending() {
    let stored = Stored::sqlite();
    stored.fill("ann").await;
    let mut connection = stored.connection().await;
    let forged = Entry::new(record(800, "mallory")).unwrap();
    let statement = format!(
        "INSERT INTO records (place, time, {}, body, leaf) VALUES ({RECORDS}, $1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        TEXTS.join(", ")
    );
    let mut query = sqlx::query(AssertSqlSafe(statement)).bind(forged.record.time.as_microsecond());
    for text in LogRow::texts(&forged.record) {
        query = query.bind(text);
    }
    let leaf = merkle::leaf(&forged.body);
    query
        .bind(forged.body)
        .bind(leaf.to_vec())
        .execute(&mut connection)
        .await
        .unwrap();
    let mut frontier = merkle::Frontier::default();
    let rows = sqlx::query("SELECT leaf FROM records ORDER BY place").fetch_all(&mut connection);
    for row in rows.await.unwrap() {
        let leaf: Vec<u8> = sqlx::Row::get(&row, "leaf");
        frontier.push(leaf.try_into().unwrap());
    }
    sqlx::query("UPDATE log_head SET size = $1, frontier = $2")
        .bind(RECORDS as i64 + 1)
        .bind(frontier.to_bytes())
        .execute(&mut connection)
        .await
        .unwrap();
    let stranger = Signer::new("test", &Signer::generate().unwrap()).unwrap();
    let note = stranger.sign(frontier.size(), frontier.root(), RECORDS as u64);
    sqlx::query("INSERT INTO checkpoints (size, note) VALUES ($1, $2)")
        .bind(RECORDS as i64 + 1)
        .bind(note)
        .execute(&mut connection)
        .await
        .unwrap();
    connection.close().await.unwrap();
    let (store, writer) = stored.open().await;
    assert!(
        refused(&writer)
            .await
            .contains("not signed by this gateway's key")
    );
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_copy_is_accepted_only_on_record() {
    let house = House::on_sqlite();
    let file = house.state().join("drawbridge.db");
    let mut served = house.serve();
    for _ in 0..3 {
        served.caller.until_answered().await;
    }
    served.terminate();
    let older = house.folder.join("older.db");
    copy_store(&file, &older);
    let nothing = house.line(&["log", "accept", "--reason", "no need"]);
    assert!(!nothing.status.success(), "there is nothing to accept");
    let mut served = house.serve();
    served.caller.until_answered().await;
    // A gateway that ends keeps the newest checkpoint; one that is killed may keep one of 100 ms before.
    served.terminate();
    copy_store(&older, &file);
    assert!(!house.line(&["log", "verify"]).status.success());
    let served = house.serve();
    let (code, _) = served
        .caller
        .send("drawbridge_connectors", "{}".to_owned())
        .await
        .unwrap();
    assert_eq!(code, 503);
    let running = house.line(&["log", "accept", "--reason", "it runs"]);
    assert!(!running.status.success(), "not while the gateway runs");
    drop(served);
    let accepted = house.line(&["log", "accept", "--reason", "the disk died"]);
    let told = String::from_utf8_lossy(&accepted.stderr);
    assert!(accepted.status.success(), "{told}");
    let served = house.serve();
    served.caller.until_answered().await;
    house.verify();
    let shown = house.line(&["log", "--action", "accept_log", "--json"]);
    let shown: serde_json::Value = serde_json::from_slice(&shown.stdout).unwrap();
    let kept = &shown["data"]["records"][0]["kept"]["arguments"];
    assert_eq!(kept["reason"], "the disk died", "{shown}");
    assert!(
        kept["seen"].as_str().unwrap().contains("\n— house "),
        "{shown}"
    );
}
