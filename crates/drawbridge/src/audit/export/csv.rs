//! Records as rows of a table (RFC 4180) that no spreadsheet takes for formulas.
//!
//! In a cell, `\` is written `\\` and a misleading character `\u{…}`; a cell that would begin like a
//! formula, or with `'`, has a `'` before it. So each row is one line, and reads back exactly.

use csv::{Terminator, WriterBuilder};
use drawbridge_core::log::plain;
use serde_json::json;

use crate::store::StoredRecord;

const COLUMNS: [&str; 25] = [
    "place",
    "id",
    "time",
    "person",
    "client",
    "task",
    "door",
    "trace",
    "connector",
    "revision",
    "identity",
    "action",
    "power",
    "arguments",
    "allowed",
    "reasons",
    "status",
    "message",
    "count",
    "label",
    "targets",
    "duration_us",
    "answers",
    "asks",
    "untrusted",
];

pub(super) fn header() -> Vec<u8> {
    write(&COLUMNS.map(str::to_owned))
}

pub(super) fn row(stored: &StoredRecord) -> Vec<u8> {
    let record = &stored.record;
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let power = record.power.map(|power| power.word().to_owned());
    let cells: [String; COLUMNS.len()] = [
        stored.place.to_string(),
        record.id.clone(),
        record.time.to_string(),
        record.person.clone(),
        record.client.clone(),
        text(&record.task),
        record.door.word().to_owned(),
        text(&record.trace),
        record.connector.clone(),
        text(&record.revision),
        text(&record.identity),
        record.action.clone(),
        text(&power),
        json!(record.asked.arguments).to_string(),
        record.decided.allowed.to_string(),
        json!(record.decided.reasons).to_string(),
        record.status.word().to_owned(),
        text(&record.message),
        record.returned.count.to_string(),
        text(&record.returned.label),
        json!(record.returned.targets).to_string(),
        record.duration_us.to_string(),
        json!(record.asked.answers).to_string(),
        json!(record.returned.asks).to_string(),
        record.returned.untrusted.to_string(),
    ];
    write(&cells.map(|cell| escape(&cell)))
}

fn escape(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠', '\t', '\r', '\'']);
    let mut cell = String::with_capacity(text.len() + 1);
    if formula {
        cell.push('\'');
    }
    for letter in text.chars() {
        match letter {
            '\\' => cell.push_str("\\\\"),
            _ if plain::misleads(letter) => cell.extend(letter.escape_unicode()),
            _ => cell.push(letter),
        }
    }
    cell
}

fn write(cells: &[String]) -> Vec<u8> {
    let mut writer = WriterBuilder::new()
        .terminator(Terminator::CRLF)
        .from_writer(Vec::new());
    // Writing to memory does not fail.
    let _ = writer.write_record(cells);
    writer.into_inner().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::escape;

    #[test]
    fn no_cell_begins_like_a_formula_or_breaks_the_line() {
        for (text, cell) in [
            ("=1+1", "'=1+1"),
            ("+1", "'+1"),
            ("-1", "'-1"),
            ("@sum", "'@sum"),
            ("\tx", "'\\u{9}x"),
            ("\rx", "'\\u{d}x"),
            ("'=x", "''=x"),
            ("a\nb", "a\\u{a}b"),
            ("a\\b", "a\\\\b"),
            ("plain", "plain"),
        ] {
            assert_eq!(escape(text), cell);
        }
    }
}
