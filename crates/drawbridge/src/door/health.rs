//! Whether the gateway is alive, ready, and how it does.

use std::{sync::Arc, time::Duration};

use axum::{
    Extension, Json, Router,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use drawbridge_core::{answer::Status, call::Caller, file::Who};
use serde_json::json;
use tokio::time::timeout;

use super::refusal::refuse;
use crate::{app::App, store::LogState, telemetry};

/// Where the metrics are.
pub(super) const METRICS: &str = "/metrics";
/// How long one part may take to say how it is.
const TIMEOUT: Duration = Duration::from_secs(2);

/// What anyone may ask.
pub(super) fn router(app: &Arc<App>) -> Router {
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .with_state(app.clone())
}

/// What only an owner or auditor may ask. Not open to this machine as a whole: behind a proxy,
/// every request comes from this machine.
pub(super) fn metrics_router(app: &Arc<App>) -> Router {
    Router::new()
        .route(METRICS, get(metrics))
        .with_state(app.clone())
}

/// Ready when calls can be answered and recorded. What is merely impaired is told beside it: other
/// gateways on the same store and issuer would be no better.
async fn ready(State(app): State<Arc<App>>) -> Response {
    let store = timeout(TIMEOUT, app.store.ready()).await;
    let down = match (store, app.journal.state()) {
        (Ok(Err(_)) | Err(_), _) => Some("the store does not answer, so calls cannot be recorded"),
        // The details are in the trace: whoever asks here may be anyone.
        (Ok(Ok(())), LogState::Down(_)) => {
            Some("the audit log cannot be written, so calls are refused")
        }
        (Ok(Ok(())), LogState::Opening | LogState::Ready) => None,
    };
    let mut impaired = Vec::new();
    let gateway = app.gateway();
    match timeout(TIMEOUT, app.identify.ready(&gateway)).await {
        Ok(Ok(())) => {}
        // The details are in the trace: whoever asks here may be anyone.
        Ok(Err(_)) | Err(_) => impaired.push("sign-in: the issuer's keys cannot be had"),
    }
    if !app.snapshot().problems.is_empty() {
        impaired.push("files: not all are in order; the last good ones are in force");
    }
    let code = match down {
        None => StatusCode::OK,
        Some(_) => StatusCode::SERVICE_UNAVAILABLE,
    };
    let body = json!({"ready": down.is_none(), "down": down, "impaired": impaired});
    (code, Json(body)).into_response()
}

async fn metrics(State(app): State<Arc<App>>, Extension(caller): Extension<Caller>) -> Response {
    let gateway = app.gateway();
    let is = |members: &[Who]| members.iter().any(|who| who.is(&caller));
    let may = caller.person.id == gateway.operator
        || is(&gateway.roles.owner)
        || is(&gateway.roles.auditor);
    if !may {
        let told = (
            "only an owner or auditor may read the gateway's metrics",
            "ask an owner for the role `auditor` in drawbridge.yaml",
        );
        return refuse(StatusCode::FORBIDDEN, Status::Denied, told);
    }
    telemetry::log_up(app.journal.state() == LogState::Ready);
    for (name, mounted) in &app.snapshot().connectors {
        let inspection = match &mounted.bridge.connector {
            Ok(connector) if mounted.runs() => timeout(TIMEOUT, connector.inspect()).await.ok(),
            _ => None,
        };
        telemetry::connector(name, mounted.bridge.standing.state, inspection.as_ref());
    }
    let kind = [(
        header::CONTENT_TYPE,
        "text/plain; version=0.0.4; charset=utf-8",
    )];
    (kind, telemetry::render()).into_response()
}
