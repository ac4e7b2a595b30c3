//! How the HTTP doors say no: one shape, with what is wrong and what to do about it.

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use drawbridge_core::answer::Status;
use serde_json::json;

/// An answer to a request that never becomes a call.
pub(super) fn refuse(code: StatusCode, status: Status, (message, mend): (&str, &str)) -> Response {
    let body = json!({
        "status": status, "data": null, "message": message, "mend": mend, "notices": [message],
    });
    (code, Json(body)).into_response()
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
