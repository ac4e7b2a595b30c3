//! What a call returns, and why it did not return more.

pub(crate) mod shape;

use std::{error::Error, fmt};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{exchange::Asks, plan::Stage};

/// How a call ended. Answers and records share it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// All that was asked for.
    Ok,
    /// Some of it; a notice says what is missing.
    Partial,
    /// No rule grants it, or one forbids it.
    Denied,
    /// A person must approve first.
    ApprovalNeeded,
    /// A person said no.
    Rejected,
    /// The request breaks a rule; the message names field and rule.
    Invalid,
    /// There is no such thing for this caller.
    NotFound,
    /// The target did not answer in time.
    Timeout,
    /// The target or the connector is down, paused or not yet ready.
    Unavailable,
    /// The data is older than the file allows.
    Stale,
    /// A rate, size or concurrency limit was reached.
    Limited,
    /// The target changed meanwhile.
    Conflict,
    /// Nobody can tell whether it happened.
    Unknown,
    /// It went wrong for another reason.
    Failed,
}

impl Status {
    /// Every status, in the order of the design.
    pub const ALL: [Self; 14] = [
        Self::Ok,
        Self::Partial,
        Self::Denied,
        Self::ApprovalNeeded,
        Self::Rejected,
        Self::Invalid,
        Self::NotFound,
        Self::Timeout,
        Self::Unavailable,
        Self::Stale,
        Self::Limited,
        Self::Conflict,
        Self::Unknown,
        Self::Failed,
    ];

    /// Whether it may be otherwise in a while, so that the same is tried again.
    #[must_use]
    pub fn passes(self) -> bool {
        matches!(
            self,
            Self::Unavailable | Self::Timeout | Self::Limited | Self::Stale
        )
    }

    /// The word used in answers and records.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Partial => "partial",
            Self::Denied => "denied",
            Self::ApprovalNeeded => "approval_needed",
            Self::Rejected => "rejected",
            Self::Invalid => "invalid",
            Self::NotFound => "not_found",
            Self::Timeout => "timeout",
            Self::Unavailable => "unavailable",
            Self::Stale => "stale",
            Self::Limited => "limited",
            Self::Conflict => "conflict",
            Self::Unknown => "unknown",
            Self::Failed => "failed",
        }
    }

    /// Whether the answer carries what was asked for, in whole or in part.
    #[must_use]
    pub fn has_data(self) -> bool {
        matches!(self, Self::Ok | Self::Partial)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.word())
    }
}

/// Where a piece of an answer comes from, for the AI to cite and a person to check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// A title for people.
    pub title: String,
    /// The resource's name inside the target: a path, a table and key, a message id.
    pub path: String,
    /// The place inside it: a heading, a page, a sheet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// When the target says it was last changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub modified: Option<Timestamp>,
    /// When the connector last saw that this is what the target holds.
    pub synced: Timestamp,
    /// The content's version: a hash, a row version, an entity tag.
    pub version: String,
    /// Its sensitivity.
    pub label: String,
    /// Whether it is older than the file's `stale_after`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub stale: bool,
    /// Whether others than those who answer for the connector write it: what it says may be meant to
    /// mislead an AI.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub untrusted: bool,
}

/// A part of an answer that is no text, for a client that can show it. It stands in the data too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attachment {
    /// A picture or a sound.
    Media {
        /// What it is, such as `image/png`.
        media_type: String,
        /// Its bytes in base64.
        base64: String,
    },
    /// A resource, or a link to one, as MCP writes it (`ContentBlock`).
    Resource(Value),
}

/// What a connector found, already narrowed by the view.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// The result, valid under the action's output schema.
    pub data: Value,
    /// The same for an AI to read, as Markdown.
    pub text: String,
    /// Pictures, sounds and resources.
    pub attachments: Vec<Attachment>,
    /// What it rests on, in order of appearance.
    pub sources: Vec<Source>,
    /// How many things `data` holds: hits, rows, passages.
    pub count: u64,
    /// What did not happen or is not whole, in words: makes the status `partial`.
    pub missing: Vec<String>,
    /// What else the reader should know (staleness, untrusted content).
    pub notices: Vec<String>,
}

impl Found {
    /// A result that rests on no source.
    #[must_use]
    pub fn new(data: Value, text: String, count: u64) -> Self {
        Self {
            data,
            text,
            attachments: Vec::new(),
            sources: Vec::new(),
            count,
            missing: Vec::new(),
            notices: Vec::new(),
        }
    }
}

/// Why a call did not return what was asked: one type for every border of the call path.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// The status the answer and the record will have.
    pub status: Status,
    /// Safe for a stranger; says what to do next.
    pub message: String,
    /// What the target itself says of it, for the caller to read: content, so never for a record.
    pub words: Option<String>,
    /// What must be asked of the client's side first; not done because it was not yet.
    pub asks: Option<Box<Asks>>,
    /// For the operator's trace only, never for an answer or a record.
    #[source]
    pub source: Option<Box<dyn Error + Send + Sync>>,
}

impl Failure {
    /// A failure with a message that is safe for anyone to read.
    pub fn new(status: Status, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
            words: None,
            asks: None,
            source: None,
        }
    }

    /// The request breaks a rule of the tool.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(Status::Invalid, message)
    }

    /// The one answer for a thing that does not exist and for one the caller may not see.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(Status::NotFound, message)
    }

    /// Adds what the target itself says of it.
    #[must_use]
    pub fn with_words(mut self, words: impl Into<String>) -> Self {
        self.words = Some(words.into());
        self
    }

    /// Adds what must be asked first.
    #[must_use]
    pub fn with_asks(mut self, asks: Asks) -> Self {
        self.asks = Some(Box::new(asks));
        self
    }

    /// Adds what the operator needs to know.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }
}

/// A kept plan, as who asked for it is told.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Handle {
    /// Its id: for `drawbridge_result`, and for people who look at it.
    pub id: String,
    /// How far it has come.
    pub stage: Stage,
    /// What it would do, or did.
    pub sentence: String,
    /// Until when people can decide, while they are asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
    /// Where a person can look at it.
    pub link: String,
    /// Until when it can be undone, once it was applied.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub undo_until: Option<Timestamp>,
    /// The plan that stands in its place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// What leaves by a door: status, data, text, sources, labels, notices.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Answer {
    /// How the call ended.
    pub status: Status,
    /// The result; null when there is none.
    pub data: Value,
    /// What it rests on.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<Source>,
    /// The highest label among the sources.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// What the reader must know: what did not happen, what is stale, what is not to be trusted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notices: Vec<String>,
    /// The plan it is about: what waits for a decision, was drafted or was done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan: Option<Handle>,
    /// The answer as text an AI can read. MCP sends it beside the structured form.
    #[serde(skip)]
    pub text: String,
    /// Pictures, sounds and resources. MCP sends them after the text.
    #[serde(skip)]
    pub attachments: Vec<Attachment>,
    /// What must be asked of the client's side before there can be another answer.
    #[serde(skip)]
    pub asks: Option<Box<Asks>>,
    /// How many things `data` holds.
    #[serde(skip)]
    pub count: u64,
}
