//! Finding records among many.

use std::time::Instant;

use drawbridge::store::RecordFilter;
use drawbridge_core::{
    answer::Status,
    log::{Entry, Journal},
};
use jiff::Timestamp;

use super::{
    served::long,
    stored::{Stored, record},
};

async fn are_found_quickly(stored: Stored) {
    let many = if long() { 100_000 } else { 4_000 };
    let (store, writer) = stored.open().await;
    for first in (0..many).step_by(2_000) {
        let appends = (first..first + 2_000).map(|number| {
            let mut record = record(number, &format!("person-{}", number % 100));
            record.status = if number % 997 == 3 {
                Status::Failed
            } else {
                Status::Ok
            };
            record.connector = format!("connector-{}", number % 7);
            writer.append(Entry::new(record).unwrap())
        });
        for place in futures_util::future::join_all(appends).await {
            place.unwrap();
        }
    }
    let text = |text: &str| Some(text.to_owned());
    let second = |second: usize| Timestamp::from_second(1_790_000_000 + second as i64).ok();
    let all = RecordFilter {
        limit: 50,
        ..RecordFilter::default()
    };
    let mut slowest = std::time::Duration::ZERO;
    for (what, filter) in [
        ("all", all.clone()),
        (
            "one person",
            RecordFilter {
                person: text("person-7"),
                ..all.clone()
            },
        ),
        (
            "nobody",
            RecordFilter {
                person: text("nobody"),
                ..all.clone()
            },
        ),
        (
            "rare status",
            RecordFilter {
                status: text("failed"),
                ..all.clone()
            },
        ),
        (
            "person and connector",
            RecordFilter {
                person: text("person-7"),
                connector: text("connector-3"),
                ..all.clone()
            },
        ),
        (
            "the oldest minute",
            RecordFilter {
                until: second(60),
                ..all.clone()
            },
        ),
        (
            "since the middle",
            RecordFilter {
                since: second(many / 2),
                ..all.clone()
            },
        ),
        (
            "from a place on",
            RecordFilter {
                after: Some(10),
                oldest_first: true,
                ..all.clone()
            },
        ),
    ] {
        let mut times = Vec::new();
        for _ in 0..9 {
            let began = Instant::now();
            let found = store.records(&filter).await.unwrap();
            times.push(began.elapsed());
            assert_eq!(found.is_empty(), what == "nobody", "{what}");
        }
        times.sort();
        println!("{what}: {:?} among {many}", times[4]);
        slowest = slowest.max(times[4]);
    }
    store.close().await;
    assert!(slowest.as_millis() < 500, "{slowest:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn records_are_found_quickly_among_many_on_sqlite() {
    are_found_quickly(Stored::sqlite()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn records_are_found_quickly_among_many_on_postgresql() {
    are_found_quickly(Stored::postgres().await).await;
}
