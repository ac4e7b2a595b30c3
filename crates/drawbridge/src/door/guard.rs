//! What every request must pass first: Host and Origin. Also the time to an answer, and its headers.

use std::{panic::AssertUnwindSafe, time::Duration};

use axum::{
    extract::Request,
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::Response,
};
use drawbridge_core::{answer::Status, file::GatewayFile};
use futures_util::FutureExt;
use tokio::time::timeout;

use super::{names, refusal::refuse};
use crate::telemetry;

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
///
/// # Errors
/// The answer to such a one.
pub(super) fn names(gateway: &GatewayFile, request: &mut Request) -> Result<(), Box<Response>> {
    match check_names(gateway, request) {
        // Health is asked by address, and says nothing of anyone.
        Err(_) if matches!(request.uri().path(), "/healthz" | "/readyz") => Ok(()),
        checked => checked,
    }
}

/// The answer that is being worked on, if it comes in time, and nothing breaks.
pub(super) async fn within_bounds(answer: impl Future<Output = Response>) -> Response {
    let whole = AssertUnwindSafe(answer).catch_unwind();
    match timeout(REQUEST_TIMEOUT, whole).await {
        Ok(Ok(response)) => response,
        Ok(Err(_)) => {
            tracing::error!("a request broke; the panic is above");
            let told = (
                "this request broke something",
                "tell the gateway's owner, who finds the cause in its trace",
            );
            refuse(StatusCode::INTERNAL_SERVER_ERROR, Status::Failed, told)
        }
        Err(_) => {
            let told = ("it took too long", "ask for less at a time");
            refuse(StatusCode::GATEWAY_TIMEOUT, Status::Timeout, told)
        }
    }
}

fn check_names(gateway: &GatewayFile, request: &mut Request) -> Result<(), Box<Response>> {
    let called = names::authority(request.uri(), request.headers())
        .filter(|called| names::is_own(gateway, called))
        .ok_or_else(|| {
            telemetry::refused("host");
            let told = (
                "this host name is not one of the gateway's",
                "call it by its own name, or add this one to `hosts` in drawbridge.yaml",
            );
            Box::new(refuse(StatusCode::FORBIDDEN, Status::Denied, told))
        })?;
    let mut origins = request.headers().get_all(header::ORIGIN).iter();
    let own = origins.all(|origin| {
        origin
            .to_str()
            .is_ok_and(|origin| names::is_own_origin(gateway, origin, &called))
    });
    if !own {
        telemetry::refused("origin");
        let told = (
            "web pages of other origins may not call this gateway",
            "call it without `Origin`, or from a page of its own",
        );
        return Err(Box::new(refuse(
            StatusCode::FORBIDDEN,
            Status::Denied,
            told,
        )));
    }
    // HTTP/2 has no `Host`; what comes after reads one.
    if let Ok(host) = HeaderValue::from_str(called.as_str()) {
        request.headers_mut().insert(header::HOST, host);
    }
    Ok(())
}

/// An answer with the headers that every one has.
pub(super) fn with_headers(mut response: Response) -> Response {
    for (name, value) in HEADERS {
        response
            .headers_mut()
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    }
    response
}
