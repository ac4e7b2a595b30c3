//! Rows and values in words, for people.

use drawbridge_core::plan::Image;
use serde_json::{Map, Value};

use super::cell::Cell;

/// The most characters of a value in a sentence.
const MOST: usize = 40;
/// The most things that a sentence lists.
const NAMED: usize = 3;

/// The name of a row: the table, and its key.
pub(super) fn resource(table: &str, key: &[Cell]) -> String {
    format!("{table}/{}", key_text(key))
}

/// The name of a row whose key nobody knows yet; one of several has a number.
pub(super) fn new_resource(table: &str, number: Option<usize>) -> String {
    match number {
        None => format!("{table}/(new)"),
        Some(number) => format!("{table}/(new {number})"),
    }
}

/// A key as one text: what could be mistaken for another one is written as in a URL.
pub(super) fn key_text(key: &[Cell]) -> String {
    let one = |cell: &Cell| match cell {
        Cell::Null => String::new(),
        Cell::Bool(yes) => yes.to_string(),
        Cell::Number(text) => escaped(text),
        Cell::Json(text) => escaped(text),
        Cell::Integer(number) => number.to_string(),
        Cell::Real(number) => number.to_string(),
        Cell::Text(bytes) => escaped(&String::from_utf8_lossy(bytes)),
        Cell::Blob(bytes) => format!("0x{}", hex::encode(bytes)),
    };
    let parts: Vec<String> = key.iter().map(one).collect();
    parts.join(",")
}

fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        if matches!(letter, '%' | '/' | ',' | '(' | ')' | '*' | '?') || is_odd(letter) {
            let mut bytes = [0; 4];
            for byte in letter.encode_utf8(&mut bytes).bytes() {
                safe.push_str(&format!("%{byte:02X}"));
            }
        } else {
            safe.push(letter);
        }
    }
    safe
}

/// Whether a letter would make a sentence look like another one.
fn is_odd(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// A value, short enough for a sentence, on one line.
pub(super) fn value(value: &Value) -> String {
    let text = match value {
        Value::String(text) if !text.is_empty() && !text.chars().any(is_odd) => text.clone(),
        Value::Null => "nothing".to_owned(),
        other => other.to_string(),
    };
    let mut short: String = text
        .chars()
        .filter(|letter| !is_odd(*letter))
        .take(MOST)
        .collect();
    if text.chars().count() > MOST {
        short.push('…');
    }
    short
}

/// What becomes of the fields of a row: "status from open to closed".
pub(super) fn changed(before: &Map<String, Value>, after: &Map<String, Value>) -> String {
    let differs = after
        .iter()
        .filter(|(name, new)| before.get(*name) != Some(new));
    let told = differs.map(|(name, new)| {
        let old = before.get(name).map_or_else(String::new, value);
        format!("{name} from {old} to {}", value(new))
    });
    listed(told)
}

/// What fields are given: "status open, subject Printer".
pub(super) fn given(fields: &Map<String, Value>) -> String {
    listed(
        fields
            .iter()
            .map(|(name, given)| format!("{name} {}", value(given))),
    )
}

/// Some things, the rest of them counted.
pub(super) fn listed(things: impl Iterator<Item = String>) -> String {
    let all: Vec<String> = things.collect();
    let more = all.len().saturating_sub(NAMED);
    let named = all
        .get(..NAMED.min(all.len()))
        .unwrap_or_default()
        .join(", ");
    if more == 0 {
        named
    } else {
        format!("{named} and {more} more")
    }
}

/// The fields of an image.
pub(super) fn fields(image: Option<&Image>) -> Map<String, Value> {
    match image {
        Some(Image::Fields(fields)) => fields.clone(),
        Some(Image::Text(_) | Image::Dropped) | None => Map::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn names_of_rows_do_not_hide_what_they_are() {
        let name = |key: &[Cell]| resource("notes", key);
        assert_eq!(name(&[Cell::Integer(-4)]), "notes/-4");
        assert_eq!(name(&[Cell::text("Zürich 1")]), "notes/Zürich 1");
        assert_eq!(
            name(&[Cell::text("a/b,(new)\n"), Cell::Integer(1)]),
            "notes/a%2Fb%2C%28new%29%0A,1"
        );
        assert_ne!(
            name(&[Cell::text("a,b")]),
            name(&[Cell::text("a"), Cell::text("b")])
        );
    }

    #[test]
    fn a_value_in_a_sentence_is_one_short_line() {
        assert_eq!(value(&json!("open")), "open");
        assert_eq!(value(&json!("")), "\"\"");
        assert_eq!(value(&json!("a\nb")), "\"a\\nb\"");
        assert_eq!(value(&json!("\u{202e}x")), "\"x\"");
        assert_eq!(value(&json!("x".repeat(99))).chars().count(), MOST + 1);
    }
}
