//! Traces by OTLP, to a collector that a test plays, and metrics.

use std::{
    process::{Command, Stdio},
    time::Duration,
};

use axum::{Router, body::Bytes, http::HeaderMap, routing::post};
use serde_json::json;
use tokio::{net::TcpListener, sync::mpsc, time::timeout};

use crate::bridge::{Bridge, PROGRAM};

#[tokio::test]
async fn calls_are_traced_where_the_operator_says_so() {
    // Another test of this process may have done it already.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let (sent, mut got) = mpsc::channel::<(HeaderMap, Bytes)>(100);
    let collector = Router::new().route(
        "/v1/traces",
        post(move |headers: HeaderMap, body: Bytes| async move {
            let _ = sent.send((headers, body)).await;
        }),
    );
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(async move { axum::serve(listener, collector).await });
    let keep = tempfile::tempdir().unwrap();
    let mut child = Command::new(PROGRAM)
        .args(["demo", "--json", "--dir"])
        .arg(keep.path().join("demo"))
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let address = Bridge::address_of(&mut child);
    let caller = &address["callers"][0];
    let (trace, parent) = ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7");
    let url = format!(
        "{}/tools/drawbridge_connectors",
        address["api"].as_str().unwrap()
    );
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let request = http
        .post(url)
        .bearer_auth(caller["token"].as_str().unwrap())
        .header("traceparent", format!("00-{trace}-{parent}-01"))
        .json(&json!({}));
    assert_eq!(request.send().await.unwrap().status(), 200);
    let collected = async {
        let mut all = Vec::new();
        while let Some((headers, body)) = got.recv().await {
            assert_eq!(headers["content-type"], "application/x-protobuf");
            all.extend_from_slice(&body);
            let has = |bytes: &[u8]| all.windows(bytes.len()).any(|window| window == bytes);
            if has(&hex::decode(trace).unwrap())
                && has(&hex::decode(parent).unwrap())
                && has(b"call")
                && has(b"connectors")
            {
                break;
            }
        }
        all
    };
    let all = timeout(Duration::from_secs(30), collected)
        .await
        .expect("no trace came");
    let person = caller["person"].as_str().unwrap().as_bytes();
    assert!(
        !all.windows(person.len()).any(|window| window == person),
        "a person is in a trace"
    );
    child.kill().unwrap();
    child.wait().unwrap();
}

#[tokio::test]
async fn metrics_tell_of_calls_the_log_and_the_connectors() {
    let bridge = Bridge::start().await;
    let owner = bridge.token("ingrid", "claude");
    bridge
        .call("ingrid", "handbook_search", json!({"query": "per diem"}))
        .await;
    bridge.call("ingrid", "made_up", json!({})).await;
    let url = bridge.url().replace("/mcp", "/metrics");
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let text = http
        .get(url)
        .bearer_auth(owner)
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    for line in [
        "drawbridge_calls_total{connector=\"handbook\",action=\"search\",door=\"api\",status=\"ok\"} 1",
        "drawbridge_calls_total{connector=\"unknown\",action=\"unknown\",door=\"api\",status=\"denied\"} 1",
        "drawbridge_call_seconds_bucket{connector=\"handbook\",action=\"search\",le=\"0.05\"}",
        "drawbridge_log_wait_seconds_bucket{le=\"0.05\"}",
        "drawbridge_log_up 1",
        "drawbridge_calls_running 0",
        "drawbridge_connector_up{connector=\"handbook\",state=\"active\"} 1",
        "drawbridge_connector_up{connector=\"handbook\",state=\"paused\"} 0",
        "drawbridge_connector_sync_progress{connector=\"handbook\"} 1",
        "drawbridge_connector_synced_timestamp_seconds{connector=\"handbook\"}",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
    assert!(
        !text.contains("lindqvist") && !text.contains("made_up"),
        "{text}"
    );
}
