//! Prompts, as they were reviewed, and values that a server suggests for their arguments.

use drawbridge_core::{
    answer::{Failure, Found, Status},
    call::Call,
    connector::native::{COMPLETE, GET_PROMPT, LIST_PROMPTS, READ_RESOURCE},
    decide::View,
};
use serde_json::{Map, Value, json};

use super::{
    Server,
    doubts::visible,
    fetch::{Asker, admitted, put},
    results,
    upstream::Trouble,
};

/// The most suggestions of one answer, as MCP has it.
const MOST_SUGGESTED: usize = 100;

/// Whether a caller may get a prompt.
fn offered(server: &Server, view: &View, name: &str) -> bool {
    let scope = &server.own.scope;
    scope.prompts.iter().any(|prompt| prompt == name) && admitted(view, GET_PROMPT, &scope.label)
}

/// The prompts that can be read, as they were reviewed.
pub(super) fn list(server: &Server, view: &View) -> Result<Found, Failure> {
    let scope = &server.own.scope;
    let prompts = scope
        .prompts
        .iter()
        .filter(|name| offered(server, view, name));
    let prompts = prompts.filter_map(|name| {
        let mut prompt = Map::from_iter([("name".to_owned(), json!(name))]);
        prompt.extend(scope.pinned.prompts.get(name)?.0.clone());
        Some(Value::Object(prompt))
    });
    let prompts: Vec<Value> = prompts.collect();
    let mut text = String::new();
    for one in &prompts {
        let told = |key: &str| one.get(key).and_then(Value::as_str).unwrap_or_default();
        text.push_str(&format!("- {}: {}\n", told("name"), told("description")));
    }
    let count = u64::try_from(prompts.len()).unwrap_or(u64::MAX);
    let data = Map::from_iter([("prompts".to_owned(), Value::Array(prompts))]);
    let mut found = results::found(data, (LIST_PROMPTS.to_owned(), &scope.label), server.mark());
    found.text = visible(&text);
    found.count = count;
    Ok(found)
}

/// One prompt, filled in.
pub(super) async fn get(server: &Server, view: &View, call: &Call) -> Result<Found, Failure> {
    let name = call
        .arguments
        .get("name")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let label = &server.own.scope.label;
    if !offered(server, view, name) {
        return Err(Failure::not_found(format!(
            "there is no prompt `{}` that you may get",
            visible(name)
        )));
    }
    server.pinned_prompt(name).await?;
    let arguments = call
        .arguments
        .get("arguments")
        .cloned()
        .unwrap_or_else(|| json!({}));
    let params = Map::from_iter([
        ("name".to_owned(), json!(name)),
        ("arguments".to_owned(), arguments),
    ]);
    let mut result = put(server, "prompts/get", params, Asker::of(call))
        .await
        .map_err(Trouble::failure)?;
    let messages = result.get_mut("messages").map(Value::take);
    let Some(Value::Array(mut messages)) = messages else {
        return Err(Failure::new(
            Status::Failed,
            "its server answers with no prompt",
        ));
    };
    let mut label = label.as_str();
    for one in &mut messages {
        let sees = |label: &str| admitted(view, GET_PROMPT, label);
        label = server.narrow(one.get_mut("content"), label, sees);
    }
    let texts = messages.iter().map(|one| {
        let told = |pointer: &str| {
            one.pointer(pointer)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        format!("{}: {}", told("/role"), told("/content/text"))
    });
    let text = texts.collect::<Vec<_>>().join("\n\n");
    let mut data = Map::from_iter([("messages".to_owned(), json!(messages))]);
    if let Some(description) = result.get("description").and_then(Value::as_str) {
        data.insert("description".to_owned(), json!(visible(description)));
    }
    let mut found = results::found(data, (name.to_owned(), label), server.mark());
    found.text = text;
    Ok(found)
}

/// Values that the server suggests for an argument of a prompt, or of a template of resources.
pub(super) async fn complete(server: &Server, view: &View, call: &Call) -> Result<Found, Failure> {
    let of = call.arguments.get("ref").cloned().unwrap_or_default();
    let told = |key: &str| of.get(key).and_then(Value::as_str).unwrap_or_default();
    let label = match told("type") {
        "ref/prompt" if offered(server, view, told("name")) => Some(&*server.own.scope.label),
        "ref/resource" => {
            let label = server.own.resources.template(told("uri"));
            label.filter(|label| admitted(view, READ_RESOURCE, label))
        }
        _ => None,
    };
    let label = label.ok_or_else(|| {
        Failure::not_found("there is no such prompt or template that you may use")
    })?;
    if told("type") == "ref/prompt" {
        server.pinned_prompt(told("name")).await?;
    }
    let params = call.arguments.as_object().cloned().unwrap_or_default();
    let mut result = put(server, "completion/complete", params, Asker::of(call))
        .await
        .map_err(Trouble::failure)?;
    let wrong = || Failure::new(Status::Failed, "its server answers with no suggestions");
    let values = result.pointer_mut("/completion/values").map(Value::take);
    let Some(Value::Array(values)) = values else {
        return Err(wrong());
    };
    let argument = call
        .arguments
        .pointer("/argument/name")
        .and_then(Value::as_str);
    // A value of a template is one where what it stands for may be read; how many there are else is not told.
    let seen = |value: &&str| {
        let filled = told("uri").replace(&format!("{{{}}}", argument.unwrap_or_default()), value);
        let label = server.own.resources.template(&filled);
        told("type") == "ref/prompt"
            || label.is_some_and(|label| admitted(view, READ_RESOURCE, label))
    };
    let words = values.iter().filter_map(Value::as_str).filter(seen);
    let words: Vec<&str> = words.take(MOST_SUGGESTED).collect();
    let text = visible(&words.join("\n"));
    let completion = json!({"values": words, "hasMore": false});
    let data = Map::from_iter([("completion".to_owned(), completion)]);
    let mut found = results::found(data, (COMPLETE.to_owned(), label), server.mark());
    found.text = text;
    Ok(found)
}
