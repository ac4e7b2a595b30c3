//! Conditions that a caller asks for, over fields as they are shown.

use drawbridge_core::answer::Failure;
use serde_json::Value;

use super::{
    super::{cell::Cell, dialect::Dialect, part::TableScope, window::Piece},
    MOST_VALUE,
};

/// The most conditions of a search.
pub(in super::super) const MOST_FILTERS: usize = 20;
/// The most values of a list.
pub(in super::super) const MOST_LIST: usize = 100;

pub(super) fn read(scope: &TableScope, given: Option<&Value>) -> Result<Vec<Piece>, Failure> {
    let asked = given.and_then(Value::as_array).map(Vec::as_slice);
    let asked = asked.unwrap_or_default();
    if asked.len() > MOST_FILTERS {
        let told = format!("`where`: at most {MOST_FILTERS} conditions");
        return Err(Failure::invalid(told));
    }
    let numbered = asked.iter().enumerate();
    numbered
        .map(|(index, one)| filter(scope, one, index))
        .collect()
}

/// The field that something names. One that is hidden and one that is not there are answered alike.
pub(super) fn field<'a>(
    scope: &'a TableScope,
    given: &Value,
    at: &str,
) -> Result<&'a String, Failure> {
    let name = given.get("field").and_then(Value::as_str);
    let found = scope
        .fields
        .iter()
        .find(|field| Some(field.as_str()) == name);
    found.ok_or_else(|| {
        let told = format!("`{at}`: there is no such field; `describe` lists them");
        Failure::invalid(told)
    })
}

fn filter(scope: &TableScope, given: &Value, index: usize) -> Result<Piece, Failure> {
    let at = format!("where[{index}]");
    let name = field(scope, given, &format!("{at}.field"))?;
    let value = given.get("value").unwrap_or(&Value::Null);
    let wrong = |told: &str| Failure::invalid(format!("`{at}.value`: {told}"));
    let one = |value: &Value| {
        cell(scope.dialect, value)
            .ok_or_else(|| wrong("it must be a text or a number; for none there is `is_null`"))
    };
    let column = format!("t.{}", scope.dialect.quoted(name));
    let piece = Piece::default().text("(");
    let compared = |sign: &str| -> Result<Piece, Failure> {
        let piece = piece.clone().text(&column).text(sign);
        Ok(compared_with(piece, scope, (name, one(value)?)))
    };
    let text = || {
        let text = value
            .as_str()
            .filter(|text| text.chars().count() <= MOST_VALUE);
        text.ok_or_else(|| wrong("it must be a text that is not too long"))
    };
    let piece = match given.get("op").and_then(Value::as_str).unwrap_or("eq") {
        "eq" => compared(" = ")?,
        "ne" => compared(" <> ")?,
        "lt" => compared(" < ")?,
        "le" => compared(" <= ")?,
        "gt" => compared(" > ")?,
        "ge" => compared(" >= ")?,
        "contains" => piece.piece(contains(scope, name, text()?)).text(" > 0"),
        "starts_with" => piece.piece(contains(scope, name, text()?)).text(" = 1"),
        "is_null" => {
            let yes = value
                .as_bool()
                .ok_or_else(|| wrong("it must be true or false"))?;
            let words = if yes { " IS NULL" } else { " IS NOT NULL" };
            piece.text(&column).text(words)
        }
        "in" => {
            let list = value
                .as_array()
                .filter(|list| (1..=MOST_LIST).contains(&list.len()));
            let list = list.ok_or_else(|| wrong("it must be a list of values"))?;
            let mut piece = piece.text(&column).text(" IN (");
            for (index, value) in list.iter().enumerate() {
                piece = piece.text(if index > 0 { ", " } else { "" });
                piece = compared_with(piece, scope, (name, one(value)?));
            }
            piece.text(")")
        }
        _ => {
            let told = format!("`{at}.op`: it must be one of {}", OPERATIONS.join(", "));
            return Err(Failure::invalid(told));
        }
    };
    Ok(piece.text(")"))
}

/// How a field can be compared.
pub(in super::super) const OPERATIONS: [&str; 10] = [
    "eq",
    "ne",
    "lt",
    "le",
    "gt",
    "ge",
    "in",
    "contains",
    "starts_with",
    "is_null",
];

/// Where a text is in a field, small and capital letters alike.
pub(super) fn contains(scope: &TableScope, name: &str, text: &str) -> Piece {
    let dialect = scope.dialect;
    let column = format!("t.{}", dialect.quoted(name));
    let hay = format!("lower({})", dialect.as_text(&column));
    // The place of the value is found by a mark that stands in no name of ours.
    let call = dialect.place("lower(\u{0})", &hay);
    let (before, after) = call.split_once('\u{0}').unwrap_or((&call, ""));
    let piece = Piece::default().text(before);
    piece.value(Cell::text(text), None).text(after)
}

/// Adds a value that is compared with a field. A fraction stays one: made a whole number, it would be
/// another.
fn compared_with(piece: Piece, scope: &TableScope, (name, cell): (&str, Cell)) -> Piece {
    let beside = match cell {
        Cell::Real(_) => None,
        _ => scope.beside_shown(name),
    };
    piece.value(cell, beside)
}

fn cell(dialect: Dialect, value: &Value) -> Option<Cell> {
    match value {
        Value::Bool(yes) if dialect == Dialect::Postgres => Some(Cell::Bool(*yes)),
        Value::Bool(yes) => Some(Cell::Integer(i64::from(*yes))),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => Some(Cell::Integer(whole)),
            None => number.as_f64().map(Cell::Real),
        },
        Value::String(text) if text.chars().count() <= MOST_VALUE => Some(Cell::text(text)),
        Value::Null | Value::String(_) | Value::Array(_) | Value::Object(_) => None,
    }
}
