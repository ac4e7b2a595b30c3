//! What a call asks for, taken out of its arguments.

use drawbridge_core::answer::Failure;
use serde_json::{Map, Value};

use super::{cell::Cell, part::TableScope};

/// The most rows that one effect changes.
pub(super) const MOST_TARGETS: usize = 100;
/// The most characters of a text in a key.
const MOST_KEY: usize = 1_000;

/// What is done to one row.
#[derive(Debug, Clone)]
pub(super) enum Edit<'a> {
    Insert(&'a Map<String, Value>),
    Update(Vec<Cell>, &'a Map<String, Value>),
    Upsert(Vec<Cell>, &'a Map<String, Value>),
    Delete(Vec<Cell>),
}

/// Each row that a call asks to change, in the order in which it names them.
pub(super) fn edits<'a>(
    action: &str,
    table: &TableScope,
    arguments: &'a Value,
) -> Result<Vec<Edit<'a>>, Failure> {
    match action {
        "insert" => {
            let rows = one_or_many(arguments, ("values", "rows"))?;
            rows.into_iter()
                .map(|values| Ok(Edit::Insert(object("values", values)?)))
                .collect()
        }
        "update" => {
            let set = object("set", field(arguments, "set")?)?;
            keys(table, arguments)?
                .into_iter()
                .map(|key| Ok(Edit::Update(key, set)))
                .collect()
        }
        "upsert" => {
            let values = object("values", field(arguments, "values")?)?;
            let key = key(table, field(arguments, "key")?)?;
            Ok(vec![Edit::Upsert(key, values)])
        }
        "delete" => Ok(keys(table, arguments)?
            .into_iter()
            .map(Edit::Delete)
            .collect()),
        other => {
            let told = format!("`{other}` changes nothing");
            Err(Failure::invalid(told))
        }
    }
}

fn keys(table: &TableScope, arguments: &Value) -> Result<Vec<Vec<Cell>>, Failure> {
    let given = one_or_many(arguments, ("key", "keys"))?;
    given.into_iter().map(|one| key(table, one)).collect()
}

fn one_or_many<'a>(
    arguments: &'a Value,
    (one, many): (&str, &str),
) -> Result<Vec<&'a Value>, Failure> {
    let given = match (arguments.get(one), arguments.get(many)) {
        (Some(value), None) => vec![value],
        (None, Some(Value::Array(values))) => values.iter().collect(),
        (Some(_), Some(_)) => {
            let told = format!("`{many}`: give it or `{one}`, not both");
            return Err(Failure::invalid(told));
        }
        _ => Vec::new(),
    };
    match given.len() {
        0 => Err(Failure::invalid(format!("`{one}`: it is missing"))),
        1..=MOST_TARGETS => Ok(given),
        _ => {
            let told = format!("`{many}`: at most {MOST_TARGETS} at a time");
            Err(Failure::invalid(told))
        }
    }
}

fn field<'a>(arguments: &'a Value, name: &str) -> Result<&'a Value, Failure> {
    let missing = || Failure::invalid(format!("`{name}`: it is missing"));
    arguments.get(name).ok_or_else(missing)
}

fn object<'a>(name: &str, value: &'a Value) -> Result<&'a Map<String, Value>, Failure> {
    let wrong = || Failure::invalid(format!("`{name}`: it must be an object of fields"));
    value.as_object().ok_or_else(wrong)
}

/// The key of a row: one value, or an object with one for each column of the key.
pub(super) fn key(table: &TableScope, given: &Value) -> Result<Vec<Cell>, Failure> {
    let wrong = |told: String| Failure::invalid(format!("`key`: {told}"));
    match (given, table.key.as_slice()) {
        (Value::Object(fields), columns) => {
            if let Some(name) = fields.keys().find(|name| !columns.contains(name)) {
                return Err(wrong(format!("`{name}` is not of the table's key")));
            }
            let one = |name: &String| {
                let value = fields
                    .get(name)
                    .ok_or_else(|| wrong(format!("`{name}` is missing")))?;
                key_cell(value).ok_or_else(|| wrong(format!("`{name}` must be a text or a number")))
            };
            columns.iter().map(one).collect()
        }
        (value, [_]) => match key_cell(value) {
            Some(cell) => Ok(vec![cell]),
            None => Err(wrong("it must be a text or a number".to_owned())),
        },
        (_, columns) => Err(wrong(format!("give an object with {}", columns.join(", ")))),
    }
}

fn key_cell(value: &Value) -> Option<Cell> {
    match value {
        Value::Number(number) => match number.as_i64() {
            Some(whole) => Some(Cell::Integer(whole)),
            None if number.is_u64() => None,
            None => number.as_f64().map(Cell::Real),
        },
        Value::String(text) if text.chars().count() <= MOST_KEY => Some(Cell::text(text)),
        _ => None,
    }
}

/// A key as a caller gives it.
pub(super) fn shown_key(table: &TableScope, key: &[Cell]) -> Value {
    match key {
        [one] => one.shown(),
        several => {
            let pairs = table
                .key
                .iter()
                .cloned()
                .zip(several.iter().map(Cell::shown));
            Value::Object(pairs.collect())
        }
    }
}
