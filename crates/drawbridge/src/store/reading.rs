//! One consistent look at the whole log, while others go on writing it.

use std::ops::Range;

use drawbridge_core::log::{
    Head, Row as LogRow, TEXTS,
    merkle::{Frontier, Hash},
};
use sqlx::{Any, AnyConnection, Row, Transaction, any::AnyRow};

use super::{Store, StoreError, count, number, tiles::subtree};

/// Leaves that are read at once.
const LEAVES: u32 = 10_000;

/// One consistent look at the log: what is appended meanwhile is not seen.
pub struct Reading {
    transaction: Transaction<'static, Any>,
}

/// How many rows the log's tables have, whatever is in them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Rows of records.
    pub records: i64,
    /// Rows of checkpoints.
    pub checkpoints: i64,
}

impl Store {
    /// Begins a look at the log as it is at this moment.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn reading(&self) -> Result<Reading, StoreError> {
        let begin = if self.inner.postgres {
            "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
        } else {
            "BEGIN"
        };
        let transaction = self.inner.pool.begin_with(begin).await?;
        Ok(Reading { transaction })
    }
}

impl Reading {
    /// How many rows there are: a row that no walk along the places meets is counted all the same.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn counts(&mut self) -> Result<Counts, StoreError> {
        let row = sqlx::query(
            "SELECT (SELECT COUNT(*) FROM records) AS records, \
             (SELECT COUNT(*) FROM checkpoints) AS checkpoints",
        )
        .fetch_one(&mut *self.transaction)
        .await?;
        Ok(Counts {
            records: row.try_get("records")?,
            checkpoints: row.try_get("checkpoints")?,
        })
    }

    /// Records as they are stored, after a place, wherever somebody put them.
    ///
    /// # Errors
    /// When the store fails or a column has the wrong type.
    pub async fn rows(&mut self, after: i64, limit: u32) -> Result<Vec<LogRow>, StoreError> {
        let statement = format!(
            "SELECT place, time, {}, body, leaf FROM records WHERE place > $1 \
             ORDER BY place LIMIT {limit}",
            TEXTS.join(", ")
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(statement))
            .bind(after)
            .fetch_all(&mut *self.transaction)
            .await?;
        rows.iter().map(log_row).collect()
    }

    /// Checkpoints after a size, with the size they are stored under.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn checkpoints(
        &mut self,
        after: i64,
        limit: u32,
    ) -> Result<Vec<(i64, String)>, StoreError> {
        let statement = format!(
            "SELECT size, note FROM checkpoints WHERE size > $1 ORDER BY size LIMIT {limit}"
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(statement))
            .bind(after)
            .fetch_all(&mut *self.transaction)
            .await?;
        rows.iter()
            .map(|row| Ok((row.try_get("size")?, row.try_get("note")?)))
            .collect()
    }

    /// Every row of the log's head: one, once there are records.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn heads(&mut self) -> Result<Vec<Head>, StoreError> {
        let rows = sqlx::query("SELECT id, size, frontier FROM log_head ORDER BY id LIMIT 3")
            .fetch_all(&mut *self.transaction)
            .await?;
        rows.iter()
            .map(|row| {
                Ok(Head {
                    id: row.try_get("id")?,
                    size: row.try_get("size")?,
                    frontier: row.try_get("frontier")?,
                })
            })
            .collect()
    }

    /// The newest checkpoint.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn newest_checkpoint(&mut self) -> Result<Option<(u64, String)>, StoreError> {
        newest_checkpoint(&mut self.transaction).await
    }

    /// The root of the subtree over these records: with the help of what is kept of complete parts,
    /// or from the records alone.
    ///
    /// # Errors
    /// When the store fails, or does not hold them all.
    pub async fn subtree(&mut self, part: Range<u64>, by_tiles: bool) -> Result<Hash, StoreError> {
        subtree(&mut self.transaction, part, by_tiles).await
    }

    pub(super) fn connection(&mut self) -> &mut AnyConnection {
        &mut self.transaction
    }
}

/// The newest checkpoint with its size.
pub(super) async fn newest_checkpoint(
    connection: &mut AnyConnection,
) -> Result<Option<(u64, String)>, StoreError> {
    let row = sqlx::query("SELECT size, note FROM checkpoints ORDER BY size DESC LIMIT 1")
        .fetch_optional(connection)
        .await?;
    row.map(|row| Ok((count(&row, "size")?, row.try_get("note")?)))
        .transpose()
}

/// Pushes the hashes of these records onto a frontier.
pub(super) async fn extend(
    connection: &mut AnyConnection,
    frontier: &mut Frontier,
    part: Range<u64>,
) -> Result<(), StoreError> {
    let statement = format!(
        "SELECT place, leaf FROM records WHERE place >= $1 AND place < $2 ORDER BY place LIMIT {LEAVES}"
    );
    let mut next = part.start;
    while next < part.end {
        let rows = sqlx::query(sqlx::AssertSqlSafe(statement.clone()))
            .bind(number(next)?)
            .bind(number(part.end)?)
            .fetch_all(&mut *connection)
            .await?;
        if rows.is_empty() {
            return Err(StoreError::Corrupt(format!("record {next} is missing")));
        }
        for row in &rows {
            let leaf: Vec<u8> = row.try_get("leaf")?;
            let leaf = Hash::try_from(leaf)
                .map_err(|_| StoreError::Corrupt(format!("the hash of record {next}")))?;
            if count(row, "place")? != next {
                return Err(StoreError::Corrupt(format!("record {next} is missing")));
            }
            frontier.push(leaf);
            next += 1;
        }
    }
    Ok(())
}

fn log_row(row: &AnyRow) -> Result<LogRow, StoreError> {
    let texts: Result<Vec<String>, sqlx::Error> =
        TEXTS.iter().map(|name| row.try_get(*name)).collect();
    Ok(LogRow {
        place: row.try_get("place")?,
        time: row.try_get("time")?,
        texts: texts?,
        body: row.try_get("body")?,
        leaf: row.try_get("leaf")?,
    })
}
