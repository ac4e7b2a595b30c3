//! What a tool's arguments may be: the schema that callers are shown, and what is sent.

use std::path::{Component, Path};

use drawbridge_core::{answer::Failure, call::Person};
use regex::Regex;
use serde_json::{Map, Value, json};

use super::part::{ArgumentRule, Tool};

/// The schema of the arguments that are asked for: as reviewed, without what nobody is asked for, and
/// with the file's limits where a schema can say them.
pub(super) fn schema(tool: &Tool<'_>) -> Value {
    let mut schema = tool.definition.input().cloned().unwrap_or_default();
    schema.entry("type").or_insert_with(|| json!("object"));
    let unasked = |name: &str| tool.scope.arguments.get(name).is_some_and(is_unasked);
    if let Some(Value::Array(required)) = schema.get_mut("required") {
        required.retain(|name| !name.as_str().is_some_and(unasked));
    }
    let open = [
        "additionalProperties",
        "patternProperties",
        "allOf",
        "anyOf",
        "oneOf",
        "$ref",
    ];
    if !open.iter().any(|key| schema.contains_key(*key)) {
        schema.insert("additionalProperties".to_owned(), json!(false));
    }
    let properties = schema.entry("properties").or_insert_with(|| json!({}));
    if let Value::Object(properties) = properties {
        properties.retain(|name, _| !unasked(name));
        for (name, rule) in &tool.scope.arguments {
            if let Some(property) = properties.get_mut(name) {
                narrow(property, rule);
            }
        }
    }
    let mut schema = Value::Object(schema);
    unmirrored(&mut schema);
    schema
}

/// Clients of the gateway send no argument as a header, where what stands between would keep it. The
/// server itself gets its headers from the gateway.
fn unmirrored(schema: &mut Value) {
    if let Value::Object(schema) = schema {
        schema.shift_remove("x-mcp-header");
        for one in schema
            .get_mut("properties")
            .and_then(Value::as_object_mut)
            .into_iter()
            .flatten()
        {
            unmirrored(one.1);
        }
        if let Some(items) = schema.get_mut("items") {
            unmirrored(items);
        }
    }
}

/// Whether callers are not asked for an argument.
pub(super) fn is_unasked(rule: &ArgumentRule) -> bool {
    rule.hidden || rule.fixed.is_some() || rule.from.is_some()
}

/// Says in a property's schema what the rule says. The rule itself is kept by [`checked`]: what the
/// server's own schema says beside it stays true.
fn narrow(property: &mut Value, rule: &ArgumentRule) {
    let Value::Object(property) = property else {
        return;
    };
    if !rule.values.is_empty() {
        property.insert("enum".to_owned(), Value::Array(rule.values.clone()));
    }
    let mut words = Vec::new();
    if let Some(pattern) = &rule.pattern {
        words.push(format!("It must match `{pattern}`."));
    }
    if let Some(min) = rule.min {
        words.push(format!("At least {min}."));
    }
    if let Some(max) = rule.max {
        words.push(format!("At most {max}."));
    }
    if let Some(most) = rule.max_length {
        words.push(format!("At most {most} long."));
    }
    if let Some(root) = &rule.under {
        words.push(format!("A path at or beneath `{root}`."));
    }
    if words.is_empty() {
        return;
    }
    let told = property.get("description").and_then(Value::as_str);
    let told = told.map_or_else(String::new, |told| format!("{told} "));
    let told = format!("{told}{}", words.join(" "));
    property.insert("description".to_owned(), Value::String(told));
}

/// What is sent: what the caller gave, if the rules let it, and what the file says.
pub(super) fn sent(
    tool: &Tool<'_>,
    given: &Value,
    person: &Person,
) -> Result<Map<String, Value>, Failure> {
    let mut arguments = given.as_object().cloned().unwrap_or_default();
    for (name, rule) in &tool.scope.arguments {
        if is_unasked(rule) {
            if arguments.contains_key(name) {
                let told = format!("`{name}` is not yours to give; leave it out");
                return Err(Failure::invalid(told));
            }
            if let Some(value) = &rule.fixed {
                arguments.insert(name.clone(), value.clone());
            }
            if let Some(source) = &rule.from {
                arguments.insert(name.clone(), of_person(source, person)?);
            }
        } else if let Some(value) = arguments.get(name) {
            checked(
                name,
                value,
                rule,
                tool.prepared.and_then(|all| all.patterns.get(name)),
            )?;
        }
    }
    Ok(arguments)
}

/// Makes a call that the file makes up keep the rules of its tool, too: with what is always given, and
/// within the limits. What is bound to whoever asks cannot be made up.
pub(super) fn made_up(tool: &Tool<'_>, arguments: &mut Map<String, Value>) -> Result<(), Failure> {
    for (name, rule) in &tool.scope.arguments {
        if let Some(value) = &rule.fixed {
            arguments.insert(name.clone(), value.clone());
        } else if rule.from.is_some() {
            let told = format!(
                "`{name}` of `{}` is bound to whoever asks, so that the file cannot use it for another tool",
                tool.name
            );
            return Err(Failure::invalid(told));
        } else if let Some(value) = arguments.get(name) {
            let pattern = tool.prepared.and_then(|all| all.patterns.get(name));
            checked(name, value, rule, pattern)?;
        }
    }
    Ok(())
}

/// What is known of whoever asks.
fn of_person(source: &str, person: &Person) -> Result<Value, Failure> {
    let name = source.strip_prefix("person.").unwrap_or(source);
    let value = match name {
        "id" => Some(&person.id),
        // Most people go by their address.
        "email" => person.attributes.get("email").or(Some(&person.id)),
        name => person.attributes.get(name),
    };
    value
        .map(|value| Value::String(value.clone()))
        .ok_or_else(|| {
            let told = format!("nobody knows your {name}, without which this cannot be asked");
            Failure::invalid(told)
        })
}

/// Whether a value keeps its rule. A rule that does not fit the value's type refuses it.
fn checked(
    name: &str,
    value: &Value,
    rule: &ArgumentRule,
    whole: Option<&Regex>,
) -> Result<(), Failure> {
    let refused = |why: String| Err(Failure::invalid(format!("`{name}` {why}")));
    if !rule.values.is_empty() && !rule.values.contains(value) {
        let values: Vec<String> = rule.values.iter().map(ToString::to_string).collect();
        return refused(format!("must be one of {}", values.join(", ")));
    }
    if let Some(pattern) = &rule.pattern {
        let matches = |text: &str| whole.is_some_and(|whole| whole.is_match(text));
        if !value.as_str().is_some_and(matches) {
            return refused(format!("must be a text that matches `{pattern}`"));
        }
    }
    if rule.min.is_some() || rule.max.is_some() {
        let (min, max) = (rule.min.unwrap_or(f64::MIN), rule.max.unwrap_or(f64::MAX));
        if !value
            .as_f64()
            .is_some_and(|number| (min..=max).contains(&number))
        {
            let (min, max) = (bound(rule.min), bound(rule.max));
            return refused(format!("must be a number from {min} to {max}"));
        }
    }
    if let Some(most) = rule.max_length {
        let length = match value {
            Value::String(text) => Some(text.chars().count()),
            Value::Array(items) => Some(items.len()),
            _ => None,
        };
        let fits = length.and_then(|length| u64::try_from(length).ok());
        if fits.is_none_or(|length| length > most) {
            return refused(format!("must be a text or a list of at most {most}"));
        }
    }
    if let Some(root) = &rule.under {
        let paths: Option<Vec<&str>> = match value {
            Value::String(path) => Some(vec![path]),
            Value::Array(paths) => paths.iter().map(Value::as_str).collect(),
            _ => None,
        };
        if !paths.is_some_and(|paths| paths.iter().all(|path| beneath(path, root))) {
            return refused(format!(
                "must be an absolute path at or beneath `{root}`, without `..`"
            ));
        }
    }
    Ok(())
}

fn bound(bound: Option<f64>) -> String {
    bound.map_or_else(|| "any".to_owned(), |bound| bound.to_string())
}

/// A pattern that matches from the start to the end.
pub(super) fn whole(pattern: &str) -> Result<Regex, regex::Error> {
    // By itself first: `)|(` is none.
    Regex::new(pattern)?;
    Regex::new(&format!(r"\A(?:{pattern})\z"))
}

/// Whether a path is a folder, or beneath it, by its words alone: what is a link there is the server's
/// to know, and its sandbox's to stop.
fn beneath(path: &str, root: &str) -> bool {
    let path = Path::new(path);
    let plain = |part: Component<'_>| matches!(part, Component::RootDir | Component::Normal(_));
    path.is_absolute()
        && path.components().all(plain)
        // `a/./b` has the same components as `a/b`, which not every server knows.
        && !path.as_os_str().to_string_lossy().split('/').any(|part| part == "." || part == "..")
        && !path.as_os_str().to_string_lossy().contains(['\0', '\\'])
        && path.starts_with(root)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_beneath_its_root_or_refused() {
        for path in [
            "/srv/docs",
            "/srv/docs/",
            "/srv/docs/a",
            "/srv/docs//a b/ü.md",
        ] {
            assert!(beneath(path, "/srv/docs"), "{path}");
        }
        for path in [
            "",
            "/",
            "/srv",
            "/srv/docs2",
            "srv/docs/a",
            "/srv/docs/../x",
            "/srv/docs/./a",
            "~/docs",
            "/srv/docs/..",
            "/srv/docs\\..\\x",
            "/srv/docs/a\0/../../etc",
            "/SRV/docs/a",
            "file:///srv/docs/a",
            "./srv/docs",
            "//srv/../etc",
            "/srv/docs/%2e%2e/x/..",
        ] {
            assert!(!beneath(path, "/srv/docs"), "{path:?}");
        }
    }

    #[test]
    fn a_rule_that_does_not_fit_the_type_refuses() {
        let rule = |json: Value| serde_json::from_value::<ArgumentRule>(json).unwrap_or_default();
        for (rule_of, good, bad) in [
            (
                json!({"values": ["a", 1]}),
                vec![json!("a"), json!(1)],
                vec![json!("b"), json!(null), json!(["a"])],
            ),
            (
                json!({"pattern": "a|b"}),
                vec![json!("a"), json!("b")],
                vec![json!("ab"), json!("a\n"), json!(1), json!(["a"])],
            ),
            (
                json!({"max": 3.0}),
                vec![json!(3), json!(-1e9)],
                vec![json!(3.1), json!("3"), json!(null), json!([3])],
            ),
            (
                json!({"min": 1.0, "max": 3.0}),
                vec![json!(1)],
                vec![json!(0.9), json!({})],
            ),
            (
                json!({"max_length": 2}),
                vec![json!("äö"), json!([1, 2])],
                vec![json!("abc"), json!([1, 2, 3]), json!(12)],
            ),
            (
                json!({"under": "/a"}),
                vec![json!("/a/b"), json!(["/a", "/a/b"])],
                vec![json!(["/a", "/b"]), json!(["/a", 1]), json!({"a": 1})],
            ),
        ] {
            let rule = rule(rule_of);
            let whole = rule
                .pattern
                .as_ref()
                .and_then(|pattern| whole(pattern).ok());
            for value in good {
                assert!(
                    checked("x", &value, &rule, whole.as_ref()).is_ok(),
                    "{rule:?} {value}"
                );
            }
            for value in bad {
                assert!(
                    checked("x", &value, &rule, whole.as_ref()).is_err(),
                    "{rule:?} {value}"
                );
            }
        }
    }
}
