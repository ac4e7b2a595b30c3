//! What can be found: by somebody else, and in which state it is.

use axum::{Extension, extract::State, response::Response};

use super::{
    Asker, Gateway,
    body::{Asked, Body},
    description::Answer,
    operate,
};
use crate::operate::{Operation, SearchedAs, SourceQuery};

/// Which sources somebody would find with a search, and no word of what these say. For owners and
/// auditors; it is on the log as theirs.
#[utoipa::path(post, path = "/api/v1/search_as", tag = "sources", request_body = SearchedAs, responses((status = 200, body = Answer)))]
pub(super) async fn search_as(
    State(app): Gateway,
    Extension(caller): Asker,
    Body(asked): Body<SearchedAs>,
) -> Response {
    operate(&app, &caller, Operation::SearchAs(asked)).await
}

/// The documents of the connectors I look after: how many, how fresh, and which cannot be offered and
/// why.
#[utoipa::path(get, path = "/api/v1/sources", tag = "sources", params(SourceQuery), responses((status = 200, body = Answer)))]
pub(super) async fn sources(
    State(app): Gateway,
    Extension(caller): Asker,
    Asked(query): Asked<SourceQuery>,
) -> Response {
    operate(&app, &caller, Operation::Sources(query)).await
}
