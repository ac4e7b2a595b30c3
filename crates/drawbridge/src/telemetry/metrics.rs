//! Counters, gauges and durations, as Prometheus reads them.

use std::{sync::OnceLock, time::Duration};

use drawbridge_core::{
    answer::Status,
    call::Door,
    connector::{Health, Inspection},
    lifecycle::State,
};
use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

/// Upper ends of the buckets of call durations, in seconds.
const BUCKETS: [f64; 12] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 2.5, 10.0, 30.0,
];

/// What reads the metrics. The `metrics` crate counts for the whole process, so there is one.
static METRICS: OnceLock<Option<PrometheusHandle>> = OnceLock::new();

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
        describe_gauge!("drawbridge_connections", "Connections that are open");
        describe_histogram!(
            "drawbridge_log_wait_seconds",
            "How long records waited until they were durable"
        );
        describe_gauge!(
            "drawbridge_log_waiting",
            "Records that wait for the log's writer"
        );
        describe_gauge!("drawbridge_log_up", "Whether the log can be written");
        describe_counter!("drawbridge_log_records_total", "Records that are durable");
        describe_counter!("drawbridge_log_batches_total", "Syncs that made them so");
        describe_gauge!("drawbridge_connector_up", "Whether a connector can answer");
        describe_gauge!(
            "drawbridge_connector_resources",
            "What a connector has in reach"
        );
        describe_gauge!(
            "drawbridge_connector_problems",
            "What a connector has found and cannot offer"
        );
        describe_gauge!(
            "drawbridge_connector_synced_timestamp_seconds",
            "When a connector last saw all that its target holds"
        );
        describe_gauge!(
            "drawbridge_connector_sync_progress",
            "How much of the current sync is done, from 0 to 1"
        );
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

/// Whether the log can be written.
pub(crate) fn log_up(up: bool) {
    gauge!("drawbridge_log_up").set(f64::from(u8::from(up)));
}

/// How a connector is; `None` where it cannot say so.
pub(crate) fn connector(name: &str, state: State, inspection: Option<&Inspection>) {
    let name = name.to_owned();
    let up = inspection.is_some_and(|inspection| match inspection.health {
        Health::Ready | Health::Syncing | Health::Degraded => true,
        Health::Down => false,
    });
    // One line for each state, so that a state that was left does not stay behind as it was.
    for known in State::ALL {
        let value = f64::from(u8::from(up && known == state));
        gauge!("drawbridge_connector_up", "connector" => name.clone(), "state" => known.word())
            .set(value);
    }
    let Some(inspection) = inspection else {
        return;
    };
    gauge!("drawbridge_connector_resources", "connector" => name.clone())
        .set(lossy(inspection.resources));
    gauge!("drawbridge_connector_problems", "connector" => name.clone())
        .set(lossy(inspection.problem_count));
    if let Some(synced) = inspection.synced {
        gauge!("drawbridge_connector_synced_timestamp_seconds", "connector" => name.clone())
            .set(synced.as_duration().as_secs_f64());
    }
    let progress = inspection.progress.map_or(1.0, |progress| {
        lossy(progress.done) / lossy(progress.total.max(1))
    });
    gauge!("drawbridge_connector_sync_progress", "connector" => name).set(progress);
}

/// A count as a gauge's value. Gauges have 53 bits.
#[expect(clippy::cast_precision_loss, reason = "no count here comes near 2^53")]
fn lossy(count: u64) -> f64 {
    count as f64
}
