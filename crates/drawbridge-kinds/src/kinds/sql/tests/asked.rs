//! Free questions: attempts to read what is hidden, and questions that people ask.

mod escapes;
mod groups;
mod ordinary;
mod samples;

use drawbridge_core::answer::Failure;
use serde_json::{Value, json};

use super::{
    super::{
        dialect::Dialect,
        part::TableScope,
        query::{self, rewrite},
    },
    Bench,
    engine::Engine,
};

/// Tables with columns and rows that nobody may see; `{…}` differs between two databases that must
/// not be told apart.
pub(super) const SEEDED: &str = "
    CREATE TABLE customers (
        id INTEGER PRIMARY KEY, name TEXT, region TEXT, email TEXT, born TEXT, phone TEXT,
        secret TEXT, rank INTEGER);
    CREATE TABLE orders (
        id INTEGER PRIMARY KEY, customer_id INTEGER, amount INTEGER, placed TEXT, note TEXT,
        margin TEXT);
    CREATE TABLE vault (id INTEGER PRIMARY KEY, word TEXT);
    CREATE INDEX by_rank ON customers (rank);
    CREATE VIEW seen AS SELECT * FROM customers;
    INSERT INTO customers VALUES
        (1, 'Ann', 'north', '{c1}@x.example', '1980-0{m}-06', '{p1}', '{s1}', 3),
        (3, 'Bo', 'north', '{c2}@y.example', '1990', '{p2}', '{s2}', 1),
        (5, 'Ann', 'north', NULL, 'unknown', {p3}, '{s3}', 2);
    INSERT INTO orders VALUES
        (1, 1, 10, '2026-01-02', 'first', '{s1}'), (2, 2, 20, '2026-02-02', NULL, '{s2}'),
        (3, 3, 30, '2026-03-02', 'third', '{s3}');
";
/// With hidden rows.
const FULL: &str = "
    INSERT INTO customers VALUES
        (2, 'canary two', 'south', 'canary@c.example', '1111', 'canary', 'canary', 77),
        (4, 'canary four', NULL, NULL, NULL, NULL, NULL, NULL),
        (6, '12', 'south', 'c***@x.example', '1980', '***', 'x', 9);
    INSERT INTO vault VALUES (1, 'canary word'), (2, 'canary other');
";

/// A database in which everything that is hidden is a canary, and one without.
pub(super) fn seeds() -> [String; 2] {
    let with = |pairs: [(&str, &str); 9], more: &str| {
        let mut text = format!("{SEEDED}{more}");
        for (from, to) in pairs {
            text = text.replace(from, to);
        }
        text
    };
    let full = [
        ("{c1}", "canarymail1"),
        ("{c2}", "bcanary"),
        ("{p1}", "canary-1"),
        ("{p2}", "12"),
        ("{p3}", "'canary'"),
        ("{s1}", "canary one"),
        ("{s2}", "canary"),
        ("{s3}", "77"),
        ("{m}", "5"),
    ];
    let bare = [
        ("{c1}", "c"),
        ("{c2}", "bzzz"),
        ("{p1}", "0"),
        ("{p2}", "zz"),
        ("{p3}", "NULL"),
        ("{s1}", ""),
        ("{s2}", ""),
        ("{s3}", ""),
        ("{m}", "9"),
    ];
    [with(full, FULL), with(bare, "")]
}

pub(super) fn scope() -> Value {
    json!({"label": "internal", "query": true, "tables": {
        "customers": {
            "key": "id", "fields": ["id", "name", "email", "born", "phone", "rank"],
            "mask": {"email": "partial", "born": "year", "phone": "full"},
            "rows": "region = :person.region",
        },
        "orders": {"key": "id", "fields": ["id", "customer_id", "amount", "placed", "note"]},
    }})
}

/// The tables as a northerner sees them.
pub(super) fn tables(bench: &Bench) -> Vec<TableScope> {
    let given = [("person.region".to_owned(), "north".to_owned())];
    let scopes = bench.database.own.tables.values();
    scopes
        .map(|scope| scope.with_given(given.clone().into()))
        .collect()
}

/// The letter of an engine in the corpora, and its words.
pub(super) fn letter(engine: Engine) -> (char, Dialect) {
    match engine {
        Engine::Sqlite => ('s', Dialect::Sqlite),
        Engine::Postgres => ('p', Dialect::Postgres),
        Engine::MariaDb => ('m', Dialect::MariaDb),
    }
}

/// The corpus: category, dialects, text.
pub(super) fn attempts() -> Vec<(&'static str, &'static str, String)> {
    attempts_of(include_str!("attempts.tsv"))
}

/// The lines of a corpus.
fn attempts_of(corpus: &'static str) -> Vec<(&'static str, &'static str, String)> {
    let lines = corpus.lines();
    let attempt = |line: &'static str| {
        let parts: Vec<&str> = line.splitn(3, '\t').collect();
        let [category, dialects, text] = parts[..] else {
            panic!("{line}")
        };
        let text = text
            .replace('␤', "\n")
            .replace('␉', "\t")
            .replace('␀', "\0");
        (category, dialects, text)
    };
    lines.map(attempt).collect()
}

/// What a northerner is answered, to the byte.
async fn ask(bench: &Bench, text: &str) -> (bool, String) {
    let tables = tables(bench);
    match query::answer(&bench.database, text, &tables).await {
        Ok(found) => (
            true,
            format!("{}\n{}\n{:?}", found.data, found.text, found.sources),
        ),
        Err(failure) => (false, shown(&failure)),
    }
}

fn shown(failure: &Failure) -> String {
    format!("{:?}: {}", failure.status, failure.message)
}
