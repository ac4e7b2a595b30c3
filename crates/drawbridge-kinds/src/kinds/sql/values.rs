//! What a caller gives, as the column would keep it; or which rule it breaks.

use drawbridge_core::{answer::Failure, call::canonical};
use serde_json::Value;

use super::{cell::Cell, link::Link, part::Rule, shape::Column};

/// The most characters of a text, where the file says nothing less.
const MOST_TEXT: usize = 1 << 20;

/// The value as the column keeps it; or the rule that it breaks, in words.
///
/// # Errors
/// When the database cannot be asked.
pub(super) async fn checked(
    connection: &mut dyn Link,
    (column, rule): (&Column, &Rule),
    given: &Value,
) -> Result<Result<Cell, String>, Failure> {
    if given.is_null() {
        return Ok(match (rule.null, column.not_null) {
            (true, false) => Ok(Cell::Null),
            _ => Err("it must not be null".to_owned()),
        });
    }
    if let Err(told) = listed(rule, given) {
        return Ok(Err(told));
    }
    let cell = connection.typed(column, given).await?;
    Ok(cell.and_then(|cell| bounded(rule, given).map(|()| cell)))
}

/// Whether a rule lets a value through that is not null; or how it breaks it, in words.
pub(super) fn lets(rule: &Rule, given: &Value) -> Result<(), String> {
    listed(rule, given)?;
    bounded(rule, given)
}

fn listed(rule: &Rule, given: &Value) -> Result<(), String> {
    match &rule.values {
        Some(values) if !values.contains(&canonical(given.clone())) => {
            let listed: Vec<String> = values.iter().map(Value::to_string).collect();
            Err(format!("it must be one of {}", listed.join(", ")))
        }
        _ => Ok(()),
    }
}

/// The bounds of a number, and of the length of a text.
fn bounded(rule: &Rule, given: &Value) -> Result<(), String> {
    if rule.min.is_some() || rule.max.is_some() {
        let digits = || {
            given
                .as_str()?
                .parse::<f64>()
                .ok()
                .filter(|number| number.is_finite())
        };
        let number = given
            .as_f64()
            .or_else(digits)
            .ok_or("it must be a number")?;
        if let Some(min) = rule.min.filter(|min| number < *min) {
            return Err(format!("it must be at least {min}"));
        }
        if let Some(max) = rule.max.filter(|max| number > *max) {
            return Err(format!("it must be at most {max}"));
        }
    }
    let most = rule.max_length.unwrap_or(MOST_TEXT).min(MOST_TEXT);
    match given {
        Value::String(text) if text.chars().count() > most => {
            return Err(format!("it must have at most {most} characters"));
        }
        Value::String(_) => {}
        _ if rule.max_length.is_some() => return Err("it must be a text".to_owned()),
        _ => {}
    }
    let text = match given {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    match &rule.pattern {
        Some(pattern) if !pattern.is_match(&text) => {
            let inner = pattern.as_str();
            let inner = inner.strip_prefix(r"\A(?:").unwrap_or(inner);
            let inner = inner.strip_suffix(r")\z").unwrap_or(inner);
            Err(format!("it must match `{inner}`"))
        }
        _ => Ok(()),
    }
}
