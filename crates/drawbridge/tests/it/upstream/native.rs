//! Resources and prompts in the words of MCP, at the door of their connector.

use serde_json::{Value, json};

use super::{
    asks::written,
    setup::{Upstream, Written, mcp_at},
};
use crate::acting::firm::ANN;

#[tokio::test(flavor = "multi_thread")]
async fn resources_and_prompts_are_asked_for_in_words_of_mcp_at_the_door_of_their_connector() {
    let scope = "  resources: [{uri: \"demo://public/*\"}, {uri: \"demo://item/**\"}]\n  prompts: [greet]\n";
    let upstream = Upstream::new();
    upstream.added(&[], &["--era", "modern"]);
    upstream.write(written(scope));
    upstream.pinned();
    let open = upstream.open();
    let ann = open.client(&upstream.firm, ANN, "claude");
    let ask =
        async |path: &str, method: &str, params: Value| mcp_at(&ann, path, (method, params)).await;
    let able = &ask("/up", "server/discover", json!({})).await["result"]["capabilities"];
    assert!(
        able["resources"].is_object() && able["prompts"].is_object(),
        "{able}"
    );
    assert!(able.get("completions").is_none(), "{able}");
    let listed = ask("/up", "resources/list", json!({})).await;
    assert_eq!(
        listed["result"]["resources"].as_array().unwrap().len(),
        3,
        "{listed:#}"
    );
    let listed = ask("/up", "resources/templates/list", json!({})).await;
    let templates = listed["result"]["resourceTemplates"].as_array().unwrap();
    assert_eq!(templates.len(), 1, "{listed:#}");
    let read = ask("/up", "resources/read", json!({"uri": "demo://public/1"})).await;
    assert_eq!(
        read["result"]["contents"][0]["text"],
        "the text of demo://public/1"
    );
    let notices = &read["result"]["_meta"]["drawbridge/notices"];
    assert!(
        notices[0].as_str().unwrap().contains("not trusted"),
        "{read:#}"
    );
    let secret = ask("/up", "resources/read", json!({"uri": "demo://secret/1"})).await;
    let none = ask("/up", "resources/read", json!({"uri": "demo://nothing/1"})).await;
    assert_eq!(secret["error"]["code"], -32602);
    let alike = |one: &Value| {
        one["error"]["message"]
            .as_str()
            .unwrap()
            .replace("secret", "nothing")
    };
    assert_eq!(alike(&secret), alike(&none));
    let listed = ask("/up", "prompts/list", json!({})).await;
    assert_eq!(
        listed["result"]["prompts"][0]["name"], "greet",
        "{listed:#}"
    );
    let got = ask(
        "/up",
        "prompts/get",
        json!({"name": "greet", "arguments": {"name": "Bo"}}),
    )
    .await;
    assert_eq!(
        got["result"]["messages"][0]["content"]["text"], "Greet Bo.",
        "{got:#}"
    );
    let got = ask("/up", "prompts/get", json!({"name": "plain"})).await;
    assert_eq!(got["error"]["code"], -32602, "{got:#}");
    // At the door of all connectors nobody knows whose they would be.
    let all = ask("", "resources/list", json!({})).await;
    assert_eq!(all["error"]["code"], -32601, "{all:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_odd_in_a_list_keeps_nobody_from_the_rest() {
    let upstream = Upstream::new();
    upstream.state(&json!({"prompt_descriptions": {"greet": 7}}));
    upstream.added(&[], &[]);
    upstream.write(Written {
        tools: &[("echo", "{power: read}")],
        scope: "  resources: [{uri: \"demo://**\"}]\n  prompts: [greet, plain]\n",
        ..Written::default()
    });
    upstream.pinned();
    upstream.state(&json!({"prompt_descriptions": {"greet": 7}, "misbehave": {
        "resources/list": "odd_items", "resources/templates/list": "odd_items",
    }}));
    let open = upstream.open();
    let ann = open.client(&upstream.firm, ANN, "claude");
    for (method, key, odd, kept) in [
        (
            "resources/list",
            "resources",
            "demo://public/odd",
            "demo://public/1",
        ),
        (
            "resources/templates/list",
            "resourceTemplates",
            "demo://item/{odd}",
            "demo://item/{id}",
        ),
        ("prompts/list", "prompts", "greet", "plain"),
    ] {
        let listed = mcp_at(&ann, "/up", (method, json!({}))).await;
        let listed = &listed["result"][key];
        assert!(listed.is_array(), "{method}: {listed:#}");
        let text = listed.to_string();
        assert!(
            text.contains(kept) && !text.contains(odd),
            "{method}: {text}"
        );
    }
}
