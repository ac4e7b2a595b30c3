//! Records as lines of a file: as they were hashed, as OCSF events, or as a table.

mod csv;
mod ocsf;

use drawbridge_core::log::plain;

use crate::{operate::ExportFormat, store::StoredRecord};

/// The media type of an export.
#[must_use]
pub fn media_type(format: ExportFormat) -> &'static str {
    match format {
        ExportFormat::Jsonl | ExportFormat::Ocsf => "application/jsonl",
        ExportFormat::Csv => "text/csv; charset=utf-8; header=present",
    }
}

/// What an export begins with.
#[must_use]
pub fn header(format: ExportFormat) -> Vec<u8> {
    match format {
        ExportFormat::Jsonl | ExportFormat::Ocsf => Vec::new(),
        ExportFormat::Csv => csv::header(),
    }
}

/// One record as one line, whatever is in it.
#[must_use]
pub fn line(format: ExportFormat, stored: &StoredRecord) -> Vec<u8> {
    let mut line = match format {
        ExportFormat::Jsonl => stored.body.clone(),
        ExportFormat::Ocsf => plain::json(&ocsf::event(stored)).unwrap_or_default(),
        ExportFormat::Csv => return csv::row(stored),
    };
    line.push(b'\n');
    line
}
