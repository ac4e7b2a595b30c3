//! The actions of a connector: its tools as they were reviewed, and reading resources and prompts.

use std::collections::BTreeMap;

use drawbridge_core::{
    call::{Action, Power},
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
pub(super) const READ_RESOURCE: &str = "read_resource";
pub(super) const LIST_RESOURCES: &str = "list_resources";
pub(super) const GET_PROMPT: &str = "get_prompt";
/// The names that no tool of a server may have.
pub(super) const OWN: [&str; 3] = [READ_RESOURCE, LIST_RESOURCES, GET_PROMPT];

/// Every action.
pub(super) fn all(scope: &Scope) -> Vec<Action> {
    let mut actions: Vec<Action> = scope.offered().map(|tool| of_tool(&tool)).collect();
    if !scope.resources.is_empty() {
        actions.push(list_resources());
        actions.push(read_resource());
    }
    if !scope.prompts.is_empty() {
        actions.push(get_prompt(scope));
    }
    actions
}

/// What actions are always done to: a tool is one thing, and all prompts are one.
pub(super) fn always(scope: &Scope) -> BTreeMap<String, Resource> {
    let tools = scope.offered().map(|tool| (tool.name, tool.label));
    let all = tools.chain([(GET_PROMPT, scope.label.as_str())]);
    all.map(|(name, label)| (name.to_owned(), resource(name, label)))
        .collect()
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
