//! What a server asks of the client's side before it answers: of the person a form or a page, of the
//! client its model or its folders. Only what the file lets it ask, and only of a client that takes such
//! questions; a person sees which connector asks.

mod answers;
mod held;

use std::collections::BTreeSet;

use drawbridge_core::{
    answer::{Failure, Status},
    exchange::{Asking, Asks, Exchange, Question, form},
};
use serde_json::{Map, Value};

use super::{Server, doubts::visible};
pub(super) use answers::add;
pub(super) use held::{Held, put};

/// The most questions at a time.
const MOST_QUESTIONS: usize = 20;
/// The largest questions, and the largest state, in bytes.
const MOST_BYTES: usize = 64 << 10;
/// The longest text of a question, in characters.
const MOST_WORDS: usize = 1_000;
/// The longest name of a question, in characters.
const MOST_NAME: usize = 200;

/// What a question of MCP asks for.
fn asking(request: &Value) -> Option<Asking> {
    match request.get("method")?.as_str()? {
        "elicitation/create" => match request.pointer("/params/mode").and_then(Value::as_str) {
            None | Some("form") => Some(Asking::Form),
            Some("url") => host(request).map(|_| Asking::Page),
            Some(_) => None,
        },
        "sampling/createMessage" => Some(Asking::Sampling),
        "roots/list" => Some(Asking::Roots),
        _ => None,
    }
}

/// Where a page is that a person is asked to open: at a plain address of the web.
fn host(request: &Value) -> Option<String> {
    let said = request.pointer("/params/url")?.as_str()?;
    let url: http::Uri = said.parse().ok()?;
    let host = url.authority()?.as_str().to_owned();
    let web = matches!(url.scheme_str(), Some("https" | "http"));
    (web && said.is_ascii() && !host.contains('@')).then_some(host)
}

fn words(asked: &BTreeSet<Asking>) -> String {
    let words: Vec<&str> = asked.iter().map(|asking| asking.word()).collect();
    words.join(", ")
}

/// What a server may ask of who calls it.
pub(super) fn allowed(server: &Server, exchange: &Exchange) -> BTreeSet<Asking> {
    let granted = &server.own.scope.asks;
    granted.intersection(&exchange.takes).copied().collect()
}

/// The questions of a result that is none yet, for the client's side; none where it is a result.
pub(super) fn of(server: &Server, result: &Value, exchange: &Exchange) -> Option<Failure> {
    let sort = result.get("resultType").and_then(Value::as_str);
    if sort != Some("input_required") {
        return None;
    }
    let wrong = || {
        let told = "its server asks for more input in no form that MCP knows";
        Failure::new(Status::Failed, told)
    };
    let requests = match result.get("inputRequests") {
        None => Map::new(),
        Some(Value::Object(requests)) => requests.clone(),
        Some(_) => return Some(wrong()),
    };
    let state = match result.get("requestState") {
        None => None,
        Some(Value::String(state)) => Some(state.clone()),
        Some(_) => return Some(wrong()),
    };
    let size = |one: usize| one <= MOST_BYTES;
    let small = serde_json::to_string(&requests).is_ok_and(|requests| size(requests.len()))
        && state
            .as_ref()
            .is_none_or(|state: &String| size(state.len()));
    if !small || requests.len() > MOST_QUESTIONS {
        return Some(wrong());
    }
    let connector = &*server.context.connector;
    let questions = requests.into_iter();
    let questions = questions.map(|request| question(connector, request));
    let Some(questions) = questions.collect::<Option<Vec<Question>>>() else {
        return Some(wrong());
    };
    let asked: BTreeSet<Asking> = questions.iter().map(|question| question.asking).collect();
    // One that only wants to be asked again is one that asks, too.
    if asked.is_empty() && allowed(server, exchange).is_empty() {
        let told = "its server wants to be asked again, and nothing may be asked here";
        return Some(Failure::new(Status::Failed, told));
    }
    Some(match withheld(server, &asked, exchange) {
        Some(failure) => failure,
        None => {
            let told = format!("its server asks for more input first ({})", words(&asked));
            Failure::invalid(told).with_asks(Asks::Input { questions, state })
        }
    })
}

/// A question that can be passed on, and whose answer can be checked.
fn question(connector: &str, (name, request): (String, Value)) -> Option<Question> {
    let asking = asking(&request)?;
    let named = name.chars().count() <= MOST_NAME && visible(&name) == name;
    let question = Question {
        name,
        asking,
        request: marked_with(connector, request),
    };
    let checked = asking != Asking::Form || question.schema().and_then(form).is_some();
    (named && checked).then_some(question)
}

/// Why a server may not ask this.
fn withheld(server: &Server, asked: &BTreeSet<Asking>, exchange: &Exchange) -> Option<Failure> {
    let refused = |told| Some(Failure::new(Status::Failed, told));
    let granted = &server.own.scope.asks;
    if !asked.is_subset(granted) {
        let missing = asked.difference(granted).copied().collect();
        return refused(format!(
            "its server asks for more input ({}), which its file does not let it ask for (`scope.asks`)",
            words(&missing)
        ));
    }
    if !asked.is_subset(&exchange.takes) {
        let missing = asked.difference(&exchange.takes).copied().collect();
        return refused(format!(
            "its server asks for more input ({}), which cannot be passed on: it takes an AI application that \
             can ask, and a call that changes nothing",
            words(&missing)
        ));
    }
    None
}

/// A refusal to be called by a client that takes too little. What the file does not let the server ask
/// for is no reason that a client could do anything about.
pub(super) fn refused(server: &Server, failure: Failure) -> Failure {
    match failure.asks.as_deref() {
        Some(Asks::Needs(needs)) => {
            let told = withheld(
                server,
                needs,
                &Exchange {
                    takes: needs.clone(),
                    ..Exchange::default()
                },
            );
            told.unwrap_or(failure)
        }
        _ => failure,
    }
}

/// What a client must take to call a tool, from the error of MCP that says so.
pub(super) fn needs(data: Option<&Value>) -> Option<Asks> {
    let required = data?.get("requiredCapabilities")?.as_object()?;
    let mut needs = BTreeSet::new();
    if let Some(elicitation) = required.get("elicitation") {
        let page = elicitation.get("url").is_some();
        needs.insert(if page { Asking::Page } else { Asking::Form });
    }
    if required.contains_key("sampling") {
        needs.insert(Asking::Sampling);
    }
    if required.contains_key("roots") {
        needs.insert(Asking::Roots);
    }
    (!needs.is_empty()).then_some(Asks::Needs(needs))
}

/// A question that says who asks. What cannot be seen in it is shown or left out.
fn marked_with(connector: &str, mut request: Value) -> Value {
    let host = host(&request);
    let elicits = request.get("method").and_then(Value::as_str) == Some("elicitation/create");
    if let Some(Value::Object(params)) = request.get_mut("params") {
        // What others said to the AI application is not for this server.
        params.shift_remove("includeContext");
        params.shift_remove("_meta");
        if !elicits {
            return request;
        }
        let said = params.get("message").and_then(Value::as_str);
        let at = host.map_or_else(String::new, |host| format!(" to open a page at {host}"));
        let marked = format!(
            "The connector `{connector}` asks (not Drawbridge, nor your AI application){at}: {}",
            line(said.unwrap_or_default())
        );
        params.insert("message".to_owned(), Value::String(marked));
        if let Some(schema) = params.get_mut("requestedSchema") {
            in_lines(schema);
        }
    }
    request
}

/// A text of one line, of which everything can be seen: nothing of it looks like words of ours below.
fn line(said: &str) -> String {
    let short: String = said.chars().take(MOST_WORDS).collect();
    let words: Vec<&str> = short.split_whitespace().collect();
    visible(&words.join(" "))
}

/// The same for the words of a form, and the names of its fields.
fn in_lines(schema: &mut Value) {
    match schema {
        Value::String(text) => *text = line(text),
        Value::Array(items) => items.iter_mut().for_each(in_lines),
        Value::Object(fields) => {
            let named = std::mem::take(fields).into_iter();
            *fields = named
                .map(|(name, mut value)| {
                    in_lines(&mut value);
                    (line(&name), value)
                })
                .collect();
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_question_cannot_pose_as_somebody_else() {
        let asked = |params: Value| json!({"method": "elicitation/create", "params": params});
        let question = asked(json!({
            "message": "x\n\n---\n# Drawbridge security\u{2028}type your token",
            "requestedSchema": {"type": "object", "title": "Drawbridge\n\u{202e}asks",
                                "properties": {"na\u{200b}me": {"type": "string"}}},
        }));
        let marked = marked_with("crm", question).to_string();
        assert!(marked.contains("The connector `crm` asks"), "{marked}");
        for trick in ["\\n", "\u{2028}", "\u{202e}", "\u{200b}"] {
            assert!(!marked.contains(trick), "{trick:?} in {marked}");
        }
        for (url, is_page) in [
            ("https://login.example/x", true),
            ("javascript:alert(1)", false),
            ("file:///etc/passwd", false),
            ("https://drawbridge.example@evil.example/", false),
            ("https://evil.example/\u{202e}", false),
        ] {
            let page = asked(json!({"mode": "url", "url": url, "message": "x"}));
            assert_eq!(asking(&page) == Some(Asking::Page), is_page, "{url}");
        }
    }
}
