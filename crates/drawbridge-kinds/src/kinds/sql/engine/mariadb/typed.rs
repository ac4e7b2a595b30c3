//! Values as MariaDB and MySQL keep them. Casts there do not fail but give less, so what comes out
//! is compared with what went in.

use drawbridge_core::answer::Failure;
use serde_json::Value;

use super::super::{
    super::{
        cell::Cell,
        link::Link,
        shape::{Column, Sort, integer_at},
        statement::Statement,
    },
    values::{self, Given},
};

/// The type of whole numbers without a sign, as a cast has it: it would turn `-1` into another one.
pub(super) const UNSIGNED: &str = "UNSIGNED";

pub(super) async fn typed(
    link: &mut dyn Link,
    column: &Column,
    given: &Value,
) -> Result<Result<Cell, String>, Failure> {
    let text = match values::given(column, given) {
        Err(told) => return Ok(Err(told)),
        Ok(Given::Kept(cell)) => return Ok(Ok(cell)),
        Ok(Given::Asked(text)) => text,
    };
    if column.sort == Sort::Text {
        return Ok(limited(column, &text));
    }
    if column.cast.as_deref() == Some(UNSIGNED) && text.parse::<u64>().is_err() {
        return Ok(Err(format!("it must be between 0 and {}", u64::MAX)));
    }
    // Only what has a type of its own to be cast to can be asked for; the rest is seen when it is
    // written, and taken back when something else came of it.
    let Some(limits) = column.limits.as_deref() else {
        return Ok(Ok(kept(column, &text)));
    };
    let value = Cell::text(&text);
    let widest = match column.sort {
        Sort::Number => "DECIMAL(65, 30)",
        _ => "DATETIME(6)",
    };
    let cast = |statement: Statement, to: &str| {
        let statement = statement.words("CAST(").value(&value);
        statement.words(" AS ").a_type(to).words(")")
    };
    let mut ask = cast(Statement::new("SELECT CAST("), limits).words(" AS CHAR), ");
    ask = cast(ask, limits);
    ask = match limits.starts_with("TIME") {
        true => cast(ask.words(" = "), "TIME(6)"),
        false => cast(ask.words(" = "), widest),
    };
    let rows = match link.attempt(ask).await? {
        Ok(rows) => rows,
        Err(_) => return Ok(Err(none(column))),
    };
    let within = integer_at(rows.first(), 1) != 0;
    match rows
        .into_iter()
        .next()
        .and_then(|row| row.into_iter().next())
    {
        Some(Cell::Text(bytes) | Cell::Blob(bytes)) if within => {
            Ok(Ok(kept(column, &String::from_utf8_lossy(&bytes))))
        }
        Some(Cell::Text(_) | Cell::Blob(_)) => Ok(Err(format!(
            "it has more than the type {} can hold",
            column.declared
        ))),
        _ => Ok(Err(none(column))),
    }
}

fn kept(column: &Column, text: &str) -> Cell {
    let mut cell = Cell::text(text);
    cell.become_one_of(column.sort);
    cell
}

fn none(column: &Column) -> String {
    format!("it is no value of the type {}", column.declared)
}

/// A text within the limits of its column: a number of letters, or the words of an enumeration.
fn limited(column: &Column, text: &str) -> Result<Cell, String> {
    let limits = column.limits.as_deref().unwrap_or_default();
    if let Some(words) = limits.strip_prefix("enum(") {
        let listed = words.trim_end_matches(')').split("','");
        let mut listed = listed.map(|word| word.trim_matches('\'').replace("''", "'"));
        return match listed.any(|word| word == text) {
            true => Ok(Cell::text(text)),
            false => Err(none(column)),
        };
    }
    let (padded, letters) = match limits.strip_prefix("char ") {
        Some(letters) => (true, letters),
        None => (false, limits),
    };
    // What ends a text of a fixed length is not kept.
    let text = if padded {
        text.trim_end_matches(' ')
    } else {
        text
    };
    match letters.parse::<usize>() {
        Ok(most) if text.chars().count() > most => {
            Err(format!("it must have at most {most} characters"))
        }
        _ => Ok(Cell::text(text)),
    }
}
