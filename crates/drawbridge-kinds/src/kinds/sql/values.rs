//! What a caller gives, as the column would keep it; or which rule it breaks.

use drawbridge_core::call::canonical;
use serde_json::Value;

use super::{
    cell::Cell,
    part::Rule,
    shape::{Affinity, Column},
};

/// The most characters of a text, where the file says nothing less.
const MOST_TEXT: usize = 1 << 20;
/// Up to here a float holds every whole number: 2^53.
const WHOLE: u64 = 1 << 53;

/// The value as the column keeps it.
///
/// # Errors
/// The rule that the value breaks, in words.
pub(super) fn checked(column: &Column, rule: &Rule, given: &Value) -> Result<Cell, String> {
    if given.is_null() {
        return match (rule.null, column.not_null) {
            (true, false) => Ok(Cell::Null),
            _ => Err("it must not be null".to_owned()),
        };
    }
    if let Some(values) = &rule.values
        && !values.contains(&canonical(given.clone()))
    {
        let listed: Vec<String> = values.iter().map(Value::to_string).collect();
        return Err(format!("it must be one of {}", listed.join(", ")));
    }
    let cell = typed(column, given)?;
    bounded(rule, given)?;
    Ok(cell)
}

/// The bounds of a number, and of the length of a text.
fn bounded(rule: &Rule, given: &Value) -> Result<(), String> {
    if rule.min.is_some() || rule.max.is_some() {
        let number = given.as_f64().ok_or("it must be a number")?;
        if let Some(min) = rule.min.filter(|min| number < *min) {
            return Err(format!("it must be at least {min}"));
        }
        if let Some(max) = rule.max.filter(|max| number > *max) {
            return Err(format!("it must be at most {max}"));
        }
    }
    let most = rule.max_length.unwrap_or(MOST_TEXT).min(MOST_TEXT);
    match given {
        Value::String(text) if text.chars().count() > most => {
            return Err(format!("it must have at most {most} characters"));
        }
        Value::String(_) => {}
        _ if rule.max_length.is_some() => return Err("it must be a text".to_owned()),
        _ => {}
    }
    let text = match given {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    match &rule.pattern {
        Some(pattern) if !pattern.is_match(&text) => {
            let inner = pattern.as_str();
            let inner = inner.strip_prefix(r"\A(?:").unwrap_or(inner);
            let inner = inner.strip_suffix(r")\z").unwrap_or(inner);
            Err(format!("it must match `{inner}`"))
        }
        _ => Ok(()),
    }
}

/// The value in the storage class that the column gives it.
fn typed(column: &Column, given: &Value) -> Result<Cell, String> {
    let declared = column.declared.as_str();
    let cell = match given {
        Value::Bool(yes) if declared.contains("BOOL") => Cell::Integer(i64::from(*yes)),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => Cell::Integer(whole),
            (None, Some(real)) if !number.is_u64() && real.is_finite() => Cell::Real(real),
            _ => return Err("it must be a number that the database can hold".to_owned()),
        },
        Value::String(text) => Cell::text(text),
        _ => return Err("it must be a text or a number".to_owned()),
    };
    match (column.affinity, cell) {
        (Affinity::None, _) if declared.contains("BLOB") => {
            Err("it holds bytes, which cannot be written here".to_owned())
        }
        (Affinity::None, cell) | (Affinity::Text, cell @ Cell::Text(_)) => Ok(cell),
        (Affinity::Text, _) => Err("it must be a text".to_owned()),
        (Affinity::Integer, cell @ Cell::Integer(_)) => Ok(cell),
        (Affinity::Integer, _) => Err("it must be a whole number".to_owned()),
        (Affinity::Real, cell) => real(cell),
        (Affinity::Numeric, Cell::Text(_)) if declared.contains("BOOL") => {
            Err("it must be true or false".to_owned())
        }
        (Affinity::Numeric, cell) => numeric(cell),
    }
}

fn real(cell: Cell) -> Result<Cell, String> {
    match cell {
        Cell::Real(_) => Ok(cell),
        Cell::Integer(whole) if whole.unsigned_abs() <= WHOLE => {
            let text = whole.to_string();
            text.parse()
                .map(Cell::Real)
                .map_err(|_| "it must be a number".to_owned())
        }
        Cell::Integer(_) => Err("the database cannot hold this number exactly".to_owned()),
        Cell::Null | Cell::Text(_) | Cell::Blob(_) => Err("it must be a number".to_owned()),
    }
}

/// Texts that look like numbers become numbers, so they must be given as numbers; whole numbers
/// become integers.
fn numeric(cell: Cell) -> Result<Cell, String> {
    match cell {
        Cell::Text(bytes) => {
            let text = String::from_utf8_lossy(&bytes);
            let looks =
                text.trim_matches(|letter: char| letter.is_ascii_whitespace() || letter == '\u{b}');
            if looks.parse::<f64>().is_ok() {
                return Err("it must be given as a number, not as a text".to_owned());
            }
            Ok(Cell::Text(bytes))
        }
        Cell::Real(number) if number.fract() == 0.0 && number.abs() < 9.2e18 => {
            let text = format!("{number:.0}");
            Ok(text.parse().map_or(Cell::Real(number), Cell::Integer))
        }
        Cell::Null | Cell::Integer(_) | Cell::Real(_) | Cell::Blob(_) => Ok(cell),
    }
}

/// A default, where it is a plain value: what an expression gives is known when it is there.
pub(super) fn default_of(column: &Column) -> Option<Cell> {
    let text = column.default.as_deref()?.trim();
    let cell = if let Ok(whole) = text.parse::<i64>() {
        Cell::Integer(whole)
    } else if let Some(inner) = text
        .strip_prefix('\'')
        .and_then(|rest| rest.strip_suffix('\''))
    {
        let plain = inner.replace("''", "");
        if plain.contains('\'') {
            return None;
        }
        Cell::text(&inner.replace("''", "'"))
    } else {
        match text.to_ascii_uppercase().as_str() {
            "TRUE" => Cell::Integer(1),
            "FALSE" => Cell::Integer(0),
            _ => return None,
        }
    };
    match (column.affinity, cell) {
        (Affinity::Real, cell) => real(cell).ok(),
        (Affinity::Text | Affinity::None, cell @ Cell::Text(_))
        | (Affinity::Integer | Affinity::Numeric | Affinity::None, cell @ Cell::Integer(_)) => {
            Some(cell)
        }
        (Affinity::Numeric | Affinity::Integer, cell) => numeric(cell).ok(),
        (Affinity::Text | Affinity::None, _) => None,
    }
}
