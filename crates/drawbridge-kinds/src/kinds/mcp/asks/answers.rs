//! What the client's side answers, on its way to the server that asked.

use drawbridge_core::exchange::{Asking, Exchange, Reply};
use serde_json::{Map, Value, json};

use crate::kinds::mcp::Server;

/// Adds what the client answers to what was asked before: no more than the file lets the server ask by
/// now. A server that may ask nothing gets no answers.
pub(in super::super) fn add(server: &Server, exchange: &Exchange, params: &mut Map<String, Value>) {
    let granted = &server.own.scope.asks;
    let Some(given) = exchange.given.as_ref().filter(|_| !granted.is_empty()) else {
        return;
    };
    let replies = given.replies.iter();
    let replies = replies.filter(|reply| granted.contains(&reply.asking));
    let responses: Map<String, Value> = replies
        .map(|reply| (reply.name.clone(), result(reply)))
        .collect();
    params.insert("inputResponses".to_owned(), Value::Object(responses));
    if let Some(state) = &given.state {
        params.insert("requestState".to_owned(), json!(state));
    }
}

/// An answer as MCP writes it.
fn result(reply: &Reply) -> Value {
    let content = reply.content.clone();
    match reply.asking {
        Asking::Form | Asking::Page => {
            let mut result = json!({"action": reply.how});
            if let (Some(content), Some(result)) = (content, result.as_object_mut()) {
                result.insert("content".to_owned(), content);
            }
            result
        }
        Asking::Sampling | Asking::Roots => content.unwrap_or_default(),
    }
}
