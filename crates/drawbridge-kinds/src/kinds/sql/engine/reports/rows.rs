//! The child that reads the rows of one file: it gives up what it does not need, then parses.
//!
//! The file is its standard input. It answers in frames on standard output: a letter that says what
//! follows, four bytes with its length, and a JSON text.

mod csv;
mod lines;
mod parquet;
mod sheet;
mod value;

use std::{
    fs::File,
    io::{Seek, Write},
    os::fd::AsFd,
    process::ExitCode,
};

use serde::{Deserialize, Serialize};

use crate::confine::confine;
use value::{Value, kept};

pub(super) use value::{Seen, Type};

/// The stack of the thread that parses: nested input must not overflow it.
const STACK: usize = 64 << 20;
/// About how many bytes of rows are told at a time.
const BATCH: usize = 256 << 10;
/// The largest value, in bytes.
const MOST_CELL: usize = 1 << 20;

/// How the kernel confines the child follows.
pub(super) const CONFINED: u8 = b'c';
/// Rows follow, each an array.
pub(super) const ROWS: u8 = b'r';
/// What the columns looked like follows.
pub(super) const SEEN: u8 = b's';
/// How many rows there were follows: the end.
pub(super) const DONE: u8 = b'd';
/// Why the file cannot be used follows.
pub(super) const UNFIT: u8 = b'u';

/// A file format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Format {
    Csv,
    Jsonl,
    Xlsx,
    Parquet,
}

impl Format {
    /// Every format with the extension of its files.
    pub(super) const ALL: [(&'static str, Self); 4] = [
        ("csv", Self::Csv),
        ("jsonl", Self::Jsonl),
        ("xlsx", Self::Xlsx),
        ("parquet", Self::Parquet),
    ];
}

/// What is asked of a child.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Request {
    pub(super) format: Format,
    /// The columns that are read; no other leaves the child.
    pub(super) columns: Vec<String>,
    /// What they are; without it the child only tells what they look like.
    pub(super) types: Option<Vec<Type>>,
    pub(super) most_rows: u64,
}

/// Why a file cannot be used, in words.
#[derive(Debug)]
pub(super) struct Unreadable(pub(super) String);

impl Unreadable {
    fn new(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }
}

/// What takes the rows of a file, one after the other, in the order of the columns.
type Each<'a> = &'a mut dyn FnMut(&[Value]) -> Result<(), Unreadable>;

/// The child's main.
#[must_use]
pub fn child(request: &str) -> ExitCode {
    // A number of its own for the file, taken while there still are some.
    let Ok(file) = std::io::stdin().as_fd().try_clone_to_owned() else {
        return ExitCode::FAILURE;
    };
    let Ok(confined) = confine() else {
        return ExitCode::FAILURE;
    };
    let request = request.to_owned();
    let serve = move || {
        let mut output = std::io::stdout().lock();
        frame(&mut output, CONFINED, &[confined])?;
        answer(&request, File::from(file), &mut output)
    };
    let worker = std::thread::Builder::new().stack_size(STACK).spawn(serve);
    match worker.map(std::thread::JoinHandle::join) {
        Ok(Ok(Ok(()))) => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

/// Answers a request about a file.
pub(in super::super::super) fn answer(
    request: &str,
    mut file: File,
    output: &mut impl Write,
) -> std::io::Result<()> {
    let request: Request = serde_json::from_str(request)?;
    file.rewind()?;
    let told = match &request.types {
        None => looked(&request, file),
        Some(types) => told(&request, types, file, output),
    };
    match told {
        Ok((letter, text)) => frame(output, letter, text.as_bytes()),
        Err(Unreadable(reason)) => frame(output, UNFIT, reason.as_bytes()),
    }
}

fn frame(output: &mut impl Write, letter: u8, text: &[u8]) -> std::io::Result<()> {
    let length = u32::try_from(text.len()).map_err(std::io::Error::other)?;
    output.write_all(&[letter])?;
    output.write_all(&length.to_be_bytes())?;
    output.write_all(text)?;
    output.flush()
}

fn looked(request: &Request, file: File) -> Result<(u8, String), Unreadable> {
    let mut seen = vec![Seen::default(); request.columns.len()];
    read(request, file, &mut |row| {
        for (seen, value) in seen.iter_mut().zip(row) {
            seen.look(value);
        }
        Ok(())
    })?;
    let text = serde_json::to_string(&seen).map_err(|_| broken())?;
    Ok((SEEN, text))
}

fn told(
    request: &Request,
    types: &[Type],
    file: File,
    output: &mut impl Write,
) -> Result<(u8, String), Unreadable> {
    let mut batch = b"[".to_vec();
    let mut send = |batch: &mut Vec<u8>| {
        batch.push(b']');
        let sent = frame(output, ROWS, batch);
        *batch = b"[".to_vec();
        sent.map_err(|_| broken())
    };
    let count = read(request, file, &mut |row| {
        let one = |(value, column): (&Value, &Type)| kept(value, *column);
        let cells: Option<Vec<_>> = row.iter().zip(types).map(one).collect();
        let cells = cells.ok_or_else(|| Unreadable::new("it changes while it is read"))?;
        if batch.len() > 1 {
            batch.push(b',');
        }
        serde_json::to_writer(&mut batch, &cells).map_err(|_| broken())?;
        if batch.len() >= BATCH {
            send(&mut batch)?;
        }
        Ok(())
    })?;
    send(&mut batch)?;
    Ok((DONE, count.to_string()))
}

fn broken() -> Unreadable {
    Unreadable::new("its rows cannot be told")
}

/// Reads all rows, and counts them.
fn read(request: &Request, file: File, each: Each<'_>) -> Result<u64, Unreadable> {
    let mut count = 0_u64;
    let most = request.most_rows;
    let mut counted = |row: &[Value]| {
        count += 1;
        if count > most {
            return Err(Unreadable::new(format!("it has more than {most} rows")));
        }
        for (value, name) in row.iter().zip(&request.columns) {
            let (Value::Plain(text) | Value::Text(text)) = value else {
                continue;
            };
            if text.len() > MOST_CELL {
                let told = format!("row {count}: `{name}` has more than 1 MiB");
                return Err(Unreadable(told));
            }
            if text.contains('\0') {
                let told = format!("row {count}: `{name}` holds a NUL, which is no text");
                return Err(Unreadable(told));
            }
        }
        each(row)
    };
    match request.format {
        Format::Csv => csv::read(file, &request.columns, &mut counted)?,
        Format::Jsonl => lines::read(file, &request.columns, &mut counted)?,
        Format::Xlsx => sheet::read(file, &request.columns, &mut counted)?,
        Format::Parquet => parquet::read(file, &request.columns, &mut counted)?,
    }
    Ok(count)
}

/// Where each of the columns stands under these headers.
fn places(headers: &[String], columns: &[String]) -> Result<Vec<usize>, Unreadable> {
    let mut seen = std::collections::BTreeSet::new();
    for (index, header) in headers.iter().enumerate() {
        if header.is_empty() {
            let told = format!("column {} has no name", index + 1);
            return Err(Unreadable(told));
        }
        if !seen.insert(header.to_lowercase()) {
            let told = format!("two columns are named `{header}`");
            return Err(Unreadable(told));
        }
    }
    let place = |name: &String| {
        let found = headers.iter().position(|header| header == name);
        found.ok_or_else(|| Unreadable(format!("it has no column `{name}`")))
    };
    columns.iter().map(place).collect()
}
