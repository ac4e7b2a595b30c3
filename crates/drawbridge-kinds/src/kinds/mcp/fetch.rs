//! Reading: tools whose power is `read` or `search`, resources and prompts.

use drawbridge_core::{
    answer::{Failure, Found, Status},
    call::Call,
    connector::native::{COMPLETE, GET_PROMPT, LIST_PROMPTS, LIST_RESOURCES, READ_RESOURCE},
    decide::View,
    exchange::{Asking, Exchange},
};
use serde_json::{Map, Value, json};

use super::{
    Server, arguments, asks,
    doubts::visible,
    part::Tool,
    prompts, resource, results,
    upstream::{Beside, Trouble},
};

/// The most resources of one answer.
const PAGE: usize = 200;

/// Who asks, and what passes between them and the server beside the call.
#[derive(Clone, Copy)]
pub(super) struct Asker<'a> {
    pub(super) person: &'a str,
    pub(super) exchange: &'a Exchange,
}

impl<'a> Asker<'a> {
    pub(super) fn of(call: &'a Call) -> Self {
        Self {
            person: &call.caller.person.id,
            exchange: &call.exchange,
        }
    }

    /// Nobody who could be asked anything.
    pub(super) fn nobody(exchange: &'a Exchange) -> Self {
        Self {
            person: "",
            exchange,
        }
    }
}

pub(super) async fn fetch(server: &Server, call: &Call, view: &View) -> Result<Found, Failure> {
    let given = |name: &str| call.arguments.get(name).and_then(Value::as_str);
    match &*call.action.name {
        LIST_RESOURCES => list_resources(server, view, given("cursor")).await,
        READ_RESOURCE => read_resource(server, view, call).await,
        LIST_PROMPTS => prompts::list(server, view),
        GET_PROMPT => prompts::get(server, view, call).await,
        COMPLETE => prompts::complete(server, view, call).await,
        name => {
            let tool = server.tool(name, view)?;
            let arguments = arguments::sent(&tool, &call.arguments, &call.caller.person)?;
            let mut result = asked(server, &tool, arguments, Asker::of(call))
                .await
                .map_err(Trouble::failure)?;
            let sees = |label: &str| admitted(view, tool.name, label);
            let label = server.narrow(result.get_mut("content"), tool.label, sees);
            let from = (tool.name.to_owned(), label);
            Ok(results::found(result, from, server.mark()))
        }
    }
}

/// Calls a tool that is as it was reviewed, and takes from its answer what may leave.
pub(super) async fn asked(
    server: &Server,
    tool: &Tool<'_>,
    arguments: Map<String, Value>,
    asker: Asker<'_>,
) -> Result<Map<String, Value>, Trouble> {
    server.pinned(tool.name).await.map_err(Trouble::Before)?;
    let called = if tool.scope.result.is_nothing() {
        called(server, tool.name, arguments, asker).await
    } else {
        // What is left out of the answer must not come beside it: in a question, or in words of an error.
        let nothing = Exchange::default();
        let called = called(server, tool.name, arguments, Asker::nobody(&nothing)).await;
        called.map_err(Trouble::without_words)
    };
    let mut result = called?;
    let usable = |result: &mut Map<String, Value>| {
        results::fits(tool, result)?;
        results::shaped(&tool.scope.result, result)
    };
    usable(&mut result).map_err(Trouble::After)?;
    Ok(result)
}

/// Asks the server for what it may need more input for: then that is the failure.
pub(super) async fn put(
    server: &Server,
    method: &str,
    mut params: Map<String, Value>,
    asker: Asker<'_>,
) -> Result<Value, Trouble> {
    let exchange = asker.exchange;
    asks::add(server, exchange, &mut params);
    let beside = Beside {
        takes: asks::allowed(server, exchange),
        hears: exchange.hears.clone(),
        ..Beside::default()
    };
    let by_request = |asking| beside.takes.contains(&asking);
    let result = if by_request(Asking::Form) || by_request(Asking::Page) {
        asks::put(server, (method, params), asker, beside).await
    } else {
        server.upstream.ask(method, params, &beside).await
    };
    let result = result.map_err(|trouble| match trouble {
        Trouble::Refused(failure) => Trouble::Refused(asks::refused(server, failure)),
        other => other,
    })?;
    match asks::of(server, &result, exchange) {
        // Whatever asks for more has begun.
        Some(failure) => Err(Trouble::Halted(failure)),
        None => Ok(result),
    }
}

/// Calls a tool.
async fn called(
    server: &Server,
    name: &str,
    arguments: Map<String, Value>,
    asker: Asker<'_>,
) -> Result<Map<String, Value>, Trouble> {
    let params = Map::from_iter([
        ("name".to_owned(), json!(name)),
        ("arguments".to_owned(), Value::Object(arguments)),
    ]);
    let result = put(server, "tools/call", params, asker).await?;
    let failed = result.get("isError") == Some(&Value::Bool(true));
    results::whole(result).map_err(|failure| {
        if failed {
            Trouble::Failed(failure)
        } else {
            Trouble::After(failure)
        }
    })
}

/// Whether a caller may use what has this name and label.
pub(super) fn admitted(view: &View, name: &str, label: &str) -> bool {
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
    let begin = match cursor {
        None => 0,
        Some(cursor) => {
            let begin = server.context.seal.open(cursor);
            let begin = begin.and_then(|begin| String::from_utf8(begin).ok());
            let begin = begin.and_then(|begin| begin.parse::<usize>().ok());
            begin.ok_or_else(|| Failure::invalid("`cursor` is none that was given out"))?
        }
    };
    let mut left = listed.into_iter().filter(seen).skip(begin);
    let resources: Vec<Value> = left.by_ref().take(PAGE).collect();
    let next = left.next().is_some().then(|| begin + resources.len());
    let templates = match cursor {
        Some(_) => Vec::new(),
        None => templates(server, view).await?,
    };
    let patterns = &server.own.resources;
    let uri = |one: &Value, key: &str| one.get(key).and_then(Value::as_str).map(str::to_owned);
    let labels = resources
        .iter()
        .filter_map(|one| patterns.label(&uri(one, "uri")?));
    let more = templates
        .iter()
        .filter_map(|one| patterns.template(&uri(one, "uriTemplate")?));
    let label = server.context.labels.highest(labels.chain(more));
    let label = label.unwrap_or(&server.own.scope.label).to_owned();
    let label = label.as_str();
    let mut text = lines(&resources, "", "uri");
    text.push_str(&lines(&templates, "template ", "uriTemplate"));
    if text.is_empty() {
        text.push_str("There are no resources that you may read.");
    }
    let count = resources.len();
    let mut data = json!({"resources": resources, "templates": templates});
    if let (Some(next), Some(data)) = (next, data.as_object_mut()) {
        let next = server.context.seal.seal(next.to_string().as_bytes());
        data.insert("cursor".to_owned(), json!(next));
    }
    let Value::Object(data) = data else {
        return Err(Failure::new(Status::Failed, "the list cannot be written"));
    };
    let mut found = results::found(data, (LIST_RESOURCES.to_owned(), label), server.mark());
    found.text = visible(&text);
    found.count = u64::try_from(count).unwrap_or(u64::MAX);
    Ok(found)
}

/// A line for each, with its address and name.
fn lines(items: &[Value], before: &str, address: &str) -> String {
    let line = |one: &Value| {
        let told = |key: &str| one.get(key).and_then(Value::as_str).unwrap_or_default();
        format!("- {before}{} ({})\n", told(address), told("name"))
    };
    items.iter().map(line).collect()
}

/// The templates that can be filled in to a resource which may be read.
async fn templates(server: &Server, view: &View) -> Result<Vec<Value>, Failure> {
    let seen = |one: &Value| {
        let template = one.get("uriTemplate").and_then(Value::as_str);
        let label = template.and_then(|template| server.own.resources.template(template));
        label.is_some_and(|label| admitted(view, READ_RESOURCE, label))
    };
    let listed = server
        .upstream
        .listed("resources/templates/list", "resourceTemplates")
        .await;
    match listed {
        Ok(listed) => Ok(listed.into_iter().filter(seen).collect()),
        // Many servers have none, and do not know the question.
        Err(Trouble::Refused(_) | Trouble::Failed(_) | Trouble::Halted(_)) => Ok(Vec::new()),
        Err(trouble) => Err(trouble.failure()),
    }
}

async fn read_resource(server: &Server, view: &View, call: &Call) -> Result<Found, Failure> {
    let uri = call.arguments.get("uri").and_then(Value::as_str);
    let uri = uri.unwrap_or_default();
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
    let result = put(server, "resources/read", params, Asker::of(call))
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
    if kept.is_empty() && !contents.is_empty() {
        return Err(not_there());
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
