//! Who sends a request: somebody who is known, or it ends here.

use axum::{
    http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts},
    response::Response,
};
use drawbridge_core::{
    answer::Status,
    call::{Caller, Door},
    file::GatewayFile,
};

use tracing::Span;

use super::{mcp, metadata, refusal::refuse, serve::Peer};
use crate::{
    app::App,
    audit::WhyNot,
    identify::{COMMAND_LINE, Unidentified},
    telemetry,
};

/// Who sends a request, and the span that it is traced in.
///
/// # Errors
/// The answer to somebody who cannot be let in.
pub(super) async fn identify(app: &App, parts: &Parts) -> Result<(Caller, Span), Response> {
    let gateway = app.gateway();
    let path = parts.uri.path();
    let door = if mcp::at(path).is_some() {
        Door::Mcp
    } else {
        Door::Api
    };
    // A request without a peer comes from this process: the command line without a server.
    let peer = parts.extensions.get::<Peer>().copied();
    let source = peer.map(|peer| peer.from.ip().to_canonical());
    let asked = (&parts.headers, path);
    let identified = app.identify.caller_at(asked, door, &gateway).await;
    match identified.and_then(|caller| from_here(caller, peer)) {
        Ok(mut caller) => {
            let (span, trace) = telemetry::request(&parts.headers, door.word());
            if let Some(trace) = trace {
                caller.trace = Some(trace.into());
            }
            Ok((caller, span))
        }
        Err(error) => {
            if let Some(why) = why_not(&error) {
                app.sign_ins.failed(source, why, door);
            }
            if let (Unidentified::Invalid, Some(source)) = (&error, source) {
                app.identify.slow_down(source).await;
            }
            Err(refused(&error, &gateway, asked))
        }
    }
}

/// The local token is good on this machine only, should it ever leave it.
fn from_here(caller: Caller, peer: Option<Peer>) -> Result<Caller, Unidentified> {
    let local = peer.is_none_or(|peer| peer.is_here());
    if *caller.client == *COMMAND_LINE && caller.token.is_none() && !local {
        return Err(Unidentified::Invalid);
    }
    Ok(caller)
}

/// What the log says of a failed sign-in; nothing where nobody failed but the gateway.
pub(super) fn why_not(error: &Unidentified) -> Option<WhyNot> {
    match error {
        Unidentified::Missing => Some(WhyNot::Missing),
        Unidentified::Invalid | Unidentified::Unbound | Unidentified::NotPersonal => {
            Some(WhyNot::Invalid)
        }
        Unidentified::Scope => Some(WhyNot::Scope),
        // Whoever holds the local token is signed in, and has written a name wrongly.
        Unidentified::Nobody(_) | Unidentified::Issuer | Unidentified::Store(_) => None,
    }
}

/// RFC 6750, and RFC 9728 where there is an issuer to go to.
fn refused(
    error: &Unidentified,
    gateway: &GatewayFile,
    (headers, path): (&HeaderMap, &str),
) -> Response {
    let message = error.to_string();
    let told = (&*message, error.mend());
    let (code, why) = match error {
        Unidentified::Missing => (StatusCode::UNAUTHORIZED, None),
        Unidentified::Invalid | Unidentified::Unbound | Unidentified::NotPersonal => {
            (StatusCode::UNAUTHORIZED, Some("invalid_token"))
        }
        Unidentified::Scope => (StatusCode::FORBIDDEN, Some("insufficient_scope")),
        Unidentified::Nobody(_) => {
            telemetry::refused("nobody");
            return refuse(StatusCode::FORBIDDEN, Status::Denied, told);
        }
        Unidentified::Issuer | Unidentified::Store(_) => {
            tracing::warn!("cannot tell who is calling: {error}");
            telemetry::refused("unavailable");
            return refuse(StatusCode::SERVICE_UNAVAILABLE, Status::Unavailable, told);
        }
    };
    telemetry::refused(why.unwrap_or("no_token"));
    let mut response = refuse(code, Status::Denied, told);
    let challenge = challenge(why, gateway, (headers, path));
    if let Ok(challenge) = HeaderValue::from_str(&challenge) {
        let headers = response.headers_mut();
        headers.insert(header::WWW_AUTHENTICATE, challenge);
    }
    response
}

fn challenge(
    why: Option<&str>,
    gateway: &GatewayFile,
    (headers, path): (&HeaderMap, &str),
) -> String {
    let mut challenge = "Bearer realm=\"drawbridge\"".to_owned();
    if let Some(why) = why {
        challenge.push_str(&format!(", error=\"{why}\""));
    }
    if let Some(oidc) = &gateway.oidc {
        let place = metadata::place(gateway, headers, path);
        challenge.push_str(&format!(", resource_metadata=\"{place}\""));
        if !oidc.scopes.is_empty() {
            challenge.push_str(&format!(", scope=\"{}\"", oidc.scopes.join(" ")));
        }
    }
    challenge
}
