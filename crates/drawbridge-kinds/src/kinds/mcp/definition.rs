//! What a server says of a tool or a prompt: kept as it was reviewed, and compared with what it says
//! by now.

use std::cell::Cell;

use drawbridge_core::plan::digest;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use similar::TextDiff;

/// The most lines of a difference that are shown.
const MOST_LINES: usize = 60;
/// The longest line of a difference that is shown, in characters.
const MOST_COLUMNS: usize = 300;

/// The most steps that it takes to look for a place in a schema.
const MOST_STEPS: usize = 2_000;

/// How deep a definition may be nested: a file may be 32 deep, with the definition within it.
const DEEPEST: usize = 24;

/// Everything a server says of a tool or a prompt, but its name, with what no version of MCP knows.
///
/// What is meant for the transport alone is no part of it: `_meta`, and `icons`, which nobody is shown.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(transparent)]
pub(super) struct Definition(pub(super) Map<String, Value>);

impl Definition {
    /// What a server listed, and under which name; none where it has no name.
    pub(super) fn listed(mut all: Map<String, Value>) -> Option<(String, Self)> {
        let Some(Value::String(name)) = all.shift_remove("name") else {
            return None;
        };
        all.shift_remove("_meta");
        all.shift_remove("icons");
        Some((name, Self(all)))
    }

    /// A text of it.
    pub(super) fn text(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.as_str()
    }

    /// The schema of its arguments.
    pub(super) fn input(&self) -> Option<&Map<String, Value>> {
        self.0.get("inputSchema")?.as_object()
    }

    /// The schema of its structured answers, where it has one.
    pub(super) fn output(&self) -> Option<&Value> {
        self.0.get("outputSchema")
    }

    /// Whether there is a schema of its arguments that can be used without asking anyone: `$ref` to
    /// elsewhere is not followed.
    pub(super) fn takes_what_can_be_checked(&self) -> bool {
        let is_object = |schema: &Value| schema.get("type").is_none_or(|sort| sort == "object");
        let input = self.0.get("inputSchema");
        input.is_some_and(|input| input.is_object() && is_object(input) && is_usable(input))
    }

    /// The same of the schema of its answers, where it has one.
    pub(super) fn answers_what_can_be_checked(&self) -> bool {
        self.output().is_none_or(is_usable)
    }

    /// Whether the schema of its structured answers has a place; also where there is none, or it tells
    /// nothing of what is there.
    pub(super) fn answers_with(&self, place: &[String]) -> bool {
        let schema = self.output();
        let steps = Cell::new(MOST_STEPS);
        schema.is_none_or(|schema| has((schema, schema), place, &steps))
    }

    /// Whether a file can hold it.
    pub(super) fn fits_a_file(&self) -> bool {
        self.0.values().all(|value| depth(value) < DEEPEST)
    }

    /// What it says of its own danger: untrusted, and only ever a hint for people.
    pub(super) fn hint(&self, name: &str) -> Option<bool> {
        self.0.get("annotations")?.get(name)?.as_bool()
    }

    /// SHA-256 over it in canonical form: the pin.
    pub(super) fn digest(&self) -> String {
        digest(&Value::Object(self.0.clone()))
    }

    /// What another one says otherwise, as lines that people read: what was with `-`, what is with `+`.
    /// Characters that cannot be seen are written out.
    pub(super) fn difference(&self, other: &Self) -> String {
        let (old, new) = (self.lines(), other.lines());
        let diff = TextDiff::from_lines(&old, &new);
        let mut shown: Vec<String> = Vec::new();
        for change in diff.iter_all_changes() {
            let sign = match change.tag() {
                similar::ChangeTag::Equal => continue,
                similar::ChangeTag::Delete => '-',
                similar::ChangeTag::Insert => '+',
            };
            if shown.len() == MOST_LINES {
                shown.push("…".to_owned());
                break;
            }
            let line: String = change
                .value()
                .trim_end()
                .chars()
                .take(MOST_COLUMNS)
                .collect();
            shown.push(format!("{sign} {line}"));
        }
        shown.join("\n")
    }

    /// It line by line: texts in their own lines, the rest as JSON, in a fixed order.
    fn lines(&self) -> String {
        let mut keys: Vec<&String> = self.0.keys().collect();
        keys.sort_unstable();
        let mut lines = String::new();
        for key in keys {
            let text = match self.0.get(key) {
                Some(Value::String(text)) => text.clone(),
                Some(other) => serde_json::to_string_pretty(other).unwrap_or_default(),
                None => String::new(),
            };
            for line in text.lines() {
                lines.push_str(key);
                lines.push_str(": ");
                lines.push_str(&super::doubts::visible(line));
                lines.push('\n');
            }
        }
        lines
    }
}

/// Whether a schema has a place, where it is a part of the schema `root`. What it leaves open, it may have; and
/// so may one that takes more steps to look through.
fn has((root, schema): (&Value, &Value), place: &[String], steps: &Cell<usize>) -> bool {
    let (Some((first, rest)), Value::Object(fields)) = (place.split_first(), schema) else {
        return place.is_empty() || *schema == Value::Bool(true);
    };
    let Some(left) = steps.get().checked_sub(1) else {
        return true;
    };
    steps.set(left);
    if let Some(Value::String(elsewhere)) = fields.get("$ref") {
        let meant = elsewhere.strip_prefix('#');
        let meant = meant.and_then(|pointer| root.pointer(pointer));
        return meant.is_none_or(|meant| has((root, meant), place, steps));
    }
    let list = |key: &str| fields.get(key).and_then(Value::as_array);
    let either = ["allOf", "anyOf", "oneOf"].map(list).into_iter().flatten();
    let mut either = either.flatten().peekable();
    let is_alone = either.peek().is_none();
    if either.any(|one| has((root, one), place, steps)) {
        return true;
    }
    let is_any = first == "*";
    let is_number = is_any || first.bytes().all(|digit| digit.is_ascii_digit());
    let every = |key: &str| fields.get(key).and_then(Value::as_object);
    let named = every("properties").into_iter().flatten();
    let named = named.filter(|(name, _)| is_any || *name == first);
    let alike = every("patternProperties").into_iter().flatten();
    let inner = named.chain(alike).map(|(_, one)| one);
    // That others may be there is not to know of any.
    let others = fields.get("additionalProperties");
    let inner = inner.chain(others.filter(|one| one.is_object()));
    let items = fields.get("items").filter(|_| is_number);
    let first_items = list("prefixItems").filter(|_| is_number);
    let mut inner = inner.chain(items).chain(first_items.into_iter().flatten());
    inner.any(|one| has((root, one), rest, steps)) || is_alone && is_open(fields)
}

/// Whether a schema lets objects or lists be, and tells nothing of what is in them.
fn is_open(schema: &Map<String, Value>) -> bool {
    let holds = |sort: &Value| sort == "object" || sort == "array";
    let holds = schema.get("type").is_none_or(|sort| match sort {
        Value::Array(sorts) => sorts.iter().any(holds),
        one => holds(one),
    });
    let tells = ["properties", "patternProperties", "items", "prefixItems"];
    let maps = schema
        .get("additionalProperties")
        .is_some_and(Value::is_object);
    holds && !maps && !tells.iter().any(|key| schema.contains_key(*key))
}

fn depth(value: &Value) -> usize {
    let inner = match value {
        Value::Array(items) => items.iter().map(depth).max(),
        Value::Object(fields) => fields.values().map(depth).max(),
        _ => return 0,
    };
    inner.unwrap_or_default() + 1
}

fn is_usable(schema: &Value) -> bool {
    jsonschema::draft202012::new(schema).is_ok()
}

/// A definition with its name, and whether it is a prompt's.
pub(super) struct Named<'a> {
    pub(super) sort: &'static str,
    pub(super) name: &'a str,
    pub(super) definition: &'a Definition,
}

impl<'a> Named<'a> {
    pub(super) fn tool((name, definition): (&'a String, &'a Definition)) -> Self {
        let sort = "tools";
        Self {
            sort,
            name,
            definition,
        }
    }

    pub(super) fn prompt((name, definition): (&'a String, &'a Definition)) -> Self {
        let sort = "prompts";
        Self {
            sort,
            name,
            definition,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_place_is_looked_for_through_what_a_schema_refers_to_and_lets_be() {
        let text = json!({"type": "string"});
        let row = json!({"type": "object", "properties": {"email": text}});
        let schema = json!({
            "$defs": {"row": row, "loop": {"anyOf": [{"$ref": "#/$defs/loop2"}, {"$ref": "#/$defs/loop2"}]},
                      "loop2": {"anyOf": [{"$ref": "#/$defs/row"}, {"$ref": "#/$defs/row"}]}},
            "type": "object",
            "properties": {
                "rows": {"type": "array", "items": {"$ref": "#/$defs/row"}},
                "either": {"anyOf": [{"type": "null"}, {"$ref": "#/$defs/row"}]},
                "by_name": {"type": "object", "additionalProperties": {"$ref": "#/$defs/row"}},
                "open": {"type": ["object", "null"]}, "any": {}, "true": true, "loop": {"$ref": "#/$defs/loop"},
                "closed": {"type": "object", "properties": {"a": text}, "additionalProperties": true},
            },
        });
        let definition: Definition =
            serde_json::from_value(json!({"outputSchema": schema})).unwrap_or_default();
        let has = |place: &str| {
            let parts: Vec<String> = place.split('/').skip(1).map(str::to_owned).collect();
            definition.answers_with(&parts)
        };
        for place in [
            "/rows",
            "/rows/*",
            "/rows/*/email",
            "/rows/3/email",
            "/either/email",
            "/by_name/x/email",
            "/by_name/*/email",
            "/*/email",
            "/open/x",
            "/any/x/y",
            "/true/x",
            "/closed/a",
            "/loop/email",
        ] {
            assert!(has(place), "{place}");
        }
        for place in [
            "/row",
            "/rows/email",
            "/rows/*/mail",
            "/rows/*/email/x",
            "/either/mail",
            "/by_name/x/mail",
            "/closed/b",
            "/loop/mail",
        ] {
            assert!(!has(place), "{place}");
        }
        assert!(Definition::default().answers_with(&["x".to_owned()]));
    }
}
