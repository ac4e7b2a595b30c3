//! Resources and prompts: what the patterns of the file let in, under the same rules, and nothing that
//! only looks like it.

use serde_json::{Value, json};

use super::setup::{OLGA, Upstream, Written, direct, mcp_at, mcp_call, told, until};
use crate::acting::firm::{ANN, BOB, Person};

const SCOPE: &str = "  resources:\n    - {uri: \"demo://secret/*\", label: restricted}\n    \
     - {uri: \"demo://public/*\"}\n    - {uri: \"demo://item/*\", label: public}\n    \
     - {uri: \"demo://blob/1\"}\n  prompts: [greet]\n";

/// One that offers resources and a prompt. Ann may read what is internal, Bob all of it.
fn upstream(flags: &[&str]) -> Upstream {
    let upstream = Upstream::new();
    upstream.added(&[], flags);
    pinned(upstream)
}

fn pinned(upstream: Upstream) -> Upstream {
    upstream.write(Written {
        tools: &[("echo", "{power: read}")],
        scope: SCOPE,
        permissions: "  - {who: [\"bob@x.example\"], may: [read]}\n  \
             - {who: [\"ann@x.example\"], may: [read], only: {label: {up_to: internal}}}\n",
        ..Written::default()
    });
    // The prompt was not looked at yet.
    let checked = upstream.firm.house.line(&["check", "up", "--offline"]);
    assert!(
        told(&checked).contains("`greet` was not reviewed"),
        "{}",
        told(&checked)
    );
    upstream.pinned();
    upstream
}

fn uris(answer: &Value) -> Vec<String> {
    let resources = answer["data"]["resources"].as_array();
    let resources = resources.unwrap_or_else(|| panic!("{answer:#}"));
    let uris = resources.iter().map(|one| one["uri"].as_str().unwrap());
    uris.map(str::to_owned).collect()
}

/// Every page.
async fn all(person: &Person) -> Vec<String> {
    let (mut found, mut asked) = (Vec::new(), json!({}));
    loop {
        let answer = person.call("up_list_resources", asked).await;
        assert_eq!(answer["status"], "ok", "{answer:#}");
        found.extend(uris(&answer));
        match answer["data"]["cursor"].as_str() {
            Some(cursor) => asked = json!({"cursor": cursor}),
            None => return found,
        }
    }
}

async fn are_listed_and_read(upstream: &Upstream) {
    let open = upstream.open();
    let (ann, bob) = (
        open.client(&upstream.firm, ANN, "claude"),
        open.client(&upstream.firm, BOB, "claude"),
    );
    let public = ["demo://public/1", "demo://public/2", "demo://public/3"];
    assert_eq!(
        all(&bob).await,
        [&public[..], &["demo://secret/1", "demo://blob/1"]].concat()
    );
    assert_eq!(all(&ann).await, [&public[..], &["demo://blob/1"]].concat());
    let first = ann.call("up_list_resources", json!({})).await;
    assert_eq!(
        first["data"]["templates"][0]["uriTemplate"],
        "demo://item/{id}"
    );
    for (uri, label) in [
        ("demo://public/2", "internal"),
        ("demo://item/4711", "public"),
        ("demo://blob/1", "internal"),
    ] {
        let answer = ann.call("up_read_resource", json!({"uri": uri})).await;
        assert_eq!(
            (&answer["status"], &answer["label"]),
            (&json!("ok"), &json!(label)),
            "{answer:#}"
        );
        let direct = direct("resources/read", &json!({"uri": uri}));
        assert_eq!(answer["data"]["contents"], direct["contents"]);
        let over = mcp_call(&ann, "up_read_resource", json!({"uri": uri})).await;
        assert_eq!(
            over["structuredContent"]["data"]["contents"],
            direct["contents"]
        );
    }
    let secret = json!({"uri": "demo://secret/1"});
    let answer = bob.call("up_read_resource", secret.clone()).await;
    assert_eq!(answer["label"], "restricted", "{answer:#}");
    // What is hidden is answered as what is not let in at all, and neither is asked for.
    let before = upstream.log().len();
    let hidden = ann.call("up_read_resource", secret).await;
    let nothing = ann
        .call("up_read_resource", json!({"uri": "demo://nowhere/1"}))
        .await;
    assert_eq!(hidden["status"], "not_found", "{hidden:#}");
    let without = |answer: &Value, name: &str| answer["notices"].to_string().replace(name, "NAME");
    assert_eq!(without(&hidden, "secret"), without(&nothing, "nowhere"));
    assert_eq!(upstream.log().len(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn resources_are_listed_and_read_by_pattern_and_label_over_stdio() {
    are_listed_and_read(&upstream(&[])).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn resources_are_listed_and_read_by_pattern_and_label_over_http() {
    let mut upstream = Upstream::new();
    let url = upstream.serve_elsewhere(&["--era", "legacy"]);
    let out = upstream.line(&["--label", "internal", "--url", &url]);
    assert!(out.status.success(), "{}", told(&out));
    are_listed_and_read(&pinned(upstream)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_only_looks_like_one_of_the_pattern_is_not_asked_for() {
    let upstream = upstream(&[]);
    let open = upstream.open();
    let ann = open.client(&upstream.firm, ANN, "claude");
    let read = async |uri: &str| ann.call("up_read_resource", json!({"uri": uri})).await;
    assert_eq!(read("demo://public/1").await["status"], "ok");
    let before = upstream.log().len();
    for uri in [
        "demo://public/../secret/1",
        "demo://public/..",
        "demo://public/.",
        "demo://public/%2e%2e%2fsecret%2f1",
        "demo://public/%2E%2E/secret/1",
        "demo://public/..%2fsecret%2f1",
        "demo://public/..\\secret\\1",
        "demo://public/1/../../secret/1",
        "demo://public/1\n",
        "demo://public/1 ",
        "demo://public/\u{0}1",
        "demo://public/a%00b",
        "DEMO://public/1",
        "demo:///public/1",
        "demo://public//1/..",
        "demo://user@public/1",
        "file:///etc/passwd",
        "demo://public/a/b",
        "",
    ] {
        let answer = read(uri).await;
        assert_eq!(answer["status"], "not_found", "{uri:?}: {answer:#}");
    }
    assert_eq!(
        upstream.log().len(),
        before,
        "{:#?}",
        &upstream.log()[before..]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_server_gives_beside_what_was_asked_for_is_narrowed_too() {
    let upstream = upstream(&[]);
    upstream.state(&json!({"misbehave": {"demo://public/1": "other_uri"}}));
    let open = upstream.open();
    let (ann, bob) = (
        open.client(&upstream.firm, ANN, "claude"),
        open.client(&upstream.firm, BOB, "claude"),
    );
    let public = json!({"uri": "demo://public/1"});
    let answer = ann.call("up_read_resource", public.clone()).await;
    let text = answer.to_string();
    assert!(text.contains("of public 1"), "{answer:#}");
    for secret in ["SECRET-RESOURCE", "SECRET-FILE", "SECRET-WORD"] {
        assert!(!text.contains(secret), "{secret}: {answer:#}");
    }
    let answer = bob.call("up_read_resource", public).await;
    let text = answer.to_string();
    assert!(
        text.contains("SECRET-RESOURCE") && !text.contains("SECRET-FILE"),
        "{answer:#}"
    );
    assert_eq!(
        answer["label"], "restricted",
        "the most sensitive of all counts: {answer:#}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resource_of_which_nothing_may_be_read_is_not_there() {
    let upstream = upstream(&[]);
    upstream.state(&json!({"misbehave": {"demo://public/1": "only_others"}}));
    let open = upstream.open();
    let [ann, bob] = [ANN, BOB].map(|person| open.client(&upstream.firm, person, "claude"));
    let public = json!({"uri": "demo://public/1"});
    let answer = ann.call("up_read_resource", public.clone()).await;
    assert_eq!(answer["status"], "not_found", "{answer:#}");
    assert!(
        !answer.to_string().contains("SECRET-RESOURCE"),
        "{answer:#}"
    );
    let over = mcp_at(&ann, "/up", ("resources/read", public.clone())).await;
    assert_eq!(over["error"]["code"], -32602, "{over:#}");
    let answer = bob.call("up_read_resource", public).await;
    assert!(answer.to_string().contains("SECRET-RESOURCE"), "{answer:#}");
}

/// What stands where a resource was left out.
const LEFT_OUT: &str = "was left out";

#[tokio::test(flavor = "multi_thread")]
async fn resources_within_answers_and_prompts_are_narrowed_by_the_same_patterns() {
    let upstream = Upstream::new();
    upstream.added(&[], &[]);
    let scope = "  resources:\n    - {uri: \"demo://secret/*\", label: restricted}\n    \
         - {uri: \"demo://embedded/1\", label: restricted}\n    \
         - {uri: \"demo://public/*\"}\n  prompts: [greet]\n";
    upstream.write(Written {
        tools: &[("image", "{power: read}")],
        scope,
        permissions: "  - {who: [\"bob@x.example\"], may: [read]}\n  \
             - {who: [\"ann@x.example\"], may: [read], only: {label: {up_to: internal}}}\n",
        ..Written::default()
    });
    upstream.pinned();
    upstream.state(&json!({"misbehave": {"greet": "with_resources"}}));
    let open = upstream.open();
    let [ann, bob] = [ANN, BOB].map(|person| open.client(&upstream.firm, person, "claude"));
    let greet = json!({"name": "greet", "arguments": {"name": "Ada"}});
    // A tool's answer, and a prompt: what is in it, what is not, for each person.
    for (person, label, image, prompt) in [
        (
            &ann,
            "internal",
            (
                ["demo://public/1"].as_slice(),
                ["demo://embedded/1", "an embedded text", "demo://embedded/2"].as_slice(),
            ),
            (
                ["INSIDE demo://public/1"].as_slice(),
                ["INSIDE demo://secret/1"].as_slice(),
            ),
        ),
        (
            &bob,
            "restricted",
            (
                ["demo://public/1", "demo://embedded/1", "an embedded text"].as_slice(),
                ["demo://embedded/2"].as_slice(),
            ),
            (
                ["INSIDE demo://public/1", "INSIDE demo://secret/1"].as_slice(),
                [].as_slice(),
            ),
        ),
    ] {
        for (tool, arguments, (kept, gone)) in [
            ("up_image", json!({}), image),
            ("up_get_prompt", greet.clone(), prompt),
        ] {
            let answer = person.call(tool, arguments.clone()).await;
            assert_eq!(answer["label"], label, "{answer:#}");
            let over = mcp_call(person, tool, arguments).await;
            for text in [answer.to_string(), over.to_string()] {
                assert!(
                    kept.iter().all(|one| text.contains(one)),
                    "{kept:?}: {text}"
                );
                assert!(
                    !gone.iter().any(|one| text.contains(one)),
                    "{gone:?}: {text}"
                );
                for other in [
                    "/etc/shadow",
                    "/etc/passwd",
                    "NAME-OF-A-LINK",
                    "INSIDE None",
                ] {
                    assert!(!text.contains(other), "{other}: {text}");
                }
                assert!(text.contains(LEFT_OUT), "{text}");
            }
        }
        let image = mcp_call(person, "up_image", json!({})).await;
        let text = image["content"][0]["text"].as_str().unwrap();
        assert!(text.contains(LEFT_OUT), "the AI reads it: {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn prompts_are_got_as_they_were_reviewed() {
    let upstream = upstream(&["--era", "legacy"]);
    upstream.state(&json!({"notify": true}));
    let open = upstream.open();
    let (ann, olga) = (
        open.client(&upstream.firm, ANN, "claude"),
        open.person(&upstream.firm, OLGA),
    );
    let greet = (
        "up_get_prompt",
        json!({"name": "greet", "arguments": {"name": "Ada"}}),
    );
    let answer = until(&ann, greet.clone(), "ok").await;
    assert_eq!(
        answer["data"]["messages"][0]["content"]["text"], "Greet Ada.",
        "{answer:#}"
    );
    let over = mcp_call(&ann, greet.0, greet.1.clone()).await;
    let text = over["content"][0]["text"].as_str().unwrap();
    assert!(text.contains("Greet Ada."), "{over:#}");
    let listed = super::setup::listed(&ann).await;
    let tool = listed
        .iter()
        .find(|tool| tool["name"] == "up_get_prompt")
        .unwrap();
    assert!(
        tool["description"]
            .as_str()
            .unwrap()
            .contains("Greets somebody."),
        "{tool:#}"
    );
    assert!(!tool.to_string().contains("Needs nothing."), "{tool:#}");
    for (arguments, status) in [
        (json!({"name": "plain"}), "invalid"),
        (
            json!({"name": "greet", "arguments": {"name": ["Ada"]}}),
            "invalid",
        ),
        (json!({"name": "greet"}), "invalid"),
    ] {
        let answer = ann.call("up_get_prompt", arguments.clone()).await;
        assert_eq!(answer["status"], status, "{arguments}: {answer:#}");
    }
    upstream.state(
        &json!({"notify": true, "prompt_descriptions": {"greet": "Greets, and sends the keys."}}),
    );
    let answer = until(&ann, greet.clone(), "unavailable").await;
    assert!(
        answer
            .to_string()
            .contains("`greet` is no longer what was reviewed"),
        "{answer:#}"
    );
    let inspected = olga.get("/connectors/up").await.to_string();
    assert!(inspected.contains("sends the keys"), "{inspected}");
    let answer = ann.call("up_echo", json!({"text": "a"})).await;
    assert_eq!(answer["status"], "ok", "{answer:#}");
}

/// What is not let in by the file is not there at all.
#[tokio::test(flavor = "multi_thread")]
async fn without_patterns_there_are_no_resources_and_no_prompts() {
    let written = Written {
        tools: &[("echo", "{power: read}")],
        ..Written::default()
    };
    let upstream = Upstream::with(&[], written);
    let open = upstream.open();
    let ann = open.client(&upstream.firm, ANN, "claude");
    for tool in ["up_list_resources", "up_read_resource", "up_get_prompt"] {
        let answer = ann.call(tool, json!({"uri": "demo://public/1"})).await;
        assert_eq!(answer["status"], "denied", "{answer:#}");
    }
    let answer = ann.call("up_echo", json!({"text": "a"})).await;
    assert_eq!(answer["status"], "ok", "{answer:#}");
}
