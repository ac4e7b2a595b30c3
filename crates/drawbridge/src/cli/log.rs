//! `log`: shows, follows, exports, proves and verifies the audit log.

mod accept;
mod follow;
mod verify;

use std::{io::Write, path::PathBuf, process::ExitCode};

use anyhow::Context;
use clap::{Args, Subcommand, ValueEnum};
use drawbridge_core::{connector::Clock, file::Span, log::plain};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{client::Client, show, text};
use crate::{clock::SystemClock, keys, workspace::Workspace};

#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Log {
    #[command(subcommand)]
    command: Option<LogCommand>,
    #[command(flatten)]
    filters: Filters,
    /// Goes on with records as they come.
    #[arg(long)]
    follow: bool,
    /// At most so many, the newest. Default 50.
    #[arg(long)]
    limit: Option<u32>,
}

/// Which records. `--person` is one of the filters here.
#[derive(Args, Clone)]
struct Filters {
    /// Through which client.
    #[arg(long)]
    client: Option<String>,
    /// Of which connector.
    #[arg(long)]
    connector: Option<String>,
    /// Which action.
    #[arg(long)]
    action: Option<String>,
    /// With which power.
    #[arg(long)]
    power: Option<String>,
    /// How it ended: ok, denied, failed …
    #[arg(long)]
    status: Option<String>,
    /// Not before: a time (RFC 3339), or how long ago (2h, 7d).
    #[arg(long)]
    since: Option<String>,
    /// Not after: a time (RFC 3339), or how long ago (2h, 7d).
    #[arg(long)]
    until: Option<String>,
    /// Of what was read or changed: a target that is, or begins with, this text.
    #[arg(long)]
    target: Option<String>,
    /// With this text anywhere, in any case.
    #[arg(long)]
    text: Option<String>,
}

#[derive(Subcommand)]
enum LogCommand {
    /// Checks every record and signature, offline. Example: drawbridge log verify --key acme+5d2f…
    Verify(verify::Wanted),
    /// Prints the public key. Example: drawbridge log key
    Key,
    /// Shows one record. Example: drawbridge log show 0197…
    Show {
        /// The record's id.
        id: String,
    },
    /// Prints the proof that one record is on the log. Example: drawbridge log prove 0197… > proof.json
    Prove {
        /// The record's id.
        id: String,
    },
    /// Writes records to a file. Example: drawbridge log export --format csv --since 7d --out week.csv
    Export {
        /// As they were hashed (to verify), as OCSF events, or as a table.
        #[arg(long)]
        format: Format,
        /// The file. Default: standard output.
        #[arg(long)]
        out: Option<PathBuf>,
        #[command(flatten)]
        filters: Filters,
    },
    /// Goes on with an older or other copy of the log, on record, when the newest is lost for good.
    /// Example: drawbridge log accept --reason "restored last night's backup"
    Accept {
        /// Why, for those who look at it later.
        #[arg(long)]
        reason: String,
    },
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    Jsonl,
    Ocsf,
    Csv,
}

pub(super) async fn run(
    dir: Option<PathBuf>,
    person: Option<String>,
    (log, json): (Log, bool),
) -> anyhow::Result<ExitCode> {
    let found = super::workspace(dir);
    let log = match log {
        // Whoever verifies needs no workspace: only the key, and what is to be verified.
        Log {
            command: Some(LogCommand::Verify(wanted)),
            ..
        } => return verify::run(found.ok().as_ref(), wanted, json).await,
        log => log,
    };
    let workspace = &found?;
    match log.command {
        Some(LogCommand::Verify(wanted)) => verify::run(Some(workspace), wanted, json).await,
        Some(LogCommand::Key) => key(workspace, json),
        Some(LogCommand::Accept { reason }) => accept::run(workspace, &reason, json).await,
        Some(LogCommand::Show { id }) => {
            ask(
                workspace,
                person,
                (&format!("/records/{}", segment(&id)), json),
            )
            .await
        }
        Some(LogCommand::Prove { id }) => {
            let path = format!("/records/{}/proof", segment(&id));
            ask(workspace, person, (&path, json)).await
        }
        Some(LogCommand::Export {
            format,
            out,
            filters,
        }) => export(workspace, (format, out), filters.query(person)?).await,
        None if log.follow => {
            let query = log.filters.query(person)?;
            follow::run(workspace, (query, log.limit), json).await
        }
        None => {
            let mut query = log.filters.query(person)?;
            query.extend(log.limit.map(|limit| ("limit", limit.to_string())));
            let client = Client::connect(workspace, None).await?;
            let answer = client.get(&path("/records", &query)).await;
            client.close().await;
            Ok(show::answer(&answer?, json, lines))
        }
    }
}

async fn ask(
    workspace: &Workspace,
    person: Option<String>,
    (path, json): (&str, bool),
) -> anyhow::Result<ExitCode> {
    let client = Client::connect(workspace, person).await?;
    let answer = client.get(path).await;
    client.close().await;
    Ok(show::answer(&answer?, json, text::plain))
}

/// Writes the export as it comes: it may be larger than memory.
async fn export(
    workspace: &Workspace,
    (format, out): (Format, Option<PathBuf>),
    query: Query,
) -> anyhow::Result<ExitCode> {
    let format = match format {
        Format::Jsonl => "jsonl",
        Format::Ocsf => "ocsf",
        Format::Csv => "csv",
    };
    let client = Client::connect(workspace, None).await?;
    let whole = query.is_empty() && format == "jsonl";
    let path = path(&format!("/records/export/{format}"), &query);
    let written = write(&client, &path, out.as_deref()).await;
    client.close().await;
    let checkpoint = written?;
    if let (true, Some(out), Some(note)) = (whole, out, checkpoint) {
        let mut beside = out.into_os_string();
        beside.push(".checkpoint");
        std::fs::write(beside, note)?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn write(
    client: &Client,
    path: &str,
    out: Option<&std::path::Path>,
) -> anyhow::Result<Option<String>> {
    // Asked for first: the export then holds at least the records that it signs for.
    let newest = client.get("/checkpoint").await?;
    let note = newest.pointer("/data/checkpoint").and_then(Value::as_str);
    let mut answer = client.stream(path).await?;
    anyhow::ensure!(
        answer.status().is_success(),
        "the gateway does not export: {}",
        plain::visible(&answer.text().await?)
    );
    let mut file: Box<dyn Write> = match out {
        Some(out) => {
            let made = keys::create_private(out);
            Box::new(made.with_context(|| format!("cannot write `{}`", out.display()))?)
        }
        None => Box::new(std::io::stdout().lock()),
    };
    while let Some(chunk) = answer
        .chunk()
        .await
        .context("the export broke off: what was written is not whole")?
    {
        file.write_all(&chunk)?;
    }
    file.flush()?;
    Ok(note.map(str::to_owned))
}

fn key(workspace: &Workspace, json: bool) -> anyhow::Result<ExitCode> {
    let file = workspace.state().join("keys/log.pub");
    let key = std::fs::read_to_string(file)
        .context("there is no public key; has the gateway run here?")?;
    let key = key.trim_end();
    if json {
        let answer = json!({"status": "ok", "data": {"public_key": key}});
        show::line(&show::json(&answer));
    } else {
        show::line(key);
    }
    Ok(ExitCode::SUCCESS)
}

/// Names and values of a query string.
type Query = Vec<(&'static str, String)>;

impl Filters {
    fn query(self, person: Option<String>) -> anyhow::Result<Query> {
        let mut query: Query = Vec::new();
        for (name, value) in [
            ("person", person),
            ("client", self.client),
            ("connector", self.connector),
            ("action", self.action),
            ("power", self.power),
            ("status", self.status),
            ("target", self.target),
            ("text", self.text),
        ] {
            query.extend(value.map(|value| (name, value)));
        }
        let now = SystemClock::default().now();
        for (name, value) in [("since", self.since), ("until", self.until)] {
            if let Some(value) = value {
                query.push((name, moment(&value, now)?.to_string()));
            }
        }
        Ok(query)
    }
}

/// A time, or how long ago.
fn moment(text: &str, now: Timestamp) -> anyhow::Result<Timestamp> {
    if let Ok(span) = text.parse::<Span>() {
        return Ok(now.checked_sub(span.duration())?);
    }
    text.parse().with_context(|| {
        format!("`{text}` is no time; write it like `2026-11-26T08:00:00Z`, or like `2h` or `7d` for so long ago")
    })
}

fn path(path: &str, query: &Query) -> String {
    let url = reqwest::Url::parse_with_params("http://gateway", query);
    let query = url.ok().and_then(|url| url.query().map(str::to_owned));
    match query {
        Some(query) if !query.is_empty() => format!("{path}?{query}"),
        _ => path.to_owned(),
    }
}

/// An id as a part of a path. An id is a UUID; what else is asked for is not found.
fn segment(id: &str) -> String {
    let plain = |letter: &char| letter.is_ascii_alphanumeric() || *letter == '-';
    id.chars().filter(plain).collect()
}

/// What a record's line begins with; a message may follow.
const COLUMNS: [(&str, &str); 8] = [
    ("TIME", "/time"),
    ("STATUS", "/status"),
    ("PERSON", "/person"),
    ("CLIENT", "/client"),
    ("CONNECTOR", "/connector"),
    ("ACTION", "/action"),
    ("COUNT", "/returned/count"),
    ("RECORD", "/id"),
];

/// Records as lines for people: one for each, the newest first, in columns.
fn lines(data: &Value) -> String {
    let records = data.get("records").and_then(Value::as_array);
    let mut rows: Vec<Vec<String>> = records.into_iter().flatten().map(cells).collect();
    let mut lines = Vec::new();
    if rows.is_empty() {
        lines.push("There is no such record that you may see.".to_owned());
    } else {
        let headings = COLUMNS.iter().map(|(heading, _)| *heading).chain(["WHY"]);
        rows.insert(0, headings.map(str::to_owned).collect());
    }
    // A table of the usual width would break ids and messages, which are looked for in it.
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row: &Vec<String>| row.get(column));
        cells
            .map(|cell: &String| cell.chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..COLUMNS.len()).map(width).collect();
    for row in &rows {
        let padded = row.iter().enumerate().map(|(column, cell)| {
            let width = widths.get(column).copied().unwrap_or(0);
            format!("{cell:<width$}")
        });
        let line = padded.collect::<Vec<_>>().join("  ");
        lines.push(line.trim_end().to_owned());
    }
    if let Some(before) = data.pointer("/next/before").and_then(Value::as_u64) {
        lines.push(format!(
            "There are more, before place {before}: ask with --limit, or for less with --until."
        ));
    }
    lines.join("\n")
}

/// A record as one line, whatever is in it.
fn line(record: &Value) -> String {
    cells(record).join("  ")
}

fn cells(record: &Value) -> Vec<String> {
    let cell = |at: &str| match record.pointer(at) {
        Some(Value::String(text)) => plain::visible(text),
        Some(Value::Null) | None => "-".to_owned(),
        Some(other) => plain::visible(&other.to_string()),
    };
    let mut cells = COLUMNS.map(|(_, at)| cell(at)).to_vec();
    if record.get("message").is_some_and(Value::is_string) {
        cells.push(cell("/message"));
    }
    cells
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_stand_in_columns_each_on_one_line() {
        let data = json!({"records": [
            {"time": "t1", "status": "ok", "person": "ann@x.example", "client": "claude", "connector": "notes", "action": "list", "returned": {"count": 12}, "id": "01"},
            {"time": "t2", "status": "denied", "person": "bo@x.example", "client": "claude", "connector": "notes", "action": "read", "id": "02", "message": "no\nway"},
        ]});
        insta::assert_snapshot!(lines(&data), @r"
        TIME  STATUS  PERSON         CLIENT  CONNECTOR  ACTION  COUNT  RECORD  WHY
        t1    ok      ann@x.example  claude  notes      list    12     01
        t2    denied  bo@x.example   claude  notes      read    -      02      no\u{a}way
        ");
    }
}
