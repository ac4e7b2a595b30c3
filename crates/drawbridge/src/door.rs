//! The doors: MCP over HTTP and stdio, the HTTP API, health.

pub mod api;
mod body;
pub(crate) mod console;
mod front;
mod guard;
mod health;
pub mod json;
pub mod mcp;
mod metadata;
pub mod names;
mod oauth;
mod refusal;
mod serve;
mod shares;
mod sign_in;
mod stall;

use std::sync::Arc;

use axum::{extract::Request, response::Response};
use drawbridge_core::{
    answer::{Failure, Status},
    call::Caller,
    log::{LogDown, Record, Recorded},
    way::Refused,
};
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, Span, field::Empty};

use crate::{
    app::{App, ToolRequest, new_id},
    telemetry::{self, Running},
};

use front::Front;
pub use serve::{Answers, Bounds, Peer, serve, serve_within};

/// Every door behind one address.
#[derive(Clone)]
pub struct Doors(Arc<Front>);

impl Doors {
    /// The doors of a gateway, until `stop`.
    #[must_use]
    pub fn new(app: &Arc<App>, stop: &CancellationToken) -> Self {
        telemetry::count();
        Self(Arc::new(Front::new(app, stop)))
    }
}

impl Answers for Doors {
    fn answer(&self, request: Request) -> impl Future<Output = Response> + Send {
        self.0.answer(request)
    }
}

/// Calls a tool, counts it, and traces it.
async fn call(app: &Arc<App>, request: ToolRequest) -> Result<Recorded, LogDown> {
    let span = tracing::debug_span!("call", connector = Empty, action = Empty, status = Empty);
    counted(app, request).instrument(span).await
}

async fn counted(app: &Arc<App>, request: ToolRequest) -> Result<Recorded, LogDown> {
    let _running = Running::begin();
    let began = app.clock.monotonic();
    let target = names_for_metrics(app, &request);
    let door = request.caller.door;
    let outcome = app.call(request).await;
    match &outcome {
        Ok(recorded) => {
            let took = app.clock.monotonic().saturating_sub(began);
            let target = (target.0.as_str(), target.1.as_str());
            let span = Span::current();
            span.record("connector", target.0);
            span.record("action", target.1);
            span.record("status", recorded.answer().status.word());
            telemetry::call(target, door, recorded.answer().status, took);
        }
        Err(error) => {
            tracing::error!(source = ?error.source, "{error}");
            telemetry::log_down();
        }
    }
    outcome
}

/// The connector and action as the files name them. What a caller makes up is `unknown`: metrics
/// keep every name they have seen.
fn names_for_metrics(app: &App, request: &ToolRequest) -> (String, String) {
    let known = match &request.connector {
        Some(connector) => Some((connector.as_str(), request.tool.as_str())),
        None => request.tool.split_once('_'),
    };
    let known = known.filter(|(connector, action)| {
        let snapshot = app.snapshot();
        let mounted = snapshot.connectors.get(*connector);
        mounted.is_some_and(|mounted| mounted.action(action).is_some())
            || crate::gateway_tools::find(&request.tool).is_some()
    });
    let (connector, action) = known.unwrap_or(("unknown", "unknown"));
    (connector.to_owned(), action.to_owned())
}

/// Puts a request whose body must not be parsed on the log: nobody knows what it asks for.
async fn record_malformed(
    app: &App,
    (caller, action): (&Caller, &str),
    fault: &str,
) -> Result<Recorded, LogDown> {
    let why = ("the body cannot be read", Failure::invalid(fault));
    record(app, caller, (Record::GATEWAY, action), why).await
}

/// Puts a request at the door of a connector that its caller may not use on the log.
async fn record_denied(
    app: &App,
    (caller, connector): (&Caller, &str),
    told: &str,
) -> Result<Recorded, LogDown> {
    let failure = Failure::new(Status::Denied, told);
    let why = ("no tool of it is theirs to use", failure);
    record(app, caller, (connector, "mcp"), why).await
}

/// Puts a call that is refused before it is one on the log, with what was wrong beside its arguments.
async fn record_refused(
    app: &App,
    caller: &Caller,
    (connector, action): (&str, &str),
    told: &str,
) -> Result<Recorded, LogDown> {
    let why = (
        "what came beside the arguments is wrong",
        Failure::invalid(told),
    );
    record(app, caller, (connector, action), why).await
}

async fn record(
    app: &App,
    caller: &Caller,
    (connector, action): (&str, &str),
    (reason, failure): (&str, Failure),
) -> Result<Recorded, LogDown> {
    let id = new_id();
    let refused = Refused {
        id: &id,
        caller,
        connector,
        action,
        power: None,
        arguments: &Value::Null,
        reason: reason.to_owned(),
    };
    app.way.refuse(refused, failure, app.way.begin()).await
}
