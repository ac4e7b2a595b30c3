//! How far calls have come, as a server says: heard where messages come in, so that it is told in its
//! order and before the answer.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex},
};

use drawbridge_core::exchange::{Hears, Step};
use rmcp::model::{NumberOrString, ProgressToken};
use serde_json::Value;

use super::{locked, veil::Veil};
use crate::kinds::mcp::doubts::visible;

/// The notification of it.
const METHOD: &str = "notifications/progress";
/// How many are kept that came before it was known who waits for them.
const MOST_EARLY: usize = 16;
/// The longest text of one, in characters.
const MOST_WORDS: usize = 200;

/// Who waits for which.
#[derive(Clone)]
pub(super) struct Progress {
    heard: Arc<Mutex<Heard>>,
    veil: Veil,
}

#[derive(Default)]
struct Heard {
    by: HashMap<i64, Arc<dyn Hears>>,
    /// The SDK chooses the token while it sends the question, and the server may be quicker than we hear
    /// of it.
    early: VecDeque<(i64, Step)>,
}

/// Somebody hears how far a call has come, until this is dropped.
pub(super) struct Hearing {
    of: Progress,
    token: i64,
}

impl Progress {
    pub(super) fn new(veil: Veil) -> Self {
        let heard = Arc::default();
        Self { heard, veil }
    }

    /// Takes a message that tells of it; whether it was one.
    pub(super) fn take(&self, message: &Value) -> bool {
        if message.get("method").is_none_or(|method| method != METHOD) {
            return false;
        }
        let number = |name: &str| message.pointer(&format!("/params/{name}"));
        let token = number("progressToken").and_then(Value::as_i64);
        let done = number("progress").and_then(Value::as_f64);
        let (Some(token), Some(done)) = (token, done) else {
            return true;
        };
        let said = number("message").and_then(Value::as_str);
        let step = Step {
            done,
            total: number("total").and_then(Value::as_f64),
            message: said.map(|said| self.words(said)),
        };
        let mut heard = locked(&self.heard);
        if let Some(hears) = heard.by.get(&token) {
            hears.heard(step);
        } else {
            heard.early.truncate(MOST_EARLY - 1);
            heard.early.push_front((token, step));
        }
        true
    }

    fn words(&self, said: &str) -> String {
        let short: String = said.chars().take(MOST_WORDS).collect();
        visible(&self.veil.text(&short))
    }

    /// Begins to pass on what is told under a token.
    pub(super) fn hear(&self, token: &ProgressToken, hears: Arc<dyn Hears>) -> Option<Hearing> {
        let NumberOrString::Number(token) = token.0 else {
            return None;
        };
        let mut heard = locked(&self.heard);
        for (_, step) in heard.early.iter().rev().filter(|(of, _)| *of == token) {
            hears.heard(step.clone());
        }
        heard.early.retain(|(of, _)| *of != token);
        heard.by.insert(token, hears);
        let of = self.clone();
        Some(Hearing { of, token })
    }
}

impl Drop for Hearing {
    fn drop(&mut self) {
        locked(&self.of.heard).by.remove(&self.token);
    }
}
