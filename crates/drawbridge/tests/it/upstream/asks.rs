//! What a server may ask of whoever calls it, and how far its calls have come: through the gateway, to the
//! right client, marked with who asks, and only where the file lets it.

use serde_json::{Value, json};

use super::setup::{Upstream, Written};
use crate::acting::firm::{ANN, BOB, Person};

const MODERN: &str = "2026-07-28";
const TOOLS: &[(&str, &str)] = &[
    ("ask", "{power: read}"),
    ("sample", "{power: read}"),
    ("roots", "{power: read}"),
    ("slow", "{power: read}"),
    ("echo", "{power: read}"),
    ("send", "{power: send}"),
];

pub(super) fn written(scope: &'static str) -> Written<'static> {
    Written {
        tools: TOOLS,
        scope,
        ..Written::default()
    }
}

/// Asks for a tool as a client that can be asked this; every message that comes.
async fn messages(person: &Person, capabilities: &Value, params: Value) -> Vec<Value> {
    sent(person, ("", "tools/call"), capabilities, params).await
}

/// The answer to any question at any path.
pub(super) async fn put(
    person: &Person,
    at: (&str, &str),
    capabilities: &Value,
    params: Value,
) -> Value {
    let messages = sent(person, at, capabilities, params).await;
    messages.last().unwrap().clone()
}

async fn sent(
    person: &Person,
    (path, method): (&str, &str),
    capabilities: &Value,
    mut params: Value,
) -> Vec<Value> {
    let mut meta = params["_meta"].take();
    if meta.is_null() {
        meta = json!({});
    }
    meta["io.modelcontextprotocol/protocolVersion"] = json!(MODERN);
    meta["io.modelcontextprotocol/clientInfo"] = json!({"name": "test", "version": "1"});
    meta["io.modelcontextprotocol/clientCapabilities"] = capabilities.clone();
    params["_meta"] = meta;
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let answer = client
        .post(format!("{}{path}", person.mcp_url()))
        .bearer_auth(&person.token)
        .header("Accept", "application/json, text/event-stream")
        .header("MCP-Protocol-Version", MODERN)
        .header("Mcp-Method", method)
        .header("Mcp-Name", params["name"].as_str().unwrap())
        .json(&json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}))
        .send()
        .await
        .unwrap();
    let text = answer.text().await.unwrap();
    if let Ok(one) = serde_json::from_str(&text) {
        return vec![one];
    }
    let events = text.lines().filter_map(|line| line.strip_prefix("data:"));
    events
        .filter_map(|data| serde_json::from_str(data.trim()).ok())
        .collect()
}

/// The answer alone.
pub(super) async fn asked(person: &Person, capabilities: &Value, params: Value) -> Value {
    let messages = messages(person, capabilities, params).await;
    messages.last().unwrap().clone()
}

pub(super) fn forms() -> Value {
    json!({"elicitation": {"form": {}}})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_reaches_the_person_marked_with_the_connector_and_the_answer_goes_back() {
    let written = || written("  asks: [form]\n");
    let modern = Upstream::with(&["--era", "modern"], written());
    a_form_goes_round(&modern, "answer").await;
    // Those of before ask while the call goes on, and give the question no name.
    let legacy = Upstream::with(&["--era", "legacy"], written());
    a_form_goes_round(&legacy, "question").await;
    let legacy = Upstream::over_http(&["--era", "legacy", "--sessions"], written());
    a_form_goes_round(&legacy, "question").await;
}

async fn a_form_goes_round(upstream: &Upstream, name: &str) {
    let open = upstream.open();
    let ann = open.client(&upstream.firm, ANN, "claude");
    let call = json!({"name": "up_ask", "arguments": {"message": "Your n\u{200B}ame?"}});
    let first = asked(&ann, &forms(), call.clone()).await;
    let result = &first["result"];
    assert_eq!(result["resultType"], "input_required", "{first:#}");
    let params = &result["inputRequests"][name]["params"];
    let message = params["message"].as_str().unwrap();
    assert!(
        message.starts_with("The connector `up` asks") && !message.contains('\u{200B}'),
        "{message}"
    );
    assert_eq!(params["requestedSchema"]["required"], json!(["name"]));
    let state = result["requestState"].as_str().unwrap();
    let mut again = call.clone();
    again["inputResponses"] =
        json!({name: {"action": "accept", "content": {"name": "Ann of the North"}}});
    again["requestState"] = json!(state);
    // It is good for this call by this caller alone, and only as it was given out.
    let bob = open.client(&upstream.firm, BOB, "claude");
    let other = open.client(&upstream.firm, ANN, "another");
    let mut changed = again.clone();
    changed["arguments"]["message"] = json!("Your password?");
    let mut forged = again.clone();
    forged["requestState"] = json!("state-of-the-upstream");
    for (person, call) in [
        (&bob, &again),
        (&other, &again),
        (&ann, &changed),
        (&ann, &forged),
    ] {
        let refused = asked(person, &forms(), call.clone()).await;
        assert_eq!(refused["error"]["code"], -32602, "{refused:#}");
    }
    let done = asked(&ann, &forms(), again).await;
    let answer = &done["result"]["structuredContent"];
    assert_eq!(answer["status"], "ok", "{done:#}");
    assert!(
        done["result"]["content"][0]["text"]
            .as_str()
            .unwrap()
            .contains("Ann of the North")
    );
    // A record says that it asked, and nothing of what was answered.
    let records = upstream.records();
    assert!(
        records.contains("asks for more input first (form)"),
        "{records}"
    );
    assert!(!records.contains("of the North"), "{records}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_asked_what_the_file_or_the_client_does_not_let_through() {
    let upstream = Upstream::with(&["--era", "modern"], written("  asks: [form]\n"));
    let open = upstream.open();
    let ann = open.client(&upstream.firm, ANN, "claude");
    let all = json!({"elicitation": {"form": {}, "url": {}}, "sampling": {}, "roots": {}});
    let page = json!({"url": "https://phish.example/"});
    for (tool, arguments, capabilities, told) in [
        (
            "up_sample",
            json!({}),
            &all,
            "(sampling), which its file does not let it ask",
        ),
        (
            "up_roots",
            json!({}),
            &all,
            "(roots), which its file does not let it ask",
        ),
        (
            "up_ask",
            page,
            &all,
            "(page), which its file does not let it ask",
        ),
        (
            "up_ask",
            json!({}),
            &json!({}),
            "(form), which cannot be passed on",
        ),
        (
            "up_ask",
            json!({}),
            &json!({"elicitation": {"url": {}}}),
            "(form), which cannot be passed on",
        ),
    ] {
        let call = json!({"name": tool, "arguments": arguments});
        let answer = asked(&ann, capabilities, call).await;
        let answer = &answer["result"]["structuredContent"];
        assert_eq!(answer["status"], "failed", "{tool}: {answer:#}");
        assert!(
            answer["notices"][0].as_str().unwrap().contains(told),
            "{answer:#}"
        );
    }
    // The server was told no more of the client than may be asked of it.
    let log = upstream.log();
    let declared = log.iter().filter(|entry| entry["method"] == "tools/call");
    for entry in declared {
        let meta = &entry["params"]["_meta"]["io.modelcontextprotocol/clientCapabilities"];
        assert!([json!({}), forms()].contains(meta), "{entry}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_hears_how_far_the_call_has_come_and_nobody_else_does() {
    let effect = &[("slow", "{power: trigger}")];
    for (era, tools) in [
        ("modern", TOOLS),
        ("legacy", TOOLS),
        ("modern", effect),
        ("legacy", effect),
    ] {
        let written = Written {
            tools,
            ..Written::default()
        };
        let upstream = Upstream::with(&["--era", era], written);
        let open = upstream.open();
        let ann = open.client(&upstream.firm, ANN, "claude");
        let bob = open.client(&upstream.firm, BOB, "claude");
        let call = |token: &str| json!({"name": "up_slow", "arguments": {"seconds": 1}, "_meta": {"progressToken": token}});
        let nothing = json!({});
        let (hers, his) = tokio::join!(
            messages(&ann, &nothing, call("of ann")),
            messages(&bob, &nothing, call("of bob")),
        );
        for (token, heard) in [("of ann", hers), ("of bob", his)] {
            let (last, steps) = heard.split_last().unwrap();
            assert_eq!(
                last["result"]["structuredContent"]["status"], "ok",
                "{last:#}"
            );
            assert!(steps.len() >= 3, "{steps:#?}");
            let mut before = -1.0;
            for step in steps {
                assert_eq!(step["method"], "notifications/progress");
                assert_eq!(step["params"]["progressToken"], token);
                assert_eq!(step["params"]["total"], 1.0);
                let done = step["params"]["progress"].as_f64().unwrap();
                assert!(done > before, "{steps:#?}");
                before = done;
            }
        }
        // Who does not ask to hear it gets the answer alone.
        let quiet = json!({"name": "up_slow", "arguments": {"seconds": 0.5}});
        assert_eq!(messages(&ann, &nothing, quiet).await.len(), 1);
    }
}

/// Sends a message as a client with a handshake, in the session that it was given.
pub(super) async fn say(person: &Person, session: &str, message: &Value) -> reqwest::Response {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut request = client
        .post(person.mcp_url())
        .bearer_auth(&person.token)
        .header("Accept", "application/json, text/event-stream")
        .json(message);
    if !session.is_empty() {
        request = request
            .header("Mcp-Session-Id", session)
            .header("MCP-Protocol-Version", "2025-11-25");
    }
    request.send().await.unwrap()
}

pub(super) async fn greeted(person: &Person, capabilities: Value) -> String {
    let params = json!({"protocolVersion": "2025-11-25", "capabilities": capabilities,
                        "clientInfo": {"name": "test", "version": "1"}});
    let greeting = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params});
    let answer = say(person, "", &greeting).await;
    answer.headers()["mcp-session-id"]
        .to_str()
        .unwrap()
        .to_owned()
}

/// The messages of a stream, one by one.
pub(super) async fn next(stream: &mut reqwest::Response, rest: &mut String) -> Value {
    loop {
        if let Some((event, after)) = rest.split_once("\n\n") {
            let data = event.lines().find_map(|line| line.strip_prefix("data:"));
            let message = data.and_then(|data| serde_json::from_str(data.trim()).ok());
            *rest = after.to_owned();
            match message {
                Some(message) => return message,
                None => continue,
            }
        }
        let chunk = stream.chunk().await.unwrap().expect("the stream goes on");
        rest.push_str(&String::from_utf8_lossy(&chunk));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_client_is_asked_on_its_stream_and_only_its_own_answer_counts() {
    let written = || written("  asks: [form]\n");
    an_older_client_is_asked(&Upstream::with(&["--era", "modern"], written())).await;
    let flags = &["--era", "legacy", "--sessions"];
    an_older_client_is_asked(&Upstream::over_http(flags, written())).await;
}

async fn an_older_client_is_asked(upstream: &Upstream) {
    let open = upstream.open();
    let ann = open.client(&upstream.firm, ANN, "claude");
    let bob = open.client(&upstream.firm, BOB, "claude");
    let forms = json!({"elicitation": {}});
    let (session, other) = (
        greeted(&ann, forms.clone()).await,
        greeted(&ann, forms.clone()).await,
    );
    let his = greeted(&bob, forms).await;
    let call = |id: u64| {
        json!({"jsonrpc": "2.0", "id": id, "method": "tools/call",
               "params": {"name": "up_ask", "arguments": {"message": "Name?"}}})
    };
    // Two at once in one session: each gets what was answered to it.
    let (mut first, mut second) = (
        say(&ann, &session, &call(7)).await,
        say(&ann, &session, &call(8)).await,
    );
    let (mut rest, mut more) = (String::new(), String::new());
    let asked = next(&mut first, &mut rest).await;
    let asked_too = next(&mut second, &mut more).await;
    for one in [&asked, &asked_too] {
        assert_eq!(one["method"], "elicitation/create", "{one:#}");
        let message = one["params"]["message"].as_str().unwrap();
        assert!(message.starts_with("The connector `up` asks"), "{message}");
        assert!(one["params"].get("_meta").is_none(), "{one:#}");
    }
    assert_ne!(asked["id"], asked_too["id"]);
    let answer = |to: &Value, name: &str| {
        json!({"jsonrpc": "2.0", "id": to["id"],
               "result": {"action": "accept", "content": {"name": name}}})
    };
    // Not his answer, and not one of another session of hers.
    for (person, session) in [(&bob, &his), (&bob, &session), (&ann, &other)] {
        let taken = say(person, session, &answer(&asked, "Mallory")).await;
        assert_eq!(taken.status().as_u16(), 202);
    }
    for (to, name) in [(&asked_too, "Second"), (&asked, "First")] {
        assert_eq!(
            say(&ann, &session, &answer(to, name))
                .await
                .status()
                .as_u16(),
            202
        );
    }
    for (stream, rest, name) in [
        (&mut first, &mut rest, "First"),
        (&mut second, &mut more, "Second"),
    ] {
        let done = next(stream, rest).await;
        let text = done["result"]["content"][0]["text"].as_str().unwrap();
        assert!(text.contains(name) && !text.contains("Mallory"), "{text}");
    }
    // What is neither question nor answer is refused, rather than taken for an answer.
    let odd = say(&ann, &session, &json!({"jsonrpc": "2.0", "id": 5})).await;
    assert_ne!(odd.status().as_u16(), 202);
    // One that cannot be asked is told so at once.
    let quiet = greeted(&ann, json!({})).await;
    let refused: Value = say(&ann, &quiet, &call(9)).await.json().await.unwrap();
    let told = refused["result"]["content"][0]["text"].as_str().unwrap();
    let why = [
        "which cannot be passed on",
        "nobody can be asked in this call",
    ];
    assert!(why.iter().any(|why| told.contains(why)), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_may_ask_nothing_gets_no_answers() {
    let upstream = Upstream::with(&["--era", "modern"], written(""));
    let open = upstream.open();
    let ann = open.client(&upstream.firm, ANN, "claude");
    let call = json!({"name": "up_echo", "arguments": {"text": "a"},
                      "inputResponses": {"x": {"action": "accept", "content": {"smuggled": "far"}}}});
    let answer = asked(&ann, &forms(), call).await;
    assert_eq!(
        answer["result"]["structuredContent"]["status"], "ok",
        "{answer:#}"
    );
    assert_eq!(upstream.calls("echo").len(), 1);
    let log = json!(upstream.log()).to_string();
    assert!(!log.contains("smuggled"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tool_of_which_something_is_left_out_says_nothing_beside_its_answer() {
    let rule = "{power: read, result: {drop: [\"/secret\"]}}";
    let tools = &[("fail", rule), ("ask", rule), ("slow", "{power: read}")];
    let upstream = Upstream::with(
        &["--era", "modern"],
        Written {
            tools,
            scope: "  asks: [form]\n",
            ..Written::default()
        },
    );
    let open = upstream.open();
    let ann = open.client(&upstream.firm, ANN, "claude");
    for (tool, words) in [("up_fail", "The system says"), ("up_ask", "canary")] {
        let call = json!({"name": tool, "arguments": {"message": "canary"}});
        let call = if tool == "up_fail" {
            json!({"name": tool, "arguments": {}})
        } else {
            call
        };
        let answer = asked(&ann, &forms(), call).await;
        assert_eq!(
            answer["result"]["structuredContent"]["status"], "failed",
            "{answer:#}"
        );
        assert!(!answer.to_string().contains(words), "{answer:#}");
    }
}
