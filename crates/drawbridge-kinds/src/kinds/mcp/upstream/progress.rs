//! How far calls have come, as a server says: heard where messages come in, so that it is told in its
//! order and before the answer.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex},
};

use drawbridge_core::exchange::{Hears, Step};
use rmcp::model::{NumberOrString, ProgressToken};
use serde_json::Value;

use super::locked;

/// The notification of it.
const METHOD: &str = "notifications/progress";
/// How many are kept that came before it was known who waits for them.
const MOST_EARLY: usize = 16;

/// Who waits for which.
#[derive(Clone, Default)]
pub(super) struct Progress {
    heard: Arc<Mutex<Heard>>,
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
        // Its words are content, and no content leaves before it is on the record.
        let total = number("total").and_then(Value::as_f64);
        let step = Step { done, total };
        let mut heard = locked(&self.heard);
        if let Some(hears) = heard.by.get(&token) {
            hears.heard(step);
        } else {
            heard.early.truncate(MOST_EARLY - 1);
            heard.early.push_front((token, step));
        }
        true
    }

    /// Begins to pass on what is told under a token.
    pub(super) fn hear(&self, token: &ProgressToken, hears: Arc<dyn Hears>) -> Option<Hearing> {
        let NumberOrString::Number(token) = token.0 else {
            return None;
        };
        let mut heard = locked(&self.heard);
        for (_, step) in heard.early.iter().rev().filter(|(of, _)| *of == token) {
            hears.heard(*step);
        }
        heard.early.retain(|(of, _)| *of != token);
        drop(heard);
        Some(self.hears(token, hears))
    }

    /// The same for a token that nothing was told under yet.
    pub(super) fn hears(&self, token: i64, hears: Arc<dyn Hears>) -> Hearing {
        locked(&self.heard).by.insert(token, hears);
        let of = self.clone();
        Hearing { of, token }
    }
}

impl Drop for Hearing {
    fn drop(&mut self) {
        locked(&self.of.heard).by.remove(&self.token);
    }
}
