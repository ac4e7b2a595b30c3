//! Answers: one row, rows by key, and what there is to use.

use std::fmt::Write;

use drawbridge_core::{
    answer::{Failure, Found, Source},
    call::Call,
    decide::View,
};
use serde_json::{Map, Value, json};

use super::{
    Database,
    arguments::{key, shown_key},
    cell::{self, Cell},
    freshness::{self, Clock},
    named::{self, Asked},
    part::{Rule, TableScope},
    plan::none,
    query,
    rows::{self, Table},
    search,
    shape::Shape,
    window::known_of,
    words,
};

/// Rows of an answer to a `list` without `limit`.
pub(super) const USUAL_ROWS: u64 = 50;
/// The most rows of one answer.
pub(super) const MOST_ROWS: u64 = 200;
/// A row with more bytes stands in a list with its key only.
pub(super) const MOST_LISTED: usize = 64 << 10;
/// About the most bytes of one list.
pub(super) const MOST_PAGE: usize = 512 << 10;

pub(super) async fn fetch(database: &Database, call: &Call, view: &View) -> Result<Found, Failure> {
    if call.action.name == "describe" {
        return describe(database, call, view).await;
    }
    if call.action.name == "query" {
        return query::query(database, call, view).await;
    }
    if let Some(named) = database.own.named.get(&*call.action.name) {
        let tables = query::seen(database, call, view);
        return named::fetch(database, named, &Asked::by(call, &tables)).await;
    }
    let name = call.arguments.get("table").and_then(Value::as_str);
    let scope = database.own.admitted(name.unwrap_or_default(), view)?;
    let scope = &database.own.seen_by(scope, &call.caller);
    if call.action.name == "search" {
        return search::search(database, (scope, &call.arguments), view.fingerprint()).await;
    }
    fetched(database, &call.action.name, (scope, &call.arguments)).await
}

/// The answer of an action on a table, as its caller may see it.
pub(super) async fn fetched(
    database: &Database,
    action: &str,
    (scope, arguments): (&TableScope, &Value),
) -> Result<Found, Failure> {
    scope.shows_rows()?;
    let mut reading = database.read(&scope.given).await?;
    let shape = Shape::load(reading.connection(), scope).await?;
    let table = Table {
        scope,
        shape: &shape,
    };
    if action == "read" {
        let given = arguments.get("key").unwrap_or(&Value::Null);
        let key = key(scope, given)?;
        let key = table.sought(reading.connection(), &key).await?;
        let key = key.ok_or_else(none)?;
        let row = table.find_visible(reading.connection(), &key).await?;
        return Ok(one(database, &table, &row.ok_or_else(none)?));
    }
    let after = arguments.get("after");
    let after = after.map(|given| key(scope, given)).transpose()?;
    let after = match after {
        Some(given) => Some(
            table
                .sought(reading.connection(), &given)
                .await?
                .ok_or_else(none)?,
        ),
        None => None,
    };
    let limit = arguments.get("limit").and_then(Value::as_u64);
    let limit = limit.unwrap_or(USUAL_ROWS).clamp(1, MOST_ROWS);
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let wanted = (after.as_deref(), limit + 1);
    let page = table
        .page(reading.connection(), wanted, (MOST_LISTED, MOST_PAGE))
        .await?;
    let next = |row: &[Cell]| Some(shown_key(scope, &key_of(scope, row)));
    let next = Next {
        argument: "after",
        of: &next,
    };
    Ok(many(database, &table, page, (limit, next)))
}

/// How a list goes on.
pub(super) struct Next<'a> {
    /// The argument to ask with.
    pub(super) argument: &'static str,
    /// Its value after a row, if that can be told.
    pub(super) of: &'a dyn Fn(&[Cell]) -> Option<Value>,
}

fn one(database: &Database, table: &Table<'_>, row: &[Cell]) -> Found {
    let scope = table.scope;
    let source = source(database, table, row);
    let shown = Value::Object(fields(scope, row));
    let text = format!("`{}`, version {}\n\n{shown:#}", source.path, source.version);
    let data = json!({
        "table": scope.name, "key": shown_key(scope, &key_of(scope, row)), "row": shown,
        "version": source.version, "label": scope.label,
    });
    let mut found = Found::new(data, text, 1);
    found.sources.push(source);
    found
}

/// Some rows: the visible fields of each first, and whether they are whole.
pub(super) fn many(
    database: &Database,
    table: &Table<'_>,
    mut page: Vec<(Vec<Cell>, bool)>,
    (limit, next): (usize, Next<'_>),
) -> Found {
    let scope = table.scope;
    // The page ends where the rows do, or before one that is over a limit.
    let cut = page.len() > limit || size(&page) > MOST_PAGE;
    if cut && page.len() > 1 {
        page.pop();
    }
    let mut found = Found::new(Value::Null, String::new(), page.len() as u64);
    let mut listed = Vec::new();
    for (row, whole) in &page {
        let source = source(database, table, row);
        let mut shown = fields(scope, row);
        if !*whole {
            shown.retain(|name, _| scope.key.contains(name));
            let missing = format!("`{}` is too large for a list; `read` it", source.path);
            found.missing.push(missing);
        }
        let shown = Value::Object(shown);
        let _ = writeln!(found.text, "- `{}`: {shown}", source.path);
        listed.push(shown);
        if *whole {
            found.sources.push(source);
        }
    }
    if page.is_empty() {
        found.text = "There is no row here.".to_owned();
        found.sources.extend(copied(database, table));
    }
    let last = page.last().filter(|_| cut);
    let argument = next.argument;
    let next = last.and_then(|(row, _)| (next.of)(row));
    if let Some(next) = &next {
        let _ = write!(
            found.text,
            "\n[more rows: ask again with `{argument}`: {next}]"
        );
    } else if cut {
        let missing =
            "there are more rows, which cannot be led on to; ask for fewer or by another order";
        found.missing.push(missing.to_owned());
    }
    found.data = json!({"table": scope.name, "rows": listed, "next": next, "label": scope.label});
    found
}

fn size(page: &[(Vec<Cell>, bool)]) -> usize {
    // As the rows were counted while they were read: whether a row is whole was a value, too.
    let flag = Cell::Null.size();
    let one = |(row, _): &(Vec<Cell>, bool)| row.iter().map(Cell::size).sum::<usize>() + flag;
    page.iter().map(one).sum()
}

/// The tables that the view admits, with what can be done with each of their fields.
async fn describe(database: &Database, call: &Call, view: &View) -> Result<Found, Failure> {
    let mut reading = database.read(&known_of(&call.caller)).await?;
    let mut tables = Vec::new();
    let mut found = Found::new(Value::Null, String::new(), 0);
    let admitted = database.own.tables.values();
    for scope in admitted.filter(|scope| view.admits(&scope.resource())) {
        let Ok(shape) = reading.connection().examine(scope).await? else {
            let missing = format!("`{}` cannot be used at this moment", scope.name);
            found.missing.push(missing);
            continue;
        };
        let described = described(scope, &shape);
        let _ = writeln!(found.text, "- `{}`: {described}", scope.name);
        tables.push(described);
    }
    if tables.is_empty() {
        found.text = "There is no table that you may use.".to_owned();
    }
    found.count = tables.len() as u64;
    found.data = json!({"tables": tables});
    Ok(found)
}

fn described(scope: &TableScope, shape: &Shape) -> Value {
    let field = |name: &String| {
        let column = shape.column(name);
        let declared = column.map(|column| column.declared.to_ascii_lowercase());
        let rule = scope.writable.get(name);
        json!({
            "name": name,
            "type": declared.filter(|declared| !declared.is_empty()),
            "null": column.is_none_or(|column| !column.not_null),
            "mask": scope.mask.get(name).map(|mask| mask.word()),
            "writable": rule.map(|rule| rule_told(rule, scope.key.contains(name))),
        })
    };
    let fields: Vec<Value> = scope.fields.iter().map(field).collect();
    json!({
        "table": scope.name, "label": scope.label, "key": scope.key, "fields": fields,
        "changeable": !scope.writable.is_empty(),
        "min_group": scope.group.as_ref().map(|group| group.least),
    })
}

fn rule_told(rule: &Rule, key: bool) -> Value {
    let pattern = rule.pattern.as_ref().map(|pattern| pattern.as_str());
    let all = [
        ("values", json!(rule.values)),
        ("min", json!(rule.min)),
        ("max", json!(rule.max)),
        ("max_length", json!(rule.max_length)),
        ("pattern", json!(pattern)),
        ("null", json!(rule.null)),
        ("once", json!(rule.once || key)),
    ];
    let told = all.into_iter().filter(|(_, value)| !value.is_null());
    let told: Map<String, Value> = told.map(|(name, value)| (name.to_owned(), value)).collect();
    Value::Object(told)
}

fn fields(scope: &TableScope, row: &[Cell]) -> Map<String, Value> {
    let pairs = scope.fields.iter().zip(row);
    pairs
        .map(|(name, cell)| (name.clone(), cell.shown()))
        .collect()
}

fn key_of(scope: &TableScope, row: &[Cell]) -> Vec<Cell> {
    let one = |name: &String| {
        let mut pairs = scope.fields.iter().zip(row);
        let found = pairs.find(|(field, _)| *field == name);
        found.map_or(Cell::Null, |(_, cell)| cell.clone())
    };
    scope.key.iter().map(one).collect()
}

fn source(database: &Database, table: &Table<'_>, row: &[Cell]) -> Source {
    let scope = table.scope;
    let name = words::resource(&scope.name, &key_of(scope, row));
    let (modified, stale) = freshness::of(database, (scope, table.shape), Some(row));
    Source {
        title: name.clone(),
        path: name,
        place: None,
        modified,
        synced: database.context.clock.now(),
        version: rows::version(scope, row),
        label: scope.label.clone(),
        stale,
        untrusted: false,
    }
}

/// Of when a copy is in which there is no row.
fn copied(database: &Database, table: &Table<'_>) -> Option<Source> {
    let Table { scope, shape } = table;
    let (modified, stale) = freshness::of(database, (scope, shape), None);
    (shape.clock != Clock::Live).then(|| Source {
        title: scope.name.clone(),
        path: scope.name.clone(),
        place: None,
        modified,
        synced: database.context.clock.now(),
        version: cell::digest([]),
        label: scope.label.clone(),
        stale,
        untrusted: false,
    })
}
