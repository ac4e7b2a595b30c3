//! Asking a client of a revision before 2026-07-28: on the stream of its own call, answered by a message of
//! its own.
//!
//! The SDK numbers such questions anew for every call, and takes no answers without a session of its own.
//! So a question leaves with a number that nobody else has, put in where the stream leaves, and
//! its answer is looked for by that. What is waited for is held by this gateway alone: an
//! answer that reaches another one is lost, and the question ends by time.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use axum::{
    body::{Body, Bytes},
    http::{HeaderMap, HeaderValue},
    response::Response,
};
use drawbridge_core::{
    call::Caller,
    exchange::{Asking, Asks, Given},
};
use futures_util::TryStreamExt;
use rmcp::{
    ErrorData, RoleServer,
    model::{CustomRequest, ServerRequest},
    service::{PeerRequestOptions, RequestContext},
};
use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::{
    answers,
    legacy::{Running, SESSION},
};
use crate::{keys, questions::Posed};

/// Under which name a question carries its number as far as the stream.
const NUMBER: &str = "drawbridge/number";
/// How long a person may take for one question.
const ANSWER_WITHIN: Duration = Duration::from_secs(300);

/// What a client said at its handshake that it can be asked, as the end of its session's name: the name
/// gives no right, so that it may say so itself.
pub(super) fn declared(params: &Value) -> &'static str {
    let elicitation = params.pointer("/capabilities/elicitation");
    let form = elicitation.is_some_and(|one| one.get("form").is_some() || one.get("url").is_none());
    let page = elicitation.is_some_and(|one| one.get("url").is_some());
    match (form, page) {
        (true, true) => "-fp",
        (true, false) => "-f",
        (false, true) => "-p",
        (false, false) => "",
    }
}

/// What may be asked of a client, by the name of its session.
pub(super) fn takes(headers: &HeaderMap) -> BTreeSet<Asking> {
    let session = headers.get(SESSION).and_then(|value| value.to_str().ok());
    let ending = session.and_then(|session| session.split_once('-'));
    let ending = ending.map_or("", |(_, ending)| ending);
    let mut takes = BTreeSet::new();
    if ending.contains('f') {
        takes.insert(Asking::Form);
    }
    if ending.contains('p') {
        takes.insert(Asking::Page);
    }
    takes
}

/// Why there are no answers to what a client was asked.
pub(super) enum Unanswered {
    /// They are not as was asked for: what is wrong with which.
    Wrong(String),
    /// It cannot be asked, or nobody answers.
    Other(ErrorData),
}

/// Asks one question after the other, and waits for the answers.
///
/// # Errors
/// When the client cannot be asked, nobody answers, or not as was asked for.
pub(super) async fn answered(
    running: &Running,
    (caller, headers): (&Caller, &HeaderMap),
    context: &RequestContext<RoleServer>,
    asks: Asks,
) -> Result<Given, Unanswered> {
    let Asks::Input { questions, state } = asks else {
        let told = "it can only be called by a client that takes more questions";
        return Err(Unanswered::Other(ErrorData::invalid_request(told, None)));
    };
    let mut replies = Vec::new();
    for question in questions {
        let posed = Posed::of(&question);
        let answer = asked(running, (caller, headers), context, question.request).await;
        let answer = answer.map_err(Unanswered::Other)?;
        replies.push(answers::reply(&posed, answer).map_err(Unanswered::Wrong)?);
    }
    Ok(Given { replies, state })
}

async fn asked(
    running: &Running,
    of: (&Caller, &HeaderMap),
    context: &RequestContext<RoleServer>,
    mut request: Value,
) -> Result<Value, ErrorData> {
    let unasked = || ErrorData::internal_error("the client cannot be asked", None);
    let number = keys::random().map(hex::encode).map_err(|_| unasked())?;
    let number = format!("ask-{}", number.get(..32).unwrap_or(&number));
    let params = request.get_mut("params").map(Value::take);
    let Some(Value::Object(mut params)) = params else {
        return Err(unasked());
    };
    params.insert("_meta".to_owned(), json!({NUMBER: number}));
    let method = request.get("method").and_then(Value::as_str);
    // As it is: the SDK's own type would lose what it does not know of its schema.
    let question = CustomRequest::new(method.unwrap_or_default(), Some(Value::Object(params)));
    let (_entry, answer) = running
        .expect(of, &Value::from(number))
        .ok_or_else(unasked)?;
    let question = ServerRequest::CustomRequest(question);
    let options = PeerRequestOptions::with_timeout(ANSWER_WITHIN);
    let sent = context.peer.send_request_with_option(question, options);
    let _sent = sent.await.map_err(|_| unasked())?;
    let nobody = || ErrorData::internal_error("nobody answered what its server asked", None);
    tokio::select! {
        answer = answer => answer.map_err(|_| nobody()),
        () = context.ct.cancelled() => Err(nobody()),
        () = tokio::time::sleep(ANSWER_WITHIN) => Err(nobody()),
    }
}

/// Who waits for which answer.
pub(super) type Waiting<Key> = BTreeMap<Key, oneshot::Sender<Value>>;

/// An answer as the newer revision has it: who does not answer cancels.
pub(super) fn answer(result: Value) -> Value {
    if result.is_object() {
        result
    } else {
        json!({"action": "cancel"})
    }
}

/// Puts the numbers of questions where they belong, on a stream that may hold some.
pub(super) fn numbered(response: Response) -> Response {
    let events = HeaderValue::from_static("text/event-stream");
    if response.headers().get("content-type") != Some(&events) {
        return response;
    }
    let (parts, body) = response.into_parts();
    let events = body.into_data_stream().map_ok(|event| {
        let text = std::str::from_utf8(&event).ok();
        let text = text.filter(|text| text.contains(NUMBER));
        text.map_or_else(|| event.clone(), |text| Bytes::from(with_number(text)))
    });
    Response::from_parts(parts, Body::from_stream(events))
}

fn with_number(event: &str) -> String {
    let line = |line: &str| {
        let data = line.strip_prefix("data:")?;
        let mut message: Value = serde_json::from_str(data.trim_start()).ok()?;
        let params = message.get_mut("params")?.as_object_mut()?;
        let mut meta = params.shift_remove("_meta")?;
        let number = meta.get_mut(NUMBER)?.take();
        message.as_object_mut()?.insert("id".to_owned(), number);
        Some(format!("data: {message}"))
    };
    let lines = event.split('\n');
    let lines = lines.map(|one| line(one).unwrap_or_else(|| one.to_owned()));
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_leaves_with_its_own_number() {
        let event = "id: 0\ndata: {\"jsonrpc\":\"2.0\",\"id\":0,\"method\":\"elicitation/create\",\
                     \"params\":{\"message\":\"a\",\"_meta\":{\"drawbridge/number\":\"ask-1\"}}}\n\n";
        let told = with_number(event);
        let data = told.lines().find_map(|line| line.strip_prefix("data: "));
        let message: Value = serde_json::from_str(data.unwrap_or_default()).unwrap_or_default();
        assert_eq!(message["id"], "ask-1", "{told}");
        assert_eq!(message["params"], json!({"message": "a"}));
        assert!(
            told.starts_with("id: 0\n") && told.ends_with("\n\n"),
            "{told:?}"
        );
    }

    #[test]
    fn what_a_client_can_be_asked_stands_in_its_session() {
        for (elicitation, takes_form, takes_page) in [
            (json!({}), true, false),
            (json!({"form": {}}), true, false),
            (json!({"form": {}, "url": {}}), true, true),
            (json!({"url": {}}), false, true),
        ] {
            let ending = declared(&json!({"capabilities": {"elicitation": elicitation}}));
            let mut headers = HeaderMap::new();
            let session = HeaderValue::from_str(&format!("0123abcd{ending}"));
            headers.insert(SESSION, session.unwrap_or(HeaderValue::from_static("")));
            let takes = takes(&headers);
            assert_eq!(takes.contains(&Asking::Form), takes_form, "{elicitation}");
            assert_eq!(takes.contains(&Asking::Page), takes_page, "{elicitation}");
        }
        assert_eq!(declared(&json!({"capabilities": {}})), "");
        assert!(takes(&HeaderMap::new()).is_empty());
    }
}
