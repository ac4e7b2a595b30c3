//! A value of the database, exactly: what is read can be written back byte for byte.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sqlx::{
    Row, Sqlite, TypeInfo, ValueRef,
    query::Query,
    sqlite::{SqliteArguments, SqliteRow},
};

/// A value with its type in the database.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Cell {
    /// No value.
    Null,
    /// A whole number.
    Integer(i64),
    /// A number, by its bits: JSON has not all of them.
    Real(u64),
    /// A text.
    Text(String),
    /// Bytes, in hexadecimal digits.
    Blob(String),
}

/// How a column takes values, by the rules of SQLite (`datatype3.html`, section 3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Affinity {
    Integer,
    Real,
    Numeric,
    Text,
    Blob,
}

impl Affinity {
    /// Of a column that is declared so.
    pub(super) fn of(declared: &str) -> Self {
        let declared = declared.to_ascii_uppercase();
        let has = |words: &[&str]| words.iter().any(|word| declared.contains(word));
        if has(&["INT"]) {
            Self::Integer
        } else if has(&["CHAR", "CLOB", "TEXT"]) {
            Self::Text
        } else if has(&["BLOB"]) || declared.is_empty() {
            Self::Blob
        } else if has(&["REAL", "FLOA", "DOUB"]) {
            Self::Real
        } else {
            Self::Numeric
        }
    }
}

impl Cell {
    /// A value as the database would keep it in a column, so that what is planned is what is there
    /// afterwards.
    ///
    /// # Errors
    /// The rule that the value breaks.
    pub(super) fn fitting(affinity: Affinity, value: &Value) -> Result<Self, String> {
        let number = || match value {
            Value::Bool(yes) => Some(Self::Integer(i64::from(*yes))),
            Value::Number(number) => match (number.as_i64(), number.as_f64()) {
                (Some(whole), _) => Some(Self::Integer(whole)),
                (None, Some(real)) => Some(Self::Real(real.to_bits())),
                (None, None) => None,
            },
            _ => None,
        };
        match (affinity, value) {
            (_, Value::Null) => Ok(Self::Null),
            (_, Value::Array(_) | Value::Object(_)) => {
                Err("it must be a text, a number, true, false or null".to_owned())
            }
            (Affinity::Integer | Affinity::Numeric, _) => {
                number().ok_or_else(|| "it must be a number".to_owned())
            }
            (Affinity::Real, _) => match value.as_f64() {
                Some(real) => Ok(Self::Real(real.to_bits())),
                None => Err("it must be a number".to_owned()),
            },
            (Affinity::Text, Value::String(text)) => Ok(Self::Text(text.clone())),
            (Affinity::Text, _) => Err("it must be a text".to_owned()),
            (Affinity::Blob, Value::String(text)) => Ok(Self::Text(text.clone())),
            (Affinity::Blob, _) => {
                number().ok_or_else(|| "it must be a text or a number".to_owned())
            }
        }
    }

    /// The value in a column of a row.
    pub(super) fn of(row: &SqliteRow, index: usize) -> Result<Self, sqlx::Error> {
        let raw = row.try_get_raw(index)?;
        if raw.is_null() {
            return Ok(Self::Null);
        }
        let name = raw.type_info().name().to_owned();
        Ok(match name.as_str() {
            "INTEGER" | "BOOLEAN" | "INT4" | "BIGINT" => {
                Self::Integer(row.try_get_unchecked(index)?)
            }
            "REAL" | "NUMERIC" => Self::Real(row.try_get_unchecked::<f64, _>(index)?.to_bits()),
            "BLOB" => Self::Blob(hex::encode(row.try_get_unchecked::<Vec<u8>, _>(index)?)),
            _ => Self::Text(row.try_get_unchecked(index)?),
        })
    }

    /// As people and AIs see it.
    pub(super) fn shown(&self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Integer(number) => json!(number),
            Self::Real(bits) => json!(f64::from_bits(*bits)),
            Self::Text(text) => json!(text),
            Self::Blob(digits) => json!(format!("x'{digits}'")),
        }
    }

    /// Binds it to a statement.
    pub(super) fn bind<'q>(
        &self,
        query: Query<'q, Sqlite, SqliteArguments>,
    ) -> Query<'q, Sqlite, SqliteArguments> {
        match self {
            Self::Null => query.bind(None::<i64>),
            Self::Integer(number) => query.bind(*number),
            Self::Real(bits) => query.bind(f64::from_bits(*bits)),
            Self::Text(text) => query.bind(text.clone()),
            // Only digits that were made from bytes come here.
            Self::Blob(digits) => query.bind(hex::decode(digits).unwrap_or_default()),
        }
    }
}
