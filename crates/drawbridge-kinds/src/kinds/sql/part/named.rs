//! Actions of the file's own: a statement with parameters, each typed and bounded.

mod faults;

use std::collections::BTreeMap;

use drawbridge_core::call::{Power, canonical};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    super::query::MOST_ANSWERED,
    Rule,
    rule::{Bounds, RuleText, Scalar},
};
pub(super) use faults::faults;

/// An action of the file's own.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct NamedText {
    /// What it does and when to use it, for the AI that reads it.
    #[schemars(length(min = 1, max = 2000))]
    pub(in super::super) description: String,
    /// A short title for people. Default: its name.
    #[serde(default)]
    #[schemars(length(min = 1, max = 80))]
    pub(in super::super) title: Option<String>,
    /// What it can do: `read` or `search` for a `SELECT`, `write` for an `INSERT`, `update`, `delete`.
    pub(in super::super) power: Power,
    /// One statement in the database's own SQL, over the tables and fields of the scope, with
    /// parameters like `:id`. A `SELECT` is answered like a free question; what an `INSERT`, an
    /// `UPDATE` or a `DELETE` would change is planned row by row, within `writable`. What is changed
    /// cannot go by masked fields, by the time, or by rows that not everybody sees, but for the
    /// rows of the table itself.
    #[schemars(
        length(min = 1, max = 20000),
        extend("examples" = ["UPDATE tickets SET status = 'closed' WHERE id = :id AND status = 'waiting'"])
    )]
    pub(in super::super) statement: String,
    /// Its parameters, by their names in the statement.
    #[serde(default)]
    pub(in super::super) parameters: BTreeMap<String, ParameterText>,
    /// The most rows that it answers with, 1000 if left out; or that it changes: one if left out,
    /// 100 at most. What would change more is refused.
    #[serde(default)]
    #[schemars(range(min = 1, max = MOST_ANSWERED))]
    pub(in super::super) most: Option<usize>,
}

/// A parameter of a statement.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct ParameterText {
    /// What its values are.
    #[serde(rename = "type")]
    pub(in super::super) of: ParameterType,
    /// What it means, for the AI that gives it.
    #[serde(default)]
    #[schemars(length(min = 1, max = 500))]
    pub(in super::super) description: Option<String>,
    /// What of the caller it is: `person.id`, `person.` with an attribute, or `client`. Then no
    /// caller can give it.
    #[serde(default)]
    #[schemars(extend("examples" = ["person.region"]))]
    pub(in super::super) from: Option<String>,
    /// Whether it may be left out, and is null then. Default `false`.
    #[serde(default)]
    pub(in super::super) optional: bool,
    /// One of these values.
    #[serde(default)]
    #[schemars(length(min = 1, max = 1000))]
    pub(in super::super) values: Option<Vec<Scalar>>,
    /// The least number.
    #[serde(default)]
    pub(in super::super) min: Option<f64>,
    /// The greatest number.
    #[serde(default)]
    pub(in super::super) max: Option<f64>,
    /// The most characters of a text. Default 1000.
    #[serde(default)]
    #[schemars(range(min = 1, max = 100_000))]
    pub(in super::super) max_length: Option<usize>,
    /// A regular expression that the whole value matches.
    #[serde(default)]
    pub(in super::super) pattern: Option<String>,
}

/// What the values of a parameter are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(in super::super) enum ParameterType {
    /// Text.
    Text,
    /// A whole number.
    Integer,
    /// A number.
    Number,
    /// `true` or `false`.
    Boolean,
    /// A day, like `2026-03-31`.
    Date,
    /// A UUID, like `0198a8e7-2f6b-7c31-9d5e-0b1c2d3e4f50`.
    Uuid,
}

/// The most characters of a text, where the file says nothing.
const USUAL_LENGTH: usize = 1_000;

/// An action of the file's own, understood.
#[derive(Debug)]
pub(in super::super) struct Named {
    pub(in super::super) statement: String,
    pub(in super::super) parameters: BTreeMap<String, Parameter>,
    pub(in super::super) most: usize,
}

/// A parameter, understood.
#[derive(Debug)]
pub(in super::super) struct Parameter {
    pub(in super::super) of: ParameterType,
    pub(in super::super) from: Option<String>,
    pub(in super::super) optional: bool,
    pub(in super::super) rule: Rule,
}

impl NamedText {
    pub(in super::super) fn most(&self) -> usize {
        let usual = if self.power.is_effect() {
            1
        } else {
            MOST_ANSWERED
        };
        self.most.unwrap_or(usual)
    }

    pub(super) fn understood(&self) -> Result<Named, regex::Error> {
        let mut parameters = BTreeMap::new();
        for (name, parameter) in &self.parameters {
            parameters.insert(name.clone(), parameter.understood()?);
        }
        Ok(Named {
            statement: self.statement.clone(),
            parameters,
            most: self.most(),
        })
    }
}

impl ParameterText {
    /// The most characters of its texts.
    pub(in super::super) fn length(&self) -> usize {
        self.max_length.unwrap_or(USUAL_LENGTH)
    }

    /// Its JSON Schema.
    pub(in super::super) fn schema(&self) -> Value {
        let (word, format) = match self.of {
            ParameterType::Text => ("string", None),
            ParameterType::Integer => ("integer", None),
            ParameterType::Number => ("number", None),
            ParameterType::Boolean => ("boolean", None),
            ParameterType::Date => ("string", Some("date")),
            ParameterType::Uuid => ("string", Some("uuid")),
        };
        let text = self.of == ParameterType::Text;
        let null = self.optional.then_some(Value::Null);
        let values = self.values.as_ref();
        let values = values.map(|values| values.iter().map(Scalar::value).chain(null));
        // Regular expressions are not the same everywhere: clients get it in words.
        let pattern = self.pattern.as_ref();
        let pattern = pattern.map(|pattern| format!("It must match `{pattern}`."));
        let words: Vec<String> = self.description.iter().cloned().chain(pattern).collect();
        let all = json!({
            "type": match self.optional {
                true => json!([word, "null"]),
                false => json!(word),
            },
            "format": format,
            "description": (!words.is_empty()).then(|| words.join(" ")),
            "enum": values.map(Iterator::collect::<Vec<Value>>),
            "minimum": self.min.map(|least| canonical(json!(least))),
            "maximum": self.max.map(|most| canonical(json!(most))),
            "maxLength": text.then(|| self.length()),
        });
        match all {
            Value::Object(all) => all
                .into_iter()
                .filter(|(_, value)| !value.is_null())
                .collect(),
            other => other,
        }
    }

    pub(super) fn understood(&self) -> Result<Parameter, regex::Error> {
        Ok(Parameter {
            of: self.of,
            from: self.from.clone(),
            optional: self.optional,
            rule: self.rule().understood()?,
        })
    }

    pub(super) fn rule(&self) -> RuleText {
        let text = matches!(self.of, ParameterType::Text);
        RuleText::Bounds(Bounds {
            values: self.values.clone(),
            min: self.min,
            max: self.max,
            max_length: text.then(|| self.length()),
            pattern: self.pattern.clone(),
            ..Bounds::default()
        })
    }
}

/// The actions that every connector has, as far as its scope lets it.
pub(in super::super) const STANDARD: [&str; 8] = [
    "describe", "read", "list", "search", "insert", "update", "upsert", "delete",
];

/// Whether an action does nothing that it did not do before, as far as one can tell.
pub(super) fn is_narrower(new: &NamedText, old: &NamedText) -> bool {
    let same = NamedText {
        parameters: new.parameters.clone(),
        most: new.most,
        ..old.clone()
    } == *new;
    let mut known = new.parameters.iter().map(|(name, parameter)| {
        let before = old.parameters.get(name);
        before.is_some_and(|before| is_within(parameter, before))
    });
    same && new.most() <= old.most()
        && new.parameters.len() == old.parameters.len()
        && known.all(|within| within)
}

/// Whether every value that a parameter takes was taken before, and it means the same.
fn is_within(new: &ParameterText, old: &ParameterText) -> bool {
    let means = (new.of, &new.from, &new.description) == (old.of, &old.from, &old.description);
    let rule = |parameter: &ParameterText| parameter.rule().understood();
    let within = match (rule(new), rule(old)) {
        (Ok(new), Ok(old)) => new.is_within(&old),
        _ => false,
    };
    means && (!new.optional || old.optional) && within
}
