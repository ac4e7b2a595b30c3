//! A connector's secret reaches its server, and nothing else: no redirect takes it, and nothing repeats it.

use std::{io::Write, process::Stdio};

use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::setup::{Den, Way, text_of};

const SECRET: &str = "s3cret-of-the-connector/+=";

fn with_secret(den: &Den) {
    let mut child = den
        .site
        .command(&["secret", "set", "key"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(SECRET.as_bytes()).unwrap();
    drop(input);
    assert!(child.wait().unwrap().success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redirect_does_not_take_the_secret_elsewhere() {
    let elsewhere = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/mcp", elsewhere.local_addr().unwrap());
    let mut den = Den::empty();
    with_secret(&den);
    let more = ["--credential", "key"];
    den.add_with(Way::Json("both"), &["one"], ("", &more), &json!({}));
    for on in ["server/discover", "tools/list", "echo"] {
        // What a server offers is kept for a while.
        let open = den.open().await;
        den.servers[0].state(&json!({"misbehave": {on: "redirect"}, "redirect_to": url}));
        let answer = open.echo("one", "x").await;
        assert_ne!(answer["status"], "ok", "{on}: {answer:#}");
        assert!(!answer.to_string().contains(SECRET), "{answer:#}");
        den.servers[0].state(&json!({}));
        open.good("one").await;
    }
    let headers = &den.servers[0].seen("tools/call")[0]["headers"];
    assert_eq!(headers["authorization"], format!("Bearer {SECRET}"));
    let nobody = futures_util::FutureExt::now_or_never(elsewhere.accept());
    assert!(nobody.is_none(), "the redirect was followed");
    assert!(!den.everything().contains(SECRET));
}

/// Servers repeat what they were sent in errors and dumps.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_server_says_of_the_secret_is_told_to_nobody() {
    let header = r#"{"credential_in": {"header": "X-Key"}}"#;
    let environment = r#"{"credential_in": {"environment": "KEY"}}"#;
    let ways = [
        (Way::Json("both"), header),
        (Way::Sse("legacy"), header),
        (Way::Stdio("both"), environment),
    ];
    for (way, place) in ways {
        let mut den = Den::empty();
        with_secret(&den);
        let more = ["--credential", "key", "--system", place];
        den.add_with(way, &["one"], ("", &more), &json!({}));
        let open = den.open().await;
        open.good("one").await;
        let server = &den.servers[0];
        let got = match way {
            Way::Stdio(_) => &server.seen("start")[0]["env"]["KEY"],
            _ => &server.seen("tools/call")[0]["headers"]["x-key"],
        };
        assert_eq!(got, SECRET, "{way:?}");
        let value = json!({"sent": [format!("Bearer {SECRET}")], SECRET: SECRET, "fine": "s3cret"});
        server.keep(&json!({"next": 0, "keys": {"dump": value}, "sent": []}));
        let answer = open.call("one_get", json!({"key": "dump"})).await;
        assert_eq!(answer["status"], "ok", "{answer:#}");
        assert!(!answer.to_string().contains(SECRET), "{way:?}: {answer:#}");
        let value = &answer["data"]["structuredContent"]["value"];
        assert_eq!(value["sent"], json!(["Bearer (secret)"]), "{answer:#}");
        assert_eq!(value["fine"], "s3cret");
        assert!(text_of(&answer).contains("(secret)"), "{answer:#}");
        drop(open);
        assert!(!den.everything().contains(SECRET), "{way:?}");
    }
}

/// Arguments that a tool wants in headers go there; a tool whose annotations break the rules is none.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn arguments_go_into_the_headers_that_a_tool_names() {
    let named = |name: Value| {
        let text = json!({"type": "string", "x-mcp-header": name});
        json!({"type": "object", "properties": {"text": text, "key": text}, "required": []})
    };
    let good = json!({"type": "object", "properties": {"text": {"type": "string", "x-mcp-header": "Text"}}});
    for bad in [
        json!(""),
        json!("two words"),
        json!(7),
        json!("a\r\nX-Evil: 1"),
    ] {
        let state = json!({"schemas": {"echo": good, "get": named(bad)}});
        let mut den = Den::empty();
        den.add_with(Way::Json("modern"), &["one"], ("", &[]), &state);
        let open = den.open().await;
        open.good("one").await;
        for (text, header) in [("plain", "plain"), ("zwölf", "=?base64?enfDtmxm?=")] {
            let answer = open.echo("one", text).await;
            assert_eq!(text_of(&answer), text, "{answer:#}");
            let seen = den.servers[0].seen("tools/call");
            let headers = &seen.last().unwrap()["headers"];
            assert_eq!(headers["mcp-param-text"], header, "{headers:#}");
            assert_eq!(headers["mcp-name"], "echo");
        }
        let listed = open.mcp("tools/list", json!({})).await;
        let listed = listed["result"]["tools"].to_string();
        assert!(
            listed.contains("one_echo") && !listed.contains("one_get"),
            "{listed}"
        );
        let file = den.site.path("connectors/one.yaml");
        let text = std::fs::read_to_string(file).unwrap();
        assert!(!text.contains("    get:"), "{text}");
    }
}
