//! Wishes for connectors.

use axum::{
    Extension,
    extract::{Path, State},
    response::Response,
};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    Asker, Gateway,
    body::{Asked, Body},
    description::Answer,
    operate,
};
use crate::{
    operate::{NewRequest, Operation, RequestQuery},
    store::RequestState,
};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Outcome {
    /// `taken` or `declined`.
    #[schema(value_type = String)]
    outcome: RequestState,
    /// Why, for who asked.
    reason: String,
}

/// Asks for a connector.
#[utoipa::path(post, path = "/api/v1/requests", operation_id = "new_request", tag = "requests", request_body = NewRequest, responses((status = 200, body = Answer)))]
pub(super) async fn new_request(
    State(app): Gateway,
    Extension(caller): Asker,
    Body(new): Body<NewRequest>,
) -> Response {
    operate(&app, &caller, Operation::NewRequest(new)).await
}

/// Requests for connectors, the open ones first: everyone's for an owner or reviewer, else my own.
#[utoipa::path(get, path = "/api/v1/requests", tag = "requests", params(RequestQuery), responses((status = 200, body = Answer)))]
pub(super) async fn requests(
    State(app): Gateway,
    Extension(caller): Asker,
    Asked(query): Asked<RequestQuery>,
) -> Response {
    operate(&app, &caller, Operation::Requests(query)).await
}

/// Answers a request that is open. For owners and reviewers.
#[utoipa::path(post, path = "/api/v1/requests/{id}/answer", tag = "requests", params(("id" = String, Path)), request_body = Outcome, responses((status = 200, body = Answer), (status = 409, description = "`conflict`: it was answered already", body = Answer)))]
pub(super) async fn answer_request(
    State(app): Gateway,
    Extension(caller): Asker,
    Path(id): Path<String>,
    Body(Outcome { outcome, reason }): Body<Outcome>,
) -> Response {
    let operation = Operation::AnswerRequest {
        id,
        outcome,
        reason,
    };
    operate(&app, &caller, operation).await
}
