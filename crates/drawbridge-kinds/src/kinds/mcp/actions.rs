//! The actions of a connector: its tools as they were reviewed, and reading resources and prompts.

use std::collections::BTreeMap;

use drawbridge_core::{
    call::{Action, Power},
    connector::native::{self, COMPLETE, GET_PROMPT, LIST_PROMPTS, LIST_RESOURCES, READ_RESOURCE},
    decide::Resource,
    plan::receipt_schema,
};
use serde_json::{Value, json};

use super::{
    arguments,
    doubts::visible,
    part::{Scope, Tool},
    resource, results,
};

/// What a connector offers beside the tools: no tool of a server may have these names, which the check
/// of the file sees to.
pub(super) const OWN: [&str; 5] = native::ALL;

/// Every action.
pub(super) fn all(scope: &Scope) -> Vec<Action> {
    let mut actions: Vec<Action> = scope.offered().map(|tool| of_tool(&tool)).collect();
    if !scope.resources.is_empty() {
        actions.push(list_resources());
        actions.push(read_resource());
    }
    if !scope.prompts.is_empty() {
        actions.push(list_prompts());
        actions.push(get_prompt(scope));
    }
    if scope.completion && !(scope.resources.is_empty() && scope.prompts.is_empty()) {
        actions.push(complete());
    }
    actions
}

/// What actions are always done to: a tool is one thing, and all prompts are one.
pub(super) fn always(scope: &Scope) -> BTreeMap<String, Resource> {
    let tools = scope.offered().map(|tool| (tool.name, tool.label));
    let label = scope.label.as_str();
    let all = tools.chain([(LIST_PROMPTS, label), (GET_PROMPT, label)]);
    all.map(|(name, label)| (name.to_owned(), resource(name, label)))
        .collect()
}

/// The actions whose plans show what another tool answers, their preview.
pub(super) fn shows(scope: &Scope) -> BTreeMap<String, Vec<String>> {
    let previews = scope.offered().filter_map(|tool| {
        let preview = tool.scope.preview.as_ref()?;
        Some((tool.name.to_owned(), vec![preview.tool.clone()]))
    });
    previews.collect()
}

fn of_tool(tool: &Tool<'_>) -> Action {
    let power = tool.scope.power;
    let definition = tool.definition;
    let title = definition.text("title");
    let title = title.or_else(|| definition.0.get("annotations")?.get("title")?.as_str());
    let described = definition.text("description").unwrap_or_default();
    Action {
        name: tool.name.to_owned().into(),
        title: visible(title.unwrap_or(tool.name)),
        description: visible(described),
        power,
        input: arguments::schema(tool),
        output: if power.is_effect() {
            receipt_schema()
        } else {
            results::schema(tool)
        },
    }
}

fn list_resources() -> Action {
    Action {
        name: LIST_RESOURCES.into(),
        title: "List resources".to_owned(),
        description: "Lists the resources that can be read, and the templates of their addresses. \
                      Use it to find the address for `read_resource`."
            .to_owned(),
        power: Power::Read,
        input: json!({"type": "object", "properties": {
            "cursor": {"type": "string", "description": "Where the page before ended"},
        }, "additionalProperties": false}),
        output: json!({"type": "object", "properties": {
            "resources": {"type": "array", "items": {"type": "object"}},
            "templates": {"type": "array", "items": {"type": "object"}},
            "cursor": {"type": "string", "description": "For the next page"},
        }, "required": ["resources", "templates"]}),
    }
}

fn read_resource() -> Action {
    Action {
        name: READ_RESOURCE.into(),
        title: "Read a resource".to_owned(),
        description: "Reads one resource by its address, as `list_resources` gives it.".to_owned(),
        power: Power::Read,
        input: json!({"type": "object", "properties": {
            "uri": {"type": "string", "description": "The resource's address", "maxLength": 2048},
        }, "required": ["uri"], "additionalProperties": false}),
        output: json!({"type": "object", "properties": {
            "contents": {"type": "array", "items": {"type": "object"}},
        }, "required": ["contents"]}),
    }
}

fn get_prompt(scope: &Scope) -> Action {
    let told = scope.prompts.iter().filter_map(|name| {
        let definition = scope.pinned.prompts.get(name)?;
        let described = definition.text("description").unwrap_or_default();
        let arguments = definition.0.get("arguments").and_then(Value::as_array);
        let arguments = arguments
            .into_iter()
            .flatten()
            .filter_map(|one| one.get("name")?.as_str());
        let arguments: Vec<&str> = arguments.collect();
        Some(visible(&format!(
            "\n- `{name}` ({}): {described}",
            arguments.join(", ")
        )))
    });
    let told: String = told.collect();
    Action {
        name: GET_PROMPT.into(),
        title: "Get a prompt".to_owned(),
        description: format!("Gets one of the prompts that the server keeps, filled in:{told}"),
        power: Power::Read,
        input: json!({"type": "object", "properties": {
            "name": {"type": "string", "enum": scope.prompts},
            "arguments": {"type": "object", "additionalProperties": {"type": "string"}},
        }, "required": ["name"], "additionalProperties": false}),
        output: json!({"type": "object", "properties": {
            "messages": {"type": "array", "items": {"type": "object"}},
        }, "required": ["messages"]}),
    }
}

fn list_prompts() -> Action {
    Action {
        name: LIST_PROMPTS.into(),
        title: "List prompts".to_owned(),
        description: "Lists the prompts that `get_prompt` can get, with their arguments."
            .to_owned(),
        power: Power::Read,
        input: json!({"type": "object", "properties": {}, "additionalProperties": false}),
        output: json!({"type": "object", "properties": {
            "prompts": {"type": "array", "items": {"type": "object"}},
        }, "required": ["prompts"]}),
    }
}

fn complete() -> Action {
    let text = json!({"type": "string", "maxLength": 2_048});
    Action {
        name: COMPLETE.into(),
        title: "Suggest values".to_owned(),
        description: "Suggests values for an argument of a prompt (`ref` {type: ref/prompt, name}) or of a \
                      template of resources (`ref` {type: ref/resource, uri}), from what is written so far."
            .to_owned(),
        power: Power::Read,
        input: json!({"type": "object", "properties": {
            "ref": {"type": "object", "properties": {
                "type": {"enum": ["ref/prompt", "ref/resource"]}, "name": text, "uri": text,
            }, "required": ["type"], "additionalProperties": false},
            "argument": {"type": "object", "properties": {"name": text, "value": text},
                         "required": ["name", "value"], "additionalProperties": false},
            "context": {"type": "object", "properties": {
                "arguments": {"type": "object", "additionalProperties": {"type": "string"}},
            }, "additionalProperties": false},
        }, "required": ["ref", "argument"], "additionalProperties": false}),
        output: json!({"type": "object", "properties": {
            "completion": {"type": "object", "properties": {
                "values": {"type": "array", "items": {"type": "string"}},
            }, "required": ["values"]},
        }, "required": ["completion"]}),
    }
}
