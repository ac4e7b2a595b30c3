//! What is there before an effect: shown to those who may see it, and known or not known, but never guessed.

use serde_json::{Value, json};

use super::setup::{ASK, AUTO, Upstream, Written, told};
use crate::acting::firm::{ANN, BOB, LENA};

const PUT: &str = "{power: update, preview: {tool: get, arguments: {key: {argument: key}}}, \
    undo: {tool: put, arguments: {key: {argument: key}, value: {before: /value}}}}";
const REMOVE: &str = "{power: delete, preview: {tool: get, arguments: {key: {argument: key}}}, \
    undo: {tool: put, arguments: {key: {argument: key}, value: {result: /removed}}}}";

const TOOLS: &[(&str, &str)] = &[("get", "{power: read}"), ("put", PUT), ("remove", REMOVE)];

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_shows_no_preview_to_those_who_may_not_ask_for_it() {
    let permissions = "  - {who: [\"bob@x.example\"], may: [POWERS]}\n  \
         - {who: [\"ann@x.example\"], may: [update, delete]}\n";
    let upstream = Upstream::with(
        &[],
        Written {
            tools: TOOLS,
            permissions,
            approval: ASK,
            ..Written::default()
        },
    );
    upstream.keys(&json!({"k": "S3CRET-BEFORE"}));
    let open = upstream.open();
    let [ann, bob] = [ANN, BOB].map(|person| open.client(&upstream.firm, person, "claude"));
    let (lena, ann_herself) = (
        open.person(&upstream.firm, LENA),
        open.person(&upstream.firm, ANN),
    );
    let denied = ann.call("up_get", json!({"key": "k"})).await;
    assert_eq!(denied["status"], "denied", "{denied:#}");
    let put = json!({"key": "k", "value": "new"});
    for (tool, arguments) in [("up_put", put.clone()), ("up_remove", json!({"key": "k"}))] {
        let of_bob = bob.asks(tool, arguments.clone()).await;
        let shown = lena.plan(&of_bob).await.to_string();
        assert!(shown.contains("S3CRET-BEFORE"), "{tool}: {shown}");
        let of_ann = ann.asks(tool, arguments).await;
        for person in [&ann_herself, &lena] {
            let plan = person.plan(&of_ann).await;
            assert!(
                !plan.to_string().contains("S3CRET-BEFORE"),
                "{tool}: {plan:#}"
            );
            assert_eq!(
                plan["targets"][0]["change"],
                lena.plan(&of_bob).await["targets"][0]["change"]
            );
        }
        // It is looked at all the same.
        upstream.keys(&json!({"k": "S3CRET-BEFORE", "elsewhere": 1}));
        if tool == "up_remove" {
            upstream.keys(&json!({"k": "theirs"}));
            lena.approve(&of_ann).await;
            let plan = lena.until(&of_ann, &["conflict", "applied"]).await;
            assert_eq!(plan["stage"], "conflict", "{plan:#}");
            upstream.keys(&json!({"k": "S3CRET-BEFORE"}));
        }
    }
    let id = ann
        .asks("up_put", json!({"key": "k", "value": "newer"}))
        .await;
    lena.approve(&id).await;
    lena.until(&id, &["applied"]).await;
    let body = json!({"call": id, "reason": "a mistake"});
    let back = ann_herself.post("/undo", body).await;
    let back = back["data"]["id"]
        .as_str()
        .unwrap_or_else(|| panic!("{back:#}"));
    let plan = ann_herself.plan(back).await;
    assert!(!plan.to_string().contains("S3CRET-BEFORE"), "{plan:#}");
    lena.approve(back).await;
    let plan = lena.until(back, &["applied", "conflict", "failed"]).await;
    assert_eq!(plan["stage"], "applied", "{plan:#}");
    assert_eq!(upstream.data()["keys"]["k"], "S3CRET-BEFORE");
}

/// What an effect answered stands in no plan or receipt, and so not in that of its undo.
#[tokio::test(flavor = "multi_thread")]
async fn an_undo_shows_no_more_than_the_plan_did() {
    let upstream = Upstream::with(
        &[],
        Written {
            tools: TOOLS,
            permissions: "  - {who: [\"bob@x.example\"], may: [POWERS]}\n  \
                 - {who: [\"ann@x.example\"], may: [update, delete]}\n",
            approval: ASK,
            ..Written::default()
        },
    );
    let open = upstream.open();
    let lena = open.person(&upstream.firm, LENA);
    for (person, sees) in [(ANN, false), (BOB, true)] {
        upstream.keys(&json!({"k": "S3CRET-BEFORE"}));
        let client = open.client(&upstream.firm, person, "claude");
        let id = client.asks("up_remove", json!({"key": "k"})).await;
        lena.approve(&id).await;
        lena.until(&id, &["applied"]).await;
        let body = json!({"call": id, "reason": "a mistake"});
        let back = open
            .person(&upstream.firm, person)
            .post("/undo", body)
            .await;
        let back = back["data"]["id"]
            .as_str()
            .unwrap_or_else(|| panic!("{back:#}"));
        let plan = lena.plan(back).await;
        assert_eq!(plan.to_string().contains("S3CRET-BEFORE"), sees, "{plan:#}");
        lena.approve(back).await;
        lena.until(back, &["applied"]).await;
        assert_eq!(upstream.data()["keys"]["k"], "S3CRET-BEFORE");
    }
}

/// What `check` says of a file with these tools.
fn checked(upstream: &Upstream, tools: &[(&str, &str)]) -> String {
    upstream.write(Written {
        tools,
        ..Written::default()
    });
    told(&upstream.firm.house.line(&["check", "up", "--offline"]))
}

#[test]
fn a_mask_is_never_written_back() {
    let upstream = Upstream::new();
    upstream.added(&[], &[]);
    let fault = "would be written back";
    for (result, is_fault) in [
        ("{mask: {\"/value\": full}}", true),
        ("{drop: [\"/value\"]}", true),
        ("{drop: [\"/value/inner/*\"]}", true),
        ("{drop: [\"/*\"]}", true),
        ("{drop: [\"/other\"]}", false),
    ] {
        let get = format!("{{power: read, result: {result}}}");
        let said = checked(&upstream, &[("get", &get), ("put", PUT)]);
        assert_eq!(said.contains(fault), is_fault, "{result}: {said}");
    }
    // The whole text is made of what is left.
    let text = PUT.replace("before: /value", "before: text");
    let get = "{power: read, result: {drop: [\"/other\"]}}";
    let said = checked(&upstream, &[("get", get), ("put", &text)]);
    assert!(said.contains(fault), "{said}");
    let said = checked(&upstream, &[("get", "{power: read}"), ("put", &text)]);
    assert!(!said.contains(fault), "{said}");
    for (result, is_fault) in [
        ("{mask: {\"/removed\": partial}}", true),
        ("{drop: [\"/other\"]}", false),
    ] {
        let remove = REMOVE.replace(
            "{power: delete,",
            &format!("{{power: delete, result: {result},"),
        );
        let tools = [
            ("get", "{power: read}"),
            ("put", PUT),
            ("remove", remove.as_str()),
        ];
        let said = checked(&upstream, &tools);
        assert_eq!(said.contains(fault), is_fault, "{result}: {said}");
    }
}

async fn refused(upstream: &Upstream, ways: &[(&str, &str)]) {
    upstream.keys(&json!({"k": "old"}));
    let open = upstream.open();
    let ann = open.client(&upstream.firm, ANN, "claude");
    for (way, status) in ways {
        upstream.state(&json!({"misbehave": {"get": way}}));
        let put = json!({"key": "k", "value": way});
        let answer = ann.call("up_put", put).await;
        assert_eq!(answer["status"], *status, "{way}: {answer:#}");
        if *status != "ok" {
            let told = answer.to_string();
            assert!(told.contains("before cannot be shown"), "{way}: {answer:#}");
            assert!(!told.contains("SECRET-IN-"), "{way}: {answer:#}");
            assert!(upstream.calls("put").is_empty(), "{way}");
        }
    }
}

fn written(tools: &'static [(&'static str, &'static str)]) -> Written<'static> {
    Written {
        tools,
        approval: AUTO,
        ..Written::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_preview_that_says_so_says_that_nothing_is_there() {
    let ways = [
        ("refuse:-32603", "failed"),
        ("refuse:-32602", "failed"),
        ("refuse:-32601", "failed"),
        ("refuse:-32000", "failed"),
        ("wrong_schema", "failed"),
        ("fail_before", "ok"),
        ("refuse:-32002", "ok"),
    ];
    refused(&Upstream::with(&[], written(TOOLS)), &ways).await;
    let ways = [
        ("status:403", "failed"),
        ("status:500", "unavailable"),
        ("refuse:-32603", "failed"),
    ];
    refused(&Upstream::over_http(&[], written(TOOLS)), &ways).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preview_that_asks_for_more_shows_nothing() {
    let tools = &[
        ("ask", "{power: read}"),
        ("send", "{power: send, preview: {tool: ask}}"),
    ];
    let upstream = Upstream::with(&["--era", "modern"], written(tools));
    let open = upstream.open();
    let ann = open.client(&upstream.firm, ANN, "claude");
    let send = json!({"to": "ann@x.example", "subject": "s", "body": "b"});
    let answer: Value = ann.call("up_send", send).await;
    assert_eq!(answer["status"], "failed", "{answer:#}");
    assert!(
        answer.to_string().contains("before cannot be shown"),
        "{answer:#}"
    );
    assert!(upstream.calls("send").is_empty());
}
