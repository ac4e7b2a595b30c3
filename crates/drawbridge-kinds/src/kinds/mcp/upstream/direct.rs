//! The calls of tools of a server of 2026-07-28 over HTTP, where nothing is held between two requests.
//! The SDK takes each through four tasks of its own and reads its answer into every type that it may be;
//! here it is written and read once. All else goes through the SDK, and so does a call that it must
//! write otherwise: its arguments as headers, or a name that no header can hold as it is.

use std::{
    any::TypeId,
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicI64, Ordering},
    },
};

use futures_util::StreamExt;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use reqwest::Url;
use rmcp::{
    ErrorData,
    model::{ClientCapabilities, Implementation, ProtocolVersion},
    service::ServiceError,
    transport::{DynamicTransportError, streamable_http_client::StreamableHttpError},
};
use serde::Serialize;
use serde_json::{Map, Value};
use sse_stream::SseStream;
use tokio::sync::Semaphore;

use super::{
    http::{Failed, Http, Reply, reply},
    locked,
    post::Post,
    question::{Beside, client},
    whole,
};
use crate::kinds::mcp::definition::Definition;

const METHOD: &str = "tools/call";
const NAME: HeaderName = HeaderName::from_static("mcp-name");
/// Where the numbers of questions begin that are asked in this way: the SDK's own end before.
const FIRST: i64 = 1 << 40;

/// A server that is asked directly.
pub(super) struct Direct {
    http: Http,
    post: Post,
    headers: HeaderMap,
    client: Implementation,
    /// The number of the next question.
    next: AtomicI64,
    turns: Semaphore,
    /// The names of tools whose calls are plain, as they stand in a header.
    plain: Mutex<BTreeMap<String, HeaderValue>>,
}

/// A call that can be asked directly.
pub(super) struct Plain<'a> {
    of: &'a Direct,
    name: HeaderValue,
}

#[derive(Serialize)]
struct Question<'a> {
    jsonrpc: &'static str,
    id: i64,
    method: &'static str,
    params: Params<'a>,
}

#[derive(Serialize)]
struct Params<'a> {
    #[serde(flatten)]
    own: &'a Map<String, Value>,
    #[serde(rename = "_meta")]
    meta: Meta<'a>,
}

#[derive(Serialize)]
struct Meta<'a> {
    #[serde(rename = "io.modelcontextprotocol/protocolVersion")]
    version: ProtocolVersion,
    #[serde(rename = "io.modelcontextprotocol/clientInfo")]
    client: &'a Implementation,
    #[serde(rename = "io.modelcontextprotocol/clientCapabilities")]
    capabilities: ClientCapabilities,
    #[serde(rename = "progressToken", skip_serializing_if = "Option::is_none")]
    token: Option<i64>,
}

impl Direct {
    pub(super) fn new(http: Http, (url, mut headers): (Url, HeaderMap), at_a_time: usize) -> Self {
        for (name, value) in [
            (header::ACCEPT, "application/json, text/event-stream"),
            (header::CONTENT_TYPE, "application/json"),
            (
                HeaderName::from_static("mcp-protocol-version"),
                "2026-07-28",
            ),
            (HeaderName::from_static("mcp-method"), METHOD),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        Self {
            post: Post::to(url, http.client.clone()),
            http,
            headers,
            client: client(),
            next: AtomicI64::new(FIRST),
            turns: Semaphore::new(at_a_time),
            plain: Mutex::default(),
        }
    }

    /// Hears what the server's tools are.
    pub(super) fn listed(&self, tools: &BTreeMap<String, Definition>) {
        let plain = tools.iter().filter_map(|(name, definition)| {
            let is_mirrored = definition.input().is_some_and(mirrors);
            let is_plain = name.bytes().all(|byte| byte.is_ascii_graphic()) && !is_mirrored;
            let value = HeaderValue::try_from(name).ok().filter(|_| is_plain)?;
            Some((name.clone(), value))
        });
        *locked(&self.plain) = plain.collect();
    }

    /// A call that can be asked directly, where this is one.
    pub(super) fn plain(&self, method: &str, params: &Map<String, Value>) -> Option<Plain<'_>> {
        if method != METHOD {
            return None;
        }
        let name = params.get("name").and_then(Value::as_str)?;
        let name = locked(&self.plain).get(name).cloned()?;
        Some(Plain { of: self, name })
    }
}

/// Whether a schema wants arguments as headers.
fn mirrors(schema: &Map<String, Value>) -> bool {
    let inside = |value: &Value| match value {
        Value::Object(fields) => mirrors(fields),
        Value::Array(items) => items.iter().filter_map(Value::as_object).any(mirrors),
        _ => false,
    };
    schema.contains_key("x-mcp-header") || schema.values().any(inside)
}

impl Plain<'_> {
    /// Asks, and waits for the answer. Whoever gives up waiting ends the request, by which a server of
    /// this revision knows it.
    pub(super) async fn ask(
        &self,
        params: &Map<String, Value>,
        beside: &Beside,
    ) -> Result<Value, ServiceError> {
        let timeout = beside.within;
        match tokio::time::timeout(timeout, self.asked(params, beside)).await {
            Ok(Ok(mut message)) => match message.get_mut("result").map(Value::take) {
                Some(result) => Ok(result),
                None => Err(error(message)),
            },
            Ok(Err(failed)) => Err(lost(failed)),
            Err(_) => Err(ServiceError::Timeout { timeout }),
        }
    }

    /// The message that answers.
    async fn asked(&self, params: &Map<String, Value>, beside: &Beside) -> Result<Value, Failed> {
        let Direct {
            http,
            post,
            headers,
            client,
            next,
            turns,
            ..
        } = self.of;
        let _turn = turns.acquire().await;
        let id = next.fetch_add(1, Ordering::Relaxed);
        let hears = beside.hears.clone();
        let _hearing = hears.map(|hears| http.progress.hears(id, hears));
        let question = Question {
            jsonrpc: "2.0",
            id,
            method: METHOD,
            params: Params {
                own: params,
                meta: Meta {
                    version: ProtocolVersion::V_2026_07_28,
                    client,
                    capabilities: beside.capabilities(),
                    token: beside.hears.is_some().then_some(id),
                },
            },
        };
        let mut headers = headers.clone();
        headers.insert(NAME, self.name.clone());
        let sent = post.send(headers, serde_json::to_vec(&question)?);
        let answers = |message: &Value| message.get("id").and_then(Value::as_i64) == Some(id);
        match reply(sent.await?, false).await?.0 {
            Reply::Message(message, _) => Some(message)
                .filter(answers)
                .ok_or_else(|| StreamableHttpError::UnexpectedServerResponse("another id".into())),
            Reply::Events(bytes) => {
                let mut events = SseStream::from_bytes_stream(bytes);
                while let Some(event) = events.next().await {
                    let Some(data) = event?.data.filter(|data| !data.is_empty()) else {
                        continue;
                    };
                    let read = whole::apart(data.len(), move || whole::read(data.as_bytes()));
                    let message = read.await??;
                    if !http.progress.take(&message) && answers(&message) {
                        return Ok(message);
                    }
                }
                Err(StreamableHttpError::UnexpectedEndOfStream)
            }
        }
    }
}

/// A message that answers with no result.
fn error(mut message: Value) -> ServiceError {
    let error = message.get_mut("error").map(Value::take);
    match serde_json::from_value::<ErrorData>(error.unwrap_or_default()) {
        Ok(error) => ServiceError::McpError(error),
        Err(error) => lost(error.into()),
    }
}

/// As the SDK's own way tells it.
fn lost(failed: Failed) -> ServiceError {
    let of = TypeId::of::<Direct>();
    let error = DynamicTransportError::from_parts("direct", of, Box::new(failed));
    ServiceError::TransportSend(error)
}
