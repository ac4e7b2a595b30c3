//! The tools of the gateway itself, for any AI client: what may I use, and "that was wrong".

use std::sync::{Arc, LazyLock};

use drawbridge_core::{
    answer::{Failure, Found},
    call::{Action, Caller, Power},
};
use jsonschema::Validator;
use serde_json::{Value, json};

use crate::{app::Tool, connectors::Snapshot};

/// A tool that no connector offers.
pub struct GatewayTool {
    /// Its whole name, with the prefix.
    pub name: &'static str,
    action: fn() -> Action,
    /// Whether the record keeps the arguments: a report is worth nothing without them.
    pub in_full: bool,
    answer: fn(&Snapshot, &Caller, &Value) -> Result<Found, Failure>,
}

/// Every tool of the gateway, in the order they are listed.
pub static ALL: &[GatewayTool] = &[
    GatewayTool {
        name: "drawbridge_connectors",
        action: connectors_action,
        in_full: false,
        answer: connectors,
    },
    GatewayTool {
        name: "drawbridge_report",
        action: report_action,
        in_full: true,
        answer: report,
    },
];

static VALIDATORS: LazyLock<Vec<Option<Validator>>> = LazyLock::new(|| {
    ALL.iter()
        .map(|tool| jsonschema::draft202012::new(&(tool.action)().input).ok())
        .collect()
});

/// The tool with this name.
#[must_use]
pub fn find(name: &str) -> Option<&'static GatewayTool> {
    ALL.iter().find(|tool| tool.name == name)
}

impl GatewayTool {
    /// The tool as callers are offered it.
    #[must_use]
    pub fn tool(&self) -> Tool {
        Tool {
            name: self.name.to_owned(),
            action: Arc::new((self.action)()),
        }
    }

    /// What checks its arguments; none when its schema is broken, and then nothing is let in.
    #[must_use]
    pub fn validator(&self) -> Option<&'static Validator> {
        let index = ALL.iter().position(|tool| tool.name == self.name)?;
        VALIDATORS.get(index)?.as_ref()
    }

    /// Its answer.
    ///
    /// # Errors
    /// When the arguments cannot be answered.
    pub fn answer(
        &self,
        snapshot: &Snapshot,
        caller: &Caller,
        arguments: &Value,
    ) -> Result<Found, Failure> {
        (self.answer)(snapshot, caller, arguments)
    }
}

fn connectors_action() -> Action {
    Action {
        name: "connectors",
        title: "What may I use?".to_owned(),
        description: "Lists the connectors you may use for this person: what each is for, its tools, \
                      whether it works at the moment and, if not, why. Ask this first when you do not \
                      know where something is kept, or when a tool is missing or unavailable."
            .to_owned(),
        power: Power::Read,
        input: json!({"type": "object", "properties": {}, "additionalProperties": false}),
        output: json!({
            "type": "object",
            "properties": {"connectors": {"type": "array", "items": {
                "type": "object",
                "properties": {
                    "name": {"type": "string"},
                    "purpose": {"type": "string"},
                    "state": {"type": "string"},
                    "why": {"type": "string"},
                    "tools": {"type": "array", "items": {"type": "string"}},
                },
                "required": ["name", "purpose", "state", "tools"],
            }}},
            "required": ["connectors"],
        }),
    }
}

fn connectors(snapshot: &Snapshot, caller: &Caller, _: &Value) -> Result<Found, Failure> {
    let mut list = Vec::new();
    let mut text = String::new();
    for (name, mounted) in &snapshot.connectors {
        let tools: Vec<String> = mounted
            .bridge
            .actions
            .iter()
            .filter(|action| mounted.is_offered() && snapshot.rules.offers(caller, name, action))
            .map(|action| format!("{name}_{}", action.name))
            .collect();
        if tools.is_empty() {
            continue;
        }
        let mut state = mounted.bridge.standing.state.word();
        let mut why = mounted
            .bridge
            .standing
            .admits()
            .err()
            .map(|failure| failure.message);
        if let (None, Err(reason)) = (&why, &mounted.bridge.connector) {
            state = "unavailable";
            why = Some(reason.clone());
        }
        let purpose = &mounted.bridge.file.purpose.task;
        text.push_str(&format!(
            "- **{name}** ({state}): {purpose}. Tools: {}.",
            tools.join(", ")
        ));
        text.push_str(
            &why.as_ref()
                .map(|why| format!(" {why}."))
                .unwrap_or_default(),
        );
        text.push('\n');
        let mut one = json!({"name": name, "purpose": purpose, "state": state, "tools": tools});
        if let (Some(why), Some(map)) = (why, one.as_object_mut()) {
            map.insert("why".to_owned(), why.into());
        }
        list.push(one);
    }
    if list.is_empty() {
        text.push_str(
            "There is no connector that you may use. The gateway's owner can give permission.",
        );
    }
    let count = list.len() as u64;
    Ok(Found::new(json!({"connectors": list}), text, count))
}

fn report_action() -> Action {
    Action {
        name: "report",
        title: "Report a wrong answer".to_owned(),
        description: "Call this when the person says that something you answered from a connector was \
                      wrong or out of date. It is kept for the connector's owner; nothing else changes."
            .to_owned(),
        power: Power::Read,
        input: json!({
            "type": "object",
            "properties": {
                "wrong": {"type": "string", "minLength": 1, "maxLength": 2000,
                          "description": "What was wrong, in the person's words"},
                "right": {"type": "string", "maxLength": 2000,
                          "description": "What would be right, if the person said so"},
                "source": {"type": "string", "maxLength": 1000,
                           "description": "The path of the source it came from"},
            },
            "required": ["wrong"],
            "additionalProperties": false,
        }),
        output: json!({"type": "object", "properties": {"kept": {"type": "boolean"}}, "required": ["kept"]}),
    }
}

/// The record of the call is the report: there is nothing else to do.
fn report(_: &Snapshot, _: &Caller, _: &Value) -> Result<Found, Failure> {
    Ok(Found::new(
        json!({"kept": true}),
        "The report is kept for the connector's owner.".to_owned(),
        1,
    ))
}
