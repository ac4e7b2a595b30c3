//! One value of one row, exactly as the database holds it.

use base64::{Engine, engine::general_purpose::STANDARD};
use drawbridge_core::call::canonical;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

/// A value with its storage class. Texts are bytes, because SQLite lets them be no UTF-8.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(into = "Value", try_from = "Value")]
pub(super) enum Cell {
    Null,
    Integer(i64),
    Real(f64),
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
            Self::Integer(number) => json!(number),
            Self::Real(number) if number.is_finite() => canonical(json!(number)),
            Self::Real(number) => json!(number.to_string()),
            Self::Text(bytes) => match std::str::from_utf8(bytes) {
                Ok(text) => json!(text),
                Err(_) => json!({"base64": STANDARD.encode(bytes)}),
            },
            Self::Blob(bytes) => json!({"base64": STANDARD.encode(bytes)}),
        }
    }

    /// About how many bytes it has.
    pub(super) fn size(&self) -> usize {
        match self {
            Self::Null | Self::Integer(_) | Self::Real(_) => 8,
            Self::Text(bytes) | Self::Blob(bytes) => bytes.len(),
        }
    }

    fn digest_into(&self, hasher: &mut Sha256) {
        let (class, bytes) = match self {
            Self::Null => (b'n', Vec::new()),
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
            Value::Bool(_) | Value::Array(_) => Err(wrong()),
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
    fn names_and_values_do_not_run_into_each_other() {
        let (one, other) = (Cell::text("bc"), Cell::text("c"));
        assert_ne!(digest([("a", &one)]), digest([("ab", &other)]));
    }
}
