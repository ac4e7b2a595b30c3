//! Who looks at a page, what they ask of the gateway for it, and forms they send.

mod sent;

use std::sync::Arc;

use askama::Template;
use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header, request::Parts},
    response::{IntoResponse, Redirect, Response},
};
use drawbridge_core::{
    answer::{Failure, Status},
    call::Caller,
    log::LogDown,
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{cookie, zone::Zone};
use crate::{app::App, identify::Unidentified, operate::Operation};
pub(super) use sent::{Sent, own_page};

/// What is kept as the reason where nobody gives one: stopping must not wait for words.
pub(super) const STOPPED: &str = "stopped at the console";

/// Somebody who has signed in, and looks at a page.
#[derive(Clone)]
pub(super) struct Visitor {
    pub(super) app: Arc<App>,
    pub(super) caller: Caller,
    /// What their forms must carry.
    pub(super) csrf: String,
    /// What the page says was done, by a word of its address.
    pub(super) told: Option<String>,
    /// Whether the page is looked at again because something changed: that they look is on the log.
    pub(super) again: bool,
    pub(super) back: String,
    pub(super) zone: Zone,
}

/// Why there is no page.
pub(super) enum Trouble {
    /// They are told why.
    Told {
        code: StatusCode,
        title: &'static str,
        message: String,
        mend: &'static str,
        back: String,
    },
    /// They are sent elsewhere.
    Sent(Redirect),
}

/// A page, or why there is none.
pub(super) type Shown = Result<Response, Trouble>;

#[derive(Template)]
#[template(path = "problem.html")]
struct Problem<'a> {
    title: &'a str,
    message: &'a str,
    mend: &'a str,
    back: &'a str,
}

impl Visitor {
    /// Does something as this person, and reads what comes of it.
    pub(super) async fn ask<T: DeserializeOwned>(
        &self,
        operation: Operation,
    ) -> Result<T, Trouble> {
        read(self.data(operation).await?)
    }

    /// The same without reading it.
    pub(super) async fn data(&self, operation: Operation) -> Result<Value, Trouble> {
        if self.again {
            return self.look(operation).await;
        }
        let recorded = self.app.operate(&self.caller, operation).await;
        let recorded = recorded.map_err(|down| self.down(&down))?;
        let answer = recorded.into_answer();
        if !answer.status.has_data() {
            let message = answer.notices.into_iter().next();
            return Err(self.trouble(answer.status, message.unwrap_or_default()));
        }
        Ok(answer.data)
    }

    /// What stands on a page beside what it is about: a look at it is no act of its own.
    pub(super) async fn look(&self, operation: Operation) -> Result<Value, Trouble> {
        let found = self.app.look_again(&self.caller, operation).await;
        let found = found.map_err(|failure| self.failed(failure))?;
        Ok(found.data)
    }

    /// Sends a browser on to a page that says what was done, so that loading again does not do it again.
    pub(super) fn done(&self, page: &str, word: &str) -> Shown {
        done(&format!("{page}?done={word}.{}", self.mark(word)))
    }

    /// What was done, if we said so to this session: an address can be anybody's.
    fn done_so<'a>(&self, done: &'a str) -> Option<&'a str> {
        let (word, mark) = done.split_once('.')?;
        (mark == self.mark(word)).then_some(word)
    }

    /// Marks a word as one that we said to this session.
    fn mark(&self, word: &str) -> String {
        let digest = Sha256::digest(format!("done {} {word}", self.csrf));
        hex::encode(digest).chars().take(16).collect()
    }

    /// That the log cannot be written, so that nothing was done.
    pub(super) fn down(&self, down: &LogDown) -> Trouble {
        tracing::error!(source = ?down.source, "{down}");
        self.trouble(Status::Unavailable, down.to_string())
    }

    /// What went wrong, as a page.
    pub(super) fn failed(&self, failure: Failure) -> Trouble {
        self.trouble(failure.status, failure.message)
    }

    fn trouble(&self, status: Status, message: String) -> Trouble {
        let title = match status {
            Status::Denied | Status::Rejected => "This is not yours to do",
            Status::NotFound => "There is nothing here",
            Status::Conflict => "It changed meanwhile",
            Status::Invalid => "Something is missing or wrong",
            _ => "It did not happen",
        };
        Trouble::Told {
            code: super::super::api::code(status),
            title,
            message,
            mend: mends(status),
            back: self.back.clone(),
        }
    }
}

/// What whoever reads such a page can do next.
fn mends(status: Status) -> &'static str {
    match status {
        Status::Denied | Status::Rejected => {
            "Ask the connector's owner, or an owner of the gateway: People says who that is."
        }
        Status::NotFound => "It may be gone, or not be yours to see.",
        Status::Conflict => "Go back and look at it again as it is by now.",
        Status::Invalid => "Go back, mend what is named, and send it again.",
        Status::Limited | Status::Timeout | Status::Unavailable | Status::Stale => {
            "Try again in a minute. Nothing was done."
        }
        _ => "Look at Activity for what happened, before you try again.",
    }
}

/// Data as a page reads it.
pub(super) fn read<T: DeserializeOwned>(data: Value) -> Result<T, Trouble> {
    serde_json::from_value(data).map_err(|error| broken(&error))
}

/// A part of what was answered, as a page reads it: one answer may be read by several.
pub(super) fn part<'a, T: Deserialize<'a>>(data: &'a Value) -> Result<T, Trouble> {
    T::deserialize(data).map_err(|error| broken(&error))
}

/// What only a mistake of ours brings about.
fn broken(error: &dyn std::error::Error) -> Trouble {
    tracing::error!("a page cannot be made: {error}");
    Trouble::Told {
        code: StatusCode::INTERNAL_SERVER_ERROR,
        title: "This page cannot be shown",
        message: "the gateway could not make this page; its trace says why".to_owned(),
        mend: "tell the gateway's owner; the command line can do all that the console can",
        back: "/".to_owned(),
    }
}

/// A page.
pub(super) fn show(page: &impl Template) -> Shown {
    let text = page.render().map_err(|error| broken(&error))?;
    Ok(html(StatusCode::OK, text))
}

/// Sends a browser on after something was done, so that loading again does not do it again.
pub(super) fn done(to: &str) -> Shown {
    Ok(Redirect::to(to).into_response())
}

impl IntoResponse for Trouble {
    fn into_response(self) -> Response {
        match self {
            Self::Sent(redirect) => redirect.into_response(),
            Self::Told {
                code,
                title,
                message,
                mend,
                back,
            } => {
                let page = Problem {
                    title,
                    message: &message,
                    mend,
                    back: &back,
                };
                html(code, page.render().unwrap_or(message))
            }
        }
    }
}

/// What browsers may do with a page: run our script, keep our style, and send forms to us; no page of
/// another may hold it in a frame. The referrer stays here, and forms say where they come from.
const HEADERS: [(HeaderName, HeaderValue); 4] = [
    (
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/html; charset=utf-8"),
    ),
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
             connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; \
             require-trusted-types-for 'script'; trusted-types drawbridge",
        ),
    ),
    (
        header::REFERRER_POLICY,
        HeaderValue::from_static("same-origin"),
    ),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        HeaderValue::from_static("same-origin"),
    ),
];

pub(super) fn html(code: StatusCode, text: String) -> Response {
    (code, HEADERS, text).into_response()
}

/// Whoever looks again at a page, in the place of a cookie.
#[derive(Clone)]
pub(super) struct Again(pub(super) Visitor);

impl FromRequestParts<Arc<App>> for Visitor {
    type Rejection = Trouble;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Trouble> {
        if let Some(Again(visitor)) = parts.extensions.get::<Again>() {
            return Ok(visitor.clone());
        }
        let visitor = of_headers(app, &parts.headers).await;
        let mut visitor = visitor.map_err(|why| turned_away(parts, why.as_ref()))?;
        let query = parts.uri.query().unwrap_or_default();
        visitor.told = query
            .split('&')
            .find_map(|pair| pair.strip_prefix("done="))
            .and_then(|done| visitor.done_so(done))
            .and_then(said);
        visitor.back = back(parts);
        Ok(visitor)
    }
}

/// The person whose session these headers carry.
pub(super) async fn of_headers(
    app: &Arc<App>,
    headers: &HeaderMap,
) -> Result<Visitor, Option<Unidentified>> {
    let gateway = app.gateway();
    let session = cookie::session(&gateway, headers).ok_or(None)?;
    let visitor = app.identify.visitor(session.expose(), headers, &gateway);
    Ok(Visitor {
        app: app.clone(),
        caller: visitor.await.map_err(Some)?,
        csrf: cookie::form_token(&session),
        told: None,
        again: false,
        back: "/".to_owned(),
        zone: Zone::of(headers),
    })
}

/// Somebody without a session is asked to sign in, and comes back to where they were going.
fn turned_away(parts: &Parts, why: Option<&Unidentified>) -> Trouble {
    if let Some(Unidentified::Store(_) | Unidentified::Issuer) = why {
        return Trouble::Told {
            code: StatusCode::SERVICE_UNAVAILABLE,
            title: "It cannot be told who you are",
            message: "sessions cannot be checked at the moment".to_owned(),
            mend: "try again in a minute",
            back: "/".to_owned(),
        };
    }
    if parts.method != Method::GET {
        return Trouble::Told {
            code: StatusCode::UNAUTHORIZED,
            title: "You are signed out",
            message: "your session has ended, and nothing was done".to_owned(),
            mend: "sign in again, then do it again",
            back: "/sign-in".to_owned(),
        };
    }
    let to = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    let to = match to {
        "/" => "/sign-in".to_owned(),
        to => format!("/sign-in?to={}", super::encoded(to)),
    };
    Trouble::Sent(Redirect::to(&to))
}

/// Where a problem leads back to: the page that the form is on.
fn back(parts: &Parts) -> String {
    let path = parts.uri.path();
    if parts.method == Method::GET {
        return "/".to_owned();
    }
    for (acts, page) in [("/tokens/", "/people"), ("/lifecycle/", "/lifecycle")] {
        if path.starts_with(acts) {
            return page.to_owned();
        }
    }
    match path.rsplit_once('/') {
        Some((page, _)) if !page.is_empty() => page.to_owned(),
        _ => "/".to_owned(),
    }
}

/// What a page says was done. Only these words: an address can be anybody's.
fn said(word: &str) -> Option<String> {
    let text = match word {
        "stopped" => "Stopped: it is in force for the next call.",
        "started" => "Started again.",
        "retired" => "Retired for good. Its records stay.",
        "approved" => "Approved.",
        "rejected" => "Rejected. Whoever asked is told why.",
        "escalated" => "Others are asked too.",
        "edited" => "Changed. This is another plan now: look at it, then decide.",
        "withdrawn" => "Withdrawn.",
        "settled" => "Settled.",
        "undoing" => "This takes it back; look at what it would do.",
        "in-force" => "The revision is in force.",
        "revoked" => "Revoked: it is refused from the next call on.",
        "asked" => "Your request is kept. Those who review see it now.",
        "answered" => "Answered.",
        _ => return None,
    };
    Some(text.to_owned())
}

/// Nobody's page has such a form.
pub(super) fn nothing() -> Failure {
    Failure::not_found("there is nothing to do at this address")
}
