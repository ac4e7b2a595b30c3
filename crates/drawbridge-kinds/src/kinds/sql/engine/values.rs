//! Values that somebody gives, as far as every server takes them alike.

use serde_json::Value;

use super::super::{
    cell::Cell,
    shape::{Column, Sort},
};

/// Up to here a float holds every whole number: 2^53.
const WHOLE: u64 = 1 << 53;

/// A value, understood as far as its sort says.
pub(super) enum Given {
    /// It is kept like this.
    Kept(Cell),
    /// The engine is asked what it makes of this text.
    Asked(String),
}

/// A value of a column, or the rule that it breaks, in words.
pub(super) fn given(column: &Column, given: &Value) -> Result<Given, String> {
    match column.sort {
        Sort::Bool => match given {
            Value::Bool(yes) => Ok(Given::Kept(Cell::Bool(*yes))),
            _ => Err("it must be true or false".to_owned()),
        },
        Sort::Integer { least, most } => match given.as_i64() {
            Some(whole) if (least..=most).contains(&whole) => Ok(Given::Kept(Cell::Integer(whole))),
            Some(_) => Err(format!("it must be between {least} and {most}")),
            None => Err("it must be a whole number".to_owned()),
        },
        Sort::Real => real(given).map(|number| Given::Kept(Cell::Real(number))),
        // As the column keeps it, so that a plan shows what will be.
        Sort::Single => match given.as_f64().map(|number| number as f32) {
            Some(number) if number.is_finite() => Ok(Given::Kept(Cell::Real(number.into()))),
            _ => Err("it must be a number that the database can hold".to_owned()),
        },
        Sort::Number => match given {
            Value::Number(number) => Ok(Given::Asked(number.to_string())),
            // As answers show what no float says exactly.
            Value::String(digits) if is_decimal(digits) => Ok(Given::Asked(digits.clone())),
            _ => Err("it must be a number".to_owned()),
        },
        Sort::Json => Ok(Given::Asked(given.to_string())),
        Sort::Bytes => Err("it holds bytes, which cannot be written here".to_owned()),
        Sort::Text | Sort::Other | Sort::Affine(_) => match given {
            Value::String(text) if text.contains('\0') => {
                Err("it must not hold the character NUL".to_owned())
            }
            Value::String(text) if column.sort == Sort::Text && column.limits.is_none() => {
                Ok(Given::Kept(Cell::text(text)))
            }
            Value::String(text) => Ok(Given::Asked(text.clone())),
            _ => Err("it must be a text".to_owned()),
        },
    }
}

/// Whether a text is digits, perhaps with a sign and a point.
fn is_decimal(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, part) = digits.split_once('.').unwrap_or((digits, "0"));
    let all = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.len() <= 200 && all(whole) && all(part)
}

fn real(given: &Value) -> Result<f64, String> {
    let exact = given
        .as_i64()
        .is_none_or(|whole| whole.unsigned_abs() <= WHOLE);
    match given.as_f64() {
        Some(_) if !exact || given.as_i64().is_none() && given.is_u64() => {
            Err("the database cannot hold this number exactly".to_owned())
        }
        Some(number) if number.is_finite() => Ok(number),
        _ => Err("it must be a number".to_owned()),
    }
}

/// A part of a key, written as the column has it: `7` and `"7"` are the same key.
pub(super) fn key(column: &Column, given: &Cell) -> Value {
    match (column.sort, given) {
        (Sort::Integer { .. } | Sort::Real | Sort::Single | Sort::Number, Cell::Text(bytes)) => {
            let text = String::from_utf8_lossy(bytes);
            match text.parse::<serde_json::Number>() {
                Ok(number) => Value::Number(number),
                Err(_) => Value::String(text.into_owned()),
            }
        }
        (Sort::Text | Sort::Other, Cell::Integer(number)) => Value::String(number.to_string()),
        _ => given.shown(),
    }
}

/// A default that is written as a plain value.
pub(super) fn default_of(sort: Sort, text: &str) -> Option<Cell> {
    // PostgreSQL tells the type too: `'open'::text`.
    let text = text.trim();
    match sort {
        Sort::Integer { .. } => text.parse().ok().map(Cell::Integer),
        Sort::Bool => match text {
            "true" => Some(Cell::Bool(true)),
            "false" => Some(Cell::Bool(false)),
            _ => None,
        },
        Sort::Text => {
            let inner = text.strip_prefix('\'')?;
            let (inner, rest) = inner.rsplit_once('\'')?;
            let typed = rest.is_empty() || rest.starts_with("::");
            let plain = inner.replace("''", "");
            (typed && !plain.contains(['\'', '\\'])).then(|| Cell::text(&inner.replace("''", "'")))
        }
        Sort::Affine(_)
        | Sort::Real
        | Sort::Single
        | Sort::Number
        | Sort::Bytes
        | Sort::Json
        | Sort::Other => None,
    }
}
