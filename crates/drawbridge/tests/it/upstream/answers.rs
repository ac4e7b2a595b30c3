//! What clients answer to what a server asked: it reaches the server only when it was asked for, as it was
//! asked for, by who was asked, once; and the log says that it did.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::{
    asks::{asked, forms, greeted, next, say, written},
    setup::Upstream,
};
use crate::acting::firm::{ANN, BOB};

const FORM: &str = "  asks: [form]\n";
const MODERN: &[&str] = &["--era", "modern"];

fn question() -> Value {
    json!({"name": "up_ask", "arguments": {"message": "Name?"}})
}

fn filled(content: &Value) -> Value {
    json!({"action": "accept", "content": content})
}

/// The same call, with answers.
fn answered(responses: Value, state: Option<&str>) -> Value {
    let mut call = question();
    call["inputResponses"] = responses;
    if let Some(state) = state {
        call["requestState"] = json!(state);
    }
    call
}

fn state(answer: &Value) -> String {
    assert_eq!(
        answer["result"]["resultType"], "input_required",
        "{answer:#}"
    );
    let state = answer["result"]["requestState"].as_str();
    state.expect("a state comes with every question").to_owned()
}

fn text(answer: &Value) -> &str {
    let text = answer["result"]["content"][0]["text"].as_str();
    text.unwrap_or_else(|| panic!("{answer:#}"))
}

/// The records of a tool, the newest first.
fn records(upstream: &Upstream, tool: &str) -> Vec<Value> {
    let told: Value = serde_json::from_str(&upstream.records()).unwrap();
    let all = told["data"]["records"].as_array().unwrap().clone();
    let of_tool = |record: &Value| record["action"] == tool;
    all.into_iter().filter(of_tool).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_nobody_asked_for_reach_no_server_and_the_log_says_so() {
    let upstream = Upstream::with(MODERN, written(FORM));
    let open = upstream.open();
    let ann = open.client(&upstream.firm, ANN, "claude");
    let smuggled = json!({"x": filled(&json!({"smuggled": "far"})), "answer": filled(&json!({"name": "smuggled"}))});
    // A tool that asks, asks as though nothing had come along.
    let first = asked(&ann, &forms(), answered(smuggled.clone(), None)).await;
    state(&first);
    // One that asks nothing answers, and says what was left out.
    let call =
        json!({"name": "up_echo", "arguments": {"text": "a"}, "inputResponses": smuggled.clone()});
    let answer = asked(&ann, &forms(), call).await;
    assert!(
        text(&answer).contains("nobody had asked for, and were left out: `answer`, `x`"),
        "{answer:#}"
    );
    for tool in ["ask", "echo"] {
        assert_eq!(
            records(&upstream, tool)[0]["asked"]["unasked"],
            json!(["answer", "x"])
        );
    }
    assert!(!upstream.records().contains("smuggled"));
    // Beside what was asked for, nothing goes along either.
    let more = json!({"answer": filled(&json!({"name": "Ann"})), "x": filled(&json!({"smuggled": "far"}))});
    let done = asked(&ann, &forms(), answered(more, Some(&state(&first)))).await;
    assert!(text(&done).contains("Ann"), "{done:#}");
    let log = json!(upstream.log()).to_string();
    assert!(!log.contains("smuggled"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_without_a_state_are_for_the_same_calls_last_question_alone() {
    let upstream = Upstream::with(MODERN, written(FORM));
    let open = upstream.open();
    let ann = open.client(&upstream.firm, ANN, "claude");
    let bob = open.client(&upstream.firm, BOB, "claude");
    let other = open.client(&upstream.firm, ANN, "another");
    state(&asked(&ann, &forms(), question()).await);
    let answer = answered(json!({"answer": filled(&json!({"name": "Ann"}))}), None);
    let mut changed = answer.clone();
    changed["arguments"]["message"] = json!("Password?");
    for (person, call) in [(&bob, &answer), (&other, &answer), (&ann, &changed)] {
        // It was never asked that: it is asked.
        state(&asked(person, &forms(), call.clone()).await);
    }
    let responses = || {
        let log = upstream.log().into_iter();
        log.filter(|entry| entry["params"]["inputResponses"].is_object())
            .count()
    };
    assert_eq!(responses(), 0);
    let done = asked(&ann, &forms(), answer.clone()).await;
    assert!(text(&done).contains("Ann"), "{done:#}");
    // Once: the same again is a new call.
    state(&asked(&ann, &forms(), answer).await);
    assert_eq!(responses(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_not_as_asked_for_is_refused_and_can_be_mended() {
    let upstream = Upstream::with(MODERN, written(FORM));
    let open = upstream.open();
    let ann = open.client(&upstream.firm, ANN, "claude");
    let state = state(&asked(&ann, &forms(), question()).await);
    let before = upstream.calls("ask").len();
    let long = "canary".repeat(20_000);
    for (wrong, told) in [
        (json!("Ann"), "must be an object"),
        (json!({"action": "yes"}), "`accept`, `decline` or `cancel`"),
        (json!({"roots": []}), "`accept`, `decline` or `cancel`"),
        (json!({"action": "accept"}), "`name`: is missing"),
        (filled(&json!({"name": 5})), "`name`: this is not of type"),
        (
            filled(&json!({"name": "canary", "password": "canary"})),
            "`password`",
        ),
        (filled(&json!({"name": long})), "bytes"),
    ] {
        let call = answered(json!({"answer": wrong}), Some(&state));
        let refused = asked(&ann, &forms(), call).await;
        assert_eq!(refused["error"]["code"], -32602, "{refused:#}");
        let message = refused["error"]["message"].as_str().unwrap();
        assert!(
            message.starts_with("`inputResponses/answer`: ") && message.contains(told),
            "{message}"
        );
        let record = &records(&upstream, "ask")[0];
        assert_eq!(record["status"], "invalid", "{record:#}");
        assert!(record["message"].as_str().unwrap().contains(told));
    }
    assert_eq!(upstream.calls("ask").len(), before);
    assert!(!upstream.records().contains("canary"));
    let right = json!({"answer": filled(&json!({"name": "Ann"}))});
    let done = asked(&ann, &forms(), answered(right, Some(&state))).await;
    assert!(text(&done).contains("Ann"), "{done:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_is_good_once_and_tells_its_client_nothing() {
    let upstream = Upstream::with(MODERN, written(FORM));
    let open = upstream.open();
    let ann = open.client(&upstream.firm, ANN, "claude");
    let (first, second) = (
        state(&asked(&ann, &forms(), question()).await),
        state(&asked(&ann, &forms(), question()).await),
    );
    assert_ne!(first, second);
    let sealed = URL_SAFE_NO_PAD.decode(&first).unwrap();
    let sealed = String::from_utf8_lossy(&sealed);
    for inside in ["state-of", "answer", "name", ANN] {
        assert!(!sealed.contains(inside), "{inside} in {sealed}");
    }
    let answer = |state: &str| {
        let responses = json!({"answer": filled(&json!({"name": "Ann"}))});
        answered(responses, Some(state))
    };
    let (capabilities, call) = (forms(), answer(&first));
    // Of two at once one is taken.
    let (one, two) = tokio::join!(
        asked(&ann, &capabilities, call.clone()),
        asked(&ann, &capabilities, call.clone()),
    );
    let three = asked(&ann, &capabilities, call).await;
    let taken = |answer: &&Value| answer.get("result").is_some();
    assert_eq!([&one, &two, &three].into_iter().filter(taken).count(), 1);
    assert_eq!(three["error"]["code"], -32602, "{three:#}");
    let told = three["error"]["message"].as_str().unwrap();
    assert!(told.contains("call again from the start"), "{told}");
    // The other question is another one.
    let done = asked(&ann, &capabilities, answer(&second)).await;
    assert!(text(&done).contains("Ann"), "{done:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_says_what_was_asked_and_how_it_was_answered_without_the_answer() {
    let upstream = Upstream::with(MODERN, written(FORM));
    let open = upstream.open();
    let ann = open.client(&upstream.firm, ANN, "claude");
    let mut digests = Vec::new();
    for (answer, how) in [
        (filled(&json!({"name": "Ann of the North"})), "accept"),
        (filled(&json!({"name": "Ann of the North"})), "accept"),
        (filled(&json!({"name": "Ann of the South"})), "accept"),
        (json!({"action": "decline"}), "decline"),
        (json!({"action": "cancel"}), "cancel"),
    ] {
        let state = state(&asked(&ann, &forms(), question()).await);
        let record = &records(&upstream, "ask")[0];
        assert_eq!(
            record["returned"]["asks"],
            json!({"answer": "form"}),
            "{record:#}"
        );
        assert!(record["asked"].get("answers").is_none(), "{record:#}");
        let done = asked(
            &ann,
            &forms(),
            answered(json!({"answer": answer}), Some(&state)),
        )
        .await;
        assert!(text(&done).contains(how), "{done:#}");
        let record = &records(&upstream, "ask")[0];
        let replied = &record["asked"]["answers"]["answer"];
        assert_eq!(
            (&replied["asking"], &replied["how"]),
            (&json!("form"), &json!(how))
        );
        assert!(record["returned"].get("asks").is_none(), "{record:#}");
        digests.push(replied["digest"].clone());
    }
    assert!(
        digests[0].is_string() && digests[0] == digests[1],
        "{digests:?}"
    );
    assert_ne!(digests[1], digests[2]);
    assert!(digests[3].is_null() && digests[4].is_null(), "{digests:?}");
    let records = upstream.records();
    for content in ["the North", "the South", "state-of-the-upstream"] {
        assert!(!records.contains(content), "{records}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_clients_answer_is_checked_and_recorded_alike() {
    let upstream = Upstream::with(MODERN, written(FORM));
    let open = upstream.open();
    let ann = open.client(&upstream.firm, ANN, "claude");
    let session = greeted(&ann, json!({"elicitation": {}})).await;
    for (name, taken) in [(json!(5), false), (json!("Ann"), true)] {
        let call = json!({"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": question()});
        let (mut stream, mut rest) = (say(&ann, &session, &call).await, String::new());
        let asked = next(&mut stream, &mut rest).await;
        let before = upstream.calls("ask").len();
        let answer =
            json!({"jsonrpc": "2.0", "id": asked["id"], "result": filled(&json!({"name": name}))});
        say(&ann, &session, &answer).await;
        let done = next(&mut stream, &mut rest).await;
        let record = &records(&upstream, "ask")[0];
        if taken {
            assert!(text(&done).contains("Ann"), "{done:#}");
            assert_eq!(record["asked"]["answers"]["answer"]["how"], "accept");
        } else {
            assert_eq!(done["error"]["code"], -32602, "{done:#}");
            assert_eq!(record["status"], "invalid", "{record:#}");
            assert_eq!(upstream.calls("ask").len(), before);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_along_with_a_prompt_is_checked_alike() {
    let scope = "  asks: [form]\n  prompts: [greet]\n";
    let upstream = Upstream::new();
    upstream.added(&[], MODERN);
    upstream.write(written(scope));
    upstream.pinned();
    let open = upstream.open();
    let ann = open.client(&upstream.firm, ANN, "claude");
    let call = json!({"name": "greet", "arguments": {"name": "Bo"},
                      "inputResponses": {"x": filled(&json!({"smuggled": "far"}))}});
    let answer = super::asks::put(&ann, ("/up", "prompts/get"), &forms(), call).await;
    assert!(answer.to_string().contains("Greet Bo."), "{answer:#}");
    assert!(!json!(upstream.log()).to_string().contains("smuggled"));
    let forged = json!({"name": "greet", "arguments": {"name": "Bo"}, "requestState": "forged"});
    let refused = super::asks::put(&ann, ("/up", "prompts/get"), &forms(), forged).await;
    assert_eq!(refused["error"]["code"], -32602, "{refused:#}");
    let record = &records(&upstream, "get_prompt")[0];
    assert_eq!(record["status"], "invalid", "{record:#}");
}
