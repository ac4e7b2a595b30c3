//! Effects whose server says that they failed: nothing was done only where that is certain.

use serde_json::{Value, json};

use super::setup::{Upstream, Written, mcp_call};
use crate::acting::firm::{ANN, LENA, Person};

const TOOLS: &[(&str, &str)] = &[
    ("get", "{power: read}"),
    (
        "put",
        "{power: update, preview: {tool: get, arguments: {key: {argument: key}}}}",
    ),
    ("send", "{power: send}"),
    ("remove", "{power: delete, result: {drop: [\"/removed\"]}}"),
    ("ask", "{power: trigger}"),
];

fn written(tools: &'static [(&'static str, &'static str)]) -> Written<'static> {
    Written {
        tools,
        ..Written::default()
    }
}

fn send(subject: &str) -> Value {
    json!({"to": "ann@x.example", "subject": subject, "body": "b"})
}

/// What an AI is told: its text, and the status.
async fn asked(ai: &Person, tool: &str, arguments: Value) -> (String, String) {
    let answer = mcp_call(ai, tool, arguments).await;
    let text = answer["content"][0]["text"].as_str();
    let text = text.unwrap_or_else(|| panic!("{answer:#}")).to_owned();
    let status = answer["structuredContent"]["status"].as_str();
    (
        text,
        status.unwrap_or_else(|| panic!("{answer:#}")).to_owned(),
    )
}

fn says_nothing_happened(text: &str) -> bool {
    text.contains("Nothing was changed")
}

async fn only_what_came_before_it_began_was_not_done(upstream: Upstream) {
    let open = upstream.open();
    let ann = open.client(&upstream.firm, ANN, "claude");
    for (way, status) in [
        ("fail_after", "unknown"),
        ("fail_before", "unknown"),
        ("error:-32603", "unknown"),
        ("error:-32000", "unknown"),
        ("error:-32002", "unknown"),
        ("error:-31999", "unknown"),
        ("error:7", "unknown"),
        ("refuse:-32700", "failed"),
        ("refuse:-32600", "failed"),
        ("refuse:-32601", "failed"),
        ("refuse:-32602", "invalid"),
        ("refuse:-32020", "failed"),
        ("refuse:-32021", "failed"),
        ("refuse:-32022", "failed"),
    ] {
        upstream.state(&json!({"misbehave": {"send": way}}));
        let (told, answered) = asked(&ann, "up_send", send(way)).await;
        assert_eq!(answered, status, "{way}: {told}");
        if status == "unknown" {
            assert!(!says_nothing_happened(&told), "{way}: {told}");
            assert!(told.contains("may have done a part"), "{way}: {told}");
        } else {
            assert!(says_nothing_happened(&told), "{way}: {told}");
        }
        // Words of the tool are for who asked; those of an error may hold anything.
        let said = told.contains("it broke in the middle");
        assert_eq!(said, way == "fail_after", "{way}: {told}");
        let may_be_told = status == "invalid";
        assert_eq!(
            told.contains("SECRET-IN-ERROR"),
            may_be_told,
            "{way}: {told}"
        );
    }
    let records = upstream.records();
    assert!(records.contains("may have done a part"), "{records}");
    for words in ["it broke in the middle", "SECRET-IN-ERROR"] {
        assert!(!records.contains(words), "{words} is on the log: {records}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_came_before_it_began_was_not_done_over_stdio() {
    only_what_came_before_it_began_was_not_done(Upstream::with(&[], written(TOOLS))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_came_before_it_began_was_not_done_over_http() {
    let upstream = Upstream::over_http(&[], written(TOOLS));
    only_what_came_before_it_began_was_not_done(upstream).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_of_http_was_not_done() {
    let upstream = Upstream::over_http(&[], written(TOOLS));
    let open = upstream.open();
    let ann = open.client(&upstream.firm, ANN, "claude");
    for (way, status) in [
        // The same again would be refused again.
        ("status:400", "failed"),
        ("status:403", "failed"),
        ("status:422", "failed"),
        ("unread", "failed"),
        ("status:429", "unavailable"),
        ("status:500", "unknown"),
    ] {
        upstream.state(&json!({"misbehave": {"send": way}}));
        let (told, answered) = asked(&ann, "up_send", send(way)).await;
        assert_eq!(answered, status, "{way}: {told}");
        assert_eq!(says_nothing_happened(&told), status != "unknown");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_asks_for_more_has_begun() {
    let upstream = Upstream::with(&["--era", "modern"], written(TOOLS));
    let open = upstream.open();
    let ann = open.client(&upstream.firm, ANN, "claude");
    let (told, answered) = asked(&ann, "up_ask", json!({})).await;
    assert_eq!(answered, "unknown", "{told}");
    assert!(!says_nothing_happened(&told), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_left_out_of_its_answer_is_not_told_by_its_failure() {
    let upstream = Upstream::with(&[], written(TOOLS));
    upstream.keys(&json!({"k": 1}));
    upstream.state(&json!({"misbehave": {"remove": "fail_after"}}));
    let open = upstream.open();
    let ann = open.client(&upstream.firm, ANN, "claude");
    let (told, answered) = asked(&ann, "up_remove", json!({"key": "k"})).await;
    assert_eq!(answered, "unknown", "{told}");
    assert!(!told.contains("it broke in the middle"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preview_tells_whether_what_failed_did_anything() {
    let upstream = Upstream::with(&[], written(TOOLS));
    let open = upstream.open();
    let ann = open.client(&upstream.firm, ANN, "claude");
    for (before, way, status) in [
        (json!({"k": "old"}), "fail_before", "failed"),
        (json!({"k": "old"}), "refuse:-32603", "failed"),
        (json!({"k": "old"}), "fail_after", "unknown"),
        (json!({"k": "old"}), "error:-32603", "unknown"),
        // That the preview fails before and after is no sight of anything.
        (json!({}), "fail_before", "unknown"),
        (json!({}), "fail_after", "unknown"),
    ] {
        upstream.keys(&before);
        upstream.state(&json!({"misbehave": {"put": way}}));
        let value = format!("{way} {before}");
        let (told, answered) = asked(&ann, "up_put", json!({"key": "k", "value": value})).await;
        assert_eq!(answered, status, "{way}: {told}");
        assert_eq!(
            says_nothing_happened(&told),
            status == "failed",
            "{way}: {told}"
        );
        let changed = upstream.data()["keys"] != before;
        assert_eq!(
            changed,
            way != "fail_before" && status == "unknown",
            "{way}"
        );
        let words = match way {
            "fail_before" => "it would not begin",
            "fail_after" => "it broke in the middle",
            _ => "answers with the error -32603",
        };
        assert!(told.contains(words), "{way}: {told}");
    }
}

/// What was sent, or what could not be seen before it was made, stands nowhere that a preview looks.
#[tokio::test(flavor = "multi_thread")]
async fn a_preview_tells_nothing_of_what_it_does_not_look_at() {
    let preview = "preview: {tool: get, arguments: {key: {value: k}}}";
    for (power, keys, status) in [
        ("send", json!({"k": "old"}), "unknown"),
        ("trigger", json!({"k": "old"}), "unknown"),
        ("write", json!({}), "unknown"),
        ("write", json!({"k": "old"}), "failed"),
    ] {
        let rule = format!("{{power: {power}, {preview}}}");
        let tools = [("get", "{power: read}"), ("send", rule.as_str())];
        let written = Written {
            tools: &tools,
            ..Written::default()
        };
        let upstream = Upstream::with(&[], written);
        upstream.keys(&keys);
        upstream.state(&json!({"misbehave": {"send": "fail_before"}}));
        let open = upstream.open();
        let ann = open.client(&upstream.firm, ANN, "claude");
        let (told, answered) = asked(&ann, "up_send", send("s")).await;
        assert_eq!(answered, status, "{power} {keys}: {told}");
        assert_eq!(says_nothing_happened(&told), status == "failed", "{told}");
    }
}

/// A preview of which something is left out cannot tell that nothing changed.
#[tokio::test(flavor = "multi_thread")]
async fn a_preview_that_hides_something_tells_nothing() {
    let tools = &[
        ("get", "{power: read, result: {mask: {\"/value\": full}}}"),
        TOOLS[1],
    ];
    let written = Written {
        tools,
        ..Written::default()
    };
    let upstream = Upstream::with(&[], written);
    upstream.keys(&json!({"k": "old"}));
    upstream.state(&json!({"misbehave": {"put": "fail_after"}}));
    let open = upstream.open();
    let ann = open.client(&upstream.firm, ANN, "claude");
    let (told, answered) = asked(&ann, "up_put", json!({"key": "k", "value": "new"})).await;
    assert_eq!(answered, "unknown", "{told}");
    assert!(!says_nothing_happened(&told), "{told}");
}

/// People see why, too, and an owner settles it.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_approved_and_failed_half_way_waits_for_a_person() {
    let written = Written {
        approval: super::setup::ASK,
        ..written(TOOLS)
    };
    let upstream = Upstream::with(&[], written);
    let open = upstream.open();
    let ann = open.client(&upstream.firm, ANN, "claude");
    let lena = open.person(&upstream.firm, LENA);
    let id = ann.asks("up_send", send("half")).await;
    upstream.state(&json!({"misbehave": {"send": "fail_after"}}));
    lena.approve(&id).await;
    let plan = lena.until(&id, &["unknown", "failed", "applied"]).await;
    assert_eq!(plan["stage"], "unknown", "{plan:#}");
    let reason = plan["ended"]["reason"].as_str().unwrap();
    assert!(reason.contains("may have done a part"), "{plan:#}");
    assert_eq!(plan["ended"]["words"], "it broke in the middle", "{plan:#}");
    let (told, answered) = asked(&ann, "drawbridge_result", json!({"id": id})).await;
    assert_eq!(answered, "unknown", "{told}");
    assert!(told.contains("it broke in the middle"), "{told}");
    assert!(!says_nothing_happened(&told), "{told}");
    assert_eq!(upstream.calls("send").len(), 1);
}
