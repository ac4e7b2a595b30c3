//! Who there is, and who may do what.

use axum::{
    Extension, Json,
    extract::{Path, State},
    response::Response,
};
use serde_json::{Value, json};

use super::{Asker, Gateway, body::Asked, description::Answer, operate};
use crate::operate::{Operation, PeopleQuery, me as shown};

/// Who I am to the gateway, and what I may do with it. An AI client has no roles.
#[utoipa::path(get, path = "/api/v1/me", tag = "tools", responses((status = 200, body = Answer)))]
pub(super) async fn me(State(app): Gateway, Extension(caller): Asker) -> Json<Value> {
    Json(json!({"status": "ok", "data": shown(&app.snapshot(), &caller)}))
}

/// Everyone the gateway knows, for owners and auditors; to anyone else, themselves.
#[utoipa::path(get, path = "/api/v1/people", tag = "people", params(PeopleQuery), responses((status = 200, body = Answer)))]
pub(super) async fn people(
    State(app): Gateway,
    Extension(caller): Asker,
    Asked(query): Asked<PeopleQuery>,
) -> Response {
    operate(&app, &caller, Operation::People(query)).await
}

/// Who may use which powers of a connector on which part, and what was used of that in 90 days.
#[utoipa::path(get, path = "/api/v1/connectors/{name}/access", tag = "people", params(("name" = String, Path)), responses((status = 200, body = Answer)))]
pub(super) async fn access(
    State(app): Gateway,
    Extension(caller): Asker,
    Path(name): Path<String>,
) -> Response {
    operate(&app, &caller, Operation::Access { name }).await
}
