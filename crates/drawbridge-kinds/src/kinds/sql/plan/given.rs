//! The values that a call gives, as the table's rules let it.

use drawbridge_core::answer::Failure;
use serde_json::{Map, Value};

use super::{
    super::{
        cell::Cell,
        link::Link,
        shape::{Column, Shape},
        values,
    },
    Draft,
};

/// Whether a row is there already when values are given to it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Moment {
    New,
    There,
}

impl Draft<'_> {
    /// The values that are given, as their columns keep them. One that may not be set and one that
    /// is not there are answered alike.
    pub(super) async fn given(
        &self,
        connection: &mut dyn Link,
        (place, values): (&str, &Map<String, Value>),
        moment: Moment,
    ) -> Result<Vec<(String, Cell)>, Failure> {
        let scope = self.table.scope;
        let mut set = Vec::new();
        for (name, value) in values {
            let at = format!("`{place}.{name}`");
            let rule = scope.writable.get(name).zip(self.table.shape.column(name));
            let (rule, column) = rule.ok_or_else(|| {
                let told =
                    format!("{at}: there is no such field that can be set; `describe` lists them");
                Failure::invalid(told)
            })?;
            if moment == Moment::There && (rule.once || scope.key.contains(name)) {
                let told = format!("{at}: it is given with a new row only");
                return Err(Failure::invalid(told));
            }
            let cell = values::checked(connection, (column, rule), value)
                .await?
                .map_err(|told| Failure::invalid(format!("{at}: {told}")))?;
            set.push((name.clone(), cell));
        }
        Ok(set)
    }
}

/// Whether a new row must be given a value for this column.
pub(super) fn needs_value(shape: &Shape, column: &Column) -> bool {
    column.not_null && !column.has_default && shape.numbered.as_ref() != Some(&column.name)
}

pub(super) fn missing(nameable: bool, name: &str) -> Failure {
    if nameable {
        return Failure::invalid(format!("`values.{name}`: it must be given"));
    }
    let told = "the table needs a value that cannot be given here, so no row can be added; tell \
                whoever keeps the connector";
    Failure::invalid(told)
}
