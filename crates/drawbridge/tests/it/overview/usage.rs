//! How much is called, counted: by whom it may be seen, and how quickly it is told.

use std::time::Instant;

use drawbridge::store::{CountFilter, Place, Store};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use sqlx::{Connection, Executor, SqliteConnection};

use crate::acting::firm::{ANN, ASK, BOB, Firm, LENA, Person};

async fn usage(person: &Person, query: &str) -> Value {
    let answer = person.get(&format!("/usage{query}")).await;
    assert_eq!(answer["status"], "ok", "{query}: {answer:#}");
    answer["data"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_are_counted_for_those_who_may_see_them() {
    for engine in ["sqlite", "postgres"] {
        let firm = Firm::on(engine, ASK).await;
        let open = firm.open().await;
        let claude = open.client(&firm, ANN, "claude");
        let read = json!({"table": "tickets", "key": 1});
        assert_eq!(claude.call("crm_read", read.clone()).await["status"], "ok");
        claude.call("crm_read", read.clone()).await;
        let none = json!({"table": "tickets", "key": 99});
        assert_eq!(claude.call("crm_read", none).await["status"], "not_found");
        let max = open.client(&firm, LENA, "cursor");
        max.call("crm_read", read).await;
        let (olga, bob) = (
            open.person(&firm, "olga@x.example"),
            open.person(&firm, BOB),
        );
        let (ann, lena) = (open.person(&firm, ANN), open.person(&firm, LENA));
        for (who, query, of, total) in [
            (&olga, "", "all", 4),
            (&olga, "?connector=crm&hours=1", "all", 4),
            (&bob, "", "own", 0),
            (&bob, "?connector=crm", "connector", 4),
            (&bob, "?connector=notes", "connector", 0),
            (&ann, "?connector=crm&days=3", "own", 3),
            (&lena, "", "own", 1),
            (&lena, "?connector=nothing", "own", 0),
        ] {
            let told = usage(who, query).await;
            assert_eq!(told["of"], of, "{query}: {told:#}");
            assert_eq!(told["total"], total, "{query}: {told:#}");
        }
        let told = usage(&bob, "?connector=crm&days=4").await;
        assert_eq!(told["bucket"], "day");
        let calls = told["calls"].as_array().unwrap();
        let ok = calls.iter().find(|one| one["status"] == "ok").unwrap();
        assert_eq!((&ok["power"], &ok["count"]), (&json!("read"), &json!(3)));
        assert_eq!(told["errors"], json!([{"status": "not_found", "count": 1}]));
        let lately = &told["lately"];
        assert_eq!(lately["calls"], 4);
        assert_eq!(
            lately["errors"],
            json!([{"status": "not_found", "count": 1}])
        );
        assert_eq!(
            lately["targets"],
            json!([{"target": "tickets/1", "count": 3}])
        );
        assert!(lately["median_us"].as_u64() <= lately["p95_us"].as_u64());
        assert!(lately["bytes"].as_u64() > Some(100), "{lately:#}");
        let used = told["used"].as_array().unwrap();
        assert!(used.iter().any(|one| one["client"] == "cursor"), "{told:#}");
        let own = usage(&ann, "?connector=crm").await;
        assert!(!own.to_string().contains("cursor"), "{own:#}");
        for wrong in ["?days=91", "?days=0", "?hours=73", "?days=1&hours=1"] {
            let answer = olga.get(&format!("/usage{wrong}")).await;
            assert_eq!(answer["status"], "invalid", "{wrong}");
        }
        assert_eq!(claude.get("/usage").await["status"], "denied");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_about_to_be_done_counts_for_nothing_and_what_was_looked_at_neither() {
    let auto = crate::acting::firm::AUTO;
    let firm = Firm::with_tickets(None, auto).await;
    let open = firm.open().await;
    let (claude, bob) = (open.client(&firm, ANN, "claude"), open.person(&firm, BOB));
    let set = json!({"table": "tickets", "key": 1, "set": {"status": "closed"}});
    assert_eq!(claude.call("crm_update", set).await["status"], "ok");
    let told = usage(&bob, "?connector=crm").await;
    assert!(!told.to_string().contains("unknown"), "{told:#}");
    assert_eq!(told["total"], 1, "{told:#}");
    let olga = open.person(&firm, "olga@x.example");
    for (query, only) in [("?limit=500", false), ("?limit=500&calls=true", true)] {
        let answer = olga.get(&format!("/records{query}")).await;
        let records = answer["data"]["records"].as_array().unwrap();
        assert!(!records.is_empty());
        let all = records.iter().all(|record| record["power"].is_string());
        assert_eq!(all, only, "{answer:#}");
    }
    // Page by page it is the same.
    let page = olga.get("/records?calls=true&limit=1").await;
    let before = &page["data"]["next"]["before"];
    let page = olga
        .get(&format!("/records?calls=true&limit=1&before={before}"))
        .await;
    let records = page["data"]["records"].as_array().unwrap();
    assert_eq!(records[0]["action"], "update", "{page:#}");
}

#[tokio::test]
async fn many_records_are_counted_quickly() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("drawbridge.db");
    let store = Store::open(&Place::Sqlite(file.clone())).await.unwrap();
    let url = format!("sqlite:{}", file.display());
    let mut connection = SqliteConnection::connect(&url).await.unwrap();
    // A hundred thousand calls within thirty days, of forty connectors, with bodies as they are.
    let fill = "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 99999) \
        INSERT INTO records (place, id, time, person, client, connector, action, power, status, body, leaf) \
        SELECT i, 'r' || i, 1780000000000000 + i * 25920000, 'p' || (i % 300), 'claude', \
        'c' || (i % 40), 'search', 'search', CASE i % 9 WHEN 0 THEN 'failed' ELSE 'ok' END, \
        zeroblob(900), zeroblob(32) FROM n";
    connection.execute(fill).await.unwrap();
    let filter = CountFilter {
        since: Timestamp::from_microsecond(1_780_000_000_000_000).unwrap(),
        until: Timestamp::MAX,
        stretch: SignedDuration::from_hours(24),
        connector: None,
        person: None,
    };
    for (connector, person, total) in [
        (None, None, 100_000),
        (Some("c7"), None, 2_500),
        (None, Some("p7"), 334),
    ] {
        let filter = CountFilter {
            connector: connector.map(str::to_owned),
            person: person.map(str::to_owned),
            ..filter.clone()
        };
        let began = Instant::now();
        let calls = store.calls_by_time(&filter).await.unwrap();
        let took = began.elapsed();
        println!("{connector:?} {person:?}: {took:?}");
        assert_eq!(calls.iter().map(|one| one.count).sum::<u64>(), total);
        assert!(took.as_secs() < 2, "{took:?}");
    }
    store.close().await;
}
