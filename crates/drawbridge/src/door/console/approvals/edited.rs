//! Arguments as boxes of a form, and what somebody wrote into them.

use drawbridge_core::answer::Failure;
use serde_json::Value;

use crate::door::console::escape::{editable, is_as_it_is};

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
    /// How a value is edited: a text that a page does not show as it is, as JSON, so that it comes back;
    /// and a list by its lines only where these come back as the list.
    fn of(value: &Value) -> Self {
        let plain = |value: &Value| value.as_str().is_some_and(is_as_it_is);
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
    /// Where it stands, from the outermost name on.
    path: Vec<String>,
    /// The name of its field. The boxes of a call are numbered: what arguments are called may be
    /// anything, and no browser sends every name back as it was.
    pub(super) field: String,
    pub(super) text: String,
    pub(super) form: Form,
    pub(super) long: bool,
}

impl Box {
    fn of(path: &[&str], number: usize, value: &Value) -> Self {
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
            path: path.iter().map(|part| (*part).to_owned()).collect(),
            field: format!("box.{number}"),
            long: form == Form::Lines || text.len() > 60 || text.contains('\n'),
            form,
            text,
        }
    }

    /// What it is called, with what it is part of before it.
    pub(super) fn name(&self) -> String {
        self.path.join(" › ")
    }

    pub(super) fn is_json(&self) -> bool {
        self.form == Form::Json
    }

    pub(super) fn is_lines(&self) -> bool {
        self.form == Form::Lines
    }

    /// The value that somebody wrote.
    fn read(&self, text: &str) -> Result<Value, Failure> {
        // Forms end every line with CR LF, and this text had no CR.
        let text = text.replace("\r\n", "\n");
        match self.form {
            Form::Text => Ok(text.into()),
            Form::Lines => Ok(text.split('\n').filter(|line| !line.is_empty()).collect()),
            Form::Json => serde_json::from_str(&text).map_err(|error| {
                let name = self.name();
                let told = format!("`{name}` is no JSON: {error}; text stands in double quotes");
                Failure::invalid(told)
            }),
        }
    }
}

/// The boxes of a call's arguments: the same ones, in the same order, for the same call.
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
        _ => all.push(Box::of(path, all.len(), value)),
    }
}

/// The arguments with what was written: `sent` finds a field.
///
/// # Errors
/// When JSON is none; the message names the argument and the line.
pub(super) fn arguments<'a>(
    mut before: Value,
    sent: impl Fn(&str) -> Option<&'a str>,
) -> Result<Value, Failure> {
    for one in boxes(&before) {
        let Some(text) = sent(&one.field) else {
            continue;
        };
        let mut place = Some(&mut before);
        for part in &one.path {
            place = place.and_then(|value| value.get_mut(part));
        }
        if let Some(place) = place {
            *place = one.read(text)?;
        }
    }
    Ok(before)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use askama::filters::Escaper;
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::door::console::escape::Visible;

    /// What a browser sends of the boxes when nobody changes them: as the page writes them.
    fn untouched(before: &Value) -> HashMap<String, String> {
        let written = |text: &str| {
            let mut html = String::new();
            Visible.write_escaped_str(&mut html, text).unwrap();
            let entities = [
                ("&#60;", "<"),
                ("&#62;", ">"),
                ("&#34;", "\""),
                ("&#39;", "'"),
                ("&#38;", "&"),
            ];
            entities
                .iter()
                .fold(html, |html, (entity, letter)| html.replace(entity, letter))
        };
        boxes(before)
            .into_iter()
            .map(|one| {
                (
                    written(&one.field),
                    written(&one.text).replace('\n', "\r\n"),
                )
            })
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
            "heap": format!("a{}", "\u{301}".repeat(12)), "na\u{200d}me\n": {"\r": "x"},
            "word": "လျှော့", "list of heaps": [format!("b{}", "\u{301}".repeat(12))],
        });
        assert_eq!(sent(&before, &untouched(&before)), before);
    }

    #[test]
    fn parts_are_edited_by_themselves() {
        let before = json!({"set": {"customer": {"name": "Ann", "tags": ["a", "b"]}, "n": 1}});
        let names: Vec<String> = boxes(&before).iter().map(Box::name).collect();
        let parts = ["set › customer › name", "set › customer › tags", "set › n"];
        assert_eq!(names, parts);
        let mut fields = untouched(&before);
        for (field, text) in [
            ("box.0", "Bob"),
            ("box.1", "a\r\n\r\nc\r\n"),
            ("box.2", "2"),
        ] {
            fields.insert(field.to_owned(), text.to_owned());
        }
        let after = json!({"set": {"customer": {"name": "Bob", "tags": ["a", "c"]}, "n": 2}});
        assert_eq!(sent(&before, &fields), after);
    }

    #[test]
    fn what_is_no_json_is_told() {
        let sent = |name: &str| (name == "box.0").then_some("\nthree");
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
            "[a-c<&/~.\n\r\u{202e}\u{301} ]{0,14}".prop_map(Value::from),
        ];
        leaf.prop_recursive(5, 40, 4, |inner| {
            let list = prop::collection::vec(inner.clone(), 0..4);
            let object = prop::collection::btree_map("[a-b/~.\n\u{200d} ]{0,3}", inner, 0..4);
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
