//! The way of every request: by which name it calls, who sends it, and its body; then what it asks for.
//!
//! One function, not a layer for each step: a layer copies all that is within it for each request, and
//! keeps in a box of its own what it waits for. Nothing behind a sign-in is routed but from here.

use std::sync::Arc;

use axum::{
    Router,
    body::{Body, HttpBody},
    extract::{DefaultBodyLimit, Request},
    http::{HeaderValue, Method, StatusCode, header, request::Parts},
    response::Response,
};
use drawbridge_core::{answer::Status, call::Caller};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use tracing::Instrument;

use super::{
    api,
    body::Bodies,
    console, guard, health, mcp, metadata, oauth,
    refusal::{Form, in_words, refuse},
    sign_in,
};
use crate::app::App;

/// Every door.
pub(super) struct Front {
    app: Arc<App>,
    bodies: Bodies,
    mcp: mcp::Door,
    /// What else is for callers who are known.
    known: Router,
    /// What anyone may ask.
    open: Router,
}

impl Front {
    pub(super) fn new(app: &Arc<App>, stop: &CancellationToken) -> Self {
        let (api, described) = api::router(app, stop);
        let known = api
            .merge(health::metrics_router(app))
            // Bodies are bounded before, and not a second time by whoever takes them out.
            .layer(DefaultBodyLimit::disable());
        let open = Router::new()
            .merge(health::router(app))
            .merge(metadata::router(app))
            .merge(oauth::router(app))
            .merge(console::router(app, stop))
            .merge(api::description(&described))
            .fallback(nothing);
        Self {
            app: app.clone(),
            bodies: Bodies::new(app.clone()),
            mcp: mcp::Door::new(app, stop),
            known,
            open,
        }
    }

    /// The answer to a request.
    pub(super) async fn answer(&self, mut request: Request) -> Response {
        let form = Form::wanted(request.headers());
        let is_head = request.method() == Method::HEAD;
        let response = match guard::names(&self.app.gateway(), &mut request) {
            Err(refusal) => *refusal,
            // In a box, since those who bound it hand it on.
            Ok(()) => guard::within_bounds(Box::pin(self.asked(request))).await,
        };
        let response = in_words(form, guard::with_headers(response));
        if is_head { head_of(response) } else { response }
    }

    async fn asked(&self, request: Request) -> Response {
        let path = request.uri().path();
        if mcp::at(path).is_none() && !api::is_path(path) && path != health::METRICS {
            return self.anyones(request).await;
        }
        let (parts, body) = request.into_parts();
        match sign_in::identify(&self.app, &parts).await {
            Err(refusal) => refusal,
            Ok((caller, span)) => {
                let signed_in = self.signed_in(caller, (parts, body));
                signed_in.instrument(span).await
            }
        }
    }

    /// What anyone may ask, and forms: who sends them, their own pages find out.
    async fn anyones(&self, request: Request) -> Response {
        if request.method() != Method::POST {
            return routed(&self.open, request).await;
        }
        let (parts, body) = request.into_parts();
        let (bytes, _memory) = match self.bodies.form(&parts, body).await {
            Ok(read) => read,
            Err(refusal) => return refusal,
        };
        let request = Request::from_parts(parts, Body::from(bytes));
        routed(&self.open, request).await
    }

    async fn signed_in(&self, caller: Caller, (mut parts, body): (Parts, Body)) -> Response {
        // What the body holds of the memory for all of them, it holds until the answer is there.
        let (bytes, _memory) = match self.bodies.read((&caller, &parts), body).await {
            Ok(read) => read,
            Err(refusal) => return refusal,
        };
        if mcp::at(parts.uri.path()).is_some() {
            return self.mcp.answer(caller, (parts, bytes)).await;
        }
        parts.extensions.insert(caller);
        let request = Request::from_parts(parts, Body::from(bytes));
        routed(&self.known, request).await
    }
}

/// An answer to `HEAD`: over HTTP/2 a body would break the connection's rules.
fn head_of(response: Response) -> Response {
    let (mut parts, body) = response.into_parts();
    if let Some(length) = body.size_hint().exact() {
        let length = || HeaderValue::from(length);
        parts
            .headers
            .entry(header::CONTENT_LENGTH)
            .or_insert_with(length);
    }
    Response::from_parts(parts, Body::empty())
}

/// The answer of whatever is at this address.
pub(super) async fn routed(router: &Router, request: Request) -> Response {
    let answered = router.clone().oneshot(request).await;
    answered.unwrap_or_else(|never| match never {})
}

async fn nothing(_: Request) -> Response {
    let told = (
        "there is nothing at this address",
        "MCP is at /mcp, and /api/openapi.json describes the HTTP API",
    );
    refuse(StatusCode::NOT_FOUND, Status::NotFound, told)
}
