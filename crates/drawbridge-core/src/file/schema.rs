//! The published JSON Schemas of the two files, and what they say is wrong with one.

use jsonschema::{ValidationError, Validator, error::ValidationErrorKind};
use schemars::{generate::SchemaSettings, transform::RecursiveTransform};
use serde_json::{Map, Value, json};

use super::{ConnectorFile, Fault, GatewayFile};
use crate::connector::Kind;

/// The JSON Schema of `drawbridge.yaml`.
#[must_use]
pub fn gateway_schema() -> Value {
    let mut schema = generate::<GatewayFile>();
    set(&mut schema, "/title", json!("drawbridge.yaml"));
    schema
}

/// The JSON Schema of a connector file, for connectors of any of these kinds.
#[must_use]
pub fn connector_schema(kinds: &[&dyn Kind]) -> Value {
    let mut schema = generate::<ConnectorFile>();
    set(&mut schema, "/title", json!("connectors/NAME.yaml"));
    let names: Vec<&str> = kinds.iter().map(|kind| kind.name()).collect();
    set(
        &mut schema,
        "/$defs/System/properties/kind/enum",
        json!(names),
    );
    let each: Vec<Value> = kinds
        .iter()
        .map(|kind| {
            let (system, scope) = kind_schemas(&schema, *kind);
            json!({
                "if": {"properties": {"system": {"properties": {"kind": {"const": kind.name()}}}}},
                "then": {"properties": {"system": system, "scope": scope}},
            })
        })
        .collect();
    set(&mut schema, "/allOf", Value::Array(each));
    schema
}

/// The JSON Schema of a connector file whose kind nobody knows.
pub(super) fn schema_of_no_kind() -> Value {
    generate::<ConnectorFile>()
}

/// The JSON Schema of a connector file of one kind, in which every key is known.
pub(super) fn schema_of_kind(kind: &dyn Kind) -> Value {
    let mut schema = generate::<ConnectorFile>();
    let (system, scope) = kind_schemas(&schema, kind);
    set(&mut schema, "/$defs/System", system);
    set(&mut schema, "/properties/scope", scope);
    schema
}

/// `system` with the kind's keys beside those every kind has, and `scope`.
fn kind_schemas(schema: &Value, kind: &dyn Kind) -> (Value, Value) {
    let own = kind.schema();
    let mut system = schema.pointer("/$defs/System").cloned().unwrap_or_default();
    let mut keys = own.system.clone();
    if let (Some(all), Some(more)) = (
        system
            .pointer_mut("/properties")
            .and_then(Value::as_object_mut),
        keys.get_mut("properties").and_then(Value::as_object_mut),
    ) {
        all.append(more);
    }
    if let (Some(all), Some(Value::Array(more))) = (
        system
            .pointer_mut("/required")
            .and_then(Value::as_array_mut),
        own.system.get("required").cloned(),
    ) {
        all.extend(more);
    }
    set(&mut system, "/additionalProperties", json!(false));
    (system, own.scope)
}

fn generate<T: schemars::JsonSchema>() -> Value {
    let settings = SchemaSettings::draft2020_12().with_transform(RecursiveTransform(
        |schema: &mut schemars::Schema| {
            schema.remove("format");
        },
    ));
    settings.into_generator().into_root_schema_for::<T>().into()
}

/// Sets a value below an existing object.
fn set(schema: &mut Value, pointer: &str, value: Value) {
    let Some((parent, key)) = pointer.rsplit_once('/') else {
        return;
    };
    if let Some(Value::Object(map)) = schema.pointer_mut(parent) {
        map.insert(key.to_owned(), value);
    }
}

/// A schema, compiled once for all files of its form.
pub(super) struct Form {
    schema: Value,
    validator: Result<Validator, Fault>,
}

impl Form {
    pub(super) fn new(schema: Value) -> Self {
        let validator = jsonschema::draft202012::new(&schema).map_err(|error| {
            let rule = format!("the schema of this kind is broken: {error}");
            Fault::new("", rule, "report it as a defect of Drawbridge")
        });
        Self { schema, validator }
    }

    /// Everything the schema says is wrong with a value, all at once.
    pub(super) fn faults(&self, value: &Value) -> Vec<Fault> {
        let validator = match &self.validator {
            Ok(validator) => validator,
            // A kind with a broken schema must not let everything through.
            Err(broken) => return vec![broken.clone()],
        };
        let mut found: Vec<Fault> = validator
            .iter_errors(value)
            .flat_map(|error| fault(&self.schema, &error))
            .collect();
        // A slip in a key is one error, not a missing key and an unknown one.
        let slips: Vec<String> = found.iter().filter_map(meant_key).collect();
        let meant = |fault: &Fault| slips.contains(&fault.pointer);
        found.retain(|fault| !(fault.rule.ends_with("is missing") && meant(fault)));
        found
    }
}

/// Of an unknown key that was a slip: the place of the key that was meant.
fn meant_key(fault: &Fault) -> Option<String> {
    let (parent, _) = fault.pointer.rsplit_once('/')?;
    let meant = fault.mend.strip_prefix("did you mean `")?;
    fault
        .rule
        .ends_with("is not a known key")
        .then(|| format!("{parent}/{}", meant.trim_end_matches("`?")))
}

fn fault(schema: &Value, error: &ValidationError<'_>) -> Vec<Fault> {
    let at = error.instance_path().as_str();
    match error.kind() {
        ValidationErrorKind::AdditionalProperties { unexpected } => {
            let known = known_keys(schema, error);
            unexpected
                .iter()
                .map(|key| unknown_key(at, key, &known))
                .collect()
        }
        ValidationErrorKind::Required { property } => {
            let key = property.as_str().unwrap_or_default();
            vec![Fault::new(
                format!("{at}/{}", super::tree::step(key)),
                format!("`{key}` is missing"),
                format!("add `{key}:`{}", meaning(schema, error, key)),
            )]
        }
        ValidationErrorKind::Enum { options } => {
            let options = options.as_array().into_iter().flatten();
            vec![unknown_word(
                at,
                error,
                &options.map(plain).collect::<Vec<_>>(),
            )]
        }
        ValidationErrorKind::OneOfNotValid { .. } | ValidationErrorKind::AnyOf { .. } => {
            let node = error_schema(schema, error);
            let words = node.map(|node| words(schema, node)).unwrap_or_default();
            if words.is_empty() {
                vec![wrong_form(at, error, node)]
            } else {
                vec![unknown_word(at, error, &words)]
            }
        }
        ValidationErrorKind::Pattern { .. } => {
            let given = given(error);
            vec![Fault::new(
                at,
                format!("`{given}` has the wrong form"),
                meaning_of(error_schema(schema, error)),
            )]
        }
        ValidationErrorKind::Type { .. } => {
            vec![wrong_form(at, error, error_schema(schema, error))]
        }
        _ => vec![Fault::new(
            at,
            out_of_bounds(error),
            meaning_of(error_schema(schema, error)),
        )],
    }
}

/// A length, number or count that is outside what the schema allows.
fn out_of_bounds(error: &ValidationError<'_>) -> String {
    let given = given(error);
    match error.kind() {
        ValidationErrorKind::MinLength { limit } if *limit == 1 => "it is empty".to_owned(),
        ValidationErrorKind::MaxLength { limit } => {
            format!("it has more than {limit} characters")
        }
        ValidationErrorKind::MinItems { limit } if *limit == 1 => "the list is empty".to_owned(),
        ValidationErrorKind::Minimum { limit } => format!("`{given}` is less than {limit}"),
        ValidationErrorKind::Maximum { limit } => format!("`{given}` is more than {limit}"),
        _ => error.masked().to_string(),
    }
}

/// A value as the user wrote it, unless it may be a secret that stands where only its place belongs.
fn given(error: &ValidationError<'_>) -> String {
    let at = error.instance_path().as_str();
    if at.starts_with("/credentials") || at.starts_with("/sealing_key") {
        return "…".to_owned();
    }
    plain(error.instance())
}

fn unknown_word(at: &str, error: &ValidationError<'_>, words: &[String]) -> Fault {
    let given = given(error);
    let mend = nearest(&given, words.iter().map(String::as_str)).map_or_else(
        || format!("write one of {}", words.join(", ")),
        |near| format!("did you mean `{near}`?"),
    );
    Fault::new(at, format!("`{given}` is not known here"), mend)
}

fn wrong_form(at: &str, error: &ValidationError<'_>, node: Option<&Value>) -> Fault {
    let given = given(error);
    let rule = match (
        node.and_then(|node| node.get("type")),
        error.instance().as_ref(),
    ) {
        (_, Value::Null) => "nothing stands here".to_owned(),
        (Some(Value::String(wanted)), _) => format!("`{given}` is no {}", people_say(wanted)),
        _ => format!("`{given}` has the wrong form"),
    };
    Fault::new(at, rule, meaning_of(node))
}

/// A type of JSON Schema in the words of somebody who writes YAML.
fn people_say(kind: &str) -> &str {
    match kind {
        "string" => "text",
        "object" => "set of keys (`key: value`)",
        "array" => "list (`[a, b]`)",
        "integer" | "number" => "number",
        "boolean" => "`true` or `false`",
        other => other,
    }
}

/// The words a schema allows, where it allows nothing but words.
fn words(schema: &Value, node: &Value) -> Vec<String> {
    let mut found = Vec::new();
    if let Some(word) = node.get("const") {
        found.push(plain(word));
    }
    let list = |key: &str| {
        node.get(key)
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
    };
    found.extend(list("enum").map(plain));
    let members = list("oneOf").chain(list("anyOf"));
    found.extend(members.flat_map(|member| words(schema, member)));
    if let Some(place) = node.get("$ref").and_then(Value::as_str)
        && let Some(meant) = schema.pointer(place.trim_start_matches('#'))
    {
        found.extend(words(schema, meant));
    }
    found
}

/// A key nobody knows, with the nearest one somebody does.
pub(super) fn unknown_key(at: &str, key: &str, known: &[String]) -> Fault {
    let mend = match nearest(key, known.iter().map(String::as_str)) {
        Some(near) => format!("did you mean `{near}`?"),
        None if known.is_empty() => "remove it".to_owned(),
        None => format!("remove it; known here are {}", known.join(", ")),
    };
    Fault::new(
        format!("{at}/{}", super::tree::step(key)),
        format!("`{key}` is not a known key"),
        mend,
    )
}

/// The known word that was probably meant.
pub(super) fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known
        .map(|candidate| (strsim::damerau_levenshtein(word, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= 1 + candidate.chars().count() / 4)
        .min()
        .map(|(_, candidate)| candidate)
}

/// The schema that the failed keyword stands in.
fn error_schema<'a>(schema: &'a Value, error: &ValidationError<'_>) -> Option<&'a Value> {
    let path = error.schema_path().as_str();
    let (parent, _) = path.rsplit_once('/')?;
    schema.pointer(parent)
}

fn known_keys(schema: &Value, error: &ValidationError<'_>) -> Vec<String> {
    error_schema(schema, error)
        .and_then(|schema| schema.get("properties"))
        .and_then(Value::as_object)
        .map(|properties: &Map<String, Value>| properties.keys().cloned().collect())
        .unwrap_or_default()
}

/// What a missing key means, from its description.
fn meaning(schema: &Value, error: &ValidationError<'_>, key: &str) -> String {
    error_schema(schema, error)
        .and_then(|schema| schema.pointer(&format!("/properties/{key}/description")))
        .and_then(Value::as_str)
        .map(|text| {
            format!(
                " ({})",
                text.lines()
                    .next()
                    .unwrap_or_default()
                    .trim_end_matches('.')
            )
        })
        .unwrap_or_default()
}

/// Examples where there are some, else the description.
fn meaning_of(schema: Option<&Value>) -> String {
    let Some(schema) = schema else {
        return "see `drawbridge schema` for what may stand here".to_owned();
    };
    let members = schema.get("anyOf").and_then(Value::as_array);
    let own = std::iter::once(schema).chain(members.into_iter().flatten());
    let examples: Vec<String> = own
        .filter_map(|node| node.get("examples").and_then(Value::as_array))
        .flatten()
        .map(|example| format!("`{}`", plain(example)))
        .collect();
    if !examples.is_empty() {
        return format!("write it like {}", examples.join(", "));
    }
    match schema.get("description").and_then(Value::as_str) {
        None => "see `drawbridge schema` for what may stand here".to_owned(),
        Some(text) => {
            let text = text.replace('\n', " ");
            let text = text.trim_end_matches('.');
            if text.starts_with('`') {
                format!("write {text}")
            } else {
                format!("it means: {text}")
            }
        }
    }
}

/// A value as the user wrote it, cut to a length that fits a message, with what hides made visible.
fn plain(value: &Value) -> String {
    let text = match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let cut = text.chars().take(80);
    let hidden = |letter: char| {
        letter.is_control()
            || matches!(letter, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}')
    };
    cut.map(|letter| {
        if hidden(letter) {
            letter.escape_unicode().to_string()
        } else {
            letter.to_string()
        }
    })
    .collect()
}
