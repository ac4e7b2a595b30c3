//! Looking after connectors: how they are, stopping and starting them, their revisions.

use axum::{
    Extension,
    extract::{Path, State},
    response::Response,
};

use super::{
    Asker, Gateway,
    body::{Asked, Body, Reason},
    description::Answer,
    operate,
};
use crate::operate::{ConnectorQuery, Operation};

/// The connectors I may use or look after. `next` is the `after` of the following page; it is null
/// after the last one.
#[utoipa::path(get, path = "/api/v1/connectors", tag = "connectors", params(ConnectorQuery), responses((status = 200, body = Answer)))]
pub(super) async fn connectors(
    State(app): Gateway,
    Extension(caller): Asker,
    Asked(query): Asked<ConnectorQuery>,
) -> Response {
    operate(&app, &caller, Operation::Connectors(query)).await
}

/// One connector, whole.
#[utoipa::path(get, path = "/api/v1/connectors/{name}", tag = "connectors", params(("name" = String, Path)), responses((status = 200, body = Answer)))]
pub(super) async fn connector(
    State(app): Gateway,
    Extension(caller): Asker,
    Path(name): Path<String>,
) -> Response {
    operate(&app, &caller, Operation::Connector { name }).await
}

/// Stops a connector. The one act on the gateway that a person's own token may do, where the person may pause it.
#[utoipa::path(post, path = "/api/v1/connectors/{name}/pause", tag = "connectors", params(("name" = String, Path)), request_body = Reason, responses((status = 200, body = Answer)))]
pub(super) async fn pause(
    State(app): Gateway,
    Extension(caller): Asker,
    Path(name): Path<String>,
    Body(Reason { reason }): Body<Reason>,
) -> Response {
    operate(&app, &caller, Operation::Pause { name, reason }).await
}

/// Starts a connector again. From the gateway's command line only.
#[utoipa::path(post, path = "/api/v1/connectors/{name}/resume", tag = "connectors", params(("name" = String, Path)), request_body = Reason, responses((status = 200, body = Answer)))]
pub(super) async fn resume(
    State(app): Gateway,
    Extension(caller): Asker,
    Path(name): Path<String>,
    Body(Reason { reason }): Body<Reason>,
) -> Response {
    operate(&app, &caller, Operation::Resume { name, reason }).await
}

/// Stops a connector for good. From the gateway's command line only.
#[utoipa::path(post, path = "/api/v1/connectors/{name}/retire", tag = "connectors", params(("name" = String, Path)), request_body = Reason, responses((status = 200, body = Answer)))]
pub(super) async fn retire(
    State(app): Gateway,
    Extension(caller): Asker,
    Path(name): Path<String>,
    Body(Reason { reason }): Body<Reason>,
) -> Response {
    operate(&app, &caller, Operation::Retire { name, reason }).await
}

/// A connector's revisions, with what each widens and narrows.
#[utoipa::path(get, path = "/api/v1/connectors/{name}/revisions", tag = "connectors", params(("name" = String, Path)), responses((status = 200, body = Answer)))]
pub(super) async fn revisions(
    State(app): Gateway,
    Extension(caller): Asker,
    Path(name): Path<String>,
) -> Response {
    operate(&app, &caller, Operation::Revisions { name }).await
}

/// Its last revisions, each with what it widened and narrowed against the one approved before it, and
/// who stopped, started or changed the connector when and why.
#[utoipa::path(get, path = "/api/v1/connectors/{name}/history", tag = "connectors", params(("name" = String, Path)), responses((status = 200, body = Answer)))]
pub(super) async fn history(
    State(app): Gateway,
    Extension(caller): Asker,
    Path(name): Path<String>,
) -> Response {
    operate(&app, &caller, Operation::History { name }).await
}

/// Puts a revision into force. From the gateway's command line only.
#[utoipa::path(post, path = "/api/v1/connectors/{name}/revisions/{hash}/approve", tag = "connectors", params(("name" = String, Path), ("hash" = String, Path, description = "Or its first eight or more digits")), request_body = Reason, responses((status = 200, body = Answer)))]
pub(super) async fn approve(
    State(app): Gateway,
    Extension(caller): Asker,
    Path((name, hash)): Path<(String, String)>,
    Body(Reason { reason }): Body<Reason>,
) -> Response {
    let operation = Operation::ApproveRevision { name, hash, reason };
    operate(&app, &caller, operation).await
}

/// Grades the eight areas of one connector.
#[utoipa::path(get, path = "/api/v1/connectors/{name}/check", tag = "connectors", params(("name" = String, Path)), responses((status = 200, body = Answer)))]
pub(super) async fn check(
    State(app): Gateway,
    Extension(caller): Asker,
    Path(name): Path<String>,
) -> Response {
    operate(&app, &caller, Operation::Check { name: Some(name) }).await
}

/// Grades the eight areas of all connectors I look after.
#[utoipa::path(get, path = "/api/v1/check", tag = "connectors", responses((status = 200, body = Answer)))]
pub(super) async fn check_all(State(app): Gateway, Extension(caller): Asker) -> Response {
    operate(&app, &caller, Operation::Check { name: None }).await
}
