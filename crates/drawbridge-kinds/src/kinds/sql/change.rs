//! What is done to one row: planned with every column of it, so that any change by others is seen
//! and everything can be put back.

use std::collections::BTreeMap;

use drawbridge_core::{
    answer::{Failure, Status},
    connector::LABEL,
    plan::{Image, Plan, Target},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    cell::Cell,
    database::{Cells, Facts},
    part::Table,
};

/// One row of a plan, as the connector keeps it for itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct RowChange {
    /// Its table.
    pub(super) table: String,
    /// Its key; none where the database makes one.
    pub(super) key: Option<Cell>,
    /// Every column as it is; none where there is no row.
    pub(super) before: Option<Cells>,
    /// The columns that are given; none where the row goes away.
    pub(super) set: Option<BTreeMap<String, Cell>>,
}

impl RowChange {
    /// The rows of a plan.
    pub(super) fn all(plan: &Plan) -> Result<Vec<Self>, Failure> {
        let rows = serde_json::from_value(plan.work.clone());
        rows.map_err(|error| {
            let told = "what the plan would change is kept no longer";
            Failure::new(Status::Conflict, told).with_source(error)
        })
    }

    /// Every column as it shall be; none where the row goes away, or where the database has a say in
    /// it.
    pub(super) fn after(&self, facts: &Facts) -> Option<Cells> {
        let (mut cells, set) = (self.before.clone()?, self.set.as_ref()?);
        for (column, cell) in set {
            *cells.get_mut(facts.place(column)?)? = cell.clone();
        }
        Some(cells)
    }

    /// The name of the row, for people.
    pub(super) fn resource(&self, index: usize) -> String {
        match &self.key {
            Some(key) => named(&self.table, key),
            None if index == 0 => format!("{}/(new)", self.table),
            None => format!("{}/(new {})", self.table, index + 1),
        }
    }

    /// The target that people see: the visible fields only.
    pub(super) fn target(
        &self,
        index: usize,
        (table, facts, label): (&Table, &Facts, &str),
    ) -> Target {
        let before = self.before.as_ref().map(|cells| shown(table, facts, cells));
        let after = self.set.as_ref().map(|set| {
            let mut fields = before.clone().unwrap_or_default();
            for field in &table.fields {
                if let Some(cell) = set.get(field) {
                    fields.insert(field.clone(), cell.shown());
                }
            }
            fields
        });
        Target {
            resource: self.resource(index),
            facets: BTreeMap::from([
                (LABEL.to_owned(), label.to_owned()),
                ("table".to_owned(), self.table.clone()),
            ]),
            before: before.map(Image::Fields),
            after: after.map(Image::Fields),
        }
    }

    /// What happens, in words.
    pub(super) fn sentence(&self, target: &Target) -> String {
        let fields = |image: &Option<Image>| match image {
            Some(Image::Fields(fields)) => fields.clone(),
            Some(Image::Text(_) | Image::Dropped) | None => Map::new(),
        };
        let (before, after) = (fields(&target.before), fields(&target.after));
        match (&self.before, &self.set) {
            (Some(_), Some(set)) => {
                let changes: Vec<String> = set
                    .keys()
                    .filter(|field| before.get(*field) != after.get(*field))
                    .map(|field| {
                        let side = |fields: &Map<String, Value>| {
                            fields.get(field).map_or_else(String::new, plain)
                        };
                        format!("{field} from {} to {}", side(&before), side(&after))
                    })
                    .collect();
                format!("Set {}: {}", target.resource, changes.join(", "))
            }
            (None, _) => {
                let given: Vec<String> = after
                    .iter()
                    .map(|(field, value)| format!("{field} {}", plain(value)))
                    .collect();
                format!("Add a row to {}: {}", self.table, given.join(", "))
            }
            (Some(_), None) => format!("Delete {}", target.resource),
        }
    }
}

/// The name of a row.
pub(super) fn named(table: &str, key: &Cell) -> String {
    format!("{table}/{}", plain(&key.shown()))
}

/// The visible fields of a row.
pub(super) fn shown(table: &Table, facts: &Facts, cells: &Cells) -> Map<String, Value> {
    let fields = table.fields.iter().filter_map(|field| {
        let cell = cells.get(facts.place(field)?)?;
        Some((field.clone(), cell.shown()))
    });
    fields.collect()
}

/// A value in a sentence: texts without quotes, cut where they are long.
fn plain(value: &Value) -> String {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Null => "nothing".to_owned(),
        other => other.to_string(),
    };
    let short: String = text.chars().take(60).collect();
    if short.len() < text.len() {
        format!("{short}…")
    } else {
        short
    }
}
