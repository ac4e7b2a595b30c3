//! Making and ending tokens of AI clients.

use axum::{
    Extension,
    extract::{Path, State},
    response::Response,
};
use drawbridge_core::file::Span;
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    Asker, Gateway,
    body::{Asked, Body},
    description::Answer,
    operate,
};
use crate::operate::{Operation, TokenQuery};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    /// For whom its calls are made; without it, for oneself.
    person: Option<String>,
    /// The AI client or workflow that will use it; none for a personal token.
    client: Option<String>,
    /// Whether it is a person's own: they decide on approvals with it, and no AI client must have
    /// it. Tools are not called with it over MCP.
    #[serde(default)]
    personal: bool,
    /// What people call it.
    #[serde(default)]
    name: String,
    /// How long it is good: `90d`. Without it, until it is revoked.
    #[schema(value_type = Option<String>)]
    expires_in: Option<Span>,
}

/// Tokens: everyone's for an owner, else my own.
#[utoipa::path(get, path = "/api/v1/tokens", tag = "tokens", params(TokenQuery), responses((status = 200, body = Answer)))]
pub(super) async fn tokens(
    State(app): Gateway,
    Extension(caller): Asker,
    Asked(query): Asked<TokenQuery>,
) -> Response {
    operate(&app, &caller, Operation::Tokens(query)).await
}

/// Makes a token. It is in the answer, this once.
#[utoipa::path(post, path = "/api/v1/tokens", tag = "tokens", request_body = Wanted, responses((status = 200, body = Answer)))]
pub(super) async fn new_token(
    State(app): Gateway,
    Extension(caller): Asker,
    Body(wanted): Body<Wanted>,
) -> Response {
    let operation = Operation::NewToken {
        person: wanted.person,
        client: wanted.client,
        name: wanted.name,
        expires_in: wanted.expires_in,
        personal: wanted.personal,
    };
    operate(&app, &caller, operation).await
}

/// Ends a token.
#[utoipa::path(delete, path = "/api/v1/tokens/{id}", tag = "tokens", params(("id" = String, Path)), responses((status = 200, body = Answer)))]
pub(super) async fn revoke(
    State(app): Gateway,
    Extension(caller): Asker,
    Path(id): Path<String>,
) -> Response {
    operate(&app, &caller, Operation::RevokeToken { id }).await
}
