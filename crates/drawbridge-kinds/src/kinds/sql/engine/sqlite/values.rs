//! Values as SQLite keeps them, by the affinity of their column.

use serde_json::Value;

use super::super::super::{
    cell::Cell,
    shape::{Affinity, Column},
};

/// Up to here a float holds every whole number: 2^53.
const WHOLE: u64 = 1 << 53;

/// The value in the storage class that the column gives it.
pub(super) fn typed(column: &Column, affinity: Affinity, given: &Value) -> Result<Cell, String> {
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
    match (affinity, cell) {
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
        _ => Err("it must be a number".to_owned()),
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
        _ => Ok(cell),
    }
}

/// A default, where it is a plain value: what an expression gives is known when it is there.
pub(super) fn default_of(affinity: Affinity, text: &str) -> Option<Cell> {
    let text = text.trim();
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
    match (affinity, cell) {
        (Affinity::Real, cell) => real(cell).ok(),
        (Affinity::Text | Affinity::None, cell @ Cell::Text(_))
        | (Affinity::Integer | Affinity::Numeric | Affinity::None, cell @ Cell::Integer(_)) => {
            Some(cell)
        }
        (Affinity::Numeric | Affinity::Integer, cell) => numeric(cell).ok(),
        (Affinity::Text | Affinity::None, _) => None,
    }
}
