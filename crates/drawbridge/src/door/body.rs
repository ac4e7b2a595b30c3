//! Bodies: bounded in size, in time and in memory for all of them, and looked at before anything
//! parses them.

use std::{sync::Arc, time::Duration};

use axum::{
    body::{Body, Bytes},
    http::{HeaderValue, StatusCode, header, request::Parts},
    response::Response,
};
use drawbridge_core::{answer::Status, call::Caller};
use futures_util::StreamExt;
use tokio::time::timeout;

use super::{
    api, json, mcp,
    refusal::refuse,
    serve::Peer,
    shares::{Share, Shares},
};
use crate::{app::App, identify::network, telemetry};

/// The largest body, in bytes.
pub(super) const MOST_BYTES: usize = 4 << 20;
/// The largest form, in bytes: arguments that somebody edits are the most of it.
const MOST_FORM: usize = 1 << 20;
/// The largest form of somebody who is not known yet, in bytes.
const MOST_SIGN_IN: usize = 8 << 10;
/// Bytes of all bodies that are being read at the same time.
const MOST_MEMORY: usize = 64 << 20;
/// Bytes that anyone may send while there is any memory left.
const LEAST_MEMORY: usize = 256 << 10;
/// How long a body may take to arrive.
const LONGEST: Duration = Duration::from_secs(30);

/// Memory for bodies, in fair shares among callers.
pub(super) struct Bodies {
    app: Arc<App>,
    memory: Arc<Shares<Arc<str>>>,
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

    /// Reads a body, and checks JSON before anything parses it. It holds its share of the memory until
    /// that is dropped.
    ///
    /// # Errors
    /// The answer to one that must not be parsed.
    pub(super) async fn read(
        &self,
        (caller, parts): (&Caller, &Parts),
        body: Body,
    ) -> Result<(Bytes, Share<Arc<str>>), Response> {
        if announced(parts).is_some_and(|length| length > MOST_BYTES as u64) {
            return Err(too_large(MOST_BYTES));
        }
        let holder = format!("{}\n{}", caller.person.id, caller.client);
        let mut memory = self.memory.open(holder.into());
        let bytes = self.collected(body, (&mut memory, MOST_BYTES)).await?;
        match unfit(&self.app, (caller, parts), &bytes).await {
            Some(refusal) => Err(refusal),
            None => Ok((bytes, memory)),
        }
    }
}

impl Bodies {
    /// Reads a form, of whoever sends it: its share is that of the network it comes from, since nobody
    /// knows yet who it is. It holds that until it is dropped.
    ///
    /// # Errors
    /// The answer to one that is too large, or too slow.
    pub(super) async fn form(
        &self,
        parts: &Parts,
        body: Body,
    ) -> Result<(Bytes, Share<Arc<str>>), Response> {
        let most = match parts.uri.path() {
            "/sign-in" => MOST_SIGN_IN,
            _ => MOST_FORM,
        };
        let peer = parts.extensions.get::<Peer>();
        let from = peer.map(|peer| network(peer.from.ip().to_canonical()).to_string());
        let mut memory = self.memory.open(from.unwrap_or_default().into());
        let bytes = self.collected(body, (&mut memory, most)).await?;
        Ok((bytes, memory))
    }

    async fn collected(
        &self,
        body: Body,
        (memory, most): (&mut Share<Arc<str>>, usize),
    ) -> Result<Bytes, Response> {
        let read = collect(body, (memory, most));
        match timeout(self.longest, read).await {
            Ok(bytes) => bytes,
            Err(_) => {
                telemetry::refused("slow_body");
                let told = (
                    "the body took too long to arrive",
                    "send it in one go, or a smaller one",
                );
                Err(refuse(StatusCode::REQUEST_TIMEOUT, Status::Timeout, told))
            }
        }
    }
}

/// The answer to a body that must not be parsed.
async fn unfit(app: &App, (caller, parts): (&Caller, &Parts), bytes: &Bytes) -> Option<Response> {
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
    let is_mcp = mcp::at(path).is_some();
    let fault = match json::check(bytes) {
        Err(fault) => fault,
        // Revision 2025-06-18 took batches out again: two readers might see two requests.
        Ok(()) if is_mcp && bytes.trim_ascii_start().starts_with(b"[") => {
            "MCP has no batches; send one message at a time".to_owned()
        }
        Ok(()) => return None,
    };
    // In boxes: they are rare, and need much room.
    Some(if is_mcp {
        Box::pin(mcp::malformed(app, caller, fault)).await
    } else {
        Box::pin(api::malformed(app, caller, path, fault)).await
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

async fn collect(
    body: Body,
    (memory, most): (&mut Share<Arc<str>>, usize),
) -> Result<Bytes, Response> {
    let mut chunks = body.into_data_stream();
    let mut bytes = Vec::new();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|_| {
            let told = ("the body did not arrive whole", "send it again");
            refuse(StatusCode::BAD_REQUEST, Status::Invalid, told)
        })?;
        if bytes.len() + chunk.len() > most {
            return Err(too_large(most));
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

fn too_large(most: usize) -> Response {
    let told = format!("the body has more than {most} bytes");
    let told = (&*told, "send less at a time");
    refuse(StatusCode::PAYLOAD_TOO_LARGE, Status::Invalid, told)
}
