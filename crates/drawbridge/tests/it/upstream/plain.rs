//! The plainest calls are answered without the SDK: to the letter as it answers them.

use serde_json::{Value, json};

use super::setup::{ASK, Upstream, Written};
use crate::acting::firm::{ANN, Person};

const MODERN: &str = "2026-07-28";
const TOOLS: &[(&str, &str)] = &[
    ("echo", "{power: read}"),
    ("ask", "{power: read}"),
    ("send", "{power: send}"),
];

/// What stands in an answer whose like differs from call to call.
const OWN: [&str; 9] = [
    "synced",
    "drawbridge/record",
    "requestState",
    "taskId",
    "createdAt",
    "lastUpdatedAt",
    "url",
    "link",
    "plan",
];

fn veiled(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(veiled),
        Value::Object(fields) => {
            for (name, value) in fields {
                if OWN.contains(&name.as_str()) && !value.is_null() {
                    *value = json!("its own");
                }
                veiled(value);
            }
        }
        _ => {}
    }
}

/// What comes back, of what can be compared: the code, the headers, and the message.
async fn sent(person: &Person, accept: &str, (name, body): (&str, &Value)) -> String {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let answer = client
        .post(person.mcp_url())
        .bearer_auth(&person.token)
        .header("Accept", accept)
        .header("MCP-Protocol-Version", MODERN)
        .header("Mcp-Method", "tools/call")
        .header("Mcp-Name", name)
        .json(body)
        .send()
        .await
        .unwrap();
    let code = answer.status();
    let mut headers: Vec<String> = answer
        .headers()
        .iter()
        .filter(|(name, _)| *name != "date" && *name != "content-length")
        .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
        .collect();
    headers.sort();
    let mut message: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
    veiled(&mut message);
    format!("{code}\n{}\n{message:#}", headers.join("\n"))
}

#[tokio::test(flavor = "multi_thread")]
async fn plain_calls_are_answered_as_the_sdk_answers_them() {
    let written = Written {
        tools: TOOLS,
        scope: "  asks: [form]\n",
        approval: ASK,
        ..Written::default()
    };
    let upstream = Upstream::with(&["--era", "modern"], written);
    let open = upstream.open();
    let ann = open.client(&upstream.firm, ANN, "claude");
    let forms = json!({"elicitation": {"form": {}}});
    let pages = json!({"elicitation": {"url": {}}});
    let tasks = json!({"extensions": {"io.modelcontextprotocol/tasks": {}}});
    let mut seen = Vec::new();
    for (tool, arguments, capabilities) in [
        ("up_echo", json!({"text": "a\u{2028}b"}), &json!({})),
        ("up_echo", json!({"text": 1}), &json!({})),
        ("up_echo", json!({}), &forms),
        ("up_ask", json!({"message": "Your name?"}), &forms),
        ("up_ask", json!({"message": "Your name?"}), &json!({})),
        (
            "up_send",
            json!({"to": "a@x.example", "subject": "s", "body": "b"}),
            &json!({}),
        ),
        (
            "up_send",
            json!({"to": "a@x.example", "subject": "s", "body": "b"}),
            &pages,
        ),
        (
            "up_send",
            json!({"to": "a@x.example", "subject": "s", "body": "b"}),
            &tasks,
        ),
        ("none_such", json!({}), &json!({})),
        ("drawbridge_connectors", json!({}), &json!({})),
        (
            "drawbridge_result",
            json!({"id": "0".repeat(32)}),
            &json!({}),
        ),
    ] {
        let meta = json!({
            "io.modelcontextprotocol/protocolVersion": MODERN,
            "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
            "io.modelcontextprotocol/clientCapabilities": capabilities,
        });
        let params = json!({"name": tool, "arguments": arguments, "_meta": meta});
        let body = json!({"jsonrpc": "2.0", "id": "one", "method": "tools/call", "params": params});
        let call = (tool, &body);
        // The same means, written in another order, is not plain.
        let by_sdk = sent(&ann, "text/event-stream, application/json", call).await;
        let plain = sent(&ann, "application/json, text/event-stream", call).await;
        assert_eq!(plain, by_sdk, "{tool} {arguments} {capabilities}");
        seen.push(plain);
    }
    let seen = seen.join("\n");
    for word in [
        "\"ok\"",
        "\"invalid\"",
        "\"denied\"",
        "\"not_found\"",
        "\"approval_needed\"",
        "\"input_required\"",
        "\"task\"",
    ] {
        assert!(seen.contains(word), "no {word} among them:\n{seen}");
    }
}
