//! What a server asks of the client's side before it answers: of the person a form or a page, of the
//! client its model or its folders. Only what the file lets it ask, and only of a client that takes such
//! questions; a person sees which connector asks.

use std::collections::BTreeSet;

use drawbridge_core::{
    answer::{Failure, Status},
    exchange::{Asking, Asks, Exchange},
};
use serde_json::{Map, Value, json};

use super::{Server, doubts::visible};

/// The most questions at a time.
const MOST_QUESTIONS: usize = 20;
/// The longest text of a question, in characters.
const MOST_WORDS: usize = 1_000;

/// What a question of MCP asks for.
fn asking(request: &Value) -> Option<Asking> {
    match request.get("method")?.as_str()? {
        "elicitation/create" => match request.pointer("/params/mode").and_then(Value::as_str) {
            None | Some("form") => Some(Asking::Form),
            Some("url") => Some(Asking::Page),
            Some(_) => None,
        },
        "sampling/createMessage" => Some(Asking::Sampling),
        "roots/list" => Some(Asking::Roots),
        _ => None,
    }
}

fn words(asked: &BTreeSet<Asking>) -> String {
    let word = |asking: &Asking| match asking {
        Asking::Form => "form",
        Asking::Page => "page",
        Asking::Sampling => "sampling",
        Asking::Roots => "roots",
    };
    asked.iter().map(word).collect::<Vec<_>>().join(", ")
}

/// What a server may ask of who calls it.
pub(super) fn allowed(server: &Server, exchange: &Exchange) -> BTreeSet<Asking> {
    let granted = &server.own.scope.asks;
    granted.intersection(&exchange.takes).copied().collect()
}

/// Adds what the client answers to what was asked before.
pub(super) fn add(exchange: &Exchange, params: &mut Map<String, Value>) {
    if let Some(given) = &exchange.given {
        params.insert("inputResponses".to_owned(), json!(given.responses));
        if let Some(state) = &given.state {
            params.insert("requestState".to_owned(), json!(state));
        }
    }
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
    let asked: Option<BTreeSet<Asking>> = requests.values().map(asking).collect();
    let (Some(asked), true) = (asked, requests.len() <= MOST_QUESTIONS) else {
        return Some(wrong());
    };
    Some(match withheld(server, &asked, exchange) {
        Some(failure) => failure,
        None => {
            let name = &*server.context.connector;
            let marked = requests.into_iter();
            let marked = marked.map(|(key, request)| (key, marked_with(name, request)));
            let requests = marked.collect();
            let told = format!("its server asks for more input first ({})", words(&asked));
            Failure::invalid(told).with_asks(Asks::Input { requests, state })
        }
    })
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
            "its server asks for more input ({}), which this AI application cannot pass on",
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
    if request.get("method").and_then(Value::as_str) != Some("elicitation/create") {
        return request;
    }
    if let Some(Value::Object(params)) = request.get_mut("params") {
        let said = params
            .get("message")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let said: String = said.chars().take(MOST_WORDS).collect();
        let marked = format!(
            "The connector `{connector}` asks (not Drawbridge, nor your AI application): {}",
            visible(&said)
        );
        params.insert("message".to_owned(), Value::String(marked));
    }
    request
}
