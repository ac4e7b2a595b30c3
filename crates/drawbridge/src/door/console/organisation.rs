//! Signing in at the console by the organisation's sign-in: away to it, and back.

use std::sync::Arc;

use axum::{
    Extension,
    extract::{Query, RawQuery, State},
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Redirect, Response},
};
use drawbridge_core::secret::Secret;
use serde::Deserialize;

use super::{
    cookie::{self, Cookie},
    sign_in::{asked_in, begin, failed, own_path},
};
use crate::{
    app::App,
    audit::WhyNot,
    door::{serve::Peer, sign_in::why_not},
    identify::{SignInError, base},
    operate::{How, SignIn},
};

/// Where the organisation's sign-in sends people back to.
const BACK: &str = "/sign-in/callback";

#[derive(Deserialize)]
pub(super) struct Asked {
    /// Where they were going.
    #[serde(default)]
    to: String,
}

/// `/sign-in/oidc`: to the organisation's sign-in.
pub(super) async fn away(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    Query(Asked { to }): Query<Asked>,
) -> Response {
    let (gateway, to) = (app.gateway(), own_path(&to));
    let back = format!("{}{BACK}", base(&gateway, &headers));
    let begun = match app.identify.begin_sign_in(&gateway, (to, &back)).await {
        Ok(begun) => begun,
        Err(error) => return asked_in(&app, to, Some(told(&error))),
    };
    let seconds = i64::try_from(begun.within.as_secs()).unwrap_or_default();
    let kept = begun.kept.expose();
    let kept = cookie::keep(Cookie::OnItsWay, (&gateway, &headers), kept, seconds);
    let kept = kept.unwrap_or(HeaderValue::from_static(""));
    ([(header::SET_COOKIE, kept)], Redirect::to(&begun.address)).into_response()
}

/// `/sign-in/callback`: back from it. What the browser kept on its way is good for this once.
pub(super) async fn back(
    State(app): State<Arc<App>>,
    peer: Option<Extension<Peer>>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    let gateway = app.gateway();
    let kept = cookie::kept(Cookie::OnItsWay, &gateway, &headers);
    let kept = kept.unwrap_or_else(|| Secret::new(String::new()));
    let came = (query.as_deref().unwrap_or_default(), &kept);
    let ended = app.identify.end_sign_in(&gateway, came, &app.credentials);
    let mut answer = match ended.await {
        Ok(signed_in) => {
            let caller = signed_in.caller();
            let wanted = SignIn {
                how: How::Oidc,
                made_by: None,
                claims: Some(signed_in.claims),
                replaces: None,
                lasts: Some(signed_in.session),
            };
            begin(&app, &headers, (&caller, wanted), &signed_in.to).await
        }
        Err(error) => {
            failed(&app, peer, why(&error)).await;
            asked_in(&app, "/", Some(told(&error)))
        }
    };
    if let Some(forgotten) = cookie::forget(Cookie::OnItsWay, &gateway, &headers) {
        answer.headers_mut().append(header::SET_COOKIE, forgotten);
    }
    answer
}

fn told(error: &SignInError) -> String {
    format!("{error}; {}", error.mend())
}

/// What the log says of it; nothing where it was not who came that failed.
fn why(error: &SignInError) -> Option<WhyNot> {
    match error {
        SignInError::NotBegun
        | SignInError::OtherIssuer
        | SignInError::Refused(_)
        | SignInError::Token
        | SignInError::Unnamed(_) => Some(WhyNot::Invalid),
        SignInError::Unidentified(error) => why_not(error),
        SignInError::Off
        | SignInError::Elsewhere
        | SignInError::Client
        | SignInError::ClientSecret(_)
        | SignInError::Unreachable
        | SignInError::Form
        | SignInError::NotSealed => None,
    }
}
