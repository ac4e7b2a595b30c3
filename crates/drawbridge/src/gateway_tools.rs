//! The tools of the gateway itself, for any AI client: what may I use, and "that was wrong".

use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

use drawbridge_core::{
    answer::{Failure, Found},
    call::{Action, Caller, Power},
    connector::Health,
};
use futures_util::{FutureExt, future::BoxFuture};
use jsonschema::Validator;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::{
    app::Tool,
    connectors::{Mounted, Snapshot},
};

/// A tool that no connector offers.
pub struct GatewayTool {
    /// Its whole name, with the prefix.
    pub name: &'static str,
    action: fn() -> Action,
    /// Whether the record keeps the arguments: a report is worth nothing without them.
    pub in_full: bool,
    answer: for<'a> fn(&'a Snapshot, &'a Caller, &'a Value) -> Answering<'a>,
}

/// The tool that tells how a plan stands.
pub const RESULT_TOOL: &str = "drawbridge_result";
/// The same without the prefix, as records name it.
pub const RESULT: &str = "result";

/// An answer that is being made.
type Answering<'a> = BoxFuture<'a, Result<Found, Failure>>;

/// How long a connector may take to say how fresh it is.
const INSPECTION: Duration = Duration::from_secs(2);

/// Every tool of the gateway, in the order they are listed.
pub static ALL: &[GatewayTool] = &[
    GatewayTool {
        name: "drawbridge_connectors",
        action: connectors_action,
        in_full: false,
        answer: |snapshot, caller, _| connectors(snapshot, caller).boxed(),
    },
    GatewayTool {
        name: RESULT_TOOL,
        action: result_action,
        in_full: false,
        // Answered from the kept plan itself: it tells a stage that no data has.
        answer: |_, _, _| std::future::ready(nothing_kept()).boxed(),
    },
    GatewayTool {
        name: "drawbridge_report",
        action: report_action,
        in_full: true,
        answer: |_, _, _| std::future::ready(report()).boxed(),
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
            of: None,
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
    pub async fn answer(
        &self,
        snapshot: &Snapshot,
        caller: &Caller,
        arguments: &Value,
    ) -> Result<Found, Failure> {
        (self.answer)(snapshot, caller, arguments).await
    }
}

fn connectors_action() -> Action {
    Action {
        name: "connectors".into(),
        title: "What may I use?".to_owned(),
        description: "Lists the connectors you may use for this person: what each is for, its tools, how \
                      fresh it is, whether it works at the moment and, if not, why. Ask this first when you do not \
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
                    "why": {"type": "string", "description": "Why it does not work"},
                    "synced": {"type": "string", "description": "When it last saw what its system holds"},
                    "tools": {"type": "array", "items": {"type": "string"}},
                },
                "required": ["name", "purpose", "state", "tools"],
            }}},
            "required": ["connectors"],
        }),
    }
}

async fn connectors(snapshot: &Snapshot, caller: &Caller) -> Result<Found, Failure> {
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
        let purpose = &mounted.bridge.file.purpose.task;
        let how = how(mounted).await;
        text.push_str(&format!(
            "- **{name}** ({}): {}. Tools: {}.",
            how.state,
            purpose.trim_end_matches('.'),
            tools.join(", ")
        ));
        let mut one = json!({"name": name, "purpose": purpose, "state": how.state, "tools": tools});
        for (key, words, value) in [
            ("synced", "Last synced", how.synced),
            ("why", "Why", how.why),
        ] {
            if let (Some(value), Some(map)) = (value, one.as_object_mut()) {
                text.push_str(&format!(" {words}: {}.", value.trim_end_matches('.')));
                map.insert(key.to_owned(), value.into());
            }
        }
        text.push('\n');
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

/// How a connector is, as far as everyone who may use it may know: nothing that counts what it holds.
struct How {
    state: &'static str,
    why: Option<String>,
    synced: Option<String>,
}

async fn how(mounted: &Mounted) -> How {
    let standing = &mounted.bridge.standing;
    let state = standing.state.word();
    if let Err(failure) = standing.admits() {
        return How {
            state,
            why: Some(failure.message),
            synced: None,
        };
    }
    let down = |why: &str| How {
        state: "unavailable",
        why: Some(why.to_owned()),
        synced: None,
    };
    let connector = match &mounted.bridge.connector {
        Ok(connector) => connector,
        Err(why) => return down(why),
    };
    let Ok(inspection) = timeout(INSPECTION, connector.inspect()).await else {
        return down("it does not say how it is");
    };
    let synced = inspection.synced.map(|synced| synced.to_string());
    match inspection.health {
        Health::Ready | Health::Degraded => How {
            state,
            why: None,
            synced,
        },
        Health::Syncing => How {
            state: "syncing",
            why: Some(
                "it is being started, or read for the first time; try again in a minute".to_owned(),
            ),
            synced,
        },
        Health::Down => down("its system does not answer"),
    }
}

fn result_action() -> Action {
    Action {
        name: RESULT.into(),
        title: "How did it end?".to_owned(),
        description: "Tells how something ended that had to be approved by a person, or a draft that was kept: \
                      whether it was done, rejected (with the reason) or still waits. Give the `id` from the answer \
                      that said `approval_needed`. Do not ask more often than every few seconds; people need time."
            .to_owned(),
        power: Power::Read,
        input: json!({
            "type": "object",
            "properties": {"id": {"type": "string", "pattern": "^[0-9a-f]{32}$",
                                  "description": "The plan's id"}},
            "required": ["id"],
            "additionalProperties": false,
        }),
        // Of an approved read, the data is that of its own tool.
        output: json!({"type": "object"}),
    }
}

fn nothing_kept() -> Result<Found, Failure> {
    Err(Failure::not_found("you asked for no such plan"))
}

fn report_action() -> Action {
    Action {
        name: "report".into(),
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
fn report() -> Result<Found, Failure> {
    Ok(Found::new(
        json!({"kept": true}),
        "The report is kept for the connector's owner.".to_owned(),
        1,
    ))
}
