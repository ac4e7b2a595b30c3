//! Through a window that shows everything, a question has the answer that it has without one.

use serde_json::{Value, json};

use super::{
    super::{
        super::{Database, cell::Cell, part::Acting, statement::Statement},
        Bench,
        engine::{Engine, each},
    },
    query, tables,
};

fn data() -> String {
    let mut text = "
        CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT, region TEXT);
        CREATE TABLE orders (id INTEGER PRIMARY KEY, customer_id INTEGER, amount NUMERIC(10, 1), status TEXT,
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

/// What the engine itself answers; nothing, where it does not know what is asked.
pub(super) async fn direct(database: &Database, text: &str) -> Option<Value> {
    let text: &'static str = text.to_owned().leak();
    let mut reading = database.base.read(&Acting::account()).await.unwrap();
    let most = (usize::MAX, usize::MAX);
    let answer = Statement::new(text).table_up_to(reading.connection(), most);
    let rows = answer.await.ok()?.rows;
    let shown = |row: Vec<Cell>| row.iter().map(Cell::shown).collect::<Vec<Value>>();
    Some(json!(rows.into_iter().map(shown).collect::<Vec<_>>()))
}

#[tokio::test]
async fn ordinary_questions_have_the_answer_that_they_have_without_a_window() {
    each(same_answers).await;
}

async fn same_answers(engine: Engine) {
    let scope = json!({"label": "internal", "query": true, "tables": {
        "customers": {"key": "id", "fields": ["id", "name", "region"], "rows": "id > 0 OR id <= 0"},
        "orders": {"key": "id", "fields": ["id", "customer_id", "amount", "status", "placed", "note"]},
    }});
    let bench = Bench::spoken(engine, &data(), scope).await;
    let seen = tables(&bench);
    let (mut wrong, mut asked) = (Vec::new(), 0);
    for text in include_str!("../ordinary.sql").lines() {
        // It joins no texts there, and is refused with a word on what does.
        if engine == Engine::MariaDb && text.contains("||") {
            continue;
        }
        let Some(wanted) = direct(&bench.database, text).await else {
            assert_ne!(engine, Engine::Sqlite, "{text}");
            continue;
        };
        asked += 1;
        match query::answer(&bench.database, text, &seen).await {
            Ok(found) if found.data["rows"] == wanted => {}
            Ok(found) => wrong.push(format!("{text}\n  {}\n  {wanted}", found.data["rows"])),
            Err(failure) => wrong.push(format!("{text}\n  {failure:?}")),
        }
    }
    println!("{engine:?}: {asked} questions");
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(asked >= 100, "{asked}");
}
