//! How much is called, counted: by whom it may be seen, and how quickly it is told.

use drawbridge::store::{CountFilter, Place, Store, Stretch};
use jiff::Timestamp;
use serde_json::{Value, json};
use sqlx::Executor;

use crate::{
    acting::firm::{ANN, ASK, BOB, Firm, LENA, Person},
    log::stored::Stored,
};

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

/// Five thousand and some calls within thirty days, among them intents with their outcomes, and
/// outcomes that nobody knows.
fn fill(postgres: bool) -> String {
    let numbers = if postgres {
        "SELECT i FROM generate_series(CAST(0 AS BIGINT), 5299) AS n(i)"
    } else {
        "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 5299) SELECT i FROM n"
    };
    let bytes = |text: &str| {
        if postgres {
            format!("convert_to('{text}', 'UTF8')")
        } else {
            format!("CAST('{text}' AS BLOB)")
        }
    };
    let intent = bytes(r#"{"plan": {"stage": "applying"}}"#);
    let outcome = bytes(r#"{"plan": {"stage": "unknown"}}"#);
    format!(
        "INSERT INTO records (place, id, time, person, client, connector, action, power, status, body, leaf) \
         SELECT i, 'r' || i, 1780000000000000 + i * 489000000, 'p' || (i % 7), 'claude', 'c' || (i % 4), \
         'update', CASE i % 50 WHEN 3 THEN '' ELSE 'update' END, \
         CASE i % 10 WHEN 0 THEN 'failed' WHEN 1 THEN 'unknown' WHEN 2 THEN 'unknown' ELSE 'ok' END, \
         CASE i % 10 WHEN 1 THEN {intent} ELSE {outcome} END, {} FROM ({numbers}) AS numbers",
        bytes("leaf")
    )
}

/// All that can be asked of the counts.
async fn counts(store: &Store) -> Vec<String> {
    let mut told = Vec::new();
    let begin = 1_780_000_000_000_000;
    for connector in [None, Some("c1"), Some("c9")] {
        for person in [None, Some("p3")] {
            for stretch in [Stretch::Hour, Stretch::Day] {
                for later in [0, 400_000_000_000, 9_000_000_000_000] {
                    let filter = CountFilter {
                        since: Timestamp::from_microsecond(begin + later).unwrap(),
                        stretch,
                        connector: connector.map(str::to_owned),
                        person: person.map(str::to_owned),
                    };
                    let calls = store.calls_by_time(&filter).await.unwrap();
                    told.push(format!("{filter:?}: {calls:?}"));
                }
            }
        }
        let since = Timestamp::from_microsecond(begin + 400_000_000_000).unwrap();
        let used = store.used(connector.unwrap_or_default(), None, since).await;
        told.push(format!("{connector:?}: {:?}", used.unwrap()));
    }
    told
}

#[tokio::test]
async fn sums_are_those_of_the_records_whenever_they_are_made() {
    for stored in [Stored::sqlite(), Stored::postgres().await] {
        let (store, _) = stored.open().await;
        let postgres = matches!(stored.place, Place::Postgres(_));
        let mut connection = stored.connection().await;
        let fill = sqlx::AssertSqlSafe(fill(postgres));
        connection.execute(fill).await.unwrap();
        let before = counts(&store).await;
        let told = &before[0];
        assert!(
            told.contains("status: \"unknown\", count: 1"),
            "real ones count: {told}"
        );
        assert!(
            !store.count_some().await.unwrap(),
            "few are left: {:?}",
            stored.place
        );
        assert_eq!(counts(&store).await, before, "most are in sums");
        // Of two gateways that count at the same moment, one does.
        let more = "UPDATE counted SET place = 0";
        for table in ["calls_by_hour", "calls_by_day"] {
            let empty = sqlx::AssertSqlSafe(format!("DELETE FROM {table}"));
            connection.execute(empty).await.unwrap();
        }
        connection.execute(more).await.unwrap();
        let other = Store::open(&stored.place).await.unwrap();
        let both = tokio::join!(store.count_some(), other.count_some());
        assert!(both.0.is_ok() && both.1.is_ok(), "{both:?}");
        assert_eq!(counts(&store).await, before, "counted once");
        let read = "UPDATE records SET status = 'gone' WHERE place < 5000";
        connection.execute(read).await.unwrap();
        // A person's hours alone are told from their records.
        let hours = |told: &String| told.contains("Hour") && told.contains("p3");
        let told = counts(&store).await;
        let of_sums = told.iter().filter(|told| !hours(told));
        for told in of_sums {
            assert!(!told.contains("gone"), "it is read again: {told}");
        }
        other.close().await;
        store.close().await;
    }
}
