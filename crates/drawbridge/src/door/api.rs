//! The HTTP API, for people's own clients and AI applications that don't speak MCP.

mod accounts;
mod approvals;
mod body;
mod connectors;
mod console;
mod description;
mod people;
pub(super) mod records;
mod requests;
mod secrets;
mod sources;
mod tokens;
mod tools;
mod usage;

use std::sync::Arc;

use axum::{
    Extension, Json, Router,
    extract::State,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::any,
};
use drawbridge_core::{
    answer::Status,
    call::Caller,
    log::{LogDown, Recorded},
};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use utoipa::openapi::OpenApi;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::refusal::{Form, MARKDOWN, mend, refuse};
use crate::{app::App, operate::Operation};

pub(super) use description::router as description;

type Gateway = State<Arc<App>>;
type Asker = Extension<Caller>;

/// How long a client that asks too much is told to wait, in seconds.
const RETRY_AFTER: &str = "5";

/// Whether the API, but for its description, is at this path.
pub(super) fn is_path(path: &str) -> bool {
    path.strip_prefix("/api/v1/")
        .is_some_and(|rest| !rest.is_empty())
}

/// The API, and its description: what is routed is what is described, by construction.
#[expect(clippy::too_many_lines, reason = "one line for each address")]
pub(super) fn router(app: &Arc<App>, stop: &CancellationToken) -> (Router, OpenApi) {
    let (routes, described) = OpenApiRouter::with_openapi(description::frame())
        .routes(routes!(people::me))
        .routes(routes!(people::people))
        .routes(routes!(people::access))
        .routes(routes!(tools::tools))
        .routes(routes!(tools::call))
        .routes(routes!(tools::explain))
        .routes(routes!(connectors::connectors))
        .routes(routes!(connectors::connector))
        .routes(routes!(connectors::pause))
        .routes(routes!(connectors::resume))
        .routes(routes!(connectors::retire))
        .routes(routes!(connectors::check))
        .routes(routes!(connectors::check_all))
        .routes(routes!(connectors::revisions))
        .routes(routes!(connectors::history))
        .routes(routes!(connectors::approve))
        .routes(routes!(requests::requests, requests::new_request))
        .routes(routes!(requests::answer_request))
        .routes(routes!(sources::search_as))
        .routes(routes!(sources::sources))
        .routes(routes!(usage::usage))
        .routes(routes!(records::records))
        .routes(routes!(records::follow))
        .routes(routes!(records::export))
        .routes(routes!(records::record))
        .routes(routes!(records::proof))
        .routes(routes!(records::checkpoint))
        .routes(routes!(approvals::approvals))
        .routes(routes!(approvals::approval))
        .routes(routes!(approvals::approve))
        .routes(routes!(approvals::edit))
        .routes(routes!(approvals::reject))
        .routes(routes!(approvals::escalate))
        .routes(routes!(approvals::withdraw))
        .routes(routes!(approvals::settle))
        .routes(routes!(approvals::send))
        .routes(routes!(approvals::undo))
        .routes(routes!(approvals::stop))
        .routes(routes!(approvals::start))
        .routes(routes!(tokens::tokens, tokens::new_token))
        .routes(routes!(tokens::revoke))
        .routes(routes!(console::desk))
        .routes(routes!(console::link))
        .routes(routes!(secrets::secrets))
        .routes(routes!(secrets::secret_known, secrets::set_secret))
        .routes(routes!(secrets::retire_secret))
        .routes(routes!(secrets::remove_secret))
        .routes(routes!(accounts::connect_secret))
        .routes(routes!(accounts::secret_connected))
        .routes(routes!(accounts::disconnect_secret))
        .routes(routes!(accounts::connect_own))
        .routes(routes!(accounts::own_connected))
        .routes(routes!(accounts::disconnect_own))
        .split_for_parts();
    let routes = routes
        .route("/api/v1/{*rest}", any(nothing))
        .method_not_allowed_fallback(not_so)
        .layer(Extension(stop.clone()))
        .with_state(app.clone());
    (routes, description::whole(described))
}

async fn nothing() -> Response {
    let told = (
        "there is nothing at this address",
        "look at /api/openapi.json: it describes what there is",
    );
    refuse(StatusCode::NOT_FOUND, Status::NotFound, told)
}

async fn not_so() -> Response {
    let told = (
        "this address does not take this method",
        "look at /api/openapi.json: it describes what it takes",
    );
    refuse(StatusCode::METHOD_NOT_ALLOWED, Status::Invalid, told)
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

fn respond_as(recorded: Result<Recorded, LogDown>, form: Form) -> Response {
    let recorded = match recorded {
        Ok(recorded) => recorded,
        Err(error) => {
            tracing::error!(source = ?error.source, "{error}");
            let code = StatusCode::SERVICE_UNAVAILABLE;
            let told = (&*error.to_string(), "try again once the log can be written");
            return refuse(code, Status::Unavailable, told);
        }
    };
    let status = recorded.answer().status;
    let mut response = match form {
        Form::Json => (code(status), Json(written(&recorded))).into_response(),
        Form::Markdown => {
            let kind = (header::CONTENT_TYPE, MARKDOWN);
            (code(status), [kind], recorded.into_answer().text).into_response()
        }
    };
    if status == Status::Limited {
        let value = HeaderValue::from_static(RETRY_AFTER);
        response.headers_mut().insert(header::RETRY_AFTER, value);
    }
    response
}

/// The answer with its record's id; where it has no data, also what is wrong and what to do.
fn written(recorded: &Recorded) -> Value {
    let answer = recorded.answer();
    let mut body = json!(answer);
    let Some(fields) = body.as_object_mut() else {
        return body;
    };
    fields.insert("record".to_owned(), recorded.id().into());
    if let Some(mend) = mend(answer.status).filter(|_| !answer.status.has_data()) {
        let message = answer.notices.first().cloned().unwrap_or_default();
        fields.insert("message".to_owned(), message.into());
        fields.insert("mend".to_owned(), mend.into());
    }
    body
}

pub(super) fn code(status: Status) -> StatusCode {
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
