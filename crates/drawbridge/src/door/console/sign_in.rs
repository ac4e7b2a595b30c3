//! Signing in at the console: by a link of the command line, by a personal token; and out.

use std::sync::Arc;

use askama::Template;
use axum::{
    Extension, Form,
    extract::{Query, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
};
use drawbridge_core::{
    call::{Caller, Door},
    file::GatewayFile,
};
use serde::Deserialize;

use super::{
    cookie::{self, Cookie},
    visitor::{Sent, Shown, html, of_headers, own_page},
};
use crate::{
    app::App,
    audit::WhyNot,
    door::{serve::Peer, sign_in::why_not},
    identify::{Unidentified, is_path_here},
    operate::{How, Operation, SignIn},
};

#[derive(Template)]
#[template(path = "sign_in.html")]
struct Page<'a> {
    gateway: &'a str,
    wrong: Option<String>,
    oidc: bool,
    to: &'a str,
}

#[derive(Deserialize)]
pub(super) struct Asked {
    /// Where they were going.
    #[serde(default)]
    to: String,
    /// A one-time link's code.
    code: Option<String>,
}

/// `/sign-in`: how to, or in by a link.
pub(super) async fn page(
    State(app): State<Arc<App>>,
    peer: Option<Extension<Peer>>,
    (method, headers): (Method, HeaderMap),
    Query(Asked { to, code }): Query<Asked>,
) -> Response {
    let to = own_path(&to);
    let Some(code) = code else {
        // Somebody who is in need not sign in.
        return match of_headers(&app, &headers).await {
            Ok(_) => Redirect::to(to).into_response(),
            Err(_) => asked_in(&app, to, None),
        };
    };
    // Another site must not sign anyone in, and a browser that only looks ahead must not use it up.
    // Who only asks whether the page is there must not use it up either.
    let looks = method != Method::GET || headers.contains_key("sec-purpose");
    if looks || !own_page(&headers) {
        let told = "Another page led here. Copy the link into the address bar to sign in; it was not used up.";
        return asked_in(&app, to, Some(told.to_owned()));
    }
    let known = app.identify.by_link(&code, &app.gateway()).await;
    let known = known.map(|(caller, maker)| {
        let made_by = Some(maker).filter(|maker| *maker != caller.person.id);
        (caller, How::Link, made_by)
    });
    let told = "This link was used already, or is too old. `drawbridge console` makes another.";
    arrived(&app, (peer, &headers), (known, to), told).await
}

#[derive(Deserialize)]
pub(super) struct Shows {
    #[serde(default)]
    to: String,
    token: String,
}

/// A personal token from the form.
pub(super) async fn by_token(
    State(app): State<Arc<App>>,
    peer: Option<Extension<Peer>>,
    headers: HeaderMap,
    Form(Shows { to, token }): Form<Shows>,
) -> Response {
    let to = own_path(&to);
    let known = match own_page(&headers) {
        true => app.identify.by_token(&token, &app.gateway()).await,
        false => Err(Unidentified::Invalid),
    };
    let known = known.map(|caller| (caller, How::Token, None));
    arrived(&app, (peer, &headers), (known, to), "").await
}

/// Somebody who has shown who they are: by what, and who made the link, where it is another.
type Known = (Caller, How, Option<String>);

/// Begins a session for somebody who has shown who they are.
async fn arrived(
    app: &Arc<App>,
    (peer, headers): (Option<Extension<Peer>>, &HeaderMap),
    (known, to): (Result<Known, Unidentified>, &str),
    told: &str,
) -> Response {
    let (caller, how, made_by) = match known {
        Ok(known) => known,
        Err(error) => {
            failed(app, peer, why_not(&error)).await;
            let said = match told {
                "" => format!("{error}; {}", error.mend()),
                told => told.to_owned(),
            };
            return asked_in(app, to, Some(said));
        }
    };
    let wanted = SignIn {
        how,
        made_by,
        claims: None,
        replaces: None,
        lasts: None,
    };
    begin(app, headers, (&caller, wanted), to).await
}

/// Puts a failed sign-in on the log, and makes whoever keeps failing wait.
pub(super) async fn failed(app: &Arc<App>, peer: Option<Extension<Peer>>, why: Option<WhyNot>) {
    let source = peer.map(|Extension(peer)| peer.from.ip().to_canonical());
    let Some(why) = why else {
        return;
    };
    app.sign_ins.failed(source, why, Door::Console);
    if let Some(source) = source {
        app.identify.slow_down(source).await;
    }
}

/// Begins a session, has the browser keep it, and sends it to where its person was going.
pub(super) async fn begin(
    app: &Arc<App>,
    headers: &HeaderMap,
    (caller, mut wanted): (&Caller, SignIn),
    to: &str,
) -> Response {
    // The cookie that is replaced is not only forgotten: its session ends.
    let before = of_headers(app, headers).await.ok();
    let before = before.and_then(|visitor| visitor.caller.token);
    wanted.replaces = before.map(|id| id.to_string());
    let begun = app.operate(caller, Operation::SignIn(wanted)).await;
    let answer = match begun {
        Ok(recorded) => recorded.into_answer(),
        Err(error) => {
            tracing::error!(source = ?error.source, "{error}");
            let told = "The log cannot be written at the moment, so nobody is let in.";
            return asked_in(app, to, Some(told.to_owned()));
        }
    };
    let text = |name: &str| answer.data.get(name).and_then(|value| value.as_str());
    let (Some(session), Some(expires)) = (text("session"), text("expires")) else {
        let told = answer.notices.into_iter().next();
        return asked_in(app, to, told.or(Some("You cannot be let in.".to_owned())));
    };
    let end: Option<jiff::Timestamp> = expires.parse().ok();
    let seconds = end.map_or(0, |end| end.as_second() - app.clock.now().as_second());
    let cookie = cookie::keep(Cookie::Session, (&app.gateway(), headers), session, seconds);
    let cookie = cookie.unwrap_or(HeaderValue::from_static(""));
    ([(header::SET_COOKIE, cookie)], Redirect::to(to)).into_response()
}

/// Whether people may sign in by the organisation's issuer.
fn offers_oidc(gateway: &GatewayFile) -> bool {
    let oidc = gateway.oidc.as_ref();
    oidc.is_some_and(|oidc| oidc.console.is_some())
}

/// The page that says how to sign in.
pub(super) fn asked_in(app: &App, to: &str, wrong: Option<String>) -> Response {
    let gateway = app.gateway();
    let code = match wrong {
        Some(_) => StatusCode::FORBIDDEN,
        None => StatusCode::OK,
    };
    let page = Page {
        gateway: &gateway.gateway,
        wrong,
        oidc: offers_oidc(&gateway),
        to,
    };
    match page.render() {
        Ok(text) => html(code, text),
        Err(error) => {
            tracing::error!("the sign-in page cannot be made: {error}");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// Ends the session.
pub(super) async fn out(headers: HeaderMap, sent: Sent) -> Shown {
    let visitor = &sent.visitor;
    visitor.data(Operation::SignOut).await?;
    let cookie = cookie::forget(Cookie::Session, &visitor.app.gateway(), &headers);
    let cookie = cookie.unwrap_or(HeaderValue::from_static(""));
    Ok(([(header::SET_COOKIE, cookie)], Redirect::to("/sign-in")).into_response())
}

/// A path of this gateway, or its first page: no address leads anybody elsewhere, or back to the sign-in.
pub(super) fn own_path(to: &str) -> &str {
    let own = is_path_here(to) && !to.starts_with("/sign-in");
    if own { to } else { "/" }
}

#[cfg(test)]
mod tests {
    use super::own_path;

    #[test]
    fn nobody_is_sent_elsewhere() {
        for own in ["/", "/approvals/0a?x=1", "/activity?text=%0d"] {
            assert_eq!(own_path(own), own);
        }
        for other in [
            "",
            "approvals",
            "//evil.example",
            "/\\evil.example",
            "https://evil.example",
            "/\t/evil.example",
            "/\r\nSet-Cookie: a=b",
            "/sign-in?to=/",
            "javascript:alert(1)",
            "/å",
        ] {
            assert_eq!(own_path(other), "/", "{other:?}");
        }
    }
}
