//! Reading: tools whose power is `read` or `search`, resources and prompts.

use drawbridge_core::{
    answer::{Failure, Found, Status},
    call::Call,
    decide::View,
};
use serde_json::{Map, Value, json};

use super::{
    Server,
    actions::{GET_PROMPT, LIST_RESOURCES, READ_RESOURCE},
    arguments,
    doubts::visible,
    part::Tool,
    resource, results,
    upstream::Trouble,
};

/// The most resources of one answer.
const PAGE: usize = 200;

pub(super) async fn fetch(server: &Server, call: &Call, view: &View) -> Result<Found, Failure> {
    let given = |name: &str| call.arguments.get(name).and_then(Value::as_str);
    match &*call.action.name {
        LIST_RESOURCES => list_resources(server, view, given("cursor")).await,
        READ_RESOURCE => read_resource(server, view, given("uri").unwrap_or_default()).await,
        GET_PROMPT => get_prompt(server, view, call).await,
        name => {
            let tool = server.tool(name, view)?;
            let arguments = arguments::sent(&tool, &call.arguments, &call.caller.person)?;
            let result = asked(server, &tool, arguments)
                .await
                .map_err(Trouble::failure)?;
            let from = (tool.name.to_owned(), tool.label);
            Ok(results::found(result, from, server.mark()))
        }
    }
}

/// Calls a tool that is as it was reviewed, and takes from its answer what may leave.
pub(super) async fn asked(
    server: &Server,
    tool: &Tool<'_>,
    arguments: Map<String, Value>,
) -> Result<Map<String, Value>, Trouble> {
    server.pinned(tool.name).await.map_err(Trouble::Before)?;
    let mut result = called(server, tool.name, arguments).await?;
    let usable = |result: &mut Map<String, Value>| {
        results::fits(tool, result)?;
        results::shaped(&tool.scope.result, result)
    };
    usable(&mut result).map_err(Trouble::After)?;
    Ok(result)
}

/// Calls a tool: what it says that it did not do, it did not do.
async fn called(
    server: &Server,
    name: &str,
    arguments: Map<String, Value>,
) -> Result<Map<String, Value>, Trouble> {
    let params = Map::from_iter([
        ("name".to_owned(), json!(name)),
        ("arguments".to_owned(), Value::Object(arguments)),
    ]);
    let result = server.upstream.ask("tools/call", params).await?;
    let failed = result.get("isError") == Some(&Value::Bool(true));
    results::whole(result).map_err(|failure| {
        if failed {
            Trouble::Refused(failure)
        } else {
            Trouble::After(failure)
        }
    })
}

/// Whether a caller may use what has this name and label.
fn admitted(view: &View, name: &str, label: &str) -> bool {
    view.admits(&resource(name, label))
}

async fn list_resources(
    server: &Server,
    view: &View,
    cursor: Option<&str>,
) -> Result<Found, Failure> {
    // All of it is asked for, and paged here: pages of the server's would tell of what is hidden.
    let listed = server
        .upstream
        .listed("resources/list", "resources")
        .await
        .map_err(Trouble::failure)?;
    let seen = |one: &Value| {
        let uri = one.get("uri").and_then(Value::as_str);
        let label = uri.and_then(|uri| server.own.resources.label(uri));
        label.is_some_and(|label| admitted(view, READ_RESOURCE, label))
    };
    let begin = match cursor.map(str::parse::<usize>) {
        None => 0,
        Some(Ok(begin)) => begin,
        Some(Err(_)) => return Err(Failure::invalid("`cursor` is none that was given out")),
    };
    let mut left = listed.into_iter().filter(seen).skip(begin);
    let resources: Vec<Value> = left.by_ref().take(PAGE).collect();
    let next = left.next().is_some().then(|| begin + resources.len());
    // Templates name no resource: what one is filled in to is looked at when it is read.
    let templates = match cursor {
        Some(_) => Vec::new(),
        None => templates(server).await?,
    };
    let mut text = String::new();
    for one in &resources {
        let told = |key: &str| one.get(key).and_then(Value::as_str).unwrap_or_default();
        text.push_str(&format!("- {} ({})\n", told("uri"), told("name")));
    }
    for one in &templates {
        let told = |key: &str| one.get(key).and_then(Value::as_str).unwrap_or_default();
        text.push_str(&format!(
            "- template {} ({})\n",
            told("uriTemplate"),
            told("name")
        ));
    }
    if text.is_empty() {
        text.push_str("There are no resources that you may read.");
    }
    let count = resources.len();
    let mut data = json!({"resources": resources, "templates": templates});
    if let (Some(next), Some(data)) = (next, data.as_object_mut()) {
        data.insert("cursor".to_owned(), json!(next.to_string()));
    }
    let Value::Object(data) = data else {
        return Err(Failure::new(Status::Failed, "the list cannot be written"));
    };
    let mut found = results::found(
        data,
        (LIST_RESOURCES.to_owned(), &server.own.scope.label),
        server.mark(),
    );
    found.text = visible(&text);
    found.count = u64::try_from(count).unwrap_or(u64::MAX);
    Ok(found)
}

async fn templates(server: &Server) -> Result<Vec<Value>, Failure> {
    let listed = server
        .upstream
        .listed("resources/templates/list", "resourceTemplates")
        .await;
    match listed {
        Ok(listed) => Ok(listed),
        // Many servers have none, and do not know the question.
        Err(Trouble::Refused(_)) => Ok(Vec::new()),
        Err(trouble) => Err(trouble.failure()),
    }
}

async fn read_resource(server: &Server, view: &View, uri: &str) -> Result<Found, Failure> {
    let not_there = || {
        let told = format!(
            "there is no resource `{}` that you may read; `list_resources` has those",
            visible(uri)
        );
        Failure::not_found(told)
    };
    let label = server.own.resources.label(uri).ok_or_else(not_there)?;
    if !admitted(view, READ_RESOURCE, label) {
        return Err(not_there());
    }
    let params = Map::from_iter([("uri".to_owned(), json!(uri))]);
    let result = server
        .upstream
        .ask("resources/read", params)
        .await
        .map_err(Trouble::failure)?;
    let Some(contents) = result.get("contents").and_then(Value::as_array) else {
        return Err(Failure::new(
            Status::Failed,
            "its server answers with no resource",
        ));
    };
    // A server may answer with another resource than it was asked for, as the contents of a folder.
    let mut kept = Vec::new();
    let mut label = label;
    for one in contents.iter().filter(|one| one.is_object()) {
        let named = one.get("uri").and_then(Value::as_str).unwrap_or(uri);
        let Some(of_one) = server
            .own
            .resources
            .label(named)
            .filter(|label| admitted(view, READ_RESOURCE, label))
        else {
            continue;
        };
        label = server
            .context
            .labels
            .highest([label, of_one])
            .unwrap_or(label);
        kept.push(one.clone());
    }
    let texts = kept.iter().map(|one| {
        let told = |key: &str| one.get(key).and_then(Value::as_str);
        told("text").map_or_else(
            || format!("[{}, in `contents`]", told("mimeType").unwrap_or("binary")),
            str::to_owned,
        )
    });
    let text = texts.collect::<Vec<_>>().join("\n\n");
    let data = Map::from_iter([("contents".to_owned(), Value::Array(kept))]);
    let mut found = results::found(data, (uri.to_owned(), label), server.mark());
    found.text = text;
    Ok(found)
}

async fn get_prompt(server: &Server, view: &View, call: &Call) -> Result<Found, Failure> {
    let name = call
        .arguments
        .get("name")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let label = &server.own.scope.label;
    let offered = server.own.scope.prompts.iter().any(|prompt| prompt == name);
    if !offered || !admitted(view, GET_PROMPT, label) {
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
    let result = server
        .upstream
        .ask("prompts/get", params)
        .await
        .map_err(Trouble::failure)?;
    let Some(messages) = result.get("messages").and_then(Value::as_array) else {
        return Err(Failure::new(
            Status::Failed,
            "its server answers with no prompt",
        ));
    };
    let texts = messages.iter().map(|one| {
        let told = |pointer: &str| {
            one.pointer(pointer)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        format!("{}: {}", told("/role"), told("/content/text"))
    });
    let text = texts.collect::<Vec<_>>().join("\n\n");
    let data = Map::from_iter([("messages".to_owned(), json!(messages))]);
    let mut found = results::found(data, (name.to_owned(), label), server.mark());
    found.text = text;
    Ok(found)
}
