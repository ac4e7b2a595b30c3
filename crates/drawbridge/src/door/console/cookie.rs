//! The cookie that carries a session, and the token in forms that shows they are ours.

use axum::http::{HeaderMap, HeaderValue, Uri, header};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use drawbridge_core::{file::GatewayFile, secret::Secret};
use sha2::{Digest, Sha256};

use crate::door::names;

/// What a browser keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cookie {
    /// The session of somebody who has signed in.
    Session,
    /// What proves, when it comes back from the organisation's sign-in, that it was sent there.
    OnItsWay,
}

/// The session that a request carries.
pub(super) fn session(gateway: &GatewayFile, headers: &HeaderMap) -> Option<Secret<String>> {
    kept(Cookie::Session, gateway, headers)
}

/// What the browser of a request keeps.
pub(super) fn kept(
    cookie: Cookie,
    gateway: &GatewayFile,
    headers: &HeaderMap,
) -> Option<Secret<String>> {
    let name = name(cookie, gateway, headers);
    let mut found = None;
    for value in headers.get_all(header::COOKIE) {
        // What others keep for this host is none of ours, whatever it looks like.
        for pair in String::from_utf8_lossy(value.as_bytes()).split(';') {
            let Some((known, value)) = pair.trim().split_once('=') else {
                continue;
            };
            if known == name {
                // Two of the same name: one of them was smuggled in, and nobody knows which.
                if found.is_some() {
                    return None;
                }
                found = Some(Secret::new(value.to_owned()));
            }
        }
    }
    found
}

/// Has the browser keep it so long.
pub(super) fn keep(
    cookie: Cookie,
    (gateway, headers): (&GatewayFile, &HeaderMap),
    value: &str,
    seconds: i64,
) -> Option<HeaderValue> {
    let secure = if is_protected(gateway, headers) {
        "; Secure"
    } else {
        ""
    };
    let name = name(cookie, gateway, headers);
    // Lax, not Strict: a link in a message leads to an approval without signing in again. Forms
    // carry a token of their own. Nor does the organisation's sign-in send anybody back from here.
    let cookie =
        format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax; Max-Age={seconds}{secure}");
    HeaderValue::from_str(&cookie).ok()
}

/// Has the browser forget it.
pub(super) fn forget(
    cookie: Cookie,
    gateway: &GatewayFile,
    headers: &HeaderMap,
) -> Option<HeaderValue> {
    keep(cookie, (gateway, headers), "", 0)
}

/// What a form must carry to be one of this session's own pages.
pub(super) fn form_token(session: &Secret<String>) -> String {
    let mut digest = Sha256::new();
    digest.update(b"drawbridge form ");
    digest.update(session.expose().as_bytes());
    URL_SAFE_NO_PAD.encode(digest.finalize())
}

/// `__Host-` where the way is protected: no other host or path can set it. Browsers share the cookies
/// of one host among its ports, so that the port is part of the name elsewhere.
fn name(cookie: Cookie, gateway: &GatewayFile, headers: &HeaderMap) -> String {
    let name = match cookie {
        Cookie::Session => "drawbridge",
        Cookie::OnItsWay => "drawbridge-sign-in",
    };
    if is_protected(gateway, headers) {
        return format!("__Host-{name}");
    }
    let called = names::authority(&Uri::default(), headers);
    let port = called.and_then(|called| called.port_u16()).unwrap_or(80);
    format!("{name}-{port}")
}

/// Whether the browser calls by `https`: by the public address, where that is one.
fn is_protected(gateway: &GatewayFile, headers: &HeaderMap) -> bool {
    let public = gateway.public_url.as_ref();
    let public = public.and_then(|url| url.parse::<Uri>().ok());
    let called = names::authority(&Uri::default(), headers);
    public.is_some_and(|public| {
        public.scheme_str() == Some("https")
            && called.is_some_and(|called| public.host() == Some(called.host()))
    })
}
