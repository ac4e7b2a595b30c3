//! How the HTTP doors say no: one shape, with what is wrong and what to do about it.

use axum::{
    Extension, Json,
    body::Body,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use drawbridge_core::answer::Status;
use serde_json::json;

/// An answer to a request that never becomes a call.
pub(super) fn refuse(code: StatusCode, status: Status, (message, mend): (&str, &str)) -> Response {
    let body = json!({
        "status": status, "data": null, "message": message, "mend": mend, "notices": [message],
    });
    let words = Words(format!("{message}; {mend}"));
    (code, Extension(words), Json(body)).into_response()
}

/// A refusal as text.
#[derive(Clone)]
struct Words(String);

/// Says no in text to a client that asks for text.
pub(super) fn in_words(form: Form, mut response: Response) -> Response {
    if form == Form::Markdown
        && let Some(Words(text)) = response.extensions_mut().remove()
    {
        let kind = HeaderValue::from_static(MARKDOWN);
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        // Of the other text.
        response.headers_mut().remove(header::CONTENT_LENGTH);
        *response.body_mut() = Body::from(text);
    }
    response
}

/// The media type of text.
pub(super) const MARKDOWN: &str = "text/markdown; charset=utf-8";

/// How a client reads an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Status, data, sources, notices.
    Json,
    /// The text an AI would get.
    Markdown,
}

impl Form {
    /// What the client asks for with `Accept`; JSON unless it names Markdown.
    pub(super) fn wanted(headers: &HeaderMap) -> Self {
        let accept = headers.get(header::ACCEPT);
        let markdown = accept.is_some_and(|accept| accept.as_bytes().starts_with(b"text/markdown"));
        if markdown { Self::Markdown } else { Self::Json }
    }
}

/// What whoever reads an answer with this status can do next; none where there is nothing to mend.
pub(super) fn mend(status: Status) -> Option<&'static str> {
    Some(match status {
        Status::Ok | Status::Partial => return None,
        Status::Denied => {
            "ask the connector's owner for permission; `POST /api/v1/explain` says which rule decides"
        }
        Status::ApprovalNeeded => "wait until a person has decided, then ask for the result",
        Status::Rejected => "do not send it again; ask the person who said no",
        Status::Invalid => "mend what the message names and send it again",
        Status::NotFound => "find the right name first: search, or ask for the list",
        Status::Timeout => "ask for less at a time, or try again later",
        Status::Unavailable => "try again later; `GET /api/v1/connectors` says what is off and why",
        Status::Stale => "try again once the connector has synced",
        Status::Limited => "wait as long as `Retry-After` says, or ask for less at a time",
        Status::Conflict => "look at how it is at the moment, then decide again",
        Status::Unknown | Status::Failed => {
            "tell the gateway's owner, who finds the cause in its trace"
        }
    })
}
