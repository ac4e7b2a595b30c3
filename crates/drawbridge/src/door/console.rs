//! The console: where people look, decide and stop. Pages are made here from the same operations that
//! the HTTP API offers; a page asks as the person who has signed in, and is recorded like any other.

mod activity;
mod answers;
mod approvals;
pub(crate) mod assets;
mod chart;
mod connector;
mod cookie;
pub(crate) mod escape;
mod fit;
mod frame;
mod home;
mod lifecycle;
mod live;
mod organisation;
mod people;
mod sign_in;
mod sources;
mod visitor;
mod words;
mod zone;

use std::sync::Arc;

use axum::{
    Router,
    extract::DefaultBodyLimit,
    routing::{get, post},
};
use tokio_util::sync::CancellationToken;

use crate::app::App;

/// Every page, and what they are made with.
pub(super) fn router(app: &Arc<App>, stop: &CancellationToken) -> Router {
    let pages = pages().with_state(app.clone());
    let live = live::router(app, (pages.clone(), stop.clone()));
    let acts = Router::new()
        .route("/stop", post(home::stop))
        .route("/start", post(home::start))
        .route("/connectors/{name}/{act}", post(connector::stand))
        .route("/approvals/{id}/{act}", post(approvals::decide))
        .route("/lifecycle/requests", post(lifecycle::request))
        .route("/lifecycle/requests/{id}/answer", post(lifecycle::answer))
        .route("/sources/search", post(sources::search))
        .route("/tokens/{id}/revoke", post(people::revoke))
        .route("/activity/export/{format}", get(activity::export))
        .route("/sign-in", get(sign_in::page).post(sign_in::by_token))
        .route("/sign-in/oidc", get(organisation::away))
        .route("/sign-in/callback", get(organisation::back))
        .route("/sign-out", post(sign_in::out))
        // Forms are bounded before, by `Bodies`.
        .layer(DefaultBodyLimit::disable())
        .with_state(app.clone());
    pages.merge(acts).merge(live).merge(assets::router())
}

/// What a field of a form says; none where it is empty.
fn given(text: &str) -> Option<String> {
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

/// Text as a part of an address.
fn encoded(text: &str) -> String {
    askama::filters::urlencode_strict(text)
        .map_or_else(|never| match never {}, |text| text.to_string())
}

/// What is looked at, and looked at again when something changed.
fn pages() -> Router<Arc<App>> {
    Router::new()
        .route("/", get(home::page))
        .route("/approvals", get(approvals::list))
        .route("/approvals/{id}", get(approvals::page))
        .route("/activity", get(activity::list))
        .route("/activity/{id}", get(activity::page))
        .route("/connectors/{name}", get(connector::page))
        .route("/connectors/{name}/access", get(connector::access))
        .route("/connectors/{name}/revisions", get(connector::revisions))
        .route("/connectors/{name}/usage", get(connector::usage))
        .route("/lifecycle", get(lifecycle::page))
        .route("/people", get(people::page))
        .route("/people/explain", get(people::explain))
        .route("/sources", get(sources::page))
}
