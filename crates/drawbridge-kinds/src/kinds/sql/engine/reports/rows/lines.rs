//! JSON lines: an object on each line. A column that no line names is not there.

use std::{
    collections::BTreeSet,
    fs::File,
    io::{BufRead, BufReader, Read},
};

use serde_json::{Map, Value as Json};

use super::{Each, Unreadable, Value};

/// The longest line, in bytes.
const MOST_LINE: u64 = 8 << 20;
/// Up to here a float holds every whole number: 2^53.
const WHOLE: f64 = 9_007_199_254_740_992.0;

pub(super) fn read(file: File, columns: &[String], each: Each<'_>) -> Result<(), Unreadable> {
    let mut file = BufReader::new(file);
    let mut missing: BTreeSet<&String> = columns.iter().collect();
    let (mut line, mut number) = (Vec::new(), 0_u64);
    loop {
        line.clear();
        number += 1;
        let limited = Read::take(&mut file, MOST_LINE + 1).read_until(b'\n', &mut line);
        let length = limited.map_err(|_| Unreadable::new("it cannot be read"))?;
        if length == 0 {
            break;
        }
        if length as u64 > MOST_LINE {
            return Err(Unreadable(format!("line {number} has more than 8 MiB")));
        }
        let text = std::str::from_utf8(&line)
            .map_err(|_| Unreadable(format!("line {number} is no UTF-8")))?;
        if text.trim().is_empty() {
            continue;
        }
        let object: Map<String, Json> = serde_json::from_str(text)
            .map_err(|_| Unreadable(format!("line {number} is no JSON object")))?;
        missing.retain(|name| !object.contains_key(*name));
        let value = |name: &String| {
            let value = object.get(name).map_or(Ok(Value::Null), value);
            value.map_err(|what| Unreadable(format!("line {number}: `{name}` {what}")))
        };
        let row: Result<Vec<Value>, Unreadable> = columns.iter().map(value).collect();
        each(&row?)?;
    }
    match missing.first() {
        Some(name) => Err(Unreadable(format!("it has no column `{name}`"))),
        None => Ok(()),
    }
}

fn value(json: &Json) -> Result<Value, &'static str> {
    Ok(match json {
        Json::Null => Value::Null,
        Json::Bool(yes) => Value::Text(yes.to_string()),
        Json::String(text) => Value::Text(text.clone()),
        Json::Array(_) | Json::Object(_) => Value::Text(json.to_string()),
        Json::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => Value::Whole(whole),
            (None, Some(real)) if !number.is_u64() && real.abs() < WHOLE => Value::Real(real),
            (None, _) if number.is_u64() => Value::Text(number.to_string()),
            _ => return Err("is a number too large to be kept; write it as a text"),
        },
    })
}
