//! Through a window that shows everything, a question has the answer that it has without one.

use serde_json::{Value, json};
use sqlx::SqliteConnection;

use super::{
    super::{super::statement::Statement, Bench},
    Dialect, query, tables,
};

fn data() -> String {
    let mut text = "
        CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT, region TEXT);
        CREATE TABLE orders (id INTEGER PRIMARY KEY, customer_id INTEGER, amount REAL, status TEXT,
            placed TEXT, note TEXT);"
        .to_owned();
    let (regions, status) = (
        ["north", "south", "east", "west"],
        ["open", "paid", "late", "gone"],
    );
    for id in 1..=14_usize {
        let name = ["ann", "Bo", "cy", "Dee", "al"][id % 5];
        let region = regions[id * 7 % 4];
        text += &format!("INSERT INTO customers VALUES ({id}, '{name}', '{region}');");
    }
    for id in 1..=90_usize {
        let (customer, amount) = (id * 31 % 17, (id * 7_919 % 1_000) as f64 / 10.0);
        let (status, month, day) = (status[id * 13 % 4], id % 12 + 1, id % 27 + 1);
        let note = if id % 3 == 0 {
            "NULL".to_owned()
        } else {
            format!("'note {id}'")
        };
        text += &format!(
            "INSERT INTO orders VALUES ({id}, {customer}, {amount}, '{status}', '2026-{month:02}-{day:02}', {note});"
        );
    }
    text
}

async fn direct(connection: &mut SqliteConnection, text: &str) -> Value {
    let text: &'static str = text.to_owned().leak();
    let rows = Statement::new(text).rows(connection).await;
    let rows = rows.unwrap_or_else(|failure| panic!("{text}: {failure:?}"));
    let shown = |row: Vec<super::super::Cell>| {
        row.iter()
            .map(super::super::Cell::shown)
            .collect::<Vec<Value>>()
    };
    json!(rows.into_iter().map(shown).collect::<Vec<_>>())
}

#[tokio::test]
async fn ordinary_questions_have_the_answer_that_they_have_without_a_window() {
    let scope = json!({"label": "internal", "query": true, "tables": {
        "customers": {"key": "id", "fields": ["id", "name", "region"], "rows": "id > 0 OR id <= 0"},
        "orders": {"key": "id", "fields": ["id", "customer_id", "amount", "status", "placed", "note"]},
    }});
    let bench = Bench::with(&data(), scope, true).await;
    let seen = tables(&bench, Dialect::Sqlite);
    let mut connection = bench.connect().await;
    let mut wrong = Vec::new();
    let lines: Vec<&str> = include_str!("../ordinary.sql").lines().collect();
    for text in &lines {
        match query::answer(&bench.database, text, &seen).await {
            Ok(found) => {
                let wanted = direct(&mut connection, text).await;
                if found.data["rows"] != wanted {
                    wrong.push(format!("{text}\n  {}\n  {wanted}", found.data["rows"]));
                }
            }
            Err(failure) => wrong.push(format!("{text}\n  {}", failure.message)),
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {}:\n{}",
        wrong.len(),
        lines.len(),
        wrong.join("\n")
    );
    assert!(lines.len() >= 100);
}
