//! The table in the database in which effects leave their key, in the transaction that does them.

use drawbridge_core::{
    answer::{Failure, Status},
    plan::Receipt,
};
use jiff::Timestamp;
use sqlx::SqliteConnection;

use super::super::{cell::Cell, part::APPLIED_TABLE, statement::Statement};

async fn is_there(connection: &mut SqliteConnection) -> Result<bool, Failure> {
    let rows = Statement::new("SELECT 1 FROM main.sqlite_schema WHERE type = 'table' AND name = ")
        .value(&Cell::text(APPLIED_TABLE))
        .rows(connection)
        .await?;
    Ok(!rows.is_empty())
}

/// The receipt of an effect that left its key.
pub(super) async fn find(
    connection: &mut SqliteConnection,
    key: &str,
) -> Result<Option<Receipt>, Failure> {
    if !is_there(connection).await? {
        return Ok(None);
    }
    let rows = Statement::new("SELECT t.receipt FROM main.drawbridge_applied AS t WHERE t.key = ")
        .value(&Cell::text(key))
        .rows(connection)
        .await?;
    let Some(cell) = rows.first().and_then(|row| row.first()) else {
        return Ok(None);
    };
    let receipt = match cell {
        Cell::Text(bytes) => serde_json::from_slice(bytes).ok(),
        Cell::Null | Cell::Integer(_) | Cell::Real(_) | Cell::Blob(_) => None,
    };
    receipt.map(Some).ok_or_else(|| {
        let told = "the receipt in the database's table `drawbridge_applied` is not one";
        Failure::new(Status::Failed, told)
    })
}

/// Leaves the key of an effect, and makes the table for the first one.
pub(super) async fn keep(
    connection: &mut SqliteConnection,
    (key, now): (&str, Timestamp),
    receipt: &Receipt,
) -> Result<(), Failure> {
    if !is_there(connection).await? {
        Statement::new(
            "CREATE TABLE main.drawbridge_applied \
             (key TEXT PRIMARY KEY, at TEXT NOT NULL, receipt TEXT NOT NULL) WITHOUT ROWID",
        )
        .run(connection)
        .await?;
    }
    let receipt = serde_json::to_string(receipt).map_err(|error| {
        Failure::new(Status::Failed, "the receipt cannot be written").with_source(error)
    })?;
    let changed =
        Statement::new("INSERT OR ABORT INTO main.drawbridge_applied (key, at, receipt) VALUES (")
            .value(&Cell::text(key))
            .words(", ")
            .value(&Cell::text(&now.to_string()))
            .words(", ")
            .value(&Cell::text(&receipt))
            .words(")")
            .run(connection)
            .await?;
    if changed == 1 {
        Ok(())
    } else {
        let told =
            "the key of the effect could not be kept in the database, so nothing was changed";
        Err(Failure::new(Status::Failed, told))
    }
}
