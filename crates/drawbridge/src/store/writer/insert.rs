//! Rows of records, many to a statement.

use drawbridge_core::log::{Entry, Row, TEXTS, merkle::Hash};
use sqlx::AnyConnection;

use crate::store::{StoreError, number};

/// Rows of one INSERT, the largest first: each size is a statement the engine prepares once.
const ROWS: [usize; 4] = [64, 16, 4, 1];
/// Columns of a record: place, time, the texts, body and leaf.
const COLUMNS: usize = TEXTS.len() + 4;

/// Inserts records at their places.
pub(super) async fn insert(
    transaction: &mut AnyConnection,
    rows: &[(u64, Hash, &Entry)],
) -> Result<(), StoreError> {
    let mut rest = rows;
    for size in ROWS {
        while let Some((chunk, after)) = rest.split_at_checked(size) {
            insert_together(transaction, chunk).await?;
            rest = after;
        }
    }
    Ok(())
}

async fn insert_together(
    transaction: &mut AnyConnection,
    rows: &[(u64, Hash, &Entry)],
) -> Result<(), StoreError> {
    let values: Vec<String> = (0..rows.len())
        .map(|row| {
            let marks: Vec<String> = (1..=COLUMNS)
                .map(|column| format!("${}", row * COLUMNS + column))
                .collect();
            format!("({})", marks.join(", "))
        })
        .collect();
    let statement = format!(
        "INSERT INTO records (place, time, {}, body, leaf) VALUES {}",
        TEXTS.join(", "),
        values.join(", ")
    );
    let mut query = sqlx::query(sqlx::AssertSqlSafe(statement));
    for (place, leaf, entry) in rows {
        query = query
            .bind(number(*place)?)
            .bind(entry.record.time.as_microsecond());
        for text in Row::texts(&entry.record) {
            query = query.bind(text);
        }
        query = query.bind(entry.body.clone()).bind(leaf.to_vec());
    }
    query.execute(transaction).await?;
    Ok(())
}
