//! What callers are offered, and what of it they may give: nothing that is refused reaches the server.

use serde_json::{Value, json};

use super::setup::{Upstream, Written, listed, mcp_call};
use crate::acting::firm::{ANN, BOB, LENA, Person};

/// An answer without the names in it that were asked for, and where it is on the log.
fn without(answer: &Value, tool: &str) -> String {
    let mut answer = answer.clone();
    answer.as_object_mut().unwrap().remove("record");
    answer.to_string().replace(tool, "TOOL")
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_was_classified_is_offered_and_only_to_those_who_may_use_it() {
    let permissions = "  - {who: [\"group:leads\"], may: [read, search]}\n  \
         - {who: [\"bob@x.example\"], may: [read], only: {label: {up_to: public}}}\n  \
         - {who: [\"ann@x.example\"], may: [read], only: {tool: [echo, records]}}\n";
    let written = Written {
        tools: &[
            ("echo", "{power: read, label: public}"),
            ("records", "{power: search}"),
            ("get", "{power: read, label: confidential}"),
        ],
        permissions,
        ..Written::default()
    };
    let upstream = Upstream::with(&[], written);
    upstream.state(&json!({"descriptions": {"image": "Another one."}}));
    let open = upstream.open();
    let [ann, bob, lena] =
        [ANN, BOB, LENA].map(|person| open.client(&upstream.firm, person, "claude"));
    let all = listed(&lena).await;
    let names: Vec<&str> = all
        .iter()
        .map(|one| one["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["up_echo", "up_get", "up_records"]);
    assert!(
        all[0]["description"]
            .as_str()
            .unwrap()
            .contains("Says the text again.")
    );
    assert_eq!(
        all[0]["inputSchema"]["properties"]["text"]["type"],
        "string"
    );
    assert_eq!(all[0]["inputSchema"]["additionalProperties"], false);
    assert_eq!(all[0]["annotations"]["readOnlyHint"], true);
    for (person, wanted) in [(&ann, ["up_echo"]), (&bob, ["up_echo"])] {
        let names: Vec<Value> = listed(person)
            .await
            .iter()
            .map(|one| one["name"].clone())
            .collect();
        assert_eq!(names, wanted);
        let answer = person.call("up_echo", json!({"text": "a"})).await;
        assert_eq!(answer["status"], "ok", "{answer:#}");
    }
    let nothing = bob.call("up_nothing", json!({})).await;
    assert_eq!(nothing["status"], "denied", "{nothing:#}");
    let nothing = without(&nothing, "nothing");
    // Without a power: `image`. Not for them: `get`, and for Ann and Bob `records`.
    for (person, tool, arguments) in [
        (&lena, "image", json!({})),
        (&ann, "get", json!({"key": "a"})),
        (&ann, "records", json!({"customer": "acme"})),
        (&bob, "get", json!({"key": "a"})),
        (&bob, "get", json!({"wrong": 1})),
        (&bob, "records", json!({"customer": "acme"})),
    ] {
        let answer = person.call(&format!("up_{tool}"), arguments.clone()).await;
        assert_eq!(without(&answer, tool), nothing, "{tool} {arguments}");
        let answer = mcp_call(person, &format!("up_{tool}"), arguments).await;
        assert_eq!(answer["isError"], true);
        assert!(upstream.calls(tool).is_empty(), "{tool}");
    }
    let answer = lena.call("up_records", json!({"customer": "acme"})).await;
    assert_eq!(answer["status"], "ok", "{answer:#}");
}

/// A tool, what is given, and what is sent; none where it is refused.
type Case = (&'static str, Value, Option<Value>);

fn cases() -> Vec<Case> {
    let nested = json!({"a": [1, {"b": "x"}], "c": null});
    vec![
        ("echo", json!({"text": "abc"}), Some(json!({"text": "abc"}))),
        ("echo", json!({"text": "abC"}), None),
        ("echo", json!({"text": "abc\n"}), None),
        ("echo", json!({"text": ""}), None),
        ("echo", json!({"text": ["abc"]}), None),
        ("echo", json!({}), None),
        (
            "echo",
            json!({"text": "abc", "extra": nested}),
            Some(json!({"text": "abc", "extra": nested})),
        ),
        (
            "echo",
            json!({"text": "abc", "extra": [1, 2]}),
            Some(json!({"text": "abc", "extra": [1, 2]})),
        ),
        ("echo", json!({"text": "abc", "extra": [2, 1]}), None),
        (
            "echo",
            json!({"text": "abc", "extra": {"a": [1, {"b": "y"}], "c": null}}),
            None,
        ),
        ("echo", json!({"text": "abc", "more": 1}), None),
        // From the person who asks, and fixed: neither may be given, not even as it would be.
        (
            "records",
            json!({}),
            Some(json!({"customer": "acme", "limit": 2})),
        ),
        ("records", json!({"customer": "bolt"}), None),
        ("records", json!({"customer": "acme"}), None),
        ("records", json!({"limit": 100}), None),
        ("big", json!({"bytes": 1}), Some(json!({"bytes": 1}))),
        ("big", json!({"bytes": 10}), Some(json!({"bytes": 10}))),
        ("big", json!({"bytes": 11}), None),
        ("big", json!({"bytes": 0}), None),
        ("big", json!({"bytes": -5}), None),
        ("big", json!({"bytes": "5"}), None),
        ("big", json!({"bytes": 1e300}), None),
        (
            "get",
            json!({"key": "/srv/docs/a b.md"}),
            Some(json!({"key": "/srv/docs/a b.md"})),
        ),
        ("get", json!({"key": "/srv/docs/../secret"}), None),
        ("get", json!({"key": "/srv/docs/./../secret"}), None),
        ("get", json!({"key": "/srv/docs2/a"}), None),
        ("get", json!({"key": "srv/docs/a"}), None),
        ("get", json!({"key": "/srv/docs\u{0}/a"}), None),
        (
            "put",
            json!({"key": "k", "value": [1, 2]}),
            Some(json!({"key": "k", "value": [1, 2]})),
        ),
        ("put", json!({"key": "k", "value": [1, 2, 3]}), None),
        (
            "put",
            json!({"key": "k", "value": "äö"}),
            Some(json!({"key": "k", "value": "äö"})),
        ),
        ("put", json!({"key": "k", "value": "abc"}), None),
        ("put", json!({"key": "k", "value": {"a": 1}}), None),
        (
            "ask",
            json!({"message": "hello"}),
            Some(json!({"message": "hello"})),
        ),
        (
            "ask",
            json!({"message": "hello", "url": "https://evil.example"}),
            None,
        ),
        ("ask", json!({"message": "hello", "url": null}), None),
        (
            "send",
            json!({"to": "ann@x.example", "subject": "s"}),
            Some(json!({"to": "ann@x.example", "subject": "s", "body": "as agreed"})),
        ),
        (
            "send",
            json!({"to": "eve@evil.example", "subject": "s"}),
            None,
        ),
        (
            "send",
            json!({"to": "ann@x.example", "subject": "s", "body": "mine"}),
            None,
        ),
        (
            "send",
            json!({"to": "ann@x.example,eve@evil.example", "subject": "s"}),
            None,
        ),
    ]
}

const LIMITED: &[(&str, &str)] = &[
    (
        "echo",
        "{power: read, arguments: {text: {pattern: \"[a-z]+\"}, \
         extra: {values: [[1, 2], {a: [1, {b: x}], c: null}]}}}",
    ),
    (
        "records",
        "{power: read, arguments: {customer: {from: person.customer}, limit: {fixed: 2}}}",
    ),
    (
        "big",
        "{power: read, arguments: {bytes: {min: 1, max: 10}}}",
    ),
    ("get", "{power: read, arguments: {key: {under: /srv/docs}}}"),
    (
        "put",
        "{power: update, arguments: {value: {max_length: 2}}}",
    ),
    ("ask", "{power: read, arguments: {url: {hidden: true}}}"),
    (
        "send",
        "{power: send, arguments: {to: {values: [ann@x.example]}, body: {fixed: as agreed}}}",
    ),
];

async fn limits_hold(upstream: &Upstream) {
    let open = upstream.open();
    let ann = open.client(&upstream.firm, ANN, "claude");
    for (tool, arguments, sent) in cases() {
        let before = upstream.calls(tool);
        let answer = ann.call(&format!("up_{tool}"), arguments.clone()).await;
        let after = upstream.calls(tool);
        match sent {
            Some(sent) => {
                assert_eq!(
                    after.len(),
                    before.len() + 1,
                    "{tool} {arguments}: {answer:#}"
                );
                assert_eq!(after.last(), Some(&sent), "{tool} {arguments}");
                assert_ne!(
                    answer["status"], "invalid",
                    "{tool} {arguments}: {answer:#}"
                );
            }
            None => {
                assert_eq!(
                    answer["status"], "invalid",
                    "{tool} {arguments}: {answer:#}"
                );
                assert_eq!(after.len(), before.len(), "{tool} {arguments} was sent");
            }
        }
    }
    asked_for_nothing_that_is_decided(&ann).await;
    // Nobody knows Bob's customer.
    let bob = open.client(&upstream.firm, BOB, "claude");
    let before = upstream.calls("records").len();
    let answer = bob.call("up_records", json!({})).await;
    assert_eq!(answer["status"], "invalid", "{answer:#}");
    assert_eq!(upstream.calls("records").len(), before);
}

/// The schemas say what may be given, and nothing of what may not.
async fn asked_for_nothing_that_is_decided(ann: &Person) {
    let all = listed(ann).await;
    let schema = |name: &str| {
        let tool = all.iter().find(|one| one["name"] == format!("up_{name}"));
        tool.unwrap()["inputSchema"].clone()
    };
    assert_eq!(schema("records")["properties"], json!({}));
    assert_eq!(schema("records")["required"], json!([]));
    assert_eq!(
        schema("send")["properties"]["to"]["enum"],
        json!(["ann@x.example"])
    );
    assert!(schema("send")["properties"].get("body").is_none());
    assert!(schema("ask")["properties"].get("url").is_none());
    let told = schema("big")["properties"]["bytes"]["description"].clone();
    assert!(told.as_str().unwrap().contains("At most 10"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn arguments_are_what_the_file_says_over_stdio() {
    let written = Written {
        tools: LIMITED,
        ..Written::default()
    };
    limits_hold(&Upstream::with(&[], written)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn arguments_are_what_the_file_says_over_http() {
    let written = Written {
        tools: LIMITED,
        ..Written::default()
    };
    limits_hold(&Upstream::over_http(
        &["--era", "legacy", "--sse", "--sessions"],
        written,
    ))
    .await;
}

/// What a file says of arguments must be about arguments that are there.
#[test]
fn a_rule_that_means_nothing_is_told_with_its_place() {
    let upstream = Upstream::new();
    upstream.added(&[], &[]);
    for (rule, why) in [
        (
            "{power: read, arguments: {nothing: {fixed: 1}}}",
            "no argument `nothing`",
        ),
        (
            "{power: read, arguments: {key: {hidden: true}}}",
            "cannot be hidden",
        ),
        (
            "{power: read, arguments: {key: {fixed: a, values: [a]}}}",
            "both",
        ),
        ("{power: read, arguments: {key: {}}}", "says nothing"),
        (
            "{power: read, arguments: {key: {pattern: \"(\"}}}",
            "no pattern",
        ),
        (
            "{power: read, arguments: {key: {min: 2, max: 1}}}",
            "at least",
        ),
        (
            "{power: read, arguments: {key: {under: docs}}}",
            "no absolute folder",
        ),
        (
            "{power: read, arguments: {key: {from: client.name}}}",
            "nothing that is known",
        ),
        ("{power: draft}", "a draft is kept here"),
        ("{power: read, undo: {tool: get}}", "only an effect"),
        (
            "{power: update, preview: {tool: nothing}}",
            "not among the tools",
        ),
        (
            "{power: read, result: {drop: [secret]}}",
            "no place in an answer",
        ),
        ("{power: read, label: cosmic}", "cosmic"),
    ] {
        upstream.write(Written {
            tools: &[("get", rule)],
            ..Written::default()
        });
        let out = upstream.firm.house.line(&["check", "up", "--offline"]);
        let said = super::setup::told(&out);
        assert!(!out.status.success(), "{rule}: {said}");
        assert!(
            said.contains(why) && said.contains("up.yaml:"),
            "{rule}: {said}"
        );
    }
}
