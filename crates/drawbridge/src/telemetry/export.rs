//! Traces by OTLP over HTTP, for whoever sets `OTEL_EXPORTER_OTLP_ENDPOINT`: one span for each
//! request, and inside it one for each call, in the trace that the client began.

use std::{sync::OnceLock, time::Duration};

use http::HeaderMap;
use opentelemetry::{
    propagation::{Extractor, TextMapPropagator},
    trace::{TraceContextExt, TracerProvider},
};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::{
    Resource,
    propagation::TraceContextPropagator,
    runtime,
    trace::{SdkTracerProvider, span_processor_with_async_runtime::BatchSpanProcessor},
};
use tracing::{Level, Span, Subscriber};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::{Layer, filter::Targets, registry::LookupSpan};

/// How long the collector may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Where the spans are made that are exported. Nothing else leaves: other parts trace for the
/// operator of this machine.
const EXPORTED: &str = "drawbridge::door";

/// What sends the spans; there is one for the process, like the subscriber.
static PROVIDER: OnceLock<SdkTracerProvider> = OnceLock::new();

/// What sends spans to the collector, in batches, in the background.
pub(super) fn layer<S>() -> anyhow::Result<impl Layer<S>>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    let client = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .timeout(TIMEOUT)
        .build()?;
    let exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(client)
        .with_protocol(Protocol::HttpBinary)
        .build()?;
    let provider = SdkTracerProvider::builder()
        .with_span_processor(BatchSpanProcessor::builder(exporter, runtime::Tokio).build())
        .with_resource(Resource::builder().with_service_name("drawbridge").build())
        .build();
    let tracer = provider.tracer("drawbridge");
    let _ = PROVIDER.set(provider);
    Ok(tracing_opentelemetry::layer()
        .with_tracer(tracer)
        .with_location(false)
        .with_threads(false)
        .with_filter(Targets::new().with_target(EXPORTED, Level::DEBUG)))
}

/// Sends what was not sent yet.
pub fn close() {
    if let Some(provider) = PROVIDER.get()
        && let Err(error) = provider.shutdown_with_timeout(TIMEOUT)
    {
        tracing::warn!("the last traces could not be exported: {error}");
    }
}

/// The span of a request, in its client's trace, and the id of that trace. Where nothing is exported
/// it costs nothing and has no id.
pub(crate) fn request(headers: &HeaderMap, door: &'static str) -> (Span, Option<String>) {
    let span = tracing::debug_span!(target: EXPORTED, "request", otel.kind = "server", door);
    if span.is_disabled() {
        return (span, None);
    }
    let parent = TraceContextPropagator::new().extract(&Headers(headers));
    if let Err(error) = span.set_parent(parent) {
        tracing::debug!("a span has no parent: {error}");
    }
    let id = span.context().span().span_context().trace_id();
    (span, Some(id.to_string()))
}

struct Headers<'a>(&'a HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(http::HeaderName::as_str).collect()
    }
}
