//! Names that lie: every one is recorded, found, exported and read back exactly, and harms no other.

use std::sync::Arc;

use drawbridge::{
    audit::export,
    operate::ExportFormat,
    store::{RecordFilter, Store},
};
use drawbridge_core::log::{Entry, Journal, Kept, Record, plain};
use serde_json::{Value, json};

use super::{
    served::House,
    stored::{Stored, record},
};

fn naughty() -> Vec<String> {
    let mut all: Vec<String> = [
        "",
        " ",
        "\n",
        "\r\n",
        "a\nb\r\nc",
        "\u{1b}[31mred\u{1b}[0m",
        "\u{7}",
        "\0",
        "a\0b",
        "\0\0",
        "\u{202e}gpj.exe",
        "\u{2066}x\u{2069}",
        "\u{200b}\u{feff}",
        "\u{2028}\u{2029}\u{85}",
        "=1+1",
        "+1",
        "-1",
        "@SUM(1)",
        "\t=1",
        "\r=1",
        "'=1",
        "＝1",
        "=HYPERLINK(\"http://x\")",
        "{\"a\":1}",
        "\"}\n{\"id\":\"x\"}",
        "\\",
        "\\u0000",
        "\\\\n",
        "\"",
        "'",
        "';--",
        "$1",
        "%s%n",
        "\u{fffd}",
        "\u{10ffff}",
        "\u{e0041}",
        "🏳️‍🌈",
        "é\u{301}",
        "ﷺ",
        "İ",
        "ẞ",
        "\u{d7ff}",
        "…",
    ]
    .map(str::to_owned)
    .into();
    all.push("x".repeat(100_000));
    all.push("\u{1f600}".repeat(3_000));
    all.push("\0".repeat(500));
    all
}

/// A record with this in every field that somebody else can fill.
fn lying(number: usize, text: &str) -> Record {
    let mut lying = record(number, text);
    lying.client = text.to_owned();
    lying.connector = text.to_owned();
    lying.action = text.to_owned();
    lying.task = Some(text.to_owned());
    lying.trace = Some(text.to_owned());
    lying.revision = Some(text.to_owned());
    lying.identity = Some(text.to_owned());
    lying.message = Some(text.to_owned());
    lying.decided.reasons = vec![text.to_owned(), text.to_owned()];
    lying
        .asked
        .arguments
        .insert(text.to_owned(), text.to_owned());
    lying.returned.label = Some(text.to_owned());
    lying.returned.targets = vec![text.to_owned()];
    lying.kept = Some(Kept {
        arguments: json!({text: text}),
        data: json!([text]),
    });
    lying
}

async fn nothing_is_lost(stored: Stored) {
    let names = naughty();
    let (store, writer) = stored.open().await;
    let records: Vec<Record> = names
        .iter()
        .enumerate()
        .map(|(number, text)| lying(number, text))
        .collect();
    let appends = records
        .iter()
        .map(|record| writer.append(Entry::new(record.clone()).unwrap()));
    for (place, name) in futures_util::future::join_all(appends)
        .await
        .into_iter()
        .zip(&names)
    {
        place.unwrap_or_else(|error| panic!("{name:?}: {error:?}"));
    }
    for (record, name) in records.iter().zip(&names) {
        let found = only(&store, name).await;
        assert_eq!(found.len(), 1, "{name:?}");
        assert_eq!(found[0].record, *record, "{name:?}");
        let shown = String::from_utf8(found[0].body.clone()).unwrap();
        assert!(!shown.contains(plain::misleads), "{name:?}");
        for format in [ExportFormat::Jsonl, ExportFormat::Ocsf] {
            let line = export::line(format, &found[0]);
            let (end, line) = line.split_last().unwrap();
            assert!(*end == b'\n' && !line.contains(&b'\n'), "{name:?}");
            let parsed: Value = serde_json::from_slice(line).unwrap();
            match format {
                ExportFormat::Jsonl => assert_eq!(parsed, json!(record), "{name:?}"),
                _ => assert_eq!(parsed["actor"]["user"]["uid"], json!(name), "{name:?}"),
            }
        }
        csv_reads_back(&found[0], name);
    }
    store.close().await;
    assert_eq!(stored.finding(Some(&stored.note())).await, None);
}

async fn only(store: &Store, person: &str) -> Vec<drawbridge::store::StoredRecord> {
    let filter = RecordFilter {
        person: Some(person.to_owned()),
        limit: 10,
        ..RecordFilter::default()
    };
    store.records(&filter).await.unwrap()
}

fn csv_reads_back(stored: &drawbridge::store::StoredRecord, name: &str) {
    let mut table = export::header(ExportFormat::Csv);
    let row = export::line(ExportFormat::Csv, stored);
    assert_eq!(
        row.iter().filter(|byte| **byte == b'\n').count(),
        1,
        "{name:?}"
    );
    table.extend(row);
    let mut reader = csv::Reader::from_reader(table.as_slice());
    let headers = reader.headers().unwrap().clone();
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    assert_eq!(rows.len(), 1, "{name:?}");
    for (column, cell) in headers.iter().zip(&rows[0]) {
        assert!(
            !cell.starts_with(['=', '+', '-', '@', '\t', '\r']),
            "{column}: {cell:?}"
        );
        if [
            "person",
            "client",
            "connector",
            "action",
            "task",
            "message",
            "label",
        ]
        .contains(&column)
        {
            assert_eq!(unescape(cell), name, "{column}");
        }
    }
}

/// Reads a cell as `export/csv.rs` says it is written.
fn unescape(cell: &str) -> String {
    let mut text = String::new();
    let mut letters = cell.strip_prefix('\'').unwrap_or(cell).chars();
    while let Some(letter) = letters.next() {
        if letter != '\\' {
            text.push(letter);
            continue;
        }
        match letters.next() {
            Some('u') => {
                let digits: String = letters
                    .by_ref()
                    .skip(1)
                    .take_while(|letter| *letter != '}')
                    .collect();
                text.push(char::from_u32(u32::from_str_radix(&digits, 16).unwrap()).unwrap());
            }
            other => text.push(other.unwrap()),
        }
    }
    text
}

#[tokio::test]
async fn lying_names_are_recorded_exactly_on_sqlite() {
    nothing_is_lost(Stored::sqlite()).await;
}

#[tokio::test]
async fn lying_names_are_recorded_exactly_on_postgresql() {
    nothing_is_lost(Stored::postgres().await).await;
}

/// One record that the store does not take fails alone.
async fn one_fails_alone(stored: Stored) {
    stored.fill("ann").await;
    let (store, writer) = stored.open().await;
    let appends = (0..60).map(|number| {
        // Every tenth id is taken already.
        let number = if number % 10 == 3 {
            number % 40
        } else {
            900 + number
        };
        let writer = Arc::clone(&writer);
        async move {
            writer
                .append(Entry::new(record(number, "ann")).unwrap())
                .await
                .is_ok()
        }
    });
    let answers = futures_util::future::join_all(appends).await;
    for (number, answer) in answers.iter().enumerate() {
        assert_eq!(*answer, number % 10 != 3, "{number}");
    }
    store.close().await;
    assert_eq!(stored.finding(Some(&stored.note())).await, None);
}

#[tokio::test]
async fn a_poisoned_record_takes_no_other_down() {
    one_fails_alone(Stored::sqlite()).await;
    one_fails_alone(Stored::postgres().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_in_by_the_door_is_recorded_whatever_it_is() {
    for house in [House::on_sqlite(), House::on_postgres().await] {
        let served = house.serve();
        for body in [
            r#"{"a": "\ud800"}"#,
            r#"{"a": "\u0000"}"#,
            r#"{"\u0000\u202e": 1}"#,
            "{\"a\": \"\u{202e}\"}",
            "{",
        ] {
            let (code, answer) = served
                .caller
                .send("drawbridge_connectors", body.to_owned())
                .await
                .unwrap();
            assert_eq!(code, 400, "{body} {answer}");
            let id = answer["record"].as_str().unwrap().to_owned();
            house.holds(&[id]).await;
        }
        let (code, answer) = served
            .caller
            .send("a%00b%0A%1B%5B31m", "{}".to_owned())
            .await
            .unwrap();
        assert!(code >= 400, "{answer}");
        let id = answer["record"].as_str().unwrap();
        let shown = house.line(&["log", "--limit", "3"]);
        let shown = String::from_utf8(shown.stdout).unwrap();
        assert_eq!(
            shown.lines().filter(|line| line.contains(id)).count(),
            1,
            "{shown}"
        );
        assert!(!shown.contains(['\u{1b}', '\0']), "{shown}");
        house.verify();
    }
}
