//! CSV: UTF-8, the first line names the columns; commas, or semicolons where the first line has
//! more of them.

use std::{
    fs::File,
    io::{BufRead, BufReader, Seek},
};

use super::{Each, Unreadable, Value, places};

/// The longest first line, in bytes.
const MOST_HEADER: u64 = 1 << 20;

pub(super) fn read(file: File, columns: &[String], each: Each<'_>) -> Result<(), Unreadable> {
    let mut file = BufReader::new(file);
    let delimiter = delimiter(&mut file)?;
    file.rewind()
        .map_err(|_| Unreadable::new("it cannot be read"))?;
    let mut reader = ::csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .from_reader(file);
    let headers = reader.headers().map_err(|error| told(&error))?;
    let name = |(index, header): (usize, &str)| {
        let header = if index == 0 {
            header.trim_start_matches('\u{feff}')
        } else {
            header
        };
        header.trim().to_owned()
    };
    let headers: Vec<String> = headers.iter().enumerate().map(name).collect();
    let places = places(&headers, columns)?;
    let mut record = ::csv::StringRecord::new();
    let mut row = Vec::with_capacity(places.len());
    while reader
        .read_record(&mut record)
        .map_err(|error| told(&error))?
    {
        row.clear();
        row.extend(places.iter().map(|place| match record.get(*place) {
            None | Some("") => Value::Null,
            Some(text) => Value::Plain(text.to_owned()),
        }));
        each(&row)?;
    }
    Ok(())
}

fn delimiter(file: &mut BufReader<File>) -> Result<u8, Unreadable> {
    let mut line = Vec::new();
    std::io::Read::take(&mut *file, MOST_HEADER)
        .read_until(b'\n', &mut line)
        .map_err(|_| Unreadable::new("it cannot be read"))?;
    let count = |wanted: u8| line.iter().filter(|byte| **byte == wanted).count();
    Ok(if count(b';') > count(b',') {
        b';'
    } else {
        b','
    })
}

fn told(error: &::csv::Error) -> Unreadable {
    let line = error.position().map(::csv::Position::line);
    let what = match error.kind() {
        ::csv::ErrorKind::Utf8 { .. } => "is no UTF-8",
        ::csv::ErrorKind::UnequalLengths { .. } => "has more or fewer values than columns",
        _ => "cannot be read",
    };
    match line {
        Some(line) => Unreadable(format!("line {line} {what}")),
        None => Unreadable(format!("it {what}")),
    }
}
