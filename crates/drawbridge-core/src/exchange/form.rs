//! What the fields of a form must keep to: a schema that a target wrote and nobody reviewed.

use jsonschema::{Draft, PatternOptions, Validator};
use serde_json::{Value, json};

/// The most parts of a form's schema.
const MOST_PARTS: usize = 2_000;
/// How deep a form's schema may be: that of a list of choices, with room.
const DEEPEST: usize = 10;
/// The largest pattern, compiled, in bytes.
const PATTERN: usize = 256 << 10;

/// Keywords by which checking could go round for ever, or cost more than the form is long.
const NEVER: [&str; 4] = ["$ref", "$dynamicRef", "$recursiveRef", "patternProperties"];

/// What checks the fields of a form; none where the schema is not one of a form. A field that is not in
/// it is wrong.
#[must_use]
pub fn form(schema: &Value) -> Option<Validator> {
    let is_form = schema.get("type").and_then(Value::as_str) == Some("object")
        && schema.get("properties").is_some_and(Value::is_object);
    let mut left = MOST_PARTS;
    if !is_form || !is_plain(schema, &mut left, DEEPEST) {
        return None;
    }
    let mut schema = schema.clone();
    schema
        .as_object_mut()?
        .insert("additionalProperties".to_owned(), json!(false));
    let limited = PatternOptions::regex().size_limit(PATTERN);
    jsonschema::options()
        .with_draft(Draft::Draft202012)
        .with_pattern_options(limited)
        .should_validate_formats(true)
        .build(&schema)
        .ok()
}

fn is_plain(value: &Value, left: &mut usize, depth: usize) -> bool {
    let Some(fewer) = left.checked_sub(1) else {
        return false;
    };
    *left = fewer;
    let Some(depth) = depth.checked_sub(1) else {
        return false;
    };
    match value {
        Value::Object(fields) => fields
            .iter()
            .all(|(name, value)| !NEVER.contains(&name.as_str()) && is_plain(value, left, depth)),
        Value::Array(items) => items.iter().all(|item| is_plain(item, left, depth)),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_checked_field_by_field() {
        let schema = json!({
            "type": "object",
            "properties": {
                "name": {"type": "string", "minLength": 1, "pattern": "^[A-Z]"},
                "mail": {"type": "string", "format": "email"},
                "age": {"type": "integer", "minimum": 18},
                "plan": {"type": "string", "enum": ["a", "b"]},
                "days": {"type": "array", "items": {"anyOf": [{"const": "mo", "title": "Monday"}]}},
            },
            "required": ["name"],
        });
        let form = form(&schema).unwrap();
        for right in [
            json!({"name": "Ann"}),
            json!({"name": "Ann", "mail": "ann@x.example", "age": 18, "plan": "b", "days": ["mo"]}),
        ] {
            assert!(form.is_valid(&right), "{right}");
        }
        for wrong in [
            json!({}),
            json!({"name": "ann"}),
            json!({"name": 1}),
            json!({"name": "Ann", "mail": "no"}),
            json!({"name": "Ann", "age": 17}),
            json!({"name": "Ann", "plan": "c"}),
            json!({"name": "Ann", "days": ["su"]}),
            json!({"name": "Ann", "password": "x"}),
            json!(["Ann"]),
        ] {
            assert!(!form.is_valid(&wrong), "{wrong}");
        }
    }

    #[test]
    fn what_is_no_form_or_could_cost_too_much_is_none() {
        let field = |field: Value| json!({"type": "object", "properties": {"a": field}});
        let mut deep = json!({"type": "string"});
        for _ in 0..20 {
            deep = json!({"anyOf": [deep]});
        }
        let many: Vec<usize> = (0..3_000).collect();
        for schema in [
            json!(true),
            json!({"type": "object"}),
            json!({"type": "array", "properties": {}}),
            json!({"type": "object", "properties": {}, "$ref": "#"}),
            field(json!({"allOf": [{"$ref": "#/properties/a"}]})),
            field(json!({"$dynamicRef": "#"})),
            field(json!({"type": "object", "patternProperties": {".": true}})),
            field(json!({"type": "string", "pattern": "("})),
            field(json!({"type": "string", "pattern": "((a{100}){100}){100}"})),
            field(deep),
            field(json!({"enum": many})),
        ] {
            let told: String = schema.to_string().chars().take(100).collect();
            assert!(form(&schema).is_none(), "{told}");
        }
    }
}
