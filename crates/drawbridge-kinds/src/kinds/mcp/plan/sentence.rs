//! What a plan would do, in a sentence.

use serde_json::{Map, Value};

use crate::kinds::mcp::doubts::visible;

/// The most characters of an argument in a plan's sentence.
const MOST_SHOWN: usize = 60;
/// The most arguments there.
const MOST_NAMED: usize = 4;

/// What is called with what, in a sentence.
pub(super) fn sentence(tool: &str, arguments: &Map<String, Value>) -> String {
    let mut told: Vec<String> = Vec::new();
    for (name, value) in arguments.iter().take(MOST_NAMED) {
        let value = match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let mut short: String = value.chars().take(MOST_SHOWN).collect();
        if short.len() < value.len() {
            short.push('…');
        }
        told.push(visible(&format!("{name} {short}")));
    }
    if arguments.len() > MOST_NAMED {
        told.push("…".to_owned());
    }
    let with = if told.is_empty() {
        String::new()
    } else {
        format!(" with {}", told.join(", "))
    };
    format!("Call {tool}{with}").replace('\n', " ")
}
