//! What every request must pass before anything looks at it: Host, Origin, token.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use drawbridge_core::call::Door;
use serde_json::json;

use crate::{app::App, identify::Unidentified};

/// The largest body, in bytes.
pub(super) const MOST_BYTES: usize = 4 << 20;

/// Refuses requests that a web page smuggles in: other hosts' names (DNS rebinding), other origins.
pub(super) async fn origin(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    match foreign(&app, &request) {
        Some(message) => refuse(StatusCode::FORBIDDEN, message),
        None => next.run(request).await,
    }
}

/// Why a request comes from where it must not, if it does.
fn foreign(app: &App, request: &Request) -> Option<&'static str> {
    let gateway = app.gateway();
    let public = gateway
        .public_url
        .as_deref()
        .and_then(|url| url.split("://").nth(1))
        .map(host);
    let known = |authority: &str| {
        let host = host(authority);
        ["127.0.0.1", "localhost", "[::1]"].contains(&host)
            || gateway.hosts.iter().any(|own| own == host)
            || public == Some(host)
    };
    let text = |name| {
        let value = request.headers().get(name);
        value.map(|value: &header::HeaderValue| value.to_str().unwrap_or(""))
    };
    let authority = request
        .uri()
        .authority()
        .map(|authority| authority.as_str())
        .or_else(|| text(header::HOST));
    if !authority.is_some_and(known) {
        return Some(
            "this host name is not one of the gateway's; add it to `hosts` in drawbridge.yaml",
        );
    }
    let origin = text(header::ORIGIN).map(|origin| origin.split("://").nth(1).unwrap_or(""));
    (!origin.is_none_or(known)).then_some("web pages of other origins may not call this gateway")
}

/// A host without its port.
fn host(authority: &str) -> &str {
    let authority = authority.split('/').next().unwrap_or(authority);
    match authority.find(']') {
        Some(end) => authority.get(..=end).unwrap_or(authority),
        None => authority.split(':').next().unwrap_or(authority),
    }
}

/// Puts the caller into the request, or ends it.
pub(super) async fn identify(
    State(app): State<Arc<App>>,
    mut request: Request,
    next: Next,
) -> Response {
    let door = if request.uri().path().starts_with("/mcp") {
        Door::Mcp
    } else {
        Door::Api
    };
    match app
        .identify
        .caller(request.headers(), door, &app.gateway())
        .await
    {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(error @ Unidentified::Store(_)) => {
            refuse(StatusCode::SERVICE_UNAVAILABLE, &error.to_string())
        }
        Err(error) => {
            let challenge = match &error {
                Unidentified::Invalid => "Bearer error=\"invalid_token\"",
                Unidentified::Missing | Unidentified::Store(_) => "Bearer",
            };
            let mut response = refuse(StatusCode::UNAUTHORIZED, &error.to_string());
            let headers: &mut HeaderMap = response.headers_mut();
            headers.insert(
                header::WWW_AUTHENTICATE,
                header::HeaderValue::from_static(challenge),
            );
            response
        }
    }
}

fn refuse(code: StatusCode, message: &str) -> Response {
    (
        code,
        Json(json!({"status": "denied", "notices": [message]})),
    )
        .into_response()
}
