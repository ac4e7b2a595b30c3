//! Who asks for what: powers, callers, actions and calls.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::exchange::Exchange;

/// What an action can do. The same eight words for every kind.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Power {
    /// Look at one thing whose name is known, or list names.
    Read,
    /// Find things by what they contain.
    Search,
    /// Prepare a change that a person sends on or throws away.
    Draft,
    /// Create something.
    Write,
    /// Change something that exists.
    Update,
    /// Remove something.
    Delete,
    /// Send something to someone.
    Send,
    /// Start something elsewhere: a job, a device, a workflow.
    Trigger,
}

impl Power {
    /// Every power, in the order of the design.
    pub const ALL: [Self; 8] = [
        Self::Read,
        Self::Search,
        Self::Draft,
        Self::Write,
        Self::Update,
        Self::Delete,
        Self::Send,
        Self::Trigger,
    ];

    /// The word used in files, records and policies.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Search => "search",
            Self::Draft => "draft",
            Self::Write => "write",
            Self::Update => "update",
            Self::Delete => "delete",
            Self::Send => "send",
            Self::Trigger => "trigger",
        }
    }

    /// Whether an action with this power changes the world outside.
    #[must_use]
    pub fn is_effect(self) -> bool {
        match self {
            Self::Read | Self::Search | Self::Draft => false,
            Self::Write | Self::Update | Self::Delete | Self::Send | Self::Trigger => true,
        }
    }
}

impl fmt::Display for Power {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.word())
    }
}

/// The person (or workflow) a call is made for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// The person's name in files and records: an e-mail address, a subject, or `anonymous`.
    pub id: String,
    /// Groups the person is a member of, without the `group:` prefix.
    pub groups: BTreeSet<String>,
    /// Attributes such as department, region or customer.
    pub attributes: BTreeMap<String, String>,
}

impl Person {
    /// The id of callers without a token, where a file says `anonymous: true`.
    pub const ANONYMOUS: &'static str = "anonymous";

    /// A caller without a token: no groups, no attributes.
    #[must_use]
    pub fn anonymous() -> Self {
        Self {
            id: Self::ANONYMOUS.to_owned(),
            groups: BTreeSet::new(),
            attributes: BTreeMap::new(),
        }
    }

    /// The id under which those are recorded who were not let in.
    pub const UNKNOWN: &'static str = "unknown";

    /// Somebody who was not let in.
    #[must_use]
    pub fn unknown() -> Self {
        Self {
            id: Self::UNKNOWN.to_owned(),
            groups: BTreeSet::new(),
            attributes: BTreeMap::new(),
        }
    }

    /// Whether this is the caller without a token.
    #[must_use]
    pub fn is_anonymous(&self) -> bool {
        self.id == Self::ANONYMOUS
    }
}

/// The door a request came in by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Door {
    /// MCP over Streamable HTTP.
    Mcp,
    /// MCP over stdio.
    Stdio,
    /// The HTTP API.
    Api,
    /// The command line of the one who keeps the workspace.
    Cli,
    /// The console: a person's browser, signed in.
    Console,
    /// None: the gateway did what its files bring about.
    Gateway,
}

impl Door {
    /// The word used in records and policies.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Mcp => "mcp",
            Self::Stdio => "stdio",
            Self::Api => "api",
            Self::Cli => "cli",
            Self::Console => "console",
            Self::Gateway => "gateway",
        }
    }
}

/// Who is asking, in three parts that are never merged: the person it is for, the client (AI
/// application) that asks, and the task it asks in, where one was opened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Caller {
    /// For whom.
    pub person: Arc<Person>,
    /// Which AI application or workflow, by the name its token carries.
    pub client: Arc<str>,
    /// The short-lived grant the call is made under, where one was opened.
    pub task: Option<Arc<str>>,
    /// The id of the token the request came with, where this gateway made it. No secret.
    pub token: Option<Arc<str>>,
    /// By which door.
    pub door: Door,
    /// The W3C trace id the request brought along, 32 hexadecimal digits.
    pub trace: Option<Arc<str>>,
}

impl Caller {
    /// The gateway itself, for what its files bring about without anyone asking.
    #[must_use]
    pub fn gateway() -> Self {
        let id = "drawbridge";
        Self {
            person: Arc::new(Person {
                id: id.to_owned(),
                groups: BTreeSet::new(),
                attributes: BTreeMap::new(),
            }),
            client: Arc::from(id),
            task: None,
            token: None,
            door: Door::Gateway,
            trace: None,
        }
    }
}

/// One operation a connector offers; an MCP tool.
#[derive(Debug, Clone)]
pub struct Action {
    /// The action's name without the connector's, such as `search`.
    pub name: Cow<'static, str>,
    /// A short title for people.
    pub title: String,
    /// What it does, when to use it, what it returns: written for the AI that reads it.
    pub description: String,
    /// What it can do.
    pub power: Power,
    /// JSON Schema 2020-12 of the arguments; `additionalProperties` is false.
    pub input: Value,
    /// JSON Schema 2020-12 of [`crate::answer::Found::data`].
    pub output: Value,
}

/// Arguments in the one form in which rules and connectors see them: a whole number is an integer,
/// however it was written (`4.0`, `4e0`). Else a rule about an integer would not apply to it.
#[must_use]
pub fn canonical(arguments: Value) -> Value {
    match arguments {
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (None, Some(float)) if float.fract() == 0.0 && float.abs() <= WHOLE => {
                // In this range every whole float is exactly one integer.
                format!("{float:.0}")
                    .parse::<i64>()
                    .map_or(Value::Number(number), Value::from)
            }
            _ => Value::Number(number),
        },
        Value::Array(items) => items.into_iter().map(canonical).collect(),
        Value::Object(fields) => Value::Object(
            fields
                .into_iter()
                .map(|(name, value)| (name, canonical(value)))
                .collect(),
        ),
        other @ (Value::Null | Value::Bool(_) | Value::String(_)) => other,
    }
}

/// Up to here a float holds every whole number: 2^53.
const WHOLE: f64 = 9_007_199_254_740_992.0;

/// A request whose tool, connector revision and arguments are known and valid.
#[derive(Debug, Clone)]
pub struct Call {
    /// The id its record will have: a UUIDv7 in lower case.
    pub id: Arc<str>,
    /// Who asks.
    pub caller: Caller,
    /// The connector's name.
    pub connector: Arc<str>,
    /// The content hash of the connector revision in force.
    pub revision: Arc<str>,
    /// What is asked of it.
    pub action: Arc<Action>,
    /// The arguments, valid under [`Action::input`].
    pub arguments: Value,
    /// What the client takes and brings beside them.
    pub exchange: Exchange,
}

#[cfg(test)]
mod tests {
    use super::canonical;
    use serde_json::json;

    #[test]
    fn a_whole_number_has_one_form() {
        let given = json!({"a": 4.0, "b": [-0.0, 0.5, 1e300], "c": {"d": 4e0, "e": "4.0"}, "f": 7});
        let form = json!({"a": 4, "b": [0, 0.5, 1e300], "c": {"d": 4, "e": "4.0"}, "f": 7});
        assert_eq!(canonical(given).to_string(), form.to_string());
    }
}
