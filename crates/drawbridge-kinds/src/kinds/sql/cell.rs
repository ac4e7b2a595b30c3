//! One value of one row, exactly as the database holds it.

use base64::{Engine, engine::general_purpose::STANDARD};
use drawbridge_core::call::canonical;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::shape::Sort;

/// A value with its storage class. Texts are bytes, because SQLite lets them be no UTF-8.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(into = "Value", try_from = "Value")]
pub(super) enum Cell {
    Null,
    Bool(bool),
    Integer(i64),
    Real(f64),
    /// A number in the digits in which the engine wrote it.
    Number(String),
    /// A JSON text, as the engine wrote it.
    Json(String),
    Text(Vec<u8>),
    Blob(Vec<u8>),
}

impl Cell {
    pub(super) fn text(text: &str) -> Self {
        Self::Text(text.as_bytes().to_vec())
    }

    /// As answers and people see it: a whole number has one form, and bytes are Base64.
    pub(super) fn shown(&self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Bool(yes) => json!(yes),
            Self::Integer(number) => json!(number),
            Self::Number(text) => number_shown(text).unwrap_or_else(|| json!(text)),
            Self::Json(text) => serde_json::from_str(text).unwrap_or_else(|_| json!(text)),
            Self::Real(number) if number.is_finite() => canonical(json!(number)),
            Self::Real(number) => json!(number.to_string()),
            Self::Text(bytes) => match std::str::from_utf8(bytes) {
                Ok(text) => json!(text),
                Err(_) => json!({"base64": STANDARD.encode(bytes)}),
            },
            Self::Blob(bytes) => json!({"base64": STANDARD.encode(bytes)}),
        }
    }

    /// What came out of the database as a text becomes what the column holds.
    pub(super) fn become_one_of(&mut self, sort: Sort) {
        // Texts that are compared by their bytes come out of MariaDB as bytes.
        let textual = matches!(sort, Sort::Text | Sort::Other | Sort::Number | Sort::Json);
        if let Self::Blob(bytes) = self
            && textual
        {
            *self = Self::Text(std::mem::take(bytes));
        }
        let Self::Text(bytes) = self else { return };
        let text = || String::from_utf8_lossy(bytes).into_owned();
        match sort {
            Sort::Number => *self = Self::Number(text()),
            Sort::Json => *self = Self::Json(text()),
            Sort::Affine(_)
            | Sort::Bool
            | Sort::Integer { .. }
            | Sort::Real
            | Sort::Single
            | Sort::Text
            | Sort::Bytes
            | Sort::Other => {}
        }
    }

    /// About how many bytes it has.
    pub(super) fn size(&self) -> usize {
        match self {
            Self::Null | Self::Bool(_) | Self::Integer(_) | Self::Real(_) => 8,
            Self::Number(text) | Self::Json(text) => text.len(),
            Self::Text(bytes) | Self::Blob(bytes) => bytes.len(),
        }
    }

    fn digest_into(&self, hasher: &mut Sha256) {
        let (class, bytes) = match self {
            Self::Null => (b'n', Vec::new()),
            Self::Bool(yes) => (b'y', vec![u8::from(*yes)]),
            Self::Number(text) => (b'd', text.clone().into_bytes()),
            Self::Json(text) => (b'j', text.clone().into_bytes()),
            Self::Integer(number) => (b'i', number.to_be_bytes().to_vec()),
            Self::Real(number) => (b'r', number.to_bits().to_be_bytes().to_vec()),
            Self::Text(bytes) => (b't', bytes.clone()),
            Self::Blob(bytes) => (b'b', bytes.clone()),
        };
        hasher.update([class]);
        hasher.update((bytes.len() as u64).to_be_bytes());
        hasher.update(bytes);
    }
}

/// A decimal as a number, where a float says just the same.
fn number_shown(text: &str) -> Option<Value> {
    if let Ok(whole) = text.parse::<i64>() {
        return Some(json!(whole));
    }
    let number: f64 = text
        .parse()
        .ok()
        .filter(|number: &f64| number.is_finite())?;
    let plain = |text: &str| {
        let negative = text.starts_with('-');
        let text = text.trim_start_matches('-');
        let (whole, part) = text.split_once('.').unwrap_or((text, ""));
        let whole = whole.trim_start_matches('0').to_owned();
        let part = part.trim_end_matches('0').to_owned();
        (negative, whole, part)
    };
    // Without an exponent both are digits, and can be compared.
    (plain(text) == plain(&format!("{number}"))).then(|| canonical(json!(number)))
}

/// SHA-256 over named cells, in hexadecimal digits: equal only for equal names, classes and bytes.
pub(super) fn digest<'a>(cells: impl IntoIterator<Item = (&'a str, &'a Cell)>) -> String {
    let mut hasher = Sha256::new();
    for (name, cell) in cells {
        hasher.update((name.len() as u64).to_be_bytes());
        hasher.update(name);
        cell.digest_into(&mut hasher);
    }
    hex::encode(hasher.finalize())
}

impl From<Cell> for Value {
    /// As a plan keeps it: nothing of it is lost.
    fn from(cell: Cell) -> Self {
        match cell {
            Cell::Null => Self::Null,
            Cell::Bool(yes) => json!(yes),
            Cell::Number(text) => json!({"number": text}),
            Cell::Json(text) => json!({"json": text}),
            Cell::Integer(number) => json!(number),
            Cell::Real(number) => json!({"real": format!("{:016x}", number.to_bits())}),
            Cell::Text(bytes) => match String::from_utf8(bytes) {
                Ok(text) => Self::String(text),
                Err(error) => json!({"text": STANDARD.encode(error.into_bytes())}),
            },
            Cell::Blob(bytes) => json!({"blob": STANDARD.encode(bytes)}),
        }
    }
}

impl TryFrom<Value> for Cell {
    type Error = String;

    fn try_from(value: Value) -> Result<Self, String> {
        let wrong = || "a value of a plan was not written by this program".to_owned();
        match value {
            Value::Null => Ok(Self::Null),
            Value::Number(number) => number.as_i64().map(Self::Integer).ok_or_else(wrong),
            Value::String(text) => Ok(Self::Text(text.into_bytes())),
            Value::Object(fields) => wrapped(&fields).ok_or_else(wrong),
            Value::Bool(yes) => Ok(Self::Bool(yes)),
            Value::Array(_) => Err(wrong()),
        }
    }
}

fn wrapped(fields: &Map<String, Value>) -> Option<Cell> {
    let (class, text) = fields.iter().next()?;
    let text = text.as_str()?;
    match class.as_str() {
        "real" => {
            let bits = u64::from_str_radix(text, 16).ok()?;
            Some(Cell::Real(f64::from_bits(bits)))
        }
        "number" => Some(Cell::Number(text.to_owned())),
        "json" => Some(Cell::Json(text.to_owned())),
        "text" => STANDARD.decode(text).ok().map(Cell::Text),
        "blob" => STANDARD.decode(text).ok().map(Cell::Blob),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_plan_keeps_of_a_value_is_the_value() {
        let cells = [
            Cell::Null,
            Cell::Bool(true),
            Cell::Bool(false),
            Cell::Number("5".to_owned()),
            Cell::Number("5.0".to_owned()),
            Cell::Json("5".to_owned()),
            Cell::Integer(i64::MIN),
            Cell::Integer(5),
            Cell::Real(5.0),
            Cell::Real(-0.0),
            Cell::Real(0.1 + 0.2),
            Cell::Real(f64::INFINITY),
            Cell::text("Zürich\0{}"),
            Cell::Text(vec![0xff, b'a']),
            Cell::Blob(Vec::new()),
            Cell::Blob(b"text".to_vec()),
        ];
        for cell in &cells {
            let kept = serde_json::to_string(cell).unwrap();
            let again: Cell = serde_json::from_str(&kept).unwrap();
            assert_eq!(
                digest([("a", &again)]),
                digest([("a", cell)]),
                "{kept} is not {cell:?}"
            );
        }
        let digests: std::collections::BTreeSet<String> =
            cells.iter().map(|cell| digest([("a", cell)])).collect();
        assert_eq!(digests.len(), cells.len(), "two values are one");
    }

    #[test]
    fn a_decimal_is_a_number_where_that_is_exact() {
        for (text, shown) in [
            ("10.50", "10.5"),
            ("-0.10", "-0.1"),
            ("100", "100"),
            ("9007199254740993.0", "\"9007199254740993.0\""),
            (
                "0.1000000000000000055511151231257827",
                "\"0.1000000000000000055511151231257827\"",
            ),
            ("NaN", "\"NaN\""),
            ("1e5", "\"1e5\""),
            ("18446744073709551615", "\"18446744073709551615\""),
        ] {
            assert_eq!(Cell::Number(text.to_owned()).shown().to_string(), shown);
        }
    }

    #[test]
    fn names_and_values_do_not_run_into_each_other() {
        let (one, other) = (Cell::text("bc"), Cell::text("c"));
        assert_ne!(digest([("a", &one)]), digest([("ab", &other)]));
    }
}
