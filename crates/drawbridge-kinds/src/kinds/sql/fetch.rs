//! Reading: which tables there are, rows by key, and rows in the order of their keys.

use drawbridge_core::{
    answer::{Failure, Found, Source},
    call::Call,
    decide::View,
};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use sqlx::SqliteConnection;

use super::{
    Seen, Tables,
    change::{named, shown},
    database::{Cells, row, rows},
};

/// Rows of an answer to a list without `limit`.
pub(super) const USUAL_ROWS: usize = 20;
/// The most rows of one answer.
pub(super) const MOST_ROWS: usize = 200;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Given {
    #[serde(default)]
    table: String,
    key: Option<Value>,
    after: Option<Value>,
    limit: Option<usize>,
}

/// Answers a call.
pub(super) async fn to(
    tables: &Tables,
    connection: &mut SqliteConnection,
    (call, view): (&Call, &View),
    now: Timestamp,
) -> Result<Found, Failure> {
    let given: Given = serde_json::from_value(call.arguments.clone())
        .map_err(|error| Failure::invalid(error.to_string()))?;
    if call.action.name == "describe" {
        return Ok(described(tables, view));
    }
    let seen = tables.seen(&given.table, view)?;
    let place = (seen.name, seen.table, seen.facts);
    if call.action.name == "read" {
        let key = given
            .key
            .ok_or_else(|| Failure::invalid("`key`: it is missing"))?;
        let key = seen.key(&key)?;
        let cells = row(connection, place, &key).await?;
        let cells = cells.ok_or_else(|| seen.no_row(&key))?;
        let fields = shown(seen.table, seen.facts, &cells);
        let mut found = Found::new(json!({"row": fields}), text(&[Value::Object(fields)]), 1);
        found.sources.push(seen.source(&cells, now)?);
        return Ok(found);
    }
    let after = given.after.map(|after| seen.key(&after)).transpose()?;
    let limit = given.limit.unwrap_or(USUAL_ROWS).clamp(1, MOST_ROWS);
    let mut page = rows(connection, place, (after.as_ref(), limit + 1)).await?;
    let more = page.len() > limit;
    page.truncate(limit);
    let last = page.last().map(|cells| seen.key_of(cells)).transpose()?;
    let next = last.filter(|_| more).map(|key| key.shown());
    let list: Vec<Value> = page
        .iter()
        .map(|cells| Value::Object(shown(seen.table, seen.facts, cells)))
        .collect();
    let count = list.len() as u64;
    let told = text(&list);
    let mut found = Found::new(json!({"rows": list, "next": next}), told, count);
    for cells in &page {
        found.sources.push(seen.source(cells, now)?);
    }
    Ok(found)
}

fn text(rows: &[Value]) -> String {
    let lines: Vec<String> = rows.iter().map(Value::to_string).collect();
    if lines.is_empty() {
        return "There are no rows.".to_owned();
    }
    lines.join("\n")
}

fn described(tables: &Tables, view: &View) -> Found {
    let list: Vec<Value> = tables
        .scope
        .tables
        .keys()
        .filter_map(|name| tables.seen(name, view).ok())
        .map(|seen| {
            let writable: Vec<&String> = seen.table.writable.keys().collect();
            json!({"table": seen.name, "key": seen.table.key, "fields": seen.table.fields,
                   "writable": writable, "label": seen.label})
        })
        .collect();
    let count = list.len() as u64;
    let told = text(&list);
    Found::new(json!({"tables": list}), told, count)
}

impl Seen<'_> {
    fn source(&self, cells: &Cells, now: Timestamp) -> Result<Source, Failure> {
        let path = named(self.name, &self.key_of(cells)?);
        Ok(Source {
            title: path.clone(),
            path,
            place: None,
            modified: None,
            synced: now,
            version: self.version(cells),
            label: self.label.to_owned(),
            stale: false,
        })
    }
}
