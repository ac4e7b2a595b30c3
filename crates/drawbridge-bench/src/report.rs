//! What was found, as a table for people and as JSON.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{
    databases::{Crossed, shop::System},
    load::{Measured, Work},
    pages::Page,
    run::Found,
};

/// One peer, one sort of call, so many connections, over all rounds.
pub(crate) struct Cell {
    pub(crate) peer: String,
    pub(crate) work: Work,
    pub(crate) connections: usize,
    /// The database that is asked; none where it is documents.
    system: Option<System>,
    micros: Vec<u64>,
    errors: u64,
    first_error: Option<String>,
    span: Duration,
    cpu: Duration,
    /// What the database's server spent.
    pub(crate) server_cpu: Duration,
    memory: u64,
    /// How often the log was waited for, and how many seconds in all.
    pub(crate) log_waits: (f64, f64),
}

impl Cell {
    pub(crate) fn new(peer: &str, work: Work, connections: usize) -> Self {
        Self {
            peer: peer.to_owned(),
            work,
            connections,
            system: None,
            micros: Vec::new(),
            errors: 0,
            first_error: None,
            span: Duration::ZERO,
            cpu: Duration::ZERO,
            server_cpu: Duration::ZERO,
            memory: 0,
            log_waits: (0.0, 0.0),
        }
    }

    /// The same, of a database.
    pub(crate) fn on(mut self, system: System) -> Self {
        self.system = Some(system);
        self
    }

    /// Its peer, with the database that is asked.
    fn name(&self) -> String {
        match self.system {
            None => self.peer.clone(),
            Some(system) => format!("{} {}", system.shown(), self.peer),
        }
    }

    /// Adds how the log was waited for between two looks.
    pub(crate) fn waited(&mut self, before: Option<(f64, f64)>, after: Option<(f64, f64)>) {
        if let Some(((count, sum), (count_before, sum_before))) = after.zip(before) {
            self.log_waits.0 += count - count_before;
            self.log_waits.1 += sum - sum_before;
        }
    }

    pub(crate) fn add(&mut self, measured: Measured, cpu: Duration, memory: u64) {
        self.micros.extend(measured.micros);
        self.micros.sort_unstable();
        self.errors += measured.errors;
        self.first_error = self.first_error.take().or(measured.first_error);
        self.span += measured.span;
        self.cpu += cpu;
        self.memory = self.memory.max(memory);
    }

    /// The time that so many hundredths of the calls did not exceed, in microseconds.
    fn percentile(&self, hundredths: usize) -> u64 {
        percentile(&self.micros, hundredths)
    }

    fn cpu_micros(&self) -> f64 {
        self.per_call(self.cpu)
    }

    /// Of all calls together, in microseconds.
    fn per_call(&self, time: Duration) -> f64 {
        time.as_secs_f64() * 1e6 / self.micros.len().max(1) as f64
    }

    fn per_second(&self) -> f64 {
        self.micros.len() as f64 / self.span.as_secs_f64().max(1e-9)
    }

    fn log_wait_micros(&self) -> Option<f64> {
        let (count, seconds) = self.log_waits;
        (count > 0.0).then(|| seconds * 1e6 / count)
    }
}

/// How a gateway starts, and what it weighs when nothing is asked of it.
pub(crate) struct Start {
    name: String,
    first: Vec<(Duration, Duration)>,
    pub(crate) memory: Vec<u64>,
}

impl Start {
    pub(crate) fn of(name: String) -> Self {
        Self {
            name,
            first: Vec::new(),
            memory: Vec::new(),
        }
    }

    pub(crate) fn memory_of(name: String, memory: u64) -> Self {
        Self {
            name,
            first: Vec::new(),
            memory: vec![memory],
        }
    }

    /// From the start to the first good call: time, and CPU.
    pub(crate) fn first(&mut self, took: (Duration, Duration)) {
        self.first.push(took);
        self.first.sort_unstable();
    }

    fn median(&self) -> Option<(Duration, Duration)> {
        self.first.get(self.first.len() / 2).copied()
    }
}

/// Prints it all; whether any call failed.
pub(crate) fn print(found: &Found, as_json: bool) -> bool {
    if as_json {
        println!("{}", value(found));
    } else {
        table(found);
    }
    cells(found).any(|cell| cell.errors > 0 || cell.micros.is_empty())
}

/// Documents first, then databases.
fn cells(found: &Found) -> impl Iterator<Item = &Cell> {
    found.cells.iter().chain(&found.databases.cells)
}

fn direct<'a>(found: &'a Found, cell: &Cell) -> Option<&'a Cell> {
    let same = |other: &&Cell| {
        other.peer == "direct" && other.work == cell.work && other.connections == cell.connections
    };
    cells(found).find(same)
}

fn unit(found: &Found, connections: usize) -> f64 {
    let unit = found.cells.iter().find(|cell| {
        let is_unit = cell.peer == "unit" || cell.peer == "direct" && cell.work == Work::Echo;
        is_unit && cell.connections == connections
    });
    unit.map_or(f64::NAN, Cell::cpu_micros)
}

fn row(found: &Found, cell: &Cell) -> Value {
    let base = direct(found, cell).filter(|_| !matches!(cell.peer.as_str(), "direct" | "unit"));
    let added = |hundredths| {
        base.map(|base| {
            i128::from(cell.percentile(hundredths)) - i128::from(base.percentile(hundredths))
        })
        .and_then(|micros| i64::try_from(micros).ok())
    };
    let units = cell.cpu_micros() / unit(found, cell.connections);
    json!({
        "work": cell.work.word(), "connections": cell.connections, "peer": cell.name(),
        "calls": cell.micros.len(), "errors": cell.errors, "first_error": cell.first_error,
        "per_second": cell.per_second().round(), "p50_us": cell.percentile(50), "p99_us": cell.percentile(99),
        "added_p50_us": added(50), "added_p99_us": added(99), "cpu_us": tenth(cell.cpu_micros()),
        "added_cpu_us": base.map(|base| tenth(cell.cpu_micros() - base.cpu_micros())),
        "server_cpu_us": cell.system.map(|_| tenth(cell.per_call(cell.server_cpu))),
        "cpu_units": units.is_finite().then(|| tenth(units)), "log_wait_mean_us": cell.log_wait_micros().map(f64::round),
        "memory_mib": tenth(mebibytes(cell.memory)),
    })
}

fn value(found: &Found) -> Value {
    let micros = |time: Duration| tenth(time.as_secs_f64() * 1e6);
    let starts: Vec<Value> = found.starts.iter().map(start).collect();
    let rows: Vec<Value> = cells(found).map(|cell| row(found, cell)).collect();
    let crossed: Vec<Value> = found.databases.crossed.iter().map(crossed).collect();
    let decisions = &found.decisions;
    let (p50, p99, mean) = syncs(found);
    json!({
        "cells": rows, "crossed": crossed, "starts": starts, "documents": found.documents, "binary_mib": tenth(mebibytes(found.binary)),
        "fdatasync_us": {"p50": p50, "p99": p99, "mean": mean},
        "decision_cpu_us": {"known": micros(decisions.known), "fresh": micros(decisions.fresh), "view": micros(decisions.view)},
        "pages": found.pages.pages.iter().map(page).collect::<Vec<_>>(),
        "pages_of": {"connectors": found.pages.connectors, "records": found.pages.records},
        "load_average": load_average(), "missing": found.missing,
    })
}

fn crossed(crossed: &Crossed) -> Value {
    let [before, few, most] = crossed.memory.map(|bytes| tenth(mebibytes(bytes)));
    json!({
        "database": crossed.system.shown(), "rows_cut": crossed.millions, "before_mib": before,
        "most_mib_of_1000_rows": few, "most_mib_of_all_rows": most,
    })
}

fn page(page: &Page) -> Value {
    let at = |hundredths| percentile(&page.micros, hundredths);
    json!({"path": page.path, "bytes": page.bytes, "p50_us": at(50), "p99_us": at(99)})
}

/// The time that so many hundredths did not exceed, of times that are in order.
fn percentile(micros: &[u64], hundredths: usize) -> u64 {
    let last = micros.len().saturating_sub(1);
    micros
        .get(last * hundredths / 100)
        .copied()
        .unwrap_or_default()
}

fn start(start: &Start) -> Value {
    let first = start.median();
    let millis = |time: Duration| tenth(time.as_secs_f64() * 1e3);
    json!({
        "peer": start.name, "first_call_ms": first.map(|(took, _)| millis(took)),
        "first_call_cpu_ms": first.map(|(_, cpu)| millis(cpu)),
        "idle_mib": start.memory.iter().max().map(|bytes| tenth(mebibytes(*bytes))),
    })
}

/// What the disk alone takes: p50, p99 and mean, in microseconds.
fn syncs(found: &Found) -> (u128, u128, u128) {
    let mut all: Vec<u128> = found.syncs.iter().map(Duration::as_micros).collect();
    all.sort_unstable();
    let at = |hundredths: usize| {
        all.get(all.len().saturating_sub(1) * hundredths / 100)
            .copied()
            .unwrap_or_default()
    };
    (
        at(50),
        at(99),
        all.iter().sum::<u128>() / all.len().max(1) as u128,
    )
}

/// The columns of the table: what stands above them, and which field of a row is in them.
const COLUMNS: [(&str, &str); 15] = [
    ("work", "work"),
    ("conns", "connections"),
    ("peer", "peer"),
    ("calls/s", "per_second"),
    ("p50 µs", "p50_us"),
    ("p99 µs", "p99_us"),
    ("+p50", "added_p50_us"),
    ("+p99", "added_p99_us"),
    ("CPU µs", "cpu_us"),
    ("+CPU", "added_cpu_us"),
    ("DB µs", "server_cpu_us"),
    ("units", "cpu_units"),
    ("log µs", "log_wait_mean_us"),
    ("MiB", "memory_mib"),
    ("errors", "errors"),
];

fn table(found: &Found) {
    let line = |texts: &[String]| {
        let widths = [7, 5, 24, 8, 8, 8, 8, 8, 8, 8, 8, 6, 8, 6, 6];
        let padded = texts
            .iter()
            .zip(widths)
            .map(|(text, width)| format!("{text:<width$}"));
        println!("{}", padded.collect::<Vec<_>>().join(" ").trim_end());
    };
    line(&COLUMNS.map(|(above, _)| above.to_owned()));
    for cell in cells(found) {
        let row = row(found, cell);
        line(&COLUMNS.map(|(_, name)| match row.get(name) {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Null) | None => String::new(),
            Some(other) => other.to_string(),
        }));
        if let Some(error) = &cell.first_error {
            println!("        first error: {error}");
        }
    }
    let (p50, p99, mean) = syncs(found);
    if !found.syncs.is_empty() {
        println!("\nfdatasync of the same disk: p50 {p50} µs, p99 {p99} µs, mean {mean} µs");
    }
    let decisions = &found.decisions;
    println!(
        "CPU of a decision: known {:?}, fresh {:?}, one more set of facets {:?}",
        decisions.known, decisions.fresh, decisions.view
    );
    println!("binary {} MiB", tenth(mebibytes(found.binary)));
    for one in &found.databases.crossed {
        println!("a question cut at its limit: {}", crossed(one));
    }
    if !found.pages.pages.is_empty() {
        let (connectors, records) = (found.pages.connectors, found.pages.records);
        println!("\nthe console with {connectors} connectors and {records} records of calls:");
    }
    for one in &found.pages.pages {
        println!("page: {}", page(one));
    }
    for one in &found.starts {
        println!("start: {}", start(one));
    }
    println!(
        "load average {}; + is beside the direct call; DB is the database's server; units are of the `unit` server's CPU",
        load_average()
    );
    for missing in &found.missing {
        println!("not measured: {missing}");
    }
}

fn tenth(number: f64) -> f64 {
    (number * 10.0).round() / 10.0
}

fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

fn load_average() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or_default().to_owned()
}
