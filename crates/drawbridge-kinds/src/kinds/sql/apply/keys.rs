//! The table in the database in which effects leave their key, in the transaction that does them.
//! The account itself reads and writes it, for whomever the effect is done: nobody's role needs a
//! right on what all effects leave there.

use drawbridge_core::{
    answer::{Failure, Status},
    plan::Receipt,
};
use jiff::Timestamp;

use super::super::{
    cell::Cell,
    link::Link,
    shape::Place,
    statement::{Own, Statement},
};

/// The receipt of an effect that left its key.
pub(super) async fn find(connection: &mut dyn Link, key: &str) -> Result<Option<Receipt>, Failure> {
    connection.as_account().await?;
    let found = found(connection, key).await?;
    connection.as_person().await?;
    Ok(found)
}

/// Where keys are left. Asked before anything else is done.
pub(super) async fn place(connection: &mut dyn Link) -> Result<Place, Failure> {
    connection.as_account().await?;
    let place = connection.make_applied_table().await?;
    connection.as_person().await?;
    Ok(place)
}

async fn found(connection: &mut dyn Link, key: &str) -> Result<Option<Receipt>, Failure> {
    let Some(place) = connection.applied_table().await? else {
        return Ok(None);
    };
    let rows = Statement::new("SELECT t.receipt FROM ")
        .table(&place)
        .words(" AS t WHERE ")
        .column("key")
        .words(" = ")
        .value(&Cell::text(key))
        .rows(connection)
        .await?;
    let Some(cell) = rows.first().and_then(|row| row.first()) else {
        return Ok(None);
    };
    let receipt = match cell {
        Cell::Text(bytes) | Cell::Blob(bytes) => serde_json::from_slice(bytes).ok(),
        _ => None,
    };
    receipt.map(Some).ok_or_else(|| {
        let told = "the receipt in the database's table `drawbridge_applied` is not one";
        Failure::new(Status::Failed, told)
    })
}

/// Leaves the key of an effect.
pub(super) async fn keep(
    connection: &mut dyn Link,
    (place, key, now): (&Place, &str, Timestamp),
    receipt: &Receipt,
) -> Result<(), Failure> {
    let receipt = serde_json::to_string(receipt).map_err(|error| {
        Failure::new(Status::Failed, "the receipt cannot be written").with_source(error)
    })?;
    connection.as_account().await?;
    let done = Statement::new("")
        .own(Own::Insert)
        .table(place)
        .words(" (")
        .each(", ", ["key", "at", "receipt"], |statement, name| {
            statement.name(name)
        })
        .words(") VALUES (")
        .value(&Cell::text(key))
        .words(", ")
        .value(&Cell::text(&now.to_string()))
        .words(", ")
        .value(&Cell::text(&receipt))
        .words(")")
        .run(connection)
        .await?;
    // What waits for the commit, such as a trigger, runs for the person.
    connection.as_person().await?;
    if done.rows == 1 {
        Ok(())
    } else {
        let told =
            "the key of the effect could not be kept in the database, so nothing was changed";
        Err(Failure::new(Status::Failed, told))
    }
}
