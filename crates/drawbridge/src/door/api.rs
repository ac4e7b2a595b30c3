//! The HTTP API, for people's own clients and AI applications that don't speak MCP.

mod body;
mod connectors;
mod description;
mod records;
mod tokens;
mod tools;

use std::sync::Arc;

use axum::{
    Extension, Json, Router,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{delete, get, post},
};
use drawbridge_core::{
    answer::Status,
    call::Caller,
    log::{LogDown, Recorded},
};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::guard::refuse;
use crate::{app::App, operate::Operation};

pub(super) use description::router as description;

type Gateway = State<Arc<App>>;
type Asker = Extension<Caller>;

/// How long a client that asks too much is told to wait, in seconds.
const RETRY_AFTER: &str = "5";

pub(super) fn router(app: &Arc<App>, stop: &CancellationToken) -> Router {
    let follow = get(records::follow).layer(Extension(stop.clone()));
    let routes = Router::new()
        .route("/me", get(tools::me))
        .route("/tools", get(tools::tools))
        .route("/tools/{tool}", post(tools::call))
        .route("/explain", post(tools::explain))
        .route("/connectors", get(connectors::connectors))
        .route("/connectors/{name}", get(connectors::connector))
        .route("/connectors/{name}/pause", post(connectors::pause))
        .route("/connectors/{name}/resume", post(connectors::resume))
        .route("/connectors/{name}/retire", post(connectors::retire))
        .route("/connectors/{name}/check", get(connectors::check))
        .route("/connectors/{name}/revisions", get(connectors::revisions))
        .route(
            "/connectors/{name}/revisions/{hash}/approve",
            post(connectors::approve),
        )
        .route("/check", get(connectors::check_all))
        .route("/records", get(records::records))
        .route("/records/follow", follow)
        .route("/records/export/{format}", get(records::export))
        .route("/records/{id}", get(records::record))
        .route("/records/{id}/proof", get(records::proof))
        .route("/checkpoint", get(records::checkpoint))
        .route("/tokens", get(tokens::tokens).post(tokens::new_token))
        .route("/tokens/{id}", delete(tokens::revoke))
        .fallback(nothing)
        .method_not_allowed_fallback(not_so)
        .with_state(app.clone());
    Router::new().nest("/api/v1", routes)
}

async fn nothing() -> Response {
    let told = "there is nothing at this address; /api/openapi.json describes what there is";
    refuse(StatusCode::NOT_FOUND, "not_found", told)
}

async fn not_so() -> Response {
    let told = "this address does not take this method; /api/openapi.json describes what it takes";
    refuse(StatusCode::METHOD_NOT_ALLOWED, "invalid", told)
}

/// The answer to a body or query that cannot be read. It is recorded like a call.
pub(super) async fn malformed(app: &App, caller: &Caller, path: &str, fault: String) -> Response {
    let path: String = path.chars().take(100).collect();
    respond(super::record_malformed(app, (caller, &path), &fault).await)
}

async fn operate(app: &Arc<App>, caller: &Caller, operation: Operation) -> Response {
    respond(app.operate(caller, operation).await)
}

/// The answer with its record's id.
fn respond(recorded: Result<Recorded, LogDown>) -> Response {
    respond_as(recorded, Form::Json)
}

/// How a client reads an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// Status, data, sources, notices.
    Json,
    /// The text an AI would get.
    Markdown,
}

impl Form {
    /// What the client asks for with `Accept`; JSON unless it names Markdown.
    fn wanted(headers: &HeaderMap) -> Self {
        let accept = headers.get(header::ACCEPT);
        let markdown = accept.is_some_and(|accept| accept.as_bytes().starts_with(b"text/markdown"));
        if markdown { Self::Markdown } else { Self::Json }
    }
}

fn respond_as(recorded: Result<Recorded, LogDown>, form: Form) -> Response {
    let recorded = match recorded {
        Ok(recorded) => recorded,
        Err(error) => {
            tracing::error!(source = ?error.source, "{error}");
            let code = StatusCode::SERVICE_UNAVAILABLE;
            return refuse(code, Status::Unavailable.word(), &error.to_string());
        }
    };
    let status = recorded.answer().status;
    let mut response = match form {
        Form::Json => {
            let mut body = json!(recorded.answer());
            if let Some(body) = body.as_object_mut() {
                body.insert("record".to_owned(), recorded.id().into());
            }
            (code(status), Json(body)).into_response()
        }
        Form::Markdown => {
            let kind = (header::CONTENT_TYPE, "text/markdown; charset=utf-8");
            (code(status), [kind], recorded.into_answer().text).into_response()
        }
    };
    if status == Status::Limited {
        let value = HeaderValue::from_static(RETRY_AFTER);
        response.headers_mut().insert(header::RETRY_AFTER, value);
    }
    response
}

fn code(status: Status) -> StatusCode {
    match status {
        Status::Ok | Status::Partial => StatusCode::OK,
        Status::ApprovalNeeded => StatusCode::ACCEPTED,
        Status::Denied | Status::Rejected => StatusCode::FORBIDDEN,
        Status::Invalid => StatusCode::BAD_REQUEST,
        Status::NotFound => StatusCode::NOT_FOUND,
        Status::Timeout => StatusCode::GATEWAY_TIMEOUT,
        Status::Unavailable | Status::Stale => StatusCode::SERVICE_UNAVAILABLE,
        Status::Limited => StatusCode::TOO_MANY_REQUESTS,
        Status::Conflict => StatusCode::CONFLICT,
        Status::Unknown | Status::Failed => StatusCode::INTERNAL_SERVER_ERROR,
    }
}
