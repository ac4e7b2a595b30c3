//! Servers that ask by requests of their own while a call goes on: the right person is asked, or nobody.

use serde_json::{Value, json};

use super::{
    asks::{asked, forms, written},
    secrets::secret,
    setup::{Upstream, told},
};
use crate::acting::firm::{ANN, BOB, Person};

const ASKS: &str = "  asks: [form]\n";

fn call(message: &str) -> Value {
    json!({"name": "up_ask", "arguments": {"message": message}})
}

/// The same call again, with an answer to what was asked.
fn answering(call: &Value, asked: &Value, content: &Value) -> Value {
    let mut again = call.clone();
    again["inputResponses"] = json!({"question": content});
    again["requestState"] = asked["result"]["requestState"].clone();
    again
}

fn named(name: &str) -> Value {
    json!({"action": "accept", "content": {"name": name}})
}

async fn says(person: &Person, call: Value) -> (String, String) {
    let answer = asked(person, &forms(), call).await;
    let answer = &answer["result"];
    let status = answer["structuredContent"]["status"].as_str();
    let text = answer["content"][0]["text"].as_str();
    let said = |text: Option<&str>| text.unwrap_or_default().to_owned();
    (said(status), said(text))
}

/// Over HTTP a question comes on the stream of its call.
#[tokio::test(flavor = "multi_thread")]
async fn two_people_are_asked_at_once_and_each_answers_their_own_question() {
    let flags = &["--era", "legacy", "--sessions"];
    let upstream = Upstream::over_http(flags, written(ASKS));
    let open = upstream.open();
    let [ann, bob] = [ANN, BOB].map(|person| open.client(&upstream.firm, person, "claude"));
    let (hers, his) = (call("Ann, your name?"), call("Bob, your name?"));
    let capabilities = forms();
    let (ann_asked, bob_asked) = tokio::join!(
        asked(&ann, &capabilities, hers.clone()),
        asked(&bob, &capabilities, his.clone()),
    );
    for (question, name) in [(&ann_asked, "Ann"), (&bob_asked, "Bob")] {
        let message = &question["result"]["inputRequests"]["question"]["params"]["message"];
        assert!(message.as_str().unwrap().contains(name), "{question:#}");
    }
    // While they think, others are answered.
    let echo = json!({"name": "up_echo", "arguments": {"text": "meanwhile"}});
    assert_eq!(says(&ann, echo).await.0, "ok");
    for (person, call, question, name) in [
        (&bob, &his, &bob_asked, "Robert"),
        (&ann, &hers, &ann_asked, "Annabel"),
    ] {
        let (status, text) = says(person, answering(call, question, &named(name))).await;
        assert_eq!(status, "ok", "{text}");
        assert!(text.contains(name), "{text}");
    }
    assert_eq!(upstream.calls("ask").len(), 2, "each was called once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_does_not_repeat_the_secret() {
    let upstream = Upstream::new();
    secret(&upstream, "pr0gram-s3cret");
    let wanted = ["--credential", "up-account", "--variable", "UP_KEY"];
    upstream.added(&wanted, &["--era", "legacy"]);
    upstream.write(written(ASKS));
    upstream.firm.review("up");
    let open = upstream.open();
    let ann = open.client(&upstream.firm, ANN, "claude");
    let question = asked(&ann, &forms(), call("401 for pr0gram-s3cret, another?")).await;
    let message = &question["result"]["inputRequests"]["question"]["params"]["message"];
    let message = message.as_str().unwrap_or_else(|| panic!("{question:#}"));
    assert!(message.contains("401 for (secret), another?"), "{message}");
}

/// Somebody who never answers takes no place of others.
#[tokio::test(flavor = "multi_thread")]
async fn one_person_leaves_room_for_others_to_be_asked() {
    let flags = &["--era", "legacy", "--sessions"];
    let upstream = Upstream::over_http(flags, written(ASKS));
    let open = upstream.open();
    let [ann, bob] = [ANN, BOB].map(|person| open.client(&upstream.firm, person, "claude"));
    for number in 0..5 {
        let question = asked(&ann, &forms(), call(&format!("{number}"))).await;
        assert_eq!(question["result"]["resultType"], "input_required");
    }
    let (status, text) = says(&ann, call("one more")).await;
    assert_eq!(status, "limited", "{text}");
    let question = asked(&bob, &forms(), call("Bob?")).await;
    assert_eq!(question["result"]["resultType"], "input_required");
}

/// Over a pipe nothing says which call a question belongs to.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_asked_where_the_question_may_be_anothers() {
    let upstream = Upstream::with(&["--era", "legacy"], written(ASKS));
    let open = upstream.open();
    let [ann, bob] = [ANN, BOB].map(|person| open.client(&upstream.firm, person, "claude"));
    let hers = call("Ann, your name?");
    let ann_asked = asked(&ann, &forms(), hers.clone()).await;
    assert_eq!(ann_asked["result"]["resultType"], "input_required");
    let (status, text) = says(&bob, call("Bob, your name?")).await;
    assert_eq!(status, "failed", "{text}");
    let (status, text) = says(&ann, answering(&hers, &ann_asked, &named("Annabel"))).await;
    assert_eq!(status, "ok", "{text}");
    assert!(text.contains("Annabel"), "{text}");
    let log = upstream.log();
    let answers = log.iter().filter(|entry| entry["method"].is_null());
    let codes: Vec<&Value> = answers
        .map(|entry| &entry["answer"]["error"]["code"])
        .filter(|code| !code.is_null())
        .collect();
    assert_eq!(codes, [&json!(-32601)], "{log:#?}");
    let checked = told(&upstream.firm.house.line(&["check", "up"]));
    assert!(checked.contains("to which of several calls"), "{checked}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_is_answered_as_the_person_does_and_ends_with_the_gateway() {
    for http in [false, true] {
        let flags = &["--era", "legacy"];
        let upstream = match http {
            true => Upstream::over_http(flags, written(ASKS)),
            false => Upstream::with(flags, written(ASKS)),
        };
        let open = upstream.open();
        let ann = open.client(&upstream.firm, ANN, "claude");
        let call = call("Your name?");
        for action in ["decline", "cancel"] {
            let question = asked(&ann, &forms(), call.clone()).await;
            let no = json!({"action": action});
            let (status, text) = says(&ann, answering(&call, &question, &no)).await;
            assert_eq!(status, "failed", "{text}");
            assert!(text.contains(action), "{text}");
        }
        // One that cannot be asked has the server told so, at once.
        let quiet = asked(&ann, &json!({}), call.clone()).await;
        let quiet = &quiet["result"]["structuredContent"]["status"];
        assert_eq!(quiet, "failed");
        let question = asked(&ann, &forms(), call.clone()).await;
        drop(open);
        let open = upstream.open();
        let ann = open.client(&upstream.firm, ANN, "claude");
        let late = asked(&ann, &forms(), answering(&call, &question, &named("Ann"))).await;
        assert!(
            late.to_string().contains("no longer open") || late["error"]["code"] == -32602,
            "{late:#}"
        );
    }
}
