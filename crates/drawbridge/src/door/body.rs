//! Bodies: bounded in size, in time and in memory for all of them, and looked at before anything
//! parses them.

use std::{sync::Arc, time::Duration};

use axum::{
    body::{Body, Bytes},
    extract::{Request, State},
    http::{HeaderValue, StatusCode, header, request::Parts},
    middleware::Next,
    response::Response,
};
use drawbridge_core::{answer::Status, call::Caller};
use futures_util::StreamExt;
use tokio::time::timeout;

use super::{
    api, json, mcp,
    refusal::refuse,
    shares::{Share, Shares},
};
use crate::{app::App, telemetry};

/// The largest body, in bytes.
pub(super) const MOST_BYTES: usize = 4 << 20;
/// Bytes of all bodies that are being read at the same time.
const MOST_MEMORY: usize = 64 << 20;
/// Bytes that anyone may send while there is any memory left.
const LEAST_MEMORY: usize = 256 << 10;
/// How long a body may take to arrive.
const LONGEST: Duration = Duration::from_secs(30);

/// Memory for bodies, in fair shares among callers.
#[derive(Clone)]
pub(super) struct Bodies {
    app: Arc<App>,
    memory: Arc<Shares<String>>,
    longest: Duration,
}

impl Bodies {
    pub(super) fn new(app: Arc<App>) -> Self {
        Self {
            app,
            memory: Shares::new(MOST_MEMORY, LEAST_MEMORY),
            longest: LONGEST,
        }
    }
}

/// Reads the body and checks JSON before anything parses it.
pub(super) async fn read(State(bodies): State<Bodies>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    if announced(&parts).is_some_and(|length| length > MOST_BYTES as u64) {
        return too_large();
    }
    let caller = parts.extensions.get::<Caller>();
    let holder = caller.map_or_else(String::new, |caller| {
        format!("{}\n{}", caller.person.id, caller.client)
    });
    let mut memory = bodies.memory.open(holder);
    let bytes = match timeout(bodies.longest, collect(body, &mut memory)).await {
        Ok(Ok(bytes)) => bytes,
        Ok(Err(response)) => return response,
        Err(_) => {
            telemetry::refused("slow_body");
            let told = (
                "the body took too long to arrive",
                "send it in one go, or a smaller one",
            );
            return refuse(StatusCode::REQUEST_TIMEOUT, Status::Timeout, told);
        }
    };
    if let Some(refusal) = unfit(&bodies.app, &parts, &bytes).await {
        return refusal;
    }
    let response = next
        .run(Request::from_parts(parts, Body::from(bytes)))
        .await;
    drop(memory);
    response
}

/// The answer to a body that must not be parsed.
async fn unfit(app: &App, parts: &Parts, bytes: &Bytes) -> Option<Response> {
    if bytes.is_empty() {
        return None;
    }
    let kind = parts.headers.get(header::CONTENT_TYPE);
    if !kind.is_some_and(is_json) {
        let told = (
            "this body is not sent as JSON",
            "send JSON, with `Content-Type: application/json`",
        );
        return Some(refuse(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Status::Invalid,
            told,
        ));
    }
    let path = parts.uri.path();
    let is_mcp = mcp::is_path(path);
    let fault = match json::check(bytes) {
        Err(fault) => fault,
        // Revision 2025-06-18 took batches out again: two readers might see two requests.
        Ok(()) if is_mcp && bytes.trim_ascii_start().starts_with(b"[") => {
            "MCP has no batches; send one message at a time".to_owned()
        }
        Ok(()) => return None,
    };
    Some(match parts.extensions.get::<Caller>() {
        Some(caller) if is_mcp => mcp::malformed(app, caller, fault).await,
        Some(caller) => api::malformed(app, caller, path, fault).await,
        None => {
            let told = (&*fault, "mend what the message names and send it again");
            refuse(StatusCode::BAD_REQUEST, Status::Invalid, told)
        }
    })
}

fn is_json(kind: &HeaderValue) -> bool {
    let essence = kind.to_str().ok().and_then(|kind| kind.split(';').next());
    essence.is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json"))
}

/// The length that the head announces.
fn announced(parts: &Parts) -> Option<u64> {
    let length = parts.headers.get(header::CONTENT_LENGTH)?;
    length.to_str().ok()?.parse().ok()
}

async fn collect(body: Body, memory: &mut Share<String>) -> Result<Bytes, Response> {
    let mut chunks = body.into_data_stream();
    let mut bytes = Vec::new();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|_| {
            let told = ("the body did not arrive whole", "send it again");
            refuse(StatusCode::BAD_REQUEST, Status::Invalid, told)
        })?;
        if bytes.len() + chunk.len() > MOST_BYTES {
            return Err(too_large());
        }
        if !memory.grow(chunk.len()) {
            telemetry::refused("bodies");
            let told = (
                "too many bodies are being sent at the moment",
                "wait a few seconds and send it again",
            );
            return Err(refuse(
                StatusCode::SERVICE_UNAVAILABLE,
                Status::Limited,
                told,
            ));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes.into())
}

fn too_large() -> Response {
    let told = format!("the body has more than {MOST_BYTES} bytes");
    let told = (&*told, "send less at a time");
    refuse(StatusCode::PAYLOAD_TOO_LARGE, Status::Invalid, told)
}
