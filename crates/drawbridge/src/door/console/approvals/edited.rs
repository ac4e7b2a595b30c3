//! Arguments as boxes of a form, and what somebody wrote into them.

use drawbridge_core::answer::Failure;
use serde_json::Value;

use crate::door::console::escape::{editable, hides};

/// One argument to edit.
pub(super) struct Box {
    pub(super) name: String,
    /// The name of its field: whether it is text or JSON stands before the argument's own.
    pub(super) field: String,
    pub(super) text: String,
    pub(super) json: bool,
    pub(super) long: bool,
}

/// The boxes of a call's arguments.
pub(super) fn boxes(arguments: &Value) -> Vec<Box> {
    let fields = arguments.as_object().into_iter().flatten();
    fields
        .map(|(name, value)| {
            // A browser sends no control character back as it was, so such a text is edited as JSON.
            let plain = value.as_str().filter(|text| !text.chars().any(hides));
            let text = plain.map_or_else(|| editable(value), str::to_owned);
            Box {
                field: field(name, plain.is_none()),
                name: name.clone(),
                long: text.len() > 60 || text.contains('\n'),
                json: plain.is_none(),
                text,
            }
        })
        .collect()
}

fn field(name: &str, json: bool) -> String {
    format!("{}.{name}", if json { "json" } else { "text" })
}

/// The arguments with what was written: `sent` finds a field.
///
/// # Errors
/// When JSON is none; the message names the argument.
pub(super) fn arguments<'a>(
    mut before: Value,
    sent: impl Fn(&str) -> Option<&'a str>,
) -> Result<Value, Failure> {
    let Some(fields) = before.as_object_mut() else {
        return Ok(before);
    };
    for (name, value) in fields.iter_mut() {
        if let Some(text) = sent(&field(name, false)) {
            // Forms end every line with CR LF, and this text had no CR.
            *value = text.replace("\r\n", "\n").into();
        } else if let Some(text) = sent(&field(name, true)) {
            *value = serde_json::from_str(text).map_err(|error| {
                let told = format!("`{name}` is no JSON: {error}; text stands in double quotes");
                Failure::invalid(told)
            })?;
        }
    }
    Ok(before)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use serde_json::json;

    use super::*;

    #[test]
    fn what_nobody_edits_stays_as_it_was() {
        let before = json!({
            "to": "ann@x.example", "text": "one\ntwo", "odd": "a\u{202e}b\r\n", "n": 3, "list": [1, "x"], "none": null,
        });
        let sent: HashMap<String, String> = boxes(&before)
            .into_iter()
            .map(|field| (field.field, field.text.replace('\n', "\r\n")))
            .collect();
        let after = arguments(before.clone(), |name| sent.get(name).map(String::as_str)).unwrap();
        assert_eq!(after, before);
    }

    #[test]
    fn what_is_no_json_is_told() {
        let sent = |name: &str| (name == "json.n").then_some("three");
        let failure = arguments(json!({"n": 3}), sent).unwrap_err();
        assert!(failure.message.contains("`n` is no JSON"), "{failure}");
    }
}
