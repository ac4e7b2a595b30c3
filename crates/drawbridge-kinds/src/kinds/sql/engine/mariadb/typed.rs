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
    let rows = match link.attempt(ask(limits, &text)).await? {
        Ok(rows) => rows,
        Err(_) => return Ok(Err(none(column))),
    };
    let same = integer_at(rows.first(), 1) != 0;
    let first = rows.into_iter().next();
    let Some(Cell::Text(bytes) | Cell::Blob(bytes)) = first.and_then(|row| row.into_iter().next())
    else {
        return Ok(Err(none(column)));
    };
    let cast = String::from_utf8_lossy(&bytes);
    // A number too large for every decimal becomes the largest there is, in both casts.
    let number = |text: &str| text.parse::<f64>().ok();
    let same = same && (column.sort != Sort::Number || number(&cast) == number(&text));
    if same {
        return Ok(Ok(kept(column, &cast)));
    }
    let told = format!("it has more than the type {} can hold", column.declared);
    Ok(Err(told))
}

/// What a cast makes of a text, and whether that is the same.
fn ask(limits: &str, text: &str) -> Statement {
    let value = Cell::text(text);
    let cast = |statement: Statement, to: &str| {
        let statement = statement.words("CAST(").value(&value);
        statement.words(" AS ").a_type(to).words(")")
    };
    let ask = cast(Statement::new("SELECT CAST("), limits).words(" AS CHAR), ");
    let widest = match limits.split('(').next() {
        Some("DECIMAL") => "DECIMAL(65, 30)",
        Some("TIME") => "TIME(6)",
        Some("DATE" | "DATETIME") => "DATETIME(6)",
        // There is nothing to lose: it is such a value or none.
        _ => return ask.words("1"),
    };
    cast(cast(ask, limits).words(" = "), widest)
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
        let is = listed(words).iter().any(|word| word == text);
        return is.then(|| Cell::text(text)).ok_or_else(|| none(column));
    }
    if let Some(words) = limits.strip_prefix("set(") {
        return of_set(&listed(words), text).ok_or_else(|| none(column));
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

/// The words of a type.
fn listed(words: &str) -> Vec<String> {
    let words = words.trim_end_matches(')').trim_matches('\'').split("','");
    words.map(|word| word.replace("''", "'")).collect()
}

/// Some words of a set, in the order in which the server keeps them.
fn of_set(words: &[String], text: &str) -> Option<Cell> {
    let given: Vec<&str> = text.split(',').filter(|word| !word.is_empty()).collect();
    let known = |word: &&str| words.iter().any(|one| one == word);
    if !given.iter().all(known) {
        return None;
    }
    let kept = words.iter().map(String::as_str);
    let kept: Vec<&str> = kept.filter(|word| given.contains(word)).collect();
    Some(Cell::text(&kept.join(",")))
}
