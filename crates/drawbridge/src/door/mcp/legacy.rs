//! What clients of the revisions before 2026-07-28 do differently: they shake hands, and they take a
//! call back, and answer what they are asked, by messages of their own.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::{
    Json,
    body::{Body, Bytes, to_bytes},
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode},
    middleware::Next,
    response::{IntoResponse, Response},
};
use drawbridge_core::call::Caller;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::{
    MODERN, REVISIONS,
    asking::{self, Waiting},
};
use crate::{door::body::MOST_BYTES, keys};

/// Which revision a request is written in.
pub(super) const VERSION: &str = "mcp-protocol-version";
/// Which handshake a request belongs to.
pub(super) const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");
/// The longest session id that is looked at.
const LONGEST_SESSION: usize = 64;
/// `UnsupportedProtocolVersion`.
const UNSUPPORTED: i32 = -32022;

/// Calls that run and may be taken back, by who asked, in which session, under which id.
///
/// The session's id is drawn at the handshake and kept nowhere: it gives no right, any gateway takes
/// it, and it never ends. It only tells apart two processes that use the same token and count from 1.
#[derive(Clone, Default)]
pub(super) struct Running {
    calls: Arc<Mutex<HashMap<Key, CancellationToken>>>,
    /// Who waits for the answer to a question that was asked of a client.
    asked: Arc<Mutex<Waiting<Key>>>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Key {
    person: String,
    client: String,
    session: String,
    id: String,
}

/// One call that runs, until this is dropped.
pub(super) struct Entry {
    of: Running,
    key: Key,
}

impl Running {
    /// Remembers a call of a client that has shaken hands.
    pub(super) fn begin(
        &self,
        (caller, headers): (&Caller, &HeaderMap),
        id: &Value,
        cancel: &CancellationToken,
    ) -> Option<Entry> {
        let key = key(caller, headers, id)?;
        locked(&self.calls).insert(key.clone(), cancel.clone());
        let of = self.clone();
        Some(Entry { of, key })
    }

    /// Waits for the answer to a question under this number, which nobody else has, until the entry is
    /// dropped.
    pub(super) fn expect(
        &self,
        (caller, headers): (&Caller, &HeaderMap),
        number: &Value,
    ) -> Option<(Entry, oneshot::Receiver<Value>)> {
        let key = key(caller, headers, number)?;
        let (sender, receiver) = oneshot::channel();
        locked(&self.asked).insert(key.clone(), sender);
        let of = self.clone();
        Some((Entry { of, key }, receiver))
    }

    fn answer(&self, key: &Key, answer: Value) {
        if let Some(waits) = locked(&self.asked).remove(key) {
            // Whoever waited may have given up by now.
            let _ = waits.send(answer);
        }
    }

    fn cancel(&self, key: &Key) {
        if let Some(call) = locked(&self.calls).get(key) {
            call.cancel();
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        locked(&self.of.calls).remove(&self.key);
        locked(&self.of.asked).remove(&self.key);
    }
}

/// What a lock protects is whole even where its last holder died.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn key(caller: &Caller, headers: &HeaderMap, id: &Value) -> Option<Key> {
    let session = headers.get(SESSION)?.to_str().ok()?;
    (session.len() <= LONGEST_SESSION).then(|| Key {
        person: caller.person.id.clone(),
        client: caller.client.to_string(),
        session: session.to_owned(),
        id: id.to_string(),
    })
}

/// The part of a message that tells what it is.
#[derive(Deserialize)]
struct Message {
    #[serde(default)]
    id: Value,
    method: Option<String>,
    #[serde(default)]
    params: Value,
    /// Of an answer to a question that was asked of a client.
    #[serde(default)]
    result: Value,
    #[serde(default)]
    error: Value,
}

impl Message {
    /// Whether it answers a question. What is no message at all is none, and refused further on.
    fn is_answer(&self) -> bool {
        let said = !self.result.is_null() || !self.error.is_null();
        self.method.is_none() && !self.id.is_null() && said
    }
}

/// Refuses revisions that are too old, answers `notifications/cancelled`, and gives handshakes an id.
pub(super) async fn speak(
    State(running): State<Running>,
    request: Request,
    next: Next,
) -> Response {
    let version = request.headers().get(VERSION);
    let version = version.map(|version| version.to_str().unwrap_or_default().to_owned());
    if version
        .as_ref()
        .is_some_and(|version| is_date(version) && version.as_str() >= MODERN)
    {
        return next.run(request).await;
    }
    let (parts, body) = request.into_parts();
    let Ok(bytes) = to_bytes(body, MOST_BYTES).await else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let greets = version.is_none();
    if let Some(version) = version
        && !REVISIONS.iter().any(|known| known.as_str() == version)
    {
        return too_old(&version, &bytes);
    }
    let message = rare(&bytes);
    if let Some(message) = &message
        && message.method.as_deref() == Some("notifications/cancelled")
    {
        let key = parts
            .extensions
            .get::<Caller>()
            .and_then(|caller| key(caller, &parts.headers, message.params.get("requestId")?));
        if let Some(key) = key {
            running.cancel(&key);
        }
        return StatusCode::ACCEPTED.into_response();
    }
    if let Some(message) = &message
        && message.is_answer()
    {
        let caller = parts.extensions.get::<Caller>();
        if let Some(key) = caller.and_then(|caller| key(caller, &parts.headers, &message.id)) {
            running.answer(&key, asking::answer(message.result.clone()));
        }
        return StatusCode::ACCEPTED.into_response();
    }
    let asks = !asking::takes(&parts.headers).is_empty();
    let mut response = next
        .run(Request::from_parts(parts, Body::from(bytes)))
        .await;
    if asks {
        response = asking::numbered(response);
    }
    let greeting = message.filter(|message| message.method.as_deref() == Some("initialize"));
    if greets
        && response.status().is_success()
        && let Some(greeting) = greeting
        && let Some(session) = session(asking::declared(&greeting.params))
    {
        response.headers_mut().insert(SESSION, session);
    }
    response
}

/// Revisions are dates, which are in order as text.
fn is_date(version: &str) -> bool {
    let mut parts = version
        .split('-')
        .map(|part| (part.len(), part.parse::<u16>().is_ok()));
    parts.by_ref().take(3).eq([(4, true), (2, true), (2, true)]) && parts.next().is_none()
}

/// The message, where it may be one that is looked at here. Most are not, and are parsed once only.
fn rare(bytes: &Bytes) -> Option<Message> {
    let holds = |word: &[u8]| bytes.windows(word.len()).any(|window| window == word);
    let most = bytes.len() <= 64 << 10;
    (most && (holds(b"notifications/cancelled") || holds(b"initialize") || !holds(b"\"method\"")))
        .then(|| serde_json::from_slice(bytes).ok())
        .flatten()
}

fn session(ending: &str) -> Option<HeaderValue> {
    let digits: String = hex::encode(keys::random().ok()?).chars().take(32).collect();
    HeaderValue::from_str(&format!("{digits}{ending}")).ok()
}

fn too_old(version: &str, body: &Bytes) -> Response {
    let message = serde_json::from_slice(body);
    let id = message.map_or(Value::Null, |message: Message| message.id);
    let supported: Vec<&str> = REVISIONS.iter().map(|known| known.as_str()).collect();
    let error = json!({
        "code": UNSUPPORTED,
        "message": format!("this gateway speaks MCP {}", supported.join(", ")),
        "data": {"supported": supported, "requested": version},
    });
    let body = json!({"jsonrpc": "2.0", "id": id, "error": error});
    (StatusCode::BAD_REQUEST, Json(body)).into_response()
}
