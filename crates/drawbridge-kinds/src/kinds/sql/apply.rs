//! An effect in one transaction: every row is as planned, or nothing is changed.

use drawbridge_core::{
    answer::{Failure, Status},
    plan::{Applied, Plan, Receipt, Settled},
};
use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection, Row, SqliteConnection};

use super::{
    Seen, Tables,
    change::{RowChange, named},
    conflict,
    database::{Cells, down, quoted, row},
};

/// Where it is kept what was applied, if the owner allows it: together with the effect, or not at all.
const APPLIED: &str = "drawbridge_applied";

/// Does a plan, once.
pub(super) async fn apply(
    tables: &Tables,
    connection: &mut SqliteConnection,
    (plan, key): (&Plan, &str),
) -> Result<Receipt, Failure> {
    let changes = RowChange::all(plan)?;
    let mut transaction = connection
        .begin_with("BEGIN IMMEDIATE")
        .await
        .map_err(down)?;
    let done = async {
        if tables.applied_table
            && let Some(receipt) = applied(&mut transaction, key).await?
        {
            return Ok((receipt, false));
        }
        let mut receipt = Receipt {
            sentence: plan.sentence.clone(),
            applied: Vec::new(),
            work: Value::Null,
        };
        let mut left: Vec<Option<Cells>> = Vec::new();
        for (index, change) in changes.iter().enumerate() {
            let seen = tables.known(&change.table)?;
            let cells = one(&mut transaction, &seen, change).await?;
            receipt
                .applied
                .push(told(&seen, (index, change), cells.as_ref(), plan)?);
            left.push(cells);
        }
        receipt.work = serde_json::to_value(left).unwrap_or_default();
        if tables.applied_table {
            keep(&mut transaction, (key, &receipt)).await?;
        }
        Ok((receipt, true))
    };
    match done.await {
        Ok((receipt, false)) => {
            transaction.rollback().await.map_err(down)?;
            Ok(receipt)
        }
        Ok((receipt, true)) => match transaction.commit().await {
            Ok(()) => Ok(receipt),
            // Whether a commit that failed is there is found out by looking.
            Err(error) => {
                let told = "the database did not say whether it kept the change";
                Err(Failure::new(Status::Unknown, told).with_source(error))
            }
        },
        Err(failure) => {
            transaction.rollback().await.map_err(down)?;
            Err(failure)
        }
    }
}

/// Changes one row; what is left of it.
async fn one(
    connection: &mut SqliteConnection,
    seen: &Seen<'_>,
    change: &RowChange,
) -> Result<Option<Cells>, Failure> {
    let place = (seen.name, seen.table, seen.facts);
    if let Some(key) = &change.key
        && row(connection, place, key).await? != change.before
    {
        let name = named(seen.name, key);
        return Err(conflict(&format!("{name} is no longer as the plan says")));
    }
    let before = total_changes(connection).await?;
    let made = statement(connection, seen, change).await?;
    if total_changes(connection).await? - before != 1 {
        let told = "a trigger or a foreign key of the table changes more than this row; the owner of the database takes it out, or the table out of `scope`";
        return Err(Failure::new(Status::Failed, told));
    }
    let key = match (&change.key, &change.set) {
        (Some(key), _) => key.clone(),
        (None, _) => seen.key_of_new(connection, made).await?,
    };
    let left = row(connection, place, &key).await?;
    let as_planned = match (&change.before, &change.set, &left) {
        (_, None, left) => left.is_none(),
        (Some(_), Some(_), left) => *left == change.after(seen.facts),
        (None, Some(set), Some(cells)) => set.iter().all(|(column, cell)| {
            let place = seen.facts.place(column);
            place.and_then(|place| cells.get(place)) == Some(cell)
        }),
        (None, Some(_), None) => false,
    };
    if !as_planned {
        let told = "the database makes something else of it than the plan says: a trigger, or the type of a column";
        return Err(Failure::new(Status::Failed, told));
    }
    Ok(left)
}

/// Runs the statement of a change; the rowid that it made.
async fn statement(
    connection: &mut SqliteConnection,
    seen: &Seen<'_>,
    change: &RowChange,
) -> Result<i64, Failure> {
    let (table, key) = (quoted(seen.name), quoted(&seen.table.key));
    let set = change.set.iter().flatten();
    let columns: Vec<String> = set.clone().map(|(column, _)| quoted(column)).collect();
    let text = match (&change.before, &change.set) {
        (None, Some(_)) => {
            let marks = vec!["?"; columns.len()].join(", ");
            format!(
                "INSERT INTO {table} ({}) VALUES ({marks})",
                columns.join(", ")
            )
        }
        (_, Some(_)) => {
            let pairs: Vec<String> = columns
                .iter()
                .map(|column| format!("{column} = ?"))
                .collect();
            format!("UPDATE {table} SET {} WHERE {key} = ?", pairs.join(", "))
        }
        (_, None) => format!("DELETE FROM {table} WHERE {key} = ?"),
    };
    let mut query = sqlx::query(AssertSqlSafe(text));
    for (_, cell) in set {
        query = cell.bind(query);
    }
    if let (Some(_), Some(key)) = (&change.before, &change.key) {
        query = key.bind(query);
    }
    let done = query.execute(connection).await.map_err(down)?;
    if done.rows_affected() != 1 {
        let told = format!(
            "it would change {} rows, and the plan names one",
            done.rows_affected()
        );
        return Err(Failure::new(Status::Failed, told));
    }
    Ok(done.last_insert_rowid())
}

/// Every change of this connection so far, also those of triggers and foreign keys.
async fn total_changes(connection: &mut SqliteConnection) -> Result<i64, Failure> {
    let row = sqlx::query("SELECT total_changes() AS changes")
        .fetch_one(connection)
        .await
        .map_err(down)?;
    row.try_get("changes").map_err(down)
}

fn told(
    seen: &Seen<'_>,
    (index, change): (usize, &RowChange),
    left: Option<&Cells>,
    plan: &Plan,
) -> Result<Applied, Failure> {
    let made = match (&change.key, left) {
        (None, Some(cells)) => Some(seen.key_of(cells)?),
        _ => None,
    };
    let target = plan.targets.get(index);
    let target = target.ok_or_else(|| conflict("the plan is not whole"))?;
    Ok(Applied {
        resource: made
            .as_ref()
            .map_or_else(|| change.resource(index), |key| named(seen.name, key)),
        change: target.change(),
        id: made.map(|key| key.shown().to_string()),
        version: left.map(|cells| seen.version(cells)),
    })
}

async fn keep(
    connection: &mut SqliteConnection,
    (key, receipt): (&str, &Receipt),
) -> Result<(), Failure> {
    let make = format!(
        "CREATE TABLE IF NOT EXISTS {APPLIED} (key TEXT PRIMARY KEY, at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP, receipt TEXT NOT NULL)"
    );
    sqlx::query(AssertSqlSafe(make))
        .execute(&mut *connection)
        .await
        .map_err(down)?;
    sqlx::query(AssertSqlSafe(format!(
        "INSERT INTO {APPLIED} (key, receipt) VALUES (?, ?)"
    )))
    .bind(key)
    .bind(serde_json::to_string(receipt).unwrap_or_default())
    .execute(connection)
    .await
    .map_err(down)?;
    Ok(())
}

async fn applied(connection: &mut SqliteConnection, key: &str) -> Result<Option<Receipt>, Failure> {
    let there = sqlx::query("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?")
        .bind(APPLIED)
        .fetch_optional(&mut *connection)
        .await
        .map_err(down)?;
    if there.is_none() {
        return Ok(None);
    }
    let row = sqlx::query(AssertSqlSafe(format!(
        "SELECT receipt FROM {APPLIED} WHERE key = ?"
    )))
    .bind(key)
    .fetch_optional(connection)
    .await
    .map_err(down)?;
    let receipt = row
        .map(|row| row.try_get::<String, _>("receipt"))
        .transpose()
        .map_err(down)?;
    Ok(receipt.and_then(|receipt| serde_json::from_str(&receipt).ok()))
}

/// Looks whether a plan was done. The lock is taken for it, so that a commit that somebody is still
/// making is waited for.
pub(super) async fn settle(
    tables: &Tables,
    connection: &mut SqliteConnection,
    (plan, key): (&Plan, &str),
) -> Result<Settled, Failure> {
    let changes = RowChange::all(plan)?;
    let mut transaction = connection
        .begin_with("BEGIN IMMEDIATE")
        .await
        .map_err(down)?;
    let found = if tables.applied_table {
        let receipt = applied(&mut transaction, key).await?;
        receipt.map_or(Settled::NotApplied, Settled::Applied)
    } else {
        compared(tables, &mut transaction, (&changes, plan)).await?
    };
    transaction.rollback().await.map_err(down)?;
    Ok(found)
}

/// By what is in the database alone.
async fn compared(
    tables: &Tables,
    connection: &mut SqliteConnection,
    (changes, plan): (&[RowChange], &Plan),
) -> Result<Settled, Failure> {
    let (mut applied, mut left) = (Vec::new(), Vec::new());
    let (mut done, mut not) = (true, true);
    for (index, change) in changes.iter().enumerate() {
        let seen = tables.known(&change.table)?;
        let Some(key) = &change.key else {
            let told = "the database makes the key of a new row, so that nobody can tell whether it is there; look for it in the table";
            return Ok(Settled::Unknown(told.to_owned()));
        };
        let is = row(connection, (seen.name, seen.table, seen.facts), key).await?;
        let as_planned = match (&change.before, &change.set, &is) {
            (_, None, is) => is.is_none(),
            (Some(_), Some(_), is) => *is == change.after(seen.facts),
            (None, Some(set), Some(cells)) => set.iter().all(|(column, cell)| {
                let place = seen.facts.place(column);
                place.and_then(|place| cells.get(place)) == Some(cell)
            }),
            (None, Some(_), None) => false,
        };
        done &= as_planned;
        not &= is == change.before;
        applied.push(told(&seen, (index, change), is.as_ref(), plan)?);
        left.push(is);
    }
    Ok(match (done, not) {
        (true, _) => Settled::Applied(Receipt {
            sentence: plan.sentence.clone(),
            applied,
            work: serde_json::to_value(left).unwrap_or_default(),
        }),
        (false, true) => Settled::NotApplied,
        (false, false) => Settled::Unknown(
            "the rows are neither as they were nor as they should be: somebody else changed them, before or after"
                .to_owned(),
        ),
    })
}

impl Seen<'_> {
    /// The key of a row that was just made.
    async fn key_of_new(
        &self,
        connection: &mut SqliteConnection,
        rowid: i64,
    ) -> Result<super::cell::Cell, Failure> {
        let statement = format!(
            "SELECT {} FROM {} WHERE rowid = ?",
            quoted(&self.table.key),
            quoted(self.name)
        );
        let row = sqlx::query(AssertSqlSafe(statement))
            .bind(rowid)
            .fetch_one(connection)
            .await
            .map_err(down)?;
        super::cell::Cell::of(&row, 0).map_err(down)
    }
}
