//! What a target and the client that asks may say to each other while a call runs, beside the question
//! and its answer: how far it has come, and what else the target needs to know from a person.
//!
//! It goes through the gateway and is kept nowhere: whatever is held between two tries, the client
//! holds, sealed.

use std::{collections::BTreeSet, fmt, sync::Arc};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

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

/// What a client takes and brings beside a call's arguments. Default: nothing.
#[derive(Debug, Clone, Default)]
pub struct Exchange {
    /// What may be asked of it, as it says for this very call.
    pub takes: BTreeSet<Asking>,
    /// Its answer to what an earlier try was told in [`Asks::Input`].
    pub given: Option<Given>,
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

/// What a client answers when it was asked something.
#[derive(Debug, Clone, PartialEq)]
pub struct Given {
    /// The answers, under the names of what was asked, as MCP writes them.
    pub responses: Map<String, Value>,
    /// What the target said to bring along.
    pub state: Option<String>,
}

/// Why a call needs the side of the client before it can be answered: nothing was done yet.
#[derive(Debug, Clone, PartialEq)]
pub enum Asks {
    /// These questions must be answered first.
    Input {
        /// The questions by name, as MCP writes them (`InputRequest`).
        requests: Map<String, Value>,
        /// What the target wants back with the answers.
        state: Option<String>,
    },
    /// It can only be called by a client that takes such questions.
    Needs(BTreeSet<Asking>),
}
