//! One entry in the audit log: who asked what of which connector, what was decided, what came of it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    answer::Status,
    call::{Caller, Door, Power},
    exchange::{Asking, How},
    plan::Stage,
};

/// A record. Its JSON, with the fields in this order, is a leaf of the log's Merkle tree.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// A UUIDv7 in lower case.
    pub id: String,
    /// When the request came in.
    pub time: Timestamp,
    /// For whom.
    pub person: String,
    /// Through which AI client or workflow.
    pub client: String,
    /// In which task, where one was opened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<String>,
    /// By which door.
    pub door: Door,
    /// W3C trace id, where the request brought one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<String>,
    /// The connector, or `drawbridge` for an act on the gateway itself.
    pub connector: String,
    /// The connector revision in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// The account the connector acts as.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
    /// The action, or the tool name that was asked for where there is no such action.
    pub action: String,
    /// What the action can do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub power: Option<Power>,
    /// What was asked for.
    pub asked: Asked,
    /// Allow or deny, with the reasons.
    pub decided: Decided,
    /// The plan it is about, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<Planned>,
    /// How it ended. Of an intent: `unknown`, until its outcome is on the log.
    pub status: Status,
    /// What the caller was told, where it did not end well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// What was returned, by count and digest.
    pub returned: Returned,
    /// Time from the request's arrival to the moment its answer was ready, in microseconds.
    pub duration_us: u64,
    /// The content itself, only where the file's `logging.content` says `full`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept: Option<Kept>,
}

/// What was asked for, without its content.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    /// A keyed digest of each argument's value, by the argument's name: one can look for a known
    /// value and not read others.
    pub arguments: BTreeMap<String, String>,
    /// The answers that came along to what an earlier call was asked, by the question's name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub answers: BTreeMap<String, Replied>,
    /// The names of answers that came along and that nobody had asked for: they went no further.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unasked: Vec<String>,
}

/// The answer to a question, without its content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Replied {
    /// What was asked for.
    pub asking: Asking,
    /// How it was answered.
    pub how: How,
    /// A keyed digest of what was answered; none where there was nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
}

/// The decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decided {
    /// Whether it was allowed.
    pub allowed: bool,
    /// The rules that decided, or why none did.
    pub reasons: Vec<String>,
}

/// A kept plan, as a record tells of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Planned {
    /// Its id.
    pub id: String,
    /// Its digest.
    pub digest: String,
    /// The stage it came to with this record; `applying` is the intent.
    pub stage: Stage,
    /// Who approved it so far.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub approved_by: Vec<String>,
    /// What it would change, or changed: by name, or by keyed digest where the file says `digest`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub targets: Vec<String>,
    /// The plan that stands in its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// What was returned, without its content.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Returned {
    /// Hits, rows, passages.
    pub count: u64,
    /// Size of the data as JSON, in bytes.
    pub bytes: u64,
    /// A keyed digest of the data; none where there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// The highest label among the sources.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Whether some of it is not to be trusted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub untrusted: bool,
    /// The resources it came from: by name, or by keyed digest where the file says `digest`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub targets: Vec<String>,
    /// What the client's side was asked instead of being answered: the names of the questions, and what
    /// they ask for.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub asks: BTreeMap<String, Asking>,
}

/// Content, kept only where the file says so.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kept {
    /// The arguments.
    pub arguments: Value,
    /// The data.
    pub data: Value,
}

impl Record {
    /// The connector name under which acts on the gateway itself are recorded.
    pub const GATEWAY: &'static str = "drawbridge";

    /// A record of something `caller` asked for, before anything is known of how it ends.
    #[must_use]
    pub fn begin(id: &str, time: Timestamp, caller: &Caller, target: (&str, &str)) -> Self {
        let (connector, action) = target;
        Self {
            id: id.to_owned(),
            time,
            person: caller.person.id.clone(),
            client: caller.client.to_string(),
            task: caller.task.as_deref().map(str::to_owned),
            door: caller.door,
            trace: caller.trace.as_deref().map(str::to_owned),
            connector: connector.to_owned(),
            revision: None,
            identity: None,
            action: action.to_owned(),
            power: None,
            asked: Asked::default(),
            decided: Decided {
                allowed: false,
                reasons: Vec::new(),
            },
            plan: None,
            status: Status::Failed,
            message: None,
            returned: Returned::default(),
            duration_us: 0,
            kept: None,
        }
    }
}
