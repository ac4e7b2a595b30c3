//! Traces and metrics for operators. They may be lost; the audit log may not, and is elsewhere.
//!
//! Never in a trace: arguments, answers, tokens, e-mail addresses. Never in a label: whatever a
//! caller can choose freely.

mod export;
mod metrics;

use std::io::IsTerminal;

use tracing_subscriber::{EnvFilter, Layer, layer::SubscriberExt, util::SubscriberInitExt};

pub use export::close;
pub(crate) use export::request;
pub(crate) use metrics::{Running, call, connections, connector, log_down, log_up, refused};
pub use metrics::{count, render};

/// How traces are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Lines,
    /// One JSON object per line.
    Json,
}

/// Whether traces are also sent elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Export {
    /// They stay here.
    Off,
    /// To a collector, by OTLP over HTTP. The variables `OTEL_EXPORTER_OTLP_…` say where and how.
    Otlp,
}

/// Writes traces to stderr, since stdout belongs to answers and to MCP. `filter` is written as in
/// `RUST_LOG`; one that cannot be read means `info`. Exporting needs the runtime it is called in.
pub fn trace(format: Format, filter: Option<&str>, export: Export) {
    let filter = filter
        .and_then(|filter| EnvFilter::try_new(filter).ok())
        .unwrap_or_else(|| EnvFilter::new("info"));
    let filter = match drawbridge_kinds::kinds::mcp::TOLD_TWICE.parse() {
        Ok(directive) => filter.add_directive(directive),
        Err(_) => filter,
    };
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    let lines = match format {
        Format::Lines => lines.with_target(false).with_filter(filter).boxed(),
        Format::Json => lines.json().flatten_event(true).with_filter(filter).boxed(),
    };
    let (exported, fault) = match export {
        Export::Off => (None, None),
        Export::Otlp => match export::layer() {
            Ok(layer) => (Some(layer), None),
            Err(fault) => (None, Some(fault)),
        },
    };
    // Where another part of the process (a test) set one up before, that one stays.
    let _ = tracing_subscriber::registry()
        .with(lines)
        .with(exported)
        .try_init();
    if let Some(fault) = fault {
        tracing::error!("traces are not exported: {fault}");
    }
}
