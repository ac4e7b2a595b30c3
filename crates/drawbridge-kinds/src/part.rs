//! What every kind does with its own part of a connector's file.

use std::fmt::Display;

use drawbridge_core::{
    answer::{Failure, Status},
    connector::{Part, Schema},
    file::{Change, Direction},
};
use schemars::{JsonSchema, generate::SchemaSettings};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// The schema of a part with these two.
pub(crate) fn schema<System: JsonSchema, Scope: JsonSchema>() -> Schema {
    Schema {
        system: inlined::<System>(),
        scope: inlined::<Scope>(),
    }
}

/// A schema without `$defs`, so that it can stand inside another.
fn inlined<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.inline_subschemas = true;
    });
    settings.into_generator().into_root_schema_for::<T>().into()
}

/// `system` and `scope` of a part that was checked.
pub(crate) fn read<System, Scope>(part: &Part) -> Result<(System, Scope), Failure>
where
    System: DeserializeOwned,
    Scope: DeserializeOwned,
{
    let system = serde_json::from_value(part.system.clone());
    let scope = serde_json::from_value(part.scope.clone());
    Ok((system.map_err(unusable)?, scope.map_err(unusable)?))
}

/// Why a connector cannot be opened by its file.
pub(crate) fn unusable(error: impl Display) -> Failure {
    let told = format!("its file cannot be used: {error}");
    Failure::new(Status::Unavailable, told)
}

/// How a part differs from the one before; what cannot be told widens.
pub(crate) fn compare<System, Scope>(
    (old, new): (&Part, &Part),
    system: impl FnOnce(&System, &System, &mut Vec<Change>),
    scope: impl FnOnce(&Scope, &Scope, &mut Vec<Change>),
) -> Vec<Change>
where
    System: DeserializeOwned,
    Scope: DeserializeOwned,
{
    let mut changes = Vec::new();
    let reaches = ("/system", "it reaches something else");
    half((&old.system, &new.system), reaches, system, &mut changes);
    let covers = ("/scope", "its scope changed");
    half((&old.scope, &new.scope), covers, scope, &mut changes);
    changes
}

fn half<T: DeserializeOwned>(
    (old, new): (&Value, &Value),
    (at, sentence): (&str, &str),
    differ: impl FnOnce(&T, &T, &mut Vec<Change>),
    changes: &mut Vec<Change>,
) {
    let parsed = |value: &Value| serde_json::from_value::<T>(value.clone()).ok();
    match (parsed(old), parsed(new)) {
        (Some(old), Some(new)) => differ(&old, &new, changes),
        _ if old == new => {}
        _ => changes.push(Change::new(at, Direction::Widens, sentence)),
    }
}
