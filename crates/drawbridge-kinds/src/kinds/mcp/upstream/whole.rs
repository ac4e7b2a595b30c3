//! Keeps results whole on their way through the SDK, whose types know only the members of their own
//! version of MCP: what a server adds would be lost, and a result taken for another sort of result.
//!
//! A result travels inside an object that no type of the SDK fits, so that it comes out as it went in. Two
//! sorts stay as they are: a handshake, which the SDK reads itself; and the list of tools, of which
//! the SDK keeps which arguments go into headers. The list comes along in `_meta` as it was.

use std::io;

use rmcp::model::{ServerJsonRpcMessage, ServerResult};
use serde_json::{Map, Value};

/// Under which name the whole travels.
const WHOLE: &str = "drawbridge/whole";

/// How many parts a message may have. Each takes many times its bytes once it is read.
const MOST_PARTS: usize = 1_000_000;

/// From how many bytes on a message is read beside the runtime's threads: reading it takes long enough
/// there that others would wait.
pub(super) const LARGE: usize = 256 << 10;

/// Does with a message of so many bytes what takes long with many, so that nobody else waits for it.
/// What was begun goes on when this is dropped, and is lost.
pub(super) async fn apart<T: Send + 'static>(
    bytes: usize,
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<T> {
    if bytes < LARGE {
        return Ok(work());
    }
    tokio::task::spawn_blocking(work)
        .await
        .map_err(io::Error::other)
}

/// A message as it came, and what the SDK is given of it.
pub(super) struct Come {
    /// What it asks or tells; of an answer only its id, and whether it is an error.
    pub(super) head: Value,
    pub(super) message: Result<ServerJsonRpcMessage, serde_json::Error>,
}

impl Come {
    pub(super) fn read(line: &[u8]) -> Result<Self, serde_json::Error> {
        let message = read(line)?;
        let mut head = Map::new();
        for (key, value) in message.as_object().into_iter().flatten() {
            let value = match key.as_str() {
                "result" => Value::Bool(true),
                _ => value.clone(),
            };
            head.insert(key.clone(), value);
        }
        Ok(Self {
            head: Value::Object(head),
            message: self::message(message),
        })
    }
}

/// Reads a message, unless it has so many parts that they would take more memory than their bytes say.
pub(super) fn read(message: &[u8]) -> Result<Value, serde_json::Error> {
    // Texts hold commas, too: what is counted is never too little.
    let parts = message
        .iter()
        .filter(|byte| matches!(byte, b',' | b'[' | b'{'));
    if parts.count() > MOST_PARTS {
        return Err(serde::de::Error::custom("a message of too many parts"));
    }
    serde_json::from_slice(message)
}

/// What came from a server, for the SDK.
pub(super) fn message(mut message: Value) -> Result<ServerJsonRpcMessage, serde_json::Error> {
    if let Some(result) = message.get_mut("result") {
        wrap(result);
    }
    serde_json::from_value(message)
}

fn wrap(result: &mut Value) {
    if let Value::Object(fields) = result {
        if fields.contains_key("protocolVersion") || fields.contains_key("supportedVersions") {
            return;
        }
        if let Some(tools) = fields.get("tools").cloned() {
            let meta = fields
                .entry("_meta")
                .or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(meta) = meta {
                meta.insert(WHOLE.to_owned(), tools);
                return;
            }
        }
    }
    let whole = result.take();
    *result = Value::Object([(WHOLE.to_owned(), whole)].into_iter().collect());
}

/// A result as the server sent it. Of a list of tools those are left out that the SDK refused,
/// because their headers break the rules.
pub(super) fn result(result: ServerResult) -> Value {
    let listed = match result {
        ServerResult::CustomResult(mut custom) => {
            let whole = custom.0.get_mut(WHOLE).map(Value::take);
            return whole.unwrap_or(custom.0);
        }
        ServerResult::ListToolsResult(listed) => listed,
        other => return serde_json::to_value(other).unwrap_or_default(),
    };
    let kept: Vec<String> = listed
        .tools
        .iter()
        .map(|tool| tool.name.to_string())
        .collect();
    let mut all = serde_json::to_value(listed).unwrap_or_default();
    let whole = all
        .get_mut("_meta")
        .and_then(|meta| meta.get_mut(WHOLE))
        .map(Value::take);
    if let (Some(Value::Array(mut whole)), Some(place)) = (whole, all.get_mut("tools")) {
        whole.retain(|tool| {
            let name = tool.get("name").and_then(Value::as_str);
            name.is_some_and(|name| kept.iter().any(|kept| kept == name))
        });
        *place = Value::Array(whole);
    }
    all
}

#[cfg(test)]
mod tests {
    use rmcp::model::JsonRpcMessage;
    use serde_json::json;

    use super::*;

    fn through(sent: &Value) -> Value {
        let whole = message(json!({"jsonrpc": "2.0", "id": 1, "result": sent}));
        match whole {
            Ok(JsonRpcMessage::Response(response)) => result(response.result),
            other => json!(format!("{other:?}")),
        }
    }

    #[test]
    fn a_result_comes_out_as_it_went_in() {
        for sent in [
            json!({"content": [{"type": "text", "text": "a", "x": 1}], "x": {"y": [null]}, "_meta": {"v/k": 1}}),
            json!({"content": "no list"}),
            json!({"messages": [], "x": 1}),
            json!({"contents": [{"uri": "a://b", "blob": "AA==", "x": 1}]}),
            json!({"resourceTemplates": [], "nextCursor": "a"}),
            json!({"resultType": "complete"}),
            json!({"resultType": "input_required", "inputRequests": {}}),
            json!({"taskId": "1", "status": "working"}),
            json!({}),
            json!(null),
            json!([1, 2]),
            json!("text"),
            json!({"foo": 1}),
        ] {
            assert_eq!(through(&sent), sent);
        }
    }

    #[tokio::test]
    async fn only_what_is_large_is_read_on_another_thread() {
        let own = std::thread::current().id();
        for (bytes, same) in [(0, true), (LARGE - 1, true), (LARGE, false)] {
            let other = apart(bytes, || std::thread::current().id()).await;
            assert_eq!(other.unwrap() == own, same, "{bytes}");
        }
    }

    #[test]
    fn a_list_of_tools_keeps_what_no_version_knows() {
        let tool = json!({"name": "a", "inputSchema": {"type": "object"}, "x": {"y": 1}});
        let got = through(&json!({"tools": [tool], "nextCursor": "2"}));
        assert_eq!(got["tools"], json!([tool]));
        assert_eq!(got["nextCursor"], "2");
        // A list that is none of the SDK's.
        let odd = json!({"tools": [{"name": "a", "inputSchema": true}]});
        assert_eq!(through(&odd)["tools"], odd["tools"]);
    }
}
