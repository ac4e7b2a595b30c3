//! How a server elsewhere is asked.

use serde_json::{Value, json};

use super::setup::{Upstream, Written};
use crate::acting::firm::ANN;

/// The first number of a question that goes past the SDK.
const DIRECT: i64 = 1 << 40;

fn echo() -> Written<'static> {
    Written {
        tools: &[("echo", "{power: read}")],
        ..Written::default()
    }
}

/// What an older server tells beside its answers has somewhere to go from the first call on.
#[tokio::test(flavor = "multi_thread")]
async fn the_stream_of_an_older_server_is_there_before_its_first_call() {
    let upstream = Upstream::over_http(&["--era", "legacy", "--sessions"], echo());
    upstream.state(&json!({"listen_after": 0.2}));
    let before = upstream.log().len();
    let open = upstream.open();
    let ann = open.client(&upstream.firm, ANN, "claude");
    let answer = ann.call("up_echo", json!({"text": "one"})).await;
    assert_eq!(answer["status"], "ok", "{answer:#}");
    let log = upstream.log();
    let since = log[before..].iter();
    let methods: Vec<&str> = since
        .filter_map(|entry| entry["method"].as_str())
        .filter(|method| ["listening", "tools/call"].contains(method))
        .collect();
    assert_eq!(methods, ["listening", "tools/call"]);
}

/// A plain call of a server of the newer era is asked directly, all else by the SDK.
#[tokio::test(flavor = "multi_thread")]
async fn a_plain_call_goes_directly() {
    for (era, is_direct) in [("modern", true), ("legacy", false)] {
        let upstream = Upstream::over_http(&["--era", era], echo());
        let open = upstream.open();
        let ann = open.client(&upstream.firm, ANN, "claude");
        let answer = ann.call("up_echo", json!({"text": "one"})).await;
        assert_eq!(answer["status"], "ok", "{answer:#}");
        let log = upstream.log();
        let numbers = |method: &str| -> Vec<i64> {
            let asked = log.iter().filter(|entry| entry["method"] == method);
            asked
                .filter_map(|entry: &Value| entry["id"].as_i64())
                .collect()
        };
        let calls = numbers("tools/call");
        assert_eq!(calls.len(), 1, "{era}");
        assert_eq!(calls[0] >= DIRECT, is_direct, "{era}: {calls:?}");
        let lists = numbers("tools/list");
        assert!(!lists.is_empty(), "{era}");
        assert!(
            lists.iter().all(|number| *number < DIRECT),
            "{era}: {lists:?}"
        );
    }
}
