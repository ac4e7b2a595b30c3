//! Traces and metrics for operators. They may be lost; the audit log may not, and is elsewhere.
//!
//! Never in a trace: arguments, answers, tokens, e-mail addresses. Never in a label: whatever a
//! caller can choose freely.

mod export;
mod metrics;

use std::io::IsTerminal;

use tracing::{Level, level_filters::LevelFilter};
use tracing_subscriber::{
    EnvFilter, Layer,
    filter::{FilterExt, filter_fn},
    layer::{Filter, SubscriberExt},
    util::SubscriberInitExt,
};

use crate::credentials::GETTING_TOKENS;
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
    let filter = told(filter);
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

/// What is written, by what stands in `RUST_LOG`.
fn told<S: 'static>(filter: Option<&str>) -> impl Filter<S> + Send + Sync + 'static {
    let filter = filter
        .and_then(|filter| EnvFilter::try_new(filter).ok())
        .unwrap_or_else(|| EnvFilter::new("info"));
    let filter = match drawbridge_kinds::kinds::mcp::TOLD_TWICE.parse() {
        Ok(directive) => filter.add_directive(directive),
        Err(_) => filter,
    };
    let safe = filter_fn(|metadata| {
        *metadata.level() <= Level::INFO || !metadata.target().starts_with(GETTING_TOKENS)
    });
    filter.and(safe.with_max_level_hint(LevelFilter::TRACE))
}

#[cfg(test)]
mod tests {
    use super::told;
    use tracing::Level;
    use tracing_subscriber::{Layer, fmt, layer::SubscriberExt, registry};

    #[test]
    fn codes_and_tokens_are_traced_at_no_level() {
        for filter in ["trace", "debug", "rmcp::transport::auth=trace"] {
            let lines = fmt::layer().with_writer(std::io::sink);
            let subscriber = registry().with(lines.with_filter(told(Some(filter))));
            tracing::subscriber::with_default(subscriber, || {
                let debug = tracing::enabled!(target: "rmcp::transport::auth", Level::DEBUG);
                let within = tracing::enabled!(target: "rmcp::transport::auth::x", Level::TRACE);
                let warn = tracing::enabled!(target: "rmcp::transport::auth", Level::WARN);
                assert_eq!((debug, within, warn), (false, false, true), "{filter}");
            });
        }
        let subscriber = registry().with(fmt::layer().with_filter(told(Some("debug"))));
        tracing::subscriber::with_default(subscriber, || {
            assert!(tracing::enabled!(target: "rmcp::service", Level::DEBUG));
        });
    }
}
