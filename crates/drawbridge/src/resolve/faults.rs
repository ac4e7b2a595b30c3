//! What is wrong with a tool's arguments, in words by which an AI can mend them.

use jsonschema::{ValidationError, Validator, error::ValidationErrorKind};
use serde_json::Value;

/// The most faults that are told at once.
const MOST: usize = 5;
/// The most characters of one fault: a fault may repeat a name.
const LONGEST: usize = 300;

/// Each argument that is wrong with the rule it breaks; none when all are right.
pub(crate) fn of(validator: Option<&Validator>, arguments: &Value) -> Option<String> {
    let Some(validator) = validator else {
        return Some("the tool's schema is broken".to_owned());
    };
    let faults: Vec<String> = validator
        .iter_errors(arguments)
        .take(MOST)
        .map(|error| fault(&error).chars().take(LONGEST).collect())
        .collect();
    (!faults.is_empty()).then(|| faults.join("; "))
}

fn fault(error: &ValidationError<'_>) -> String {
    let place = error.instance_path().as_str().trim_start_matches('/');
    let at = |name: &str| match place {
        "" => format!("`{name}`"),
        place => format!("`{place}/{name}`"),
    };
    match error.kind() {
        ValidationErrorKind::AdditionalProperties { unexpected } => {
            let names: Vec<String> = unexpected.iter().map(|name| at(name)).collect();
            format!("{}: there is no such argument", names.join(", "))
        }
        ValidationErrorKind::Required { property } => {
            format!("{}: is missing", at(property.as_str().unwrap_or_default()))
        }
        // Values do not go into errors: those are kept on the log.
        _ if place.is_empty() => format!("the arguments: {}", error.masked_with("this")),
        _ => format!("`{place}`: {}", error.masked_with("this")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_each_argument_and_its_rule() {
        let schema = json!({
            "type": "object",
            "properties": {
                "query": {"type": "string", "minLength": 1},
                "limit": {"type": "integer", "maximum": 50},
                "in": {"type": "object", "required": ["path"], "additionalProperties": false},
            },
            "required": ["query"],
            "additionalProperties": false,
        });
        let validator = jsonschema::draft202012::new(&schema).unwrap();
        let told = |arguments: Value| of(Some(&validator), &arguments);
        assert_eq!(told(json!({"query": "x", "limit": 3})), None);
        for (arguments, expected) in [
            (json!({}), "`query`: is missing"),
            (
                json!({"query": "x", "quer": 1, "b": 2}),
                "`quer`, `b`: there is no such argument",
            ),
            (
                json!({"query": "x", "limit": "many"}),
                "`limit`: this is not of type \"integer\"",
            ),
            (json!({"query": "x", "in": {}}), "`in/path`: is missing"),
            (json!([]), "the arguments: this is not of type \"object\""),
        ] {
            assert_eq!(
                told(arguments.clone()).as_deref(),
                Some(expected),
                "{arguments}"
            );
        }
        let long = "x".repeat(10_000);
        assert!(told(json!({"query": "x", "limit": long})).unwrap().len() <= LONGEST);
        assert!(
            of(None, &json!({})).is_some(),
            "a broken schema lets nothing in"
        );
    }
}
