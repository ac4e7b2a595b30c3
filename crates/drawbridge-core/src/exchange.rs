//! What a target and the client that asks may say to each other while a call runs, beside the question
//! and its answer: how far it has come, and what else the target needs to know from a person.
//!
//! It goes through the gateway and its content is kept nowhere: whatever is held between two tries, the
//! client holds, sealed.

mod form;

use std::{collections::BTreeSet, fmt, sync::Arc};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use form::form;

/// What can be asked of the side of the client.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Asking {
    /// That the person fills in a form.
    Form,
    /// That the person opens a page.
    Page,
    /// That the client's model answers something.
    Sampling,
    /// Which folders the client works in.
    Roots,
}

impl Asking {
    /// The word used in files and records.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Form => "form",
            Self::Page => "page",
            Self::Sampling => "sampling",
            Self::Roots => "roots",
        }
    }
}

/// What a client takes and brings beside a call's arguments. Default: nothing.
#[derive(Debug, Clone, Default)]
pub struct Exchange {
    /// What may be asked of it, as it says for this very call.
    pub takes: BTreeSet<Asking>,
    /// Its answers to what an earlier try was told in [`Asks::Input`].
    pub given: Option<Given>,
    /// The names of answers that it brings and that nobody asked for. They go no further.
    pub unasked: Vec<String>,
    /// Hears how far the call has come.
    pub hears: Option<Arc<dyn Hears>>,
}

/// Hears how far a call has come.
pub trait Hears: fmt::Debug + Send + Sync {
    /// It neither waits nor fails; what comes faster than it can be passed on may be left out.
    fn heard(&self, step: Step);
}

/// How far a call has come, in numbers: words of the target are content, which leaves with a record only.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    /// How much is done; more each time.
    pub done: f64,
    /// Of how much, where that is known.
    pub total: Option<f64>,
}

/// What a client answers when it was asked something: checked, as it was asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Given {
    /// The answers, in the order of the questions. Some may be missing.
    pub replies: Vec<Reply>,
    /// What the target said to bring along.
    pub state: Option<String>,
}

/// The answer to one question.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    /// The question's name.
    pub name: String,
    /// What was asked for.
    pub asking: Asking,
    /// How it was answered.
    pub how: How,
    /// What was answered, where it was accepted and there is any: the fields of a form, what a model
    /// said, the folders.
    pub content: Option<Value>,
}

/// How a question was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum How {
    /// With what was asked for.
    Accept,
    /// With a no.
    Decline,
    /// Not at all.
    Cancel,
}

/// A question to the client's side.
#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    /// Its name, by which the answer is known. No two of a call have the same.
    pub name: String,
    /// What it asks for.
    pub asking: Asking,
    /// The question as MCP writes it (`InputRequest`).
    pub request: Value,
}

impl Question {
    /// What the fields of a form must keep to, as a schema.
    #[must_use]
    pub fn schema(&self) -> Option<&Value> {
        let form = self.asking == Asking::Form;
        self.request
            .pointer("/params/requestedSchema")
            .filter(|_| form)
    }
}

/// Why a call needs the side of the client before it can be answered: nothing was done yet.
#[derive(Debug, Clone, PartialEq)]
pub enum Asks {
    /// These questions must be answered first.
    Input {
        /// The questions.
        questions: Vec<Question>,
        /// What the target wants back with the answers.
        state: Option<String>,
    },
    /// It can only be called by a client that takes such questions.
    Needs(BTreeSet<Asking>),
}
