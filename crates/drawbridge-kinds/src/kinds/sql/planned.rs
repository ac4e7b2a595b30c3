//! What a call would change, worked out by reading only.

use std::collections::BTreeMap;

use drawbridge_core::{
    answer::Failure,
    call::{Call, Power},
    decide::View,
    plan::{Plan, Receipt, Reversal, Target},
};
use serde::Deserialize;
use serde_json::{Map, Value};
use sqlx::SqliteConnection;

use super::{
    Seen, Tables,
    cell::Cell,
    change::RowChange,
    database::{Cells, down, row},
};

/// Plans what a table that may be seen is asked for.
#[cfg(test)]
pub(super) async fn plan_of(
    seen: &Seen<'_>,
    connection: &mut SqliteConnection,
    (action, arguments): (&str, Value),
) -> Result<Plan, Failure> {
    let given =
        serde_json::from_value(arguments).map_err(|error| Failure::invalid(error.to_string()))?;
    of(seen, connection, (action, given)).await
}

/// The most rows of one call.
pub(super) const MOST_ROWS: usize = 100;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Given {
    table: String,
    #[serde(default)]
    key: Option<Value>,
    #[serde(default)]
    keys: Vec<Value>,
    #[serde(default)]
    values: Option<Map<String, Value>>,
    #[serde(default)]
    rows: Vec<Map<String, Value>>,
    #[serde(default)]
    set: Option<Map<String, Value>>,
}

/// Plans a call.
pub(super) async fn plan(
    tables: &Tables,
    connection: &mut SqliteConnection,
    (call, view): (&Call, &View),
) -> Result<Plan, Failure> {
    let given: Given = serde_json::from_value(call.arguments.clone())
        .map_err(|error| Failure::invalid(error.to_string()))?;
    let seen = tables.seen(&given.table, view)?;
    of(&seen, connection, (call.action.name, given)).await
}

async fn of(
    seen: &Seen<'_>,
    connection: &mut SqliteConnection,
    (action, given): (&str, Given),
) -> Result<Plan, Failure> {
    let mut keys = given.keys;
    keys.extend(given.key);
    let changes = match action {
        "insert" => {
            let rows: Vec<_> = given.values.into_iter().chain(given.rows).collect();
            inserts(seen, &rows)?
        }
        "update" => {
            let set = given
                .set
                .ok_or_else(|| Failure::invalid("`set`: it is missing"))?;
            updates(seen, connection, (&keys, &set)).await?
        }
        "delete" => deletes(seen, connection, &keys).await?,
        _ => {
            let values = given
                .values
                .ok_or_else(|| Failure::invalid("`values`: it is missing"))?;
            vec![upsert(seen, connection, (&keys, values)).await?]
        }
    };
    bounded(&changes)?;
    Ok(made(action, seen, changes))
}

fn bounded(changes: &[RowChange]) -> Result<(), Failure> {
    if changes.is_empty() {
        return Err(Failure::invalid("`key`: it is missing"));
    }
    if changes.len() > MOST_ROWS {
        return Err(Failure::invalid(format!(
            "`keys`: at most {MOST_ROWS} rows at a time"
        )));
    }
    let mut keys: Vec<String> = changes
        .iter()
        .filter_map(|change| change.key.as_ref().map(|key| key.shown().to_string()))
        .collect();
    keys.sort();
    let named = keys.len();
    keys.dedup();
    if keys.len() < named {
        return Err(Failure::invalid("`keys`: one stands there twice"));
    }
    Ok(())
}

/// A plan of some changes to one table.
fn made(action: &str, seen: &Seen<'_>, changes: Vec<RowChange>) -> Plan {
    let targets: Vec<Target> = changes
        .iter()
        .enumerate()
        .map(|(index, change)| change.target(index, (seen.table, seen.facts, seen.label)))
        .collect();
    let power = match changes.first().map(|change| (&change.before, &change.set)) {
        Some((Some(_), None)) => Power::Delete,
        Some((Some(_), Some(_))) => Power::Update,
        _ => Power::Write,
    };
    let sentence = match (changes.as_slice(), targets.as_slice()) {
        ([change], [target]) => change.sentence(target),
        _ => many(power, seen.name, &targets),
    };
    Plan {
        action: action.to_owned(),
        power,
        sentence,
        targets,
        reversal: Reversal::Reversible,
        work: serde_json::to_value(changes).unwrap_or_default(),
    }
}

fn many(power: Power, table: &str, targets: &[Target]) -> String {
    let count = targets.len();
    match power {
        Power::Write => format!("Add {count} rows to {table}"),
        Power::Delete => format!("Delete {count} rows of {table}"),
        _ => format!("Change {count} rows of {table}"),
    }
}

fn inserts(seen: &Seen<'_>, rows: &[Map<String, Value>]) -> Result<Vec<RowChange>, Failure> {
    if rows.is_empty() {
        return Err(Failure::invalid("`values`: it is missing"));
    }
    rows.iter()
        .map(|values| {
            let set = seen.given(values, "values")?;
            Ok(RowChange {
                table: seen.name.to_owned(),
                key: set.get(&seen.table.key).cloned(),
                before: None,
                set: Some(set),
            })
        })
        .collect()
}

async fn updates(
    seen: &Seen<'_>,
    connection: &mut SqliteConnection,
    (keys, set): (&[Value], &Map<String, Value>),
) -> Result<Vec<RowChange>, Failure> {
    let given = seen.given(set, "set")?;
    if given.contains_key(&seen.table.key) {
        return Err(Failure::invalid("`set`: the key of a row stays as it is"));
    }
    let mut changes = Vec::new();
    for key in keys {
        let (key, cells) = seen.existing(connection, key).await?;
        let set = seen.differing(&cells, &given);
        if set.is_empty() {
            let told = format!("`key`: {} says that already", key.shown());
            return Err(Failure::invalid(told));
        }
        changes.push(RowChange {
            table: seen.name.to_owned(),
            key: Some(key),
            before: Some(cells),
            set: Some(set),
        });
    }
    Ok(changes)
}

async fn deletes(
    seen: &Seen<'_>,
    connection: &mut SqliteConnection,
    keys: &[Value],
) -> Result<Vec<RowChange>, Failure> {
    let mut changes = Vec::new();
    for key in keys {
        let (key, cells) = seen.existing(connection, key).await?;
        changes.push(RowChange {
            table: seen.name.to_owned(),
            key: Some(key),
            before: Some(cells),
            set: None,
        });
    }
    Ok(changes)
}

async fn upsert(
    seen: &Seen<'_>,
    connection: &mut SqliteConnection,
    (keys, values): (&[Value], Map<String, Value>),
) -> Result<RowChange, Failure> {
    let [key] = keys else {
        return Err(Failure::invalid("`key`: it is missing"));
    };
    let mut set = seen.given(&values, "values")?;
    let key = seen.key(key)?;
    let place = (seen.name, seen.table, seen.facts);
    let before = row(connection, place, &key).await?;
    match &before {
        Some(cells) => set = seen.differing(cells, &set),
        None => {
            set.insert(seen.table.key.clone(), key.clone());
        }
    }
    if set.is_empty() {
        return Err(Failure::invalid("`values`: the row says that already"));
    }
    Ok(RowChange {
        table: seen.name.to_owned(),
        key: Some(key),
        before,
        set: Some(set),
    })
}

impl Seen<'_> {
    /// A key as its column takes it.
    pub(super) fn key(&self, key: &Value) -> Result<Cell, Failure> {
        let wrong = |rule: String| Failure::invalid(format!("`key`: {rule}"));
        let cell = Cell::fitting(self.affinity(&self.table.key), key).map_err(wrong)?;
        if cell == Cell::Null {
            return Err(wrong("it must not be null".to_owned()));
        }
        Ok(cell)
    }

    fn affinity(&self, column: &str) -> super::cell::Affinity {
        let place = self.facts.place(column);
        let column = place.and_then(|place| self.facts.columns.get(place));
        column.map_or(super::cell::Affinity::Blob, |(_, affinity)| *affinity)
    }

    /// Values that may be written, as their columns take them.
    fn given(
        &self,
        values: &Map<String, Value>,
        at: &str,
    ) -> Result<BTreeMap<String, Cell>, Failure> {
        let mut set = BTreeMap::new();
        for (field, value) in values {
            let wrong = |rule: &str| Failure::invalid(format!("`{at}/{field}`: {rule}"));
            let allowed = self.table.writable.get(field).ok_or_else(|| {
                let names: Vec<&str> = self.table.writable.keys().map(String::as_str).collect();
                wrong(&format!(
                    "it cannot be written; these can: {}",
                    names.join(", ")
                ))
            })?;
            if let Some(rule) = allowed.refuses(value) {
                return Err(wrong(&rule));
            }
            let cell = Cell::fitting(self.affinity(field), value).map_err(|rule| wrong(&rule))?;
            set.insert(field.clone(), cell);
        }
        if set.is_empty() {
            return Err(Failure::invalid(format!("`{at}`: it is empty")));
        }
        Ok(set)
    }

    /// What of the given values is not there already.
    fn differing(&self, cells: &Cells, given: &BTreeMap<String, Cell>) -> BTreeMap<String, Cell> {
        let differs = |(column, cell): &(&String, &Cell)| {
            let place = self.facts.place(column);
            place.and_then(|place| cells.get(place)) != Some(*cell)
        };
        let differing = given.iter().filter(differs);
        differing
            .map(|(column, cell)| (column.clone(), cell.clone()))
            .collect()
    }

    async fn existing(
        &self,
        connection: &mut SqliteConnection,
        key: &Value,
    ) -> Result<(Cell, Cells), Failure> {
        let key = self.key(key)?;
        let place = (self.name, self.table, self.facts);
        let cells = row(connection, place, &key).await?;
        let cells = cells.ok_or_else(|| self.no_row(&key))?;
        Ok((key, cells))
    }

    /// The answer for a row that is not there.
    pub(super) fn no_row(&self, key: &Cell) -> Failure {
        Failure::not_found(format!(
            "there is no row {}",
            super::change::named(self.name, key)
        ))
    }
}

/// The plan that takes an applied one back; only where every row still is as it was left.
pub(super) async fn undo(
    tables: &Tables,
    connection: &mut SqliteConnection,
    (plan, receipt): (&Plan, &Receipt),
) -> Result<Plan, Failure> {
    let changes = RowChange::all(plan)?;
    let left: Vec<Option<Cells>> = serde_json::from_value(receipt.work.clone())
        .map_err(|error| super::conflict("what it left is kept no longer").with_source(error))?;
    let mut inverse = Vec::new();
    let Some(name) = changes.first().map(|change| change.table.clone()) else {
        return Err(Failure::invalid("it changed nothing"));
    };
    let seen = tables.known(&name)?;
    for (change, left) in changes.iter().zip(&left) {
        let place = (seen.name, seen.table, seen.facts);
        let key = match (&change.key, left) {
            (Some(key), _) => key.clone(),
            (None, Some(cells)) => seen.key_of(cells)?,
            (None, None) => return Err(super::conflict("what it left is kept no longer")),
        };
        let is = row(connection, place, &key).await?;
        if is != *left {
            let name = super::change::named(seen.name, &key);
            return Err(super::conflict(&format!(
                "{name} was changed since, so it is not taken back"
            )));
        }
        let columns = seen.facts.columns.iter().map(|(name, _)| name.clone());
        let set = change.before.as_ref().map(|before| match &is {
            // Only what the effect changed is changed back.
            Some(is) => columns
                .zip(before.iter().zip(is))
                .filter(|(_, (before, is))| before != is)
                .map(|(column, (before, _))| (column, before.clone()))
                .collect(),
            None => columns.zip(before.iter().cloned()).collect(),
        });
        inverse.push(RowChange {
            table: change.table.clone(),
            key: Some(key),
            before: is,
            set,
        });
    }
    let action = match (plan.power, plan.action.as_str()) {
        (Power::Write, _) => "delete",
        (Power::Delete, _) => "insert",
        _ => "update",
    };
    let mut back = made(action, &seen, inverse);
    back.sentence = format!("Take back: {}", plan.sentence);
    Ok(back)
}

impl Seen<'_> {
    /// The key in a whole row.
    pub(super) fn key_of(&self, cells: &Cells) -> Result<Cell, Failure> {
        let place = self.facts.place(&self.table.key);
        let key = place.and_then(|place| cells.get(place)).cloned();
        key.ok_or_else(|| down(sqlx::Error::RowNotFound))
    }
}
