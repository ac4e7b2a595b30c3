//! Arguments as boxes of a form, and what somebody wrote into them.

use drawbridge_core::answer::Failure;
use serde_json::Value;

use crate::door::console::escape::{editable, hides};

/// How deep arguments are taken apart into boxes; what is deeper is edited as JSON.
const DEEPEST: usize = 3;
/// Boxes of one form; a call with more of them is edited an argument at a time.
const MOST_BOXES: usize = 100;

/// How a value stands in its box.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Text,
    /// A list of texts, one to a line.
    Lines,
    Json,
}

impl Form {
    fn word(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Lines => "lines",
            Self::Json => "json",
        }
    }

    /// How a value is edited. A browser sends no control character back as it was, so such a text is
    /// edited as JSON; and a list by its lines only where these come back as the list.
    fn of(value: &Value) -> Self {
        let plain = |value: &Value| value.as_str().is_some_and(|text| !text.chars().any(hides));
        let line = |value: &Value| {
            let text = value.as_str().unwrap_or_default();
            plain(value) && !text.is_empty() && !text.contains('\n')
        };
        match value {
            value if plain(value) => Self::Text,
            Value::Array(list) if list.iter().all(line) && !list.is_empty() => Self::Lines,
            _ => Self::Json,
        }
    }
}

/// One argument to edit, or a part of one.
pub(super) struct Box {
    /// What it is called, with what it is part of before it.
    pub(super) name: String,
    /// The name of its field: how it is written stands before its path (escaped as RFC 6901 does).
    pub(super) field: String,
    pub(super) text: String,
    pub(super) form: Form,
    pub(super) long: bool,
}

impl Box {
    fn of(path: &[&str], value: &Value) -> Self {
        let form = Form::of(value);
        let text = match (form, value) {
            (Form::Text, Value::String(text)) => text.clone(),
            (Form::Lines, Value::Array(list)) => {
                let lines: Vec<&str> = list.iter().filter_map(Value::as_str).collect();
                lines.join("\n")
            }
            _ => editable(value),
        };
        Self {
            field: field(path, form),
            name: path.join(" › "),
            long: form == Form::Lines || text.len() > 60 || text.contains('\n'),
            form,
            text,
        }
    }

    pub(super) fn is_json(&self) -> bool {
        self.form == Form::Json
    }

    pub(super) fn is_lines(&self) -> bool {
        self.form == Form::Lines
    }
}

/// The boxes of a call's arguments.
pub(super) fn boxes(arguments: &Value) -> Vec<Box> {
    let mut all = Vec::new();
    apart(arguments, &mut Vec::new(), DEEPEST, &mut all);
    if all.len() > MOST_BOXES {
        all.clear();
        apart(arguments, &mut Vec::new(), 1, &mut all);
    }
    all
}

/// Takes an object apart, so many levels deep.
fn apart<'a>(value: &'a Value, path: &mut Vec<&'a str>, levels: usize, all: &mut Vec<Box>) {
    match value.as_object() {
        Some(fields) if levels > 0 && !fields.is_empty() => {
            for (name, value) in fields {
                path.push(name);
                apart(value, path, levels - 1, all);
                path.pop();
            }
        }
        _ if path.is_empty() => {}
        _ => all.push(Box::of(path, value)),
    }
}

fn field(path: &[&str], form: Form) -> String {
    let parts = path.iter();
    let parts = parts.map(|part| part.replace('~', "~0").replace('/', "~1"));
    let parts: Vec<String> = parts.collect();
    format!("{}.{}", form.word(), parts.join("/"))
}

/// The arguments with what was written: `sent` finds a field.
///
/// # Errors
/// When JSON is none; the message names the argument and the line.
pub(super) fn arguments<'a>(
    mut before: Value,
    sent: impl Fn(&str) -> Option<&'a str>,
) -> Result<Value, Failure> {
    written(&mut before, &mut Vec::new(), &sent)?;
    Ok(before)
}

fn written<'a>(
    value: &mut Value,
    path: &mut Vec<String>,
    sent: &impl Fn(&str) -> Option<&'a str>,
) -> Result<(), Failure> {
    let parts: Vec<&str> = path.iter().map(String::as_str).collect();
    let form = Form::of(value);
    let found = (!path.is_empty()).then(|| sent(&field(&parts, form)));
    if let Some(text) = found.flatten() {
        // Forms end every line with CR LF, and this text had no CR.
        let text = text.replace("\r\n", "\n");
        *value = match form {
            Form::Text => text.into(),
            Form::Lines => text.split('\n').filter(|line| !line.is_empty()).collect(),
            Form::Json => serde_json::from_str(&text).map_err(|error| {
                let name = parts.join(" › ");
                let told = format!("`{name}` is no JSON: {error}; text stands in double quotes");
                Failure::invalid(told)
            })?,
        };
        return Ok(());
    }
    let fields = value.as_object_mut().filter(|_| path.len() < DEEPEST);
    for (name, value) in fields.into_iter().flatten() {
        path.push(name.clone());
        written(value, path, sent)?;
        path.pop();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    /// What a browser sends of the boxes when nobody changes them.
    fn untouched(before: &Value) -> HashMap<String, String> {
        boxes(before)
            .into_iter()
            .map(|field| (field.field, field.text.replace('\n', "\r\n")))
            .collect()
    }

    fn sent(before: &Value, sent: &HashMap<String, String>) -> Value {
        arguments(before.clone(), |name| sent.get(name).map(String::as_str)).unwrap()
    }

    #[test]
    fn what_nobody_edits_stays_as_it_was() {
        let before = json!({
            "to": ["ann@x.example", "bob@x.example"], "text": "one\ntwo", "odd": "a\u{202e}b\r\n",
            "n": 9_007_199_254_740_993_u64, "list": [1, "x"], "none": null, "empty": {}, "lines": ["a\nb"],
            "set": {"a/b": {"c~": {"deep": {"er": 1}}}, "": ["x", ""]}, "nobody": [],
        });
        assert_eq!(sent(&before, &untouched(&before)), before);
    }

    #[test]
    fn parts_are_edited_by_themselves() {
        let before = json!({"set": {"customer": {"name": "Ann", "tags": ["a", "b"]}, "n": 1}});
        let names: Vec<String> = boxes(&before).into_iter().map(|one| one.name).collect();
        let parts = ["set › customer › name", "set › customer › tags", "set › n"];
        assert_eq!(names, parts);
        let mut fields = untouched(&before);
        fields.insert("text.set/customer/name".to_owned(), "Bob".to_owned());
        let tags = "a\r\n\r\nc\r\n".to_owned();
        fields.insert("lines.set/customer/tags".to_owned(), tags);
        fields.insert("json.set/n".to_owned(), "2".to_owned());
        let after = json!({"set": {"customer": {"name": "Bob", "tags": ["a", "c"]}, "n": 2}});
        assert_eq!(sent(&before, &fields), after);
    }

    #[test]
    fn what_is_no_json_is_told() {
        let sent = |name: &str| (name == "json.a/n").then_some("\nthree");
        let failure = arguments(json!({"a": {"n": 3}}), sent).unwrap_err();
        assert!(failure.message.contains("`a › n` is no JSON"), "{failure}");
        assert!(failure.message.contains("line 2"), "{failure}");
    }

    #[test]
    fn a_call_with_very_many_parts_has_a_box_for_each_argument() {
        let many = (0..200).map(|at| (format!("f{at}"), json!(at)));
        let many: serde_json::Map<String, Value> = many.collect();
        let before = json!({"set": many, "key": 1});
        assert_eq!(boxes(&before).len(), 2);
        assert_eq!(sent(&before, &untouched(&before)), before);
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "[a-c/~.\n\r\u{202e} ]{0,4}".prop_map(Value::from),
        ];
        leaf.prop_recursive(5, 40, 4, |inner| {
            let list = prop::collection::vec(inner.clone(), 0..4);
            let object = prop::collection::btree_map("[a-b/~. ]{0,3}", inner, 0..4);
            prop_oneof![
                list.prop_map(Value::from),
                object.prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn whatever_is_not_edited_is_not_changed(value in value()) {
            let before = json!({"argument": value});
            prop_assert_eq!(sent(&before, &untouched(&before)), before);
        }
    }
}
