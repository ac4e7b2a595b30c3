//! MCP over HTTP: revisions, lists, results, refusals, and calls that are taken back.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::{
    bridge::Bridge,
    house::{House, answer},
};

fn modern(method: &str, params: Value) -> Value {
    let mut params = params;
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
}

#[tokio::test]
async fn mcp_is_spoken_in_three_revisions() {
    let house = House::open("").await;
    let ann = house.token("ann@x.example").await;
    for version in ["2025-06-18", "2025-11-25"] {
        let hello = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
            "protocolVersion": version, "capabilities": {}, "clientInfo": {"name": "t", "version": "1"},
        }});
        let (code, told) = house.post("/mcp", &ann, hello.to_string()).await;
        assert_eq!(
            (code, &told["result"]["protocolVersion"]),
            (200, &json!(version))
        );
        assert_eq!(told["result"]["serverInfo"]["name"], "drawbridge");
    }
    let send = async |method: &str, name: Option<&str>, params: Value| {
        let mut request = house
            .http
            .post(format!("{}/mcp", house.url))
            .bearer_auth(&ann)
            .header("Accept", "application/json, text/event-stream")
            .header("MCP-Protocol-Version", "2026-07-28")
            .header("Mcp-Method", method);
        if let Some(name) = name {
            request = request.header("Mcp-Name", name);
        }
        answer(request.json(&modern(method, params))).await
    };
    let (code, told) = send("server/discover", None, json!({})).await;
    assert_eq!(code, 200, "{told}");
    let versions = &told["result"]["supportedVersions"];
    assert_eq!(versions, &json!(["2025-06-18", "2025-11-25", "2026-07-28"]));
    let (_, told) = send("tools/list", None, json!({})).await;
    let list = &told["result"];
    assert_eq!(
        (&list["cacheScope"], &list["ttlMs"]),
        (&json!("private"), &json!(5000))
    );
    let tool = &list["tools"][0];
    assert_eq!(tool["name"], "drawbridge_connectors");
    assert_eq!(tool["annotations"]["readOnlyHint"], true);
    assert!(
        tool["outputSchema"]["properties"]["data"].is_object(),
        "{tool}"
    );
    let (_, told) = send(
        "tools/call",
        Some("drawbridge_connectors"),
        json!({"name": "drawbridge_connectors", "arguments": {}}),
    )
    .await;
    let result = &told["result"];
    assert_eq!(
        (&result["isError"], &result["structuredContent"]["status"]),
        (&json!(false), &json!("ok"))
    );
    let record = result["_meta"]["drawbridge/record"].as_str().unwrap();
    assert_eq!(
        house
            .get(&format!("/api/v1/records/{record}"), &ann)
            .await
            .0,
        200
    );
    let (_, told) = send(
        "tools/call",
        Some("none_such"),
        json!({"name": "none_such", "arguments": {}}),
    )
    .await;
    assert_eq!(
        (
            &told["result"]["isError"],
            &told["result"]["structuredContent"]["status"]
        ),
        (&json!(true), &json!("denied"))
    );
    let (code, told) = send(
        "tools/call",
        Some("other"),
        json!({"name": "none_such", "arguments": {}}),
    )
    .await;
    assert_eq!(
        (code, &told["error"]["code"]),
        (400, &json!(-32020)),
        "{told}"
    );
    house.close().await;
}

#[tokio::test]
async fn older_revisions_batches_and_wrong_connectors_get_clear_errors() {
    let house = House::open("").await;
    let ann = house.token("ann@x.example").await;
    let post = async |path: &str, version: Option<&str>, body: &str| {
        let mut request = house
            .http
            .post(format!("{}{path}", house.url))
            .bearer_auth(&ann)
            .header("Accept", "application/json, text/event-stream")
            .header("Content-Type", "application/json")
            .body(body.to_owned());
        if let Some(version) = version {
            request = request.header("MCP-Protocol-Version", version);
        }
        answer(request).await
    };
    let list = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
    for old in ["2024-11-05", "2025-03-26", "1999-01-01", "", "x"] {
        let (code, told) = post("/mcp", Some(old), list).await;
        assert_eq!(
            (code, &told["error"]["code"]),
            (400, &json!(-32022)),
            "{old}: {told}"
        );
        assert_eq!(told["id"], 1, "{old}");
        let supported = &told["error"]["data"]["supported"];
        assert_eq!(
            supported,
            &json!(["2025-06-18", "2025-11-25", "2026-07-28"])
        );
    }
    for good in ["2025-06-18", "2025-11-25"] {
        let (code, told) = post("/mcp", Some(good), list).await;
        assert_eq!(
            (code, told["result"]["tools"].is_array()),
            (200, true),
            "{good}: {told}"
        );
    }
    // A handshake in an older revision is answered with ours, as all revisions want it.
    let hello = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2024-11-05","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}"#;
    let (code, told) = post("/mcp", None, hello).await;
    assert_eq!(
        (code, &told["result"]["protocolVersion"]),
        (200, &json!("2025-11-25"))
    );
    for batch in ["[]", "[1]", &format!(" [{list},{list}]")] {
        let (code, told) = post("/mcp", None, batch).await;
        assert_eq!(
            (code, &told["error"]["code"]),
            (400, &json!(-32700)),
            "{batch}: {told}"
        );
        assert!(
            told["error"]["message"]
                .as_str()
                .unwrap()
                .contains("batches"),
            "{told}"
        );
    }
    let (code, told) = post("/mcp/handbok", Some("2025-11-25"), list).await;
    assert_eq!(
        (code, &told["error"]["code"]),
        (404, &json!(-32602)),
        "{told}"
    );
    assert!(
        told["error"]["message"]
            .as_str()
            .unwrap()
            .contains("`handbok`"),
        "{told}"
    );
    let (_, kept) = house.get("/api/v1/records?connector=handbok", &ann).await;
    assert_eq!(kept["data"]["records"][0]["status"], "denied", "{kept}");
    for method in [
        "prompts/list",
        "resources/list",
        "logging/setLevel",
        "made/up",
    ] {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": {}});
        let (_, told) = post("/mcp", Some("2025-11-25"), &body.to_string()).await;
        assert_eq!(told["error"]["code"], -32601, "{method}: {told}");
    }
    house.close().await;
}

#[tokio::test]
async fn one_connector_alone_has_bare_names_and_each_caller_its_own_list() {
    let bridge = Bridge::start().await;
    let ask = async |path: &str, token: &str, body: Value| {
        let request = reqwest::Client::builder()
            .no_proxy()
            .build()
            .unwrap()
            .post(format!("{}{path}", bridge.url()))
            .bearer_auth(token)
            .header("Accept", "application/json, text/event-stream")
            .header("MCP-Protocol-Version", "2025-11-25")
            .json(&body);
        answer(request).await
    };
    let token = bridge.token("ingrid", "claude");
    let list = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"});
    let (_, told) = ask("/handbook", &token, list.clone()).await;
    let names: Vec<_> = told["result"]["tools"]
        .as_array()
        .unwrap()
        .iter()
        .map(|tool| tool["name"].clone())
        .collect();
    assert_eq!(names, ["search", "read", "list"]);
    assert_eq!(told["result"]["cacheScope"], "private");
    let call = json!({"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "search", "arguments": {"query": "per diem"}}});
    let (_, told) = ask("/handbook", &token, call.clone()).await;
    assert_eq!(
        told["result"]["structuredContent"]["status"], "ok",
        "{told}"
    );
    for outside in ["handbook_search", "drawbridge_connectors"] {
        let mut call = call.clone();
        call["params"]["name"] = json!(outside);
        let (_, told) = ask("/handbook", &token, call).await;
        assert_eq!(
            told["result"]["structuredContent"]["status"], "denied",
            "{told}"
        );
    }
    let (code, _) = ask("/nothing", &token, list).await;
    assert_eq!(code, 404);
}

/// Whoever reads files for a gateway stands still, until this is dropped.
struct Still {
    stopped: Arc<Mutex<BTreeSet<String>>>,
    over: Arc<AtomicBool>,
    watching: Option<JoinHandle<()>>,
}

impl Still {
    /// Stops each child of the gateway as soon as it is there.
    fn of(bridge: &Bridge) -> Self {
        let (stopped, over) = (Arc::default(), Arc::new(AtomicBool::new(false)));
        let (seen, end, gateway) = (Arc::clone(&stopped), over.clone(), bridge.id());
        let watching = std::thread::spawn(move || {
            while !end.load(Ordering::Relaxed) {
                for child in children(gateway) {
                    if reads(&child) && lock(&seen).insert(child.clone()) {
                        signal("-STOP", &child);
                    }
                }
                std::thread::sleep(Duration::from_millis(1));
            }
        });
        Self {
            stopped,
            over,
            watching: Some(watching),
        }
    }
}

impl Drop for Still {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        let _ = self.watching.take().map(JoinHandle::join);
        for child in lock(&self.stopped).iter() {
            signal("-CONT", child);
        }
    }
}

fn lock(seen: &Mutex<BTreeSet<String>>) -> MutexGuard<'_, BTreeSet<String>> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether a child is a reader already. Before, it shares the memory of the gateway's thread that
/// starts it: stopped then, it would hold up that thread, and with it calls that have to end.
fn reads(child: &str) -> bool {
    std::fs::read(format!("/proc/{child}/cmdline")).is_ok_and(|line| line.ends_with(b"\0extract\0"))
}

fn children(of: u32) -> Vec<String> {
    let listed = std::fs::read_to_string(format!("/proc/{of}/task/{of}/children"));
    // A thread of the gateway may be the one that started them.
    let tasks = std::fs::read_dir(format!("/proc/{of}/task"))
        .into_iter()
        .flatten()
        .flatten();
    let by_thread =
        tasks.filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok());
    let all: String = listed
        .into_iter()
        .chain(by_thread)
        .collect::<Vec<_>>()
        .join(" ");
    all.split_ascii_whitespace().map(str::to_owned).collect()
}

fn signal(signal: &str, process: &str) {
    // It may have ended meanwhile.
    let _ = std::process::Command::new("kill")
        .args([signal, process])
        .stderr(std::process::Stdio::null())
        .status();
}

/// A call that waits: the document has changed, and whoever reads files stands still.
async fn slow_call(
    bridge: &Bridge,
    token: &str,
    (session, id): (Option<&str>, u64),
) -> reqwest::RequestBuilder {
    let mut request = bridge
        .mcp()
        .bearer_auth(token)
        .header("MCP-Protocol-Version", "2025-11-25");
    if let Some(session) = session {
        request = request.header("Mcp-Session-Id", session);
    }
    request.json(
        &json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {
            "name": "handbook_read", "arguments": {"path": "handbook/leave.md"},
        }}),
    )
}

/// Waits until the newest record of a read says that it was taken back.
async fn until_taken_back(bridge: &Bridge, token: &str, count: usize) {
    let url = format!(
        "{}/records?action=read&status=failed",
        bridge.url().replace("/mcp", "/api/v1")
    );
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let end = Instant::now() + Duration::from_secs(20);
    loop {
        let (_, told) = answer(http.get(&url).bearer_auth(token)).await;
        let records = told["data"]["records"].as_array().unwrap();
        if records.len() == count {
            let why = records[0]["message"].as_str().unwrap();
            assert!(why.contains("cancelled the call, or went away"), "{why}");
            return;
        }
        assert!(Instant::now() < end, "{told}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_call_ends_when_its_client_takes_it_back_or_goes_away() {
    let bridge = Bridge::start().await;
    let token = bridge.token("ingrid", "claude");
    let other = bridge.token("maja", "reporting-bot");
    let _still = Still::of(&bridge);
    let leave = bridge.folder().join("documents/handbook/leave.md");
    // A reader that was quicker than the signal has answered: then the document changes again.
    let waiting = async |session: Option<&str>, id: u64| {
        for attempt in 0..40 {
            let text = format!("# Leave\n\nThirty days, in draft {id}.{attempt}.\n");
            std::fs::write(&leave, text).unwrap();
            let request = slow_call(&bridge, &token, (session, id)).await;
            let mut call = Box::pin(request.send());
            if tokio::time::timeout(Duration::from_secs(1), &mut call)
                .await
                .is_err()
            {
                return call;
            }
        }
        panic!("no call waited");
    };
    // The client goes away.
    drop(waiting(None, 1).await);
    until_taken_back(&bridge, &token, 1).await;
    // The client says so: by the session that its handshake got.
    let hello = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
        "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"},
    }});
    let hello = bridge
        .mcp()
        .bearer_auth(&token)
        .json(&hello)
        .send()
        .await
        .unwrap();
    let session = hello.headers()["mcp-session-id"]
        .to_str()
        .unwrap()
        .to_owned();
    let cancel = async |token: &str, session: &str, id: Value| {
        let body = json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": id}});
        let request = bridge
            .mcp()
            .bearer_auth(token)
            .header("Mcp-Session-Id", session);
        let request = request
            .header("MCP-Protocol-Version", "2025-11-25")
            .json(&body);
        assert_eq!(request.send().await.unwrap().status(), 202);
    };
    let call = waiting(Some(&session), 7).await;
    let taken_back = async {
        // Nobody else's word counts, and no other call's.
        cancel(&other, &session, json!(7)).await;
        cancel(&token, "another", json!(7)).await;
        cancel(&token, &session, json!(8)).await;
        cancel(&token, &session, json!("7")).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        let (_, told) = answer(
            reqwest::Client::builder()
                .no_proxy()
                .build()
                .unwrap()
                .get(format!(
                    "{}/records?action=read&status=failed",
                    bridge.url().replace("/mcp", "/api/v1")
                ))
                .bearer_auth(&token),
        )
        .await;
        assert_eq!(
            told["data"]["records"].as_array().unwrap().len(),
            1,
            "it still runs"
        );
        cancel(&token, &session, json!(7)).await;
    };
    let (told, ()) = tokio::join!(call, taken_back);
    let told: Value = told.unwrap().json().await.unwrap();
    assert_eq!(
        told["result"]["structuredContent"]["status"], "failed",
        "{told}"
    );
    until_taken_back(&bridge, &token, 2).await;
}

#[tokio::test]
async fn changes_of_the_list_are_told_until_the_token_ends() {
    let bridge = Bridge::start().await;
    let token = bridge.token("ingrid", "claude");
    let params = json!({"notifications": {"toolsListChanged": true}});
    let request = bridge
        .mcp()
        .bearer_auth(&token)
        .header("MCP-Protocol-Version", "2026-07-28")
        .header("Mcp-Method", "subscriptions/listen")
        .json(&modern("subscriptions/listen", params));
    let mut stream = request.send().await.unwrap();
    assert_eq!(stream.headers()["content-type"], "text/event-stream");
    let mut text = String::new();
    for (act, word) in [
        (None, "notifications/subscriptions/acknowledged"),
        (
            Some(["retire", "handbook", "--reason", "replaced"]),
            "notifications/tools/list_changed",
        ),
    ] {
        if let Some(arguments) = act {
            assert!(bridge.line(&arguments).status.success());
        }
        while !text.contains(word) {
            let chunk = tokio::time::timeout(Duration::from_secs(20), stream.chunk()).await;
            let chunk = chunk.unwrap_or_else(|_| panic!("no {word} in {text}"));
            text.push_str(std::str::from_utf8(&chunk.unwrap().unwrap()).unwrap());
        }
    }
    let id = token.split('_').nth(1).unwrap();
    assert!(bridge.line(&["token", "revoke", id]).status.success());
    let end = async { while let Ok(Some(_)) = stream.chunk().await {} };
    let ended = tokio::time::timeout(Duration::from_secs(20), end).await;
    assert!(ended.is_ok(), "the stream goes on without a token");
}
