//! The HTTP API, for people's own clients and AI applications that don't speak MCP.

use std::sync::Arc;

use axum::{
    Extension, Json, Router,
    extract::{Path, Query, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{delete, get, post},
};
use drawbridge_core::{
    answer::Status,
    call::Caller,
    file::Span,
    log::{LogDown, Recorded},
};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::{
    app::{App, ToolRequest},
    operate::{Operation, RecordQuery},
};

type Gateway = State<Arc<App>>;
type Asker = Extension<Caller>;

pub(super) fn router(app: &Arc<App>) -> Router {
    let routes = Router::new()
        .route("/me", get(me))
        .route("/tools", get(tools))
        .route("/tools/{tool}", post(call))
        .route("/connectors", get(connectors))
        .route("/connectors/{name}/{act}", post(stand))
        .route("/connectors/{name}/revisions", get(revisions))
        .route("/connectors/{name}/revisions/{hash}/approve", post(approve))
        .route("/explain", post(explain))
        .route("/records", get(records))
        .route("/records/{id}", get(record))
        .route("/records/{id}/proof", get(proof))
        .route("/tokens", get(tokens).post(new_token))
        .route("/tokens/{id}", delete(revoke_token))
        .with_state(app.clone());
    Router::new().nest("/api/v1", routes)
}

/// The answer with its record's id.
fn respond(recorded: Result<Recorded, LogDown>) -> Response {
    let recorded = match recorded {
        Ok(recorded) => recorded,
        Err(error) => {
            tracing::error!("{error}: {:?}", error.source);
            let body =
                json!({"status": "unavailable", "data": null, "notices": [error.to_string()]});
            return (StatusCode::SERVICE_UNAVAILABLE, Json(body)).into_response();
        }
    };
    let mut body = serde_json::to_value(recorded.answer()).unwrap_or_default();
    if let Some(body) = body.as_object_mut() {
        body.insert("record".to_owned(), recorded.id().into());
    }
    (code(recorded.answer().status), Json(body)).into_response()
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

async fn me(Extension(caller): Asker) -> Json<Value> {
    Json(
        json!({"person": caller.person.id, "groups": caller.person.groups, "client": &*caller.client}),
    )
}

async fn tools(State(app): Gateway, Extension(caller): Asker) -> Json<Value> {
    let tools = app.snapshot().tools(&caller, None);
    let list: Vec<Value> = tools
        .iter()
        .map(|tool| json!({"name": tool.name, "power": tool.action.power, "description": tool.action.description, "input": tool.action.input}))
        .collect();
    Json(json!({"status": "ok", "data": {"tools": list}}))
}

async fn call(
    State(app): Gateway,
    Extension(caller): Asker,
    Path(tool): Path<String>,
    Json(arguments): Json<Value>,
) -> Response {
    let cancel = CancellationToken::new();
    // Dropped when the client hangs up, and that cancels.
    let _gone = cancel.clone().drop_guard();
    let request = ToolRequest {
        caller,
        connector: None,
        tool,
        arguments,
        cancel,
    };
    respond(app.call(request).await)
}

async fn connectors(State(app): Gateway, Extension(caller): Asker) -> Response {
    respond(app.operate(&caller, Operation::Connectors).await)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Reason {
    #[serde(default)]
    reason: String,
}

async fn stand(
    State(app): Gateway,
    Extension(caller): Asker,
    Path((name, act)): Path<(String, String)>,
    Json(body): Json<Reason>,
) -> Response {
    let reason = body.reason;
    let operation = match act.as_str() {
        "pause" => Operation::Pause { name, reason },
        "resume" => Operation::Resume { name, reason },
        "retire" => Operation::Retire { name, reason },
        _ => return StatusCode::NOT_FOUND.into_response(),
    };
    respond(app.operate(&caller, operation).await)
}

async fn revisions(
    State(app): Gateway,
    Extension(caller): Asker,
    Path(name): Path<String>,
) -> Response {
    respond(app.operate(&caller, Operation::Revisions { name }).await)
}

async fn approve(
    State(app): Gateway,
    Extension(caller): Asker,
    Path((name, hash)): Path<(String, String)>,
    Json(body): Json<Reason>,
) -> Response {
    respond(
        app.operate(
            &caller,
            Operation::ApproveRevision {
                name,
                hash,
                reason: body.reason,
            },
        )
        .await,
    )
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Question {
    person: Option<String>,
    client: Option<String>,
    tool: String,
    #[serde(default)]
    arguments: Value,
}

async fn explain(
    State(app): Gateway,
    Extension(caller): Asker,
    Json(question): Json<Question>,
) -> Response {
    let Question {
        person,
        client,
        tool,
        arguments,
    } = question;
    respond(
        app.operate(
            &caller,
            Operation::Explain {
                person,
                client,
                tool,
                arguments,
            },
        )
        .await,
    )
}

async fn records(
    State(app): Gateway,
    Extension(caller): Asker,
    Query(query): Query<RecordQuery>,
) -> Response {
    respond(app.operate(&caller, Operation::Records(query)).await)
}

async fn record(State(app): Gateway, Extension(caller): Asker, Path(id): Path<String>) -> Response {
    respond(app.operate(&caller, Operation::Record { id }).await)
}

async fn proof(State(app): Gateway, Extension(caller): Asker, Path(id): Path<String>) -> Response {
    respond(app.operate(&caller, Operation::Proof { id }).await)
}

async fn tokens(State(app): Gateway, Extension(caller): Asker) -> Response {
    respond(app.operate(&caller, Operation::Tokens).await)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    person: Option<String>,
    client: String,
    #[serde(default)]
    name: String,
    expires_in: Option<Span>,
}

async fn new_token(
    State(app): Gateway,
    Extension(caller): Asker,
    Json(wanted): Json<Wanted>,
) -> Response {
    let Wanted {
        person,
        client,
        name,
        expires_in,
    } = wanted;
    respond(
        app.operate(
            &caller,
            Operation::NewToken {
                person,
                client,
                name,
                expires_in,
            },
        )
        .await,
    )
}

async fn revoke_token(
    State(app): Gateway,
    Extension(caller): Asker,
    Path(id): Path<String>,
) -> Response {
    respond(app.operate(&caller, Operation::RevokeToken { id }).await)
}
