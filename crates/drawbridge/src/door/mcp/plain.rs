//! The plainest request, which most are: a tool's call of 2026-07-28 that brings its arguments and
//! nothing else. The SDK reads a request into each type that it may be and answers it by four tasks of its
//! own, which costs more than all that decides and records the call. So such a one is answered here.
//! What is unusual in any way, also by a fault, goes to the SDK as it came; both answer alike.

use std::{borrow::Cow, sync::Arc};

use axum::{
    http::{HeaderMap, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use drawbridge_core::{call::Caller, exchange::Exchange};
use rmcp::{
    ErrorData,
    model::{
        ClientCapabilities, ErrorCode, JsonObject, JsonRpcError, JsonRpcResponse,
        JsonRpcVersion2_0, RequestId, ServerResult,
    },
};
use serde::{Deserialize, Serialize, de::IgnoredAny};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::{
    MODERN, exchange,
    legacy::VERSION,
    waiting::{self, Takes, Told},
};
use crate::{
    app::{App, ToolRequest},
    door,
};

const METHOD: &str = "tools/call";

/// A request in which everything has its place, and nothing has none.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Message<'a> {
    #[serde(rename = "jsonrpc")]
    _version: JsonRpcVersion2_0,
    id: RequestId,
    #[serde(borrow)]
    method: Cow<'a, str>,
    #[serde(borrow)]
    params: Params<'a>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Params<'a> {
    name: String,
    #[serde(default)]
    arguments: JsonObject,
    #[serde(borrow, rename = "_meta")]
    meta: Meta<'a>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Meta<'a> {
    #[serde(borrow, rename = "io.modelcontextprotocol/protocolVersion")]
    version: Cow<'a, str>,
    #[serde(rename = "io.modelcontextprotocol/clientCapabilities")]
    capabilities: ClientCapabilities,
    #[serde(rename = "io.modelcontextprotocol/clientInfo")]
    _client: Option<IgnoredAny>,
}

/// Who answers: the gateway, at the door of all connectors or of one.
pub(super) type Door<'a> = (&'a Arc<App>, Option<&'a str>);

/// The answer to a request with a plain head, if what it brings is plain too.
pub(super) async fn answer(
    door: Door<'_>,
    caller: &Caller,
    (headers, bytes): (&HeaderMap, &[u8]),
) -> Option<Response> {
    let Message { id, params, .. } = read(headers, bytes)?;
    Some(match called(door, caller, params).await {
        Ok(Told::Whole(whole)) => written(StatusCode::OK, &response(id, *whole)),
        Ok(Told::Other(other)) => {
            written(StatusCode::OK, &response(id, ServerResult::from(*other)))
        }
        Err(error) => {
            let code = match error.code {
                ErrorCode::MISSING_REQUIRED_CLIENT_CAPABILITY => StatusCode::BAD_REQUEST,
                _ => StatusCode::OK,
            };
            written(code, &JsonRpcError::new(Some(id), error))
        }
    })
}

/// The message, where it is plain and its head says the same.
fn read<'a>(headers: &HeaderMap, bytes: &'a [u8]) -> Option<Message<'a>> {
    let message: Message<'_> = serde_json::from_slice(bytes).ok()?;
    let name = headers.get("mcp-name")?;
    let same = message.method == METHOD
        && message.params.meta.version == MODERN
        && name.as_bytes() == message.params.name.as_bytes();
    same.then_some(message)
}

/// Whether a head asks for a plain call, and says nothing twice.
pub(super) fn is_plain(method: &Method, headers: &HeaderMap) -> bool {
    let only = |name: &str| {
        let mut values = headers.get_all(name).iter();
        values.next().filter(|_| values.next().is_none())
    };
    let is = |name: &str, wanted: &str| only(name).is_some_and(|value| value == wanted);
    let accepts = only(header::ACCEPT.as_str()).and_then(|accepts| accepts.to_str().ok());
    let accepts = accepts.is_some_and(|accepts| {
        let mut accepts = accepts.split(',').map(str::trim);
        let (one, other) = (accepts.next(), accepts.next());
        let both = [one, other] == [Some("application/json"), Some("text/event-stream")];
        both && accepts.next().is_none()
    });
    method == Method::POST
        && accepts
        && is(VERSION, MODERN)
        && is("mcp-method", METHOD)
        && only("mcp-name").is_some()
}

async fn called(
    (app, connector): Door<'_>,
    caller: &Caller,
    params: Params<'_>,
) -> Result<Told, ErrorData> {
    let capabilities = &params.meta.capabilities;
    let exchange = Exchange {
        takes: exchange::declared_in(capabilities),
        ..Exchange::default()
    };
    let arguments = Value::Object(params.arguments);
    // They are needed again only where the client can be asked something.
    let kept = (!exchange.takes.is_empty()).then(|| arguments.clone());
    // A client that goes away takes its call back.
    let cancel = CancellationToken::new();
    let gone = cancel.clone().drop_guard();
    let call = ToolRequest {
        caller: caller.clone(),
        connector: connector.map(str::to_owned),
        tool: params.name.clone(),
        arguments,
        cancel,
        exchange,
    };
    let recorded = door::call(app, call).await;
    gone.disarm();
    let asked = exchange::Asked {
        caller,
        connector,
        tool: &params.name,
        arguments: kept.as_ref().unwrap_or(&Value::Null),
    };
    let takes = Takes::declared_in(capabilities);
    waiting::told((app, &asked), recorded, takes)
}

fn response<R>(id: RequestId, result: R) -> JsonRpcResponse<R> {
    JsonRpcResponse {
        jsonrpc: JsonRpcVersion2_0,
        id,
        result,
    }
}

fn written(code: StatusCode, message: &impl Serialize) -> Response {
    match serde_json::to_vec(message) {
        Ok(message) => {
            (code, [(header::CONTENT_TYPE, "application/json")], message).into_response()
        }
        Err(error) => {
            tracing::error!("an answer cannot be written: {error}");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};
    use serde_json::json;

    use super::*;

    fn headers() -> HeaderMap {
        let of = |name, value| {
            (
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            )
        };
        HeaderMap::from_iter([
            of("accept", "application/json, text/event-stream"),
            of("content-type", "application/json"),
            of("mcp-protocol-version", "2026-07-28"),
            of("mcp-method", "tools/call"),
            of("mcp-name", "crm_find"),
        ])
    }

    fn message() -> Value {
        let meta = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientInfo": {"name": "a client", "version": "1"},
            "io.modelcontextprotocol/clientCapabilities": {"elicitation": {"form": {}}},
        });
        let params = json!({"name": "crm_find", "arguments": {"name": "a"}, "_meta": meta});
        json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params})
    }

    fn is_read(headers: &HeaderMap, message: &Value) -> bool {
        let bytes = message.to_string();
        is_plain(&Method::POST, headers) && read(headers, bytes.as_bytes()).is_some()
    }

    #[test]
    fn a_call_as_clients_send_it_is_plain() {
        assert!(is_read(&headers(), &message()));
        for (place, value) in [
            ("/id", json!("a text")),
            ("/params/arguments", json!({})),
            (
                "/params/_meta/io.modelcontextprotocol~1clientCapabilities",
                json!({}),
            ),
        ] {
            let mut message = message();
            *message.pointer_mut(place).unwrap() = value;
            assert!(is_read(&headers(), &message), "{message}");
        }
    }

    #[test]
    fn what_is_unusual_is_left_to_the_sdk() {
        for (place, value) in [
            ("/jsonrpc", json!("1.0")),
            ("/id", json!(null)),
            ("/method", json!("tools/list")),
            ("/params/name", json!("crm_other")),
            ("/params/arguments", json!([])),
            ("/params/inputResponses", json!({})),
            ("/params/requestState", json!("a")),
            ("/params/task", json!({})),
            ("/params/_meta/progressToken", json!(1)),
            (
                "/params/_meta/io.modelcontextprotocol~1protocolVersion",
                json!("2025-11-25"),
            ),
            (
                "/params/_meta/io.modelcontextprotocol~1clientCapabilities",
                json!(1),
            ),
            ("/more", json!(1)),
        ] {
            let mut message = message();
            let (parent, name) = place.rsplit_once('/').unwrap();
            let parent = message.pointer_mut(parent).unwrap();
            parent[name.replace("~1", "/")] = value;
            assert!(!is_read(&headers(), &message), "{message}");
        }
        for (name, value) in [
            ("accept", "*/*"),
            ("mcp-protocol-version", "2025-11-25"),
            ("mcp-method", "tools/list"),
            ("mcp-name", "=?base64?Y3JtX2ZpbmQ=?="),
        ] {
            let mut others = headers();
            others.insert(name, HeaderValue::from_static(value));
            assert!(!is_read(&others, &message()), "{name}: {value}");
            let mut twice = headers();
            twice.append(name, twice[name].clone());
            assert!(!is_read(&twice, &message()), "{name} twice");
            let mut none = headers();
            none.remove(name);
            assert!(!is_read(&none, &message()), "no {name}");
        }
        assert!(!is_plain(&Method::GET, &headers()));
    }
}
