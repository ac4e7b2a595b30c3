//! Traces and metrics for operators. They may be lost; the audit log may not, and is elsewhere.
//!
//! Never in a trace: arguments, answers, tokens, e-mail addresses. Never in a label: whatever a
//! caller can choose freely.

use std::{io::IsTerminal, sync::OnceLock, time::Duration};

use drawbridge_core::{answer::Status, call::Door, lifecycle::State};
use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::EnvFilter;

/// Upper ends of the buckets of call durations, in seconds.
const BUCKETS: [f64; 12] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 2.5, 10.0, 30.0,
];

/// How traces are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Lines,
    /// One JSON object per line.
    Json,
}

/// What reads the metrics. The `metrics` crate counts for the whole process, so there is one.
static METRICS: OnceLock<Option<PrometheusHandle>> = OnceLock::new();

/// Writes traces to stderr, since stdout belongs to answers and to MCP. `filter` is written as in
/// `RUST_LOG`; one that cannot be read means `info`.
pub fn trace(format: Format, filter: Option<&str>) {
    let filter = filter
        .and_then(|filter| EnvFilter::try_new(filter).ok())
        .unwrap_or_else(|| EnvFilter::new("info"));
    let lines = tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_env_filter(filter);
    // Where another part of the process (a test) set one up before, that one stays.
    let _ = match format {
        Format::Lines => lines.with_target(false).try_init(),
        Format::Json => lines.json().flatten_event(true).try_init(),
    };
}

/// Starts counting. Without it, counting costs nothing and [`render`] is empty.
pub fn count() {
    METRICS.get_or_init(|| {
        let recorder = PrometheusBuilder::new()
            .set_buckets(&BUCKETS)
            .ok()?
            .build_recorder();
        let handle = recorder.handle();
        metrics::set_global_recorder(recorder).ok()?;
        describe_counter!("drawbridge_calls_total", "Calls of tools by how they ended");
        describe_histogram!("drawbridge_call_seconds", "Duration of calls of tools");
        describe_gauge!("drawbridge_calls_running", "Calls that are running");
        describe_counter!("drawbridge_refused_total", "Requests refused at the door");
        describe_counter!(
            "drawbridge_log_down_total",
            "Calls refused because of the log"
        );
        describe_histogram!(
            "drawbridge_log_wait_seconds",
            "How long calls wait until their record is durable"
        );
        describe_gauge!(
            "drawbridge_log_waiting",
            "Records that wait for the log's writer"
        );
        describe_gauge!("drawbridge_log_up", "Whether records can be made durable");
        describe_counter!("drawbridge_log_records_total", "Records made durable");
        describe_counter!(
            "drawbridge_log_batches_total",
            "Batches of records: one sync each"
        );
        describe_gauge!("drawbridge_connector_up", "Whether a connector can answer");
        Some(handle)
    });
}

/// All metrics in Prometheus' text format.
#[must_use]
pub fn render() -> String {
    match METRICS.get() {
        Some(Some(handle)) => {
            handle.run_upkeep();
            handle.render()
        }
        Some(None) | None => String::new(),
    }
}

/// A call that runs, until it is dropped.
pub(crate) struct Running;

impl Running {
    pub(crate) fn begin() -> Self {
        gauge!("drawbridge_calls_running").increment(1.0);
        Self
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        gauge!("drawbridge_calls_running").decrement(1.0);
    }
}

/// A call that ended. Names are those of the files, or `unknown`.
pub(crate) fn call((connector, action): (&str, &str), door: Door, status: Status, took: Duration) {
    let (connector, action) = (connector.to_owned(), action.to_owned());
    histogram!("drawbridge_call_seconds", "connector" => connector.clone(), "action" => action.clone())
        .record(took.as_secs_f64());
    counter!(
        "drawbridge_calls_total", "connector" => connector, "action" => action,
        "door" => door.word(), "status" => status.word(),
    )
    .increment(1);
}

/// A call that was refused because it could not be recorded.
pub(crate) fn log_down() {
    counter!("drawbridge_log_down_total").increment(1);
}

/// How many connections there are.
pub(crate) fn connections(count: usize) {
    gauge!("drawbridge_connections").set(u32::try_from(count).unwrap_or(u32::MAX));
}

/// A request that was refused before it became a call.
pub(crate) fn refused(why: &'static str) {
    counter!("drawbridge_refused_total", "why" => why).increment(1);
}

/// How a connector is.
pub(crate) fn connector(name: &str, state: State, up: f64) {
    gauge!("drawbridge_connector_up", "connector" => name.to_owned(), "state" => state.word())
        .set(up);
}
