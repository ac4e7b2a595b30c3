//! What this gateway is as a client of authorization servers elsewhere: who it says it is, and the keys
//! that its statements about people are checked with. Neither holds a secret.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
};
use drawbridge_core::answer::Status;

use super::refusal::refuse;
use crate::{
    app::App,
    credentials::{CLIENT_PATH, KEYS_PATH},
};

pub(super) fn router(app: &Arc<App>) -> Router {
    Router::new()
        .route(CLIENT_PATH, get(client))
        .route(KEYS_PATH, get(keys))
        .with_state(app.clone())
}

async fn client(State(app): State<Arc<App>>) -> Response {
    let Some((_, document)) = app.credentials.client_document() else {
        let told = (
            "this gateway has no public address",
            "write `public_url: https://…` in drawbridge.yaml: the document names it",
        );
        return refuse(StatusCode::NOT_FOUND, Status::NotFound, told);
    };
    Json(document).into_response()
}

async fn keys(State(app): State<Arc<App>>) -> Response {
    match app.credentials.subject_keys().await {
        Ok(keys) => Json(keys).into_response(),
        Err(error) => {
            tracing::error!("the keys for statements about people cannot be had: {error}");
            let told = ("the keys cannot be had at the moment", "try again");
            refuse(StatusCode::SERVICE_UNAVAILABLE, Status::Unavailable, told)
        }
    }
}
