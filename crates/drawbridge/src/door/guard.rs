//! What every request must pass before anything looks at it: Host, Origin, token, size, JSON, time.

use std::{any::Any, net::IpAddr, sync::Arc, time::Duration};

use axum::{
    Json,
    body::{Body, Bytes},
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use drawbridge_core::{
    call::{Caller, Door},
    file::GatewayFile,
};
use futures_util::StreamExt;
use serde_json::json;
use tokio::time::timeout;

use super::{api, json, mcp, metadata, names, serve::Peer};
use crate::{
    app::App,
    identify::{COMMAND_LINE, Unidentified, base},
    telemetry,
};

/// The largest body, in bytes.
pub(super) const MOST_BYTES: usize = 4 << 20;
/// How long a body may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a request may take until its answer begins. Calls have shorter limits of their own.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(15 * 60);

/// Headers that keep browsers from doing more with an answer than showing it.
const HEADERS: [(HeaderName, &str); 6] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CACHE_CONTROL, "no-store"),
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; frame-ancestors 'none'",
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
];

/// Refuses requests that a web page smuggles in: other hosts' names (DNS rebinding), other origins.
/// Also bounds the time to an answer, and adds headers to it.
pub(super) async fn names(
    State(app): State<Arc<App>>,
    mut request: Request,
    next: Next,
) -> Response {
    let gateway = app.gateway();
    // Health is asked by address, and says nothing of anyone.
    let response = match check_names(&gateway, &mut request) {
        Err(refusal) if !matches!(request.uri().path(), "/healthz" | "/readyz") => *refusal,
        _ => match timeout(REQUEST_TIMEOUT, next.run(request)).await {
            Ok(response) => response,
            Err(_) => refuse(StatusCode::GATEWAY_TIMEOUT, "timeout", "it took too long"),
        },
    };
    with_headers(response)
}

fn check_names(gateway: &GatewayFile, request: &mut Request) -> Result<(), Box<Response>> {
    let called = names::authority(request.uri(), request.headers())
        .filter(|called| names::is_own(gateway, called))
        .ok_or_else(|| {
            telemetry::refused("host");
            let told =
                "this host name is not one of the gateway's; add it to `hosts` in drawbridge.yaml";
            Box::new(refuse(StatusCode::FORBIDDEN, "denied", told))
        })?;
    let mut origins = request.headers().get_all(header::ORIGIN).iter();
    let own = origins.all(|origin| {
        origin
            .to_str()
            .is_ok_and(|origin| names::is_own_origin(gateway, origin, &called))
    });
    if !own {
        telemetry::refused("origin");
        let told = "web pages of other origins may not call this gateway";
        return Err(Box::new(refuse(StatusCode::FORBIDDEN, "denied", told)));
    }
    // HTTP/2 has no `Host`; what comes after reads one.
    if let Ok(host) = HeaderValue::from_str(called.as_str()) {
        request.headers_mut().insert(header::HOST, host);
    }
    Ok(())
}

/// Puts the caller into the request, or ends it.
pub(super) async fn identify(
    State(app): State<Arc<App>>,
    mut request: Request,
    next: Next,
) -> Response {
    let gateway = app.gateway();
    let door = if mcp::is_path(request.uri().path()) {
        Door::Mcp
    } else {
        Door::Api
    };
    // A request without a peer comes from this process: the command line without a server.
    let peer = request.extensions().get::<Peer>().copied();
    let source = peer.map(|Peer(address)| address.ip().to_canonical());
    let identified = app.identify.caller(request.headers(), door, &gateway).await;
    match identified.and_then(|caller| from_here(caller, source)) {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(error) => {
            if let (Unidentified::Invalid, Some(source)) = (&error, source) {
                app.identify.slow_down(source).await;
            }
            unidentified(&error, &gateway, request.headers())
        }
    }
}

/// The local token is good on this machine only, should it ever leave it.
fn from_here(caller: Caller, source: Option<IpAddr>) -> Result<Caller, Unidentified> {
    let local = source.is_none_or(|source| source.is_loopback());
    if *caller.client == *COMMAND_LINE && !local {
        return Err(Unidentified::Invalid);
    }
    Ok(caller)
}

/// RFC 6750, and RFC 9728 where there is an issuer to go to.
fn unidentified(error: &Unidentified, gateway: &GatewayFile, headers: &HeaderMap) -> Response {
    let (code, status, why) = match error {
        Unidentified::Missing => (StatusCode::UNAUTHORIZED, "denied", None),
        Unidentified::Invalid => (StatusCode::UNAUTHORIZED, "denied", Some("invalid_token")),
        Unidentified::Scope => (StatusCode::FORBIDDEN, "denied", Some("insufficient_scope")),
        Unidentified::Issuer | Unidentified::Store(_) => {
            tracing::warn!("cannot tell who is calling: {error}");
            telemetry::refused("unavailable");
            return refuse(
                StatusCode::SERVICE_UNAVAILABLE,
                "unavailable",
                &error.to_string(),
            );
        }
    };
    telemetry::refused(why.unwrap_or("no_token"));
    let mut challenge = "Bearer realm=\"drawbridge\"".to_owned();
    if let Some(why) = why {
        challenge.push_str(&format!(", error=\"{why}\""));
    }
    if let Some(oidc) = &gateway.oidc {
        let place = metadata::PATH;
        challenge.push_str(&format!(
            ", resource_metadata=\"{}{place}/mcp\"",
            base(gateway, headers)
        ));
        if !oidc.scopes.is_empty() {
            challenge.push_str(&format!(", scope=\"{}\"", oidc.scopes.join(" ")));
        }
    }
    let mut response = refuse(code, status, &error.to_string());
    if let Ok(challenge) = HeaderValue::from_str(&challenge) {
        response
            .headers_mut()
            .insert(header::WWW_AUTHENTICATE, challenge);
    }
    response
}

/// Reads the body, bounded in size and time, and looks at JSON before anything parses it.
pub(super) async fn body(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let bytes = match timeout(BODY_TIMEOUT, read(body)).await {
        Ok(Ok(bytes)) => bytes,
        Ok(Err(response)) => return response,
        Err(_) => {
            let told = "the body took too long to arrive";
            return refuse(StatusCode::REQUEST_TIMEOUT, "timeout", told);
        }
    };
    if !bytes.is_empty() {
        let path = parts.uri.path();
        let kind = parts.headers.get(header::CONTENT_TYPE);
        if !kind.is_some_and(is_json) {
            let told = "send the body as `Content-Type: application/json`";
            return refuse(StatusCode::UNSUPPORTED_MEDIA_TYPE, "invalid", told);
        }
        if let Err(fault) = json::check(&bytes) {
            let caller = parts.extensions.get::<Caller>();
            return match caller {
                Some(caller) if mcp::is_path(path) => mcp::malformed(&app, caller, fault).await,
                Some(caller) => api::malformed(&app, caller, path, fault).await,
                None => refuse(StatusCode::BAD_REQUEST, "invalid", &fault),
            };
        }
    }
    next.run(Request::from_parts(parts, Body::from(bytes)))
        .await
}

fn is_json(kind: &HeaderValue) -> bool {
    let essence = kind.to_str().ok().and_then(|kind| kind.split(';').next());
    essence.is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json"))
}

async fn read(body: Body) -> Result<Bytes, Response> {
    let mut chunks = body.into_data_stream();
    let mut bytes = Vec::new();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|_| {
            let told = "the body did not arrive whole";
            refuse(StatusCode::BAD_REQUEST, "invalid", told)
        })?;
        if bytes.len() + chunk.len() > MOST_BYTES {
            let told = format!("the body may have at most {MOST_BYTES} bytes");
            return Err(refuse(StatusCode::PAYLOAD_TOO_LARGE, "invalid", &told));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes.into())
}

fn with_headers(mut response: Response) -> Response {
    for (name, value) in HEADERS {
        response
            .headers_mut()
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    }
    response
}

/// What a client is told when a part of the gateway broke.
pub(super) fn broke(_: Box<dyn Any + Send + 'static>) -> Response {
    tracing::error!("a request broke; the panic is above");
    let told = "this request broke something; the gateway's owner finds the cause in its trace";
    with_headers(refuse(StatusCode::INTERNAL_SERVER_ERROR, "failed", told))
}

/// An answer to a request that never becomes a call.
pub(super) fn refuse(code: StatusCode, status: &str, message: &str) -> Response {
    let body = json!({"status": status, "data": null, "notices": [message]});
    (code, Json(body)).into_response()
}
