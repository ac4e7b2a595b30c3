//! `query`: one `SELECT` of a caller's own, over windows only. Whatever is not understood is refused,
//! and errors of the engine are told in one sentence.

mod bounds;
mod expressions;
mod functions;
mod groups;
mod named;
mod names;
mod order;
mod rewrite;
mod tables;
mod text;

use std::{collections::BTreeMap, fmt::Write};

use drawbridge_core::{
    answer::{Failure, Found, Source, Status},
    call::Call,
    decide::View,
};
use serde_json::{Value, json};

use super::{
    Database,
    base::Reading,
    cell::{self, Cell},
    dialect::Dialect,
    fetch::MOST_PAGE,
    freshness,
    link::Link,
    part::{Scope, TableScope},
    shape::{MAIN, Shape},
    statement::Statement,
    window::{Given, Segment},
};
pub(super) use named::{Bound, Manner, Meaning, understood};
pub(super) use rewrite::{Rewritten, rewrite};
pub(super) use text::{MOST_TEXT, placeholders};

/// The most rows of one answer.
pub(super) const MOST_ANSWERED: usize = 1_000;

/// Why a question cannot be asked. It names nothing but what stands in the question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal(pub(super) String);

impl Refusal {
    fn new(told: impl Into<String>) -> Self {
        Self(told.into())
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Failure::invalid(format!("`sql`: {}", refusal.0))
    }
}

/// What a question over a scope becomes for SQLite, as whoever has these values sees it: its text,
/// and the values that are bound. For those who look at the rewriter from outside: see `fuzz/`.
///
/// # Errors
/// Why it cannot be asked, or what is wrong with the scope.
pub fn rewritten(
    scope: &Value,
    given: &BTreeMap<String, String>,
    asked: &str,
) -> Result<(String, Vec<String>), String> {
    let scope: Scope = serde_json::from_value(scope.clone()).map_err(|error| error.to_string())?;
    let mut tables = Vec::new();
    for (name, table) in &scope.tables {
        let seen = TableScope::of((name, table), "", (Dialect::Sqlite, MAIN))?;
        tables.push(seen.with_given(given.clone()));
    }
    let rewritten = rewrite(Dialect::Sqlite, asked, &tables).map_err(|refusal| refusal.0)?;
    let (mut text, mut values) = (String::new(), Vec::new());
    for segment in rewritten.piece.0 {
        match segment {
            Segment::Text(part) => text.push_str(&part),
            Segment::Value(cell, _) => {
                text.push('?');
                values.push(cell.shown().as_str().unwrap_or_default().to_owned());
            }
        }
    }
    Ok((text, values))
}

pub(super) async fn query(database: &Database, call: &Call, view: &View) -> Result<Found, Failure> {
    let tables = seen(database, call, view);
    let asked = call.arguments.get("sql").and_then(Value::as_str);
    answer(database, asked.unwrap_or_default(), &tables).await
}

/// The tables that a caller may use, as they see them.
pub(super) fn seen(database: &Database, call: &Call, view: &View) -> Vec<TableScope> {
    let tables = database.own.tables.values();
    let tables = tables.filter(|scope| view.admits(&scope.resource()));
    tables
        .map(|scope| database.own.seen_by(scope, &call.caller))
        .collect()
}

/// The answer to a question over these tables, as their caller sees them.
pub(super) async fn answer(
    database: &Database,
    asked: &str,
    tables: &[TableScope],
) -> Result<Found, Failure> {
    if !database.own.query {
        return Err(Failure::invalid("the connector answers no free questions"));
    }
    let none = || Failure::not_found("there is no table that you may use");
    let first = tables.first().ok_or_else(none)?;
    let rewritten = rewrite(first.dialect, asked, tables)?;
    answered(database, rewritten, tables, MOST_ANSWERED).await
}

/// The answer to a question that was rewritten, up to so many rows.
pub(super) async fn answered(
    database: &Database,
    rewritten: Rewritten,
    tables: &[TableScope],
    most: usize,
) -> Result<Found, Failure> {
    let mut reading = begun(database, tables).await?;
    let (looked, outcome) = asked_of(reading.connection(), rewritten, tables, most).await?;
    Ok(found(database, &looked, outcome))
}

/// Begins to read, as whoever sees these tables.
pub(super) async fn begun(database: &Database, tables: &[TableScope]) -> Result<Reading, Failure> {
    let known = tables.first().map(|table| &table.given);
    database.read(known.unwrap_or(&Given::new())).await
}

/// Whether the engine can work a question out, without working it out.
pub(super) async fn explained(
    database: &Database,
    rewritten: Rewritten,
    tables: &[TableScope],
) -> Result<(), Failure> {
    let mut reading = begun(database, tables).await?;
    let connection = reading.connection();
    let (statement, _) = stated(connection, ("EXPLAIN ", rewritten), tables).await?;
    statement.rows(connection).await.map_err(told)?;
    Ok(())
}

/// What comes out of a question, up to so many rows, and the tables that it read. From here on only
/// the engine's own names are known.
pub(super) async fn asked_of<'a>(
    connection: &mut dyn Link,
    rewritten: Rewritten,
    tables: &'a [TableScope],
    most: usize,
) -> Result<(Vec<Table<'a>>, Outcome), Failure> {
    let (statement, looked) = stated(connection, ("", rewritten), tables).await?;
    let outcome = statement
        .table_up_to(connection, (most, MOST_PAGE))
        .await
        .map_err(told)?;
    Ok((looked, outcome))
}

/// A question as it is put to the engine, after a word, and the tables that it reads.
async fn stated<'a>(
    connection: &mut dyn Link,
    (word, rewritten): (&'static str, Rewritten),
    tables: &'a [TableScope],
) -> Result<(Statement, Vec<Table<'a>>), Failure> {
    let Rewritten {
        piece,
        tables: read,
    } = rewritten;
    let used = tables.iter().filter(|scope| read.contains(&scope.name));
    let mut looked = Vec::new();
    for scope in used {
        let shape = Shape::load(connection, scope).await?;
        looked.push(Table { scope, shape });
    }
    let shapes: Vec<(&str, &Shape)> = looked
        .iter()
        .map(|table| (table.scope.name.as_str(), &table.shape))
        .collect();
    connection.own_names_only(true).await?;
    Ok((Statement::new(word).piece(piece, &shapes), looked))
}

/// A table that a question reads.
pub(super) struct Table<'a> {
    scope: &'a TableScope,
    shape: Shape,
}

/// What comes out of a question.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) columns: Vec<String>,
    pub(super) rows: Vec<Vec<Cell>>,
    bytes: usize,
    /// Whether there are more rows than it holds.
    pub(super) cut: bool,
    /// Whether the engine has more rows that nobody read.
    pub(super) unread: bool,
}

impl Outcome {
    pub(super) fn new(columns: Vec<String>) -> Self {
        Self {
            columns,
            rows: Vec::new(),
            bytes: 0,
            cut: false,
            unread: false,
        }
    }

    /// Takes a row; says whether there is room for more.
    pub(super) fn takes(&mut self, row: Vec<Cell>, (rows, bytes): (usize, usize)) -> bool {
        let size: usize = row.iter().map(Cell::size).sum();
        self.bytes = self.bytes.saturating_add(size);
        self.cut = self.rows.len() >= rows || self.bytes > bytes;
        if !self.cut {
            self.rows.push(row);
        }
        !self.cut
    }
}

fn found(database: &Database, used: &[Table<'_>], outcome: Outcome) -> Found {
    let Outcome {
        columns, rows, cut, ..
    } = outcome;
    let mut found = Found::new(Value::Null, String::new(), rows.len() as u64);
    let _ = writeln!(found.text, "{}", json!(columns));
    let mut shown = Vec::with_capacity(rows.len());
    for row in &rows {
        let row: Vec<Value> = row.iter().map(Cell::shown).collect();
        let row = Value::Array(row);
        let _ = writeln!(found.text, "{row}");
        shown.push(row);
    }
    if rows.is_empty() {
        found.text = "There is no row here.".to_owned();
    }
    if cut {
        let missing = "there are more rows than one answer holds; ask for fewer";
        found.missing.push(missing.to_owned());
    }
    let version = cell::digest(rows.iter().flatten().map(|cell| ("", cell)));
    for Table { scope, shape } in used {
        // Of which rows an answer is made nobody can tell, so it is of when the table is.
        let (modified, stale) = freshness::of(database, (scope, shape), None);
        found.sources.push(Source {
            title: scope.name.clone(),
            path: scope.name.clone(),
            place: None,
            modified,
            synced: database.context.clock.now(),
            version: version.clone(),
            label: scope.label.clone(),
            stale,
            untrusted: false,
        });
    }
    let names: Vec<&str> = used.iter().map(|table| table.scope.name.as_str()).collect();
    found.data = json!({"columns": columns, "rows": shown, "tables": names});
    found
}

/// One sentence for whatever the engine says of a question.
pub(super) fn told(failure: Failure) -> Failure {
    match failure.status {
        Status::Timeout | Status::Limited | Status::Unavailable | Status::Denied => failure,
        _ => {
            let told = "the database cannot work this out: a name, a type, a number of columns or a \
                        value does not fit";
            Failure::invalid(told).with_source(failure)
        }
    }
}
