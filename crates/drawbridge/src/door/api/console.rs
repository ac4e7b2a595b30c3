//! What the console begins with: what waits for somebody, and the link that lets them in.

use axum::{Extension, extract::State, http::HeaderMap, response::Response};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{Asker, Gateway, body::Body, description::Answer, operate};
use crate::{identify::base, operate::Operation};

/// Who I am here, what waits for me, and whether effects are stopped.
#[utoipa::path(get, path = "/api/v1/desk", tag = "console", responses((status = 200, body = Answer)))]
pub(super) async fn desk(State(app): Gateway, Extension(caller): Asker) -> Response {
    operate(&app, &caller, Operation::Desk).await
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    /// Whom it signs in; without it, oneself.
    #[serde(default)]
    person: Option<String>,
}

/// A link that signs its person in at the console, once, within ten minutes. From the gateway's command line only.
#[utoipa::path(post, path = "/api/v1/console/links", tag = "console", request_body = Wanted, responses((status = 200, body = Answer)))]
pub(super) async fn link(
    State(app): Gateway,
    Extension(caller): Asker,
    headers: HeaderMap,
    Body(Wanted { person }): Body<Wanted>,
) -> Response {
    let base = base(&app.gateway(), &headers);
    operate(&app, &caller, Operation::SignInLink { person, base }).await
}
