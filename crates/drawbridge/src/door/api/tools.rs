//! What a caller may use, and using it.

use axum::{
    Extension, Json,
    extract::{Path, State},
    http::HeaderMap,
    response::Response,
};
use drawbridge_core::exchange::Exchange;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;

use super::{Asker, Form, Gateway, body::Body, description::Answer, operate, respond_as};
use crate::{app::ToolRequest, operate::Operation};

/// The tools I may use.
#[utoipa::path(get, path = "/api/v1/tools", tag = "tools", responses((status = 200, body = Answer)))]
pub(super) async fn tools(State(app): Gateway, Extension(caller): Asker) -> Json<Value> {
    let tools = app.snapshot().tools(&caller, None);
    let list: Vec<Value> = tools
        .iter()
        .map(|tool| {
            let action = &tool.action;
            json!({
                "name": tool.name,
                "title": action.title,
                "power": action.power,
                "description": action.description,
                "input": action.input,
                "output": action.output,
            })
        })
        .collect();
    Json(json!({"status": "ok", "data": {"tools": list}}))
}

/// Calls a tool. The body is its arguments. With `Accept: text/markdown` the answer is the text an
/// AI would get.
#[utoipa::path(
    post, path = "/api/v1/tools/{tool}", tag = "tools",
    params(("tool" = String, Path, description = "The tool's name, such as `handbook_search`")),
    request_body = Object,
    responses(
        (status = 200, description = "`ok` or `partial`", body = Answer),
        (status = 202, description = "`approval_needed`", body = Answer),
        (status = 400, description = "`invalid`: the message names field and rule", body = Answer),
        (status = 403, description = "`denied` or `rejected`", body = Answer),
        (status = 404, description = "`not_found`", body = Answer),
        (status = 409, description = "`conflict`", body = Answer),
        (status = 429, description = "`limited`: wait as long as `Retry-After` says", body = Answer),
        (status = 500, description = "`failed` or `unknown`", body = Answer),
        (status = 503, description = "`unavailable` or `stale`", body = Answer),
        (status = 504, description = "`timeout`", body = Answer),
    ),
)]
pub(super) async fn call(
    State(app): Gateway,
    Extension(caller): Asker,
    Path(tool): Path<String>,
    headers: HeaderMap,
    Body(arguments): Body<Value>,
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
        exchange: Exchange::default(),
    };
    respond_as(
        crate::door::call(&app, request).await,
        Form::wanted(&headers),
    )
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Question {
    /// For whom; without it, for oneself.
    person: Option<String>,
    /// Through which client.
    client: Option<String>,
    /// The tool's name.
    tool: String,
    /// Its arguments.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    arguments: Value,
}

/// Why a call would be allowed or denied.
#[utoipa::path(
    post, path = "/api/v1/explain", tag = "tools",
    request_body = Question, responses((status = 200, body = Answer)),
)]
pub(super) async fn explain(
    State(app): Gateway,
    Extension(caller): Asker,
    Body(question): Body<Question>,
) -> Response {
    let operation = Operation::Explain {
        person: question.person,
        client: question.client,
        tool: question.tool,
        arguments: question.arguments,
    };
    operate(&app, &caller, operation).await
}
