//! Which values a column can be given.

use drawbridge_core::{call::canonical, file::Fault};
use regex::{Regex, RegexBuilder};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

/// The most values of a list.
const MOST_VALUES: usize = 1_000;
/// The most bytes that a compiled pattern may have.
const PATTERN_SIZE: usize = 1 << 20;

/// A rule as the file has it.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(in super::super) enum RuleText {
    /// One of these values.
    OneOf(#[schemars(length(min = 1, max = MOST_VALUES))] Vec<Scalar>),
    /// Any value within these bounds; `{}` for any at all.
    Bounds(Bounds),
}

/// A text, a number, `true`, `false` or null.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(in super::super) enum Scalar {
    /// No value.
    Null(()),
    /// A yes or no.
    Bool(bool),
    /// A number.
    Number(serde_json::Number),
    /// A text.
    Text(String),
}

impl Scalar {
    pub(super) fn value(&self) -> Value {
        match self {
            Self::Null(()) => Value::Null,
            Self::Bool(yes) => Value::Bool(*yes),
            Self::Number(number) => canonical(Value::Number(number.clone())),
            Self::Text(text) => Value::String(text.clone()),
        }
    }
}

/// Bounds of a value.
#[derive(Debug, Clone, PartialEq, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct Bounds {
    /// One of these values.
    #[serde(default)]
    #[schemars(length(min = 1, max = MOST_VALUES))]
    pub(super) values: Option<Vec<Scalar>>,
    /// The least number.
    #[serde(default)]
    pub(super) min: Option<f64>,
    /// The greatest number.
    #[serde(default)]
    pub(super) max: Option<f64>,
    /// The most characters of a text.
    #[serde(default)]
    pub(super) max_length: Option<usize>,
    /// A regular expression that the whole value matches.
    #[serde(default)]
    pub(super) pattern: Option<String>,
    /// Whether it may be null. Default `false`.
    #[serde(default)]
    pub(super) null: bool,
    /// Whether it is given with a new row only, and never changed afterwards. Always so for the
    /// columns of the key. Default `false`.
    #[serde(default)]
    pub(super) once: bool,
}

/// A rule, understood.
#[derive(Debug, Clone)]
pub(in super::super) struct Rule {
    pub(in super::super) values: Option<Vec<Value>>,
    pub(in super::super) min: Option<f64>,
    pub(in super::super) max: Option<f64>,
    pub(in super::super) max_length: Option<usize>,
    pub(in super::super) pattern: Option<Regex>,
    pub(in super::super) null: bool,
    pub(in super::super) once: bool,
}

impl RuleText {
    fn bounds(&self) -> Bounds {
        match self {
            Self::Bounds(bounds) => bounds.clone(),
            Self::OneOf(values) => Bounds {
                values: Some(values.clone()),
                ..Bounds::default()
            },
        }
    }

    pub(super) fn faults(&self, at: &str) -> Vec<Fault> {
        let bounds = self.bounds();
        let mut faults = Vec::new();
        if let (Some(min), Some(max)) = (bounds.min, bounds.max)
            && min > max
        {
            let rule = format!("no value is at least {min} and at most {max}");
            faults.push(Fault::new(format!("{at}/min"), rule, "turn them round"));
        }
        if let Some(pattern) = &bounds.pattern
            && let Err(error) = compiled(pattern)
        {
            let lines: Vec<String> = error.to_string().lines().map(str::to_owned).collect();
            let why = lines.last().map_or("", |line| line.trim());
            let rule = format!("`{pattern}` is no regular expression: {why}");
            faults.push(Fault::new(
                format!("{at}/pattern"),
                rule,
                "write it like `[A-Z]{2}[0-9]+`",
            ));
        }
        faults
    }

    pub(super) fn understood(&self) -> Result<Rule, regex::Error> {
        let bounds = self.bounds();
        let values: Option<Vec<Value>> = bounds
            .values
            .as_ref()
            .map(|values| values.iter().map(Scalar::value).collect());
        let listed_null = values
            .as_ref()
            .is_some_and(|values| values.contains(&Value::Null));
        Ok(Rule {
            min: bounds.min,
            max: bounds.max,
            max_length: bounds.max_length,
            pattern: bounds.pattern.as_deref().map(compiled).transpose()?,
            null: bounds.null || listed_null,
            once: bounds.once,
            values,
        })
    }
}

fn compiled(pattern: &str) -> Result<Regex, regex::Error> {
    // By itself first: `a)|(?:b` is one only with what is put around it.
    Regex::new(pattern)?;
    RegexBuilder::new(&format!(r"\A(?:{pattern})\z"))
        .size_limit(PATTERN_SIZE)
        .build()
}

impl Rule {
    /// Whether every value it lets through is let through by the other too, as far as one can tell.
    pub(super) fn is_within(&self, other: &Self) -> bool {
        let values = match (&self.values, &other.values) {
            (_, None) => true,
            (None, Some(_)) => false,
            (Some(own), Some(others)) => own.iter().all(|value| others.contains(value)),
        };
        let pattern = match (&self.pattern, &other.pattern) {
            (_, None) => true,
            (None, Some(_)) => false,
            (Some(own), Some(others)) => own.as_str() == others.as_str(),
        };
        let least = match (self.min, other.min) {
            (_, None) => true,
            (own, Some(others)) => own.is_some_and(|own| own >= others),
        };
        let most = match (self.max, other.max) {
            (_, None) => true,
            (own, Some(others)) => own.is_some_and(|own| own <= others),
        };
        let length = match (self.max_length, other.max_length) {
            (_, None) => true,
            (own, Some(others)) => own.is_some_and(|own| own <= others),
        };
        let null = !self.null || other.null;
        let once = self.once || !other.once;
        values && pattern && least && most && length && null && once
    }
}
