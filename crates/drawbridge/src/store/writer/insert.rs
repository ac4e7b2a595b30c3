//! The rows of one batch: its records, their checkpoint, and the log's new head; on SQLite, also its end.
//!
//! SQLite's driver hands each statement to a thread of its own and waits for it, which costs more
//! than the statement does. So what belongs together is one text of several statements there, which
//! run one after the other and end with the first that fails. PostgreSQL takes one statement at a
//! time; there the checkpoint and the head go with the last records.

use std::fmt::Write as _;

use drawbridge_core::log::{
    Entry, Row, TEXTS,
    merkle::{Frontier, Hash},
};
use futures_util::TryStreamExt;
use sqlx::{
    Any, AnyConnection, Executor,
    any::{AnyArguments, AnyQueryResult},
    query::Query,
};

use super::is_postgres;
use crate::store::{StoreError, number};

/// The most rows of one text for SQLite. Each number of rows is a text that it prepares once: more
/// of them than its driver remembers (100) would be prepared again and again.
const MOST: usize = 32;
/// Rows of one INSERT for PostgreSQL, the largest first: each is prepared, and kept by the server,
/// for each of its connections.
const ROWS: [usize; 4] = [64, 16, 4, 1];
/// Columns of a record: place, time, the texts, body and leaf.
const COLUMNS: usize = TEXTS.len() + 4;

/// A record's row.
pub(super) type Placed<'a> = (u64, Hash, &'a Entry);

/// Inserts records at their places with their checkpoint, and moves the head behind them. On SQLite
/// that ends the transaction, once all of it is done.
pub(super) async fn insert(
    transaction: &mut AnyConnection,
    rows: &[Placed<'_>],
    (head, note): (&Frontier, &str),
) -> Result<(), StoreError> {
    let postgres = is_postgres(transaction);
    let (size, frontier) = (number(head.size())?, head.to_bytes());
    let mut rest = rows;
    while let Some((chunk, after)) = rest.split_at_checked(together(postgres, rest.len())) {
        if after.is_empty() {
            let statement = sqlx::AssertSqlSafe(last(postgres, chunk.len()));
            let query = bind(sqlx::query(statement), chunk)?.bind(size).bind(note);
            let query = query.bind(size).bind(frontier);
            let ran = transaction.execute_many(query);
            let ran: Vec<AnyQueryResult> = ran.try_collect().await?;
            // Were the driver's thread to break between two of them, the text would seem to end there.
            return if ran.len() == statements(postgres) {
                Ok(())
            } else {
                Err(sqlx::Error::WorkerCrashed.into())
            };
        }
        let statement = sqlx::AssertSqlSafe(records(postgres, chunk.len()));
        let query = bind(sqlx::query(statement), chunk)?;
        query.execute(&mut *transaction).await?;
        rest = after;
    }
    Ok(())
}

/// How many of the rows that are left one statement takes.
fn together(postgres: bool, left: usize) -> usize {
    if postgres {
        ROWS.into_iter().find(|rows| *rows <= left).unwrap_or(left)
    } else {
        left.min(MOST)
    }
}

/// How many statements [`last`] has.
fn statements(postgres: bool) -> usize {
    if postgres { 1 } else { 4 }
}

/// The last records of a batch with what is written beside them.
fn last(postgres: bool, rows: usize) -> String {
    let records = records(postgres, rows);
    let next = rows * COLUMNS + 1;
    if postgres {
        let (size, note, head, frontier) = (next, next + 1, next + 2, next + 3);
        format!(
            "WITH appended AS ({records}), \
             signed AS (INSERT INTO checkpoints (size, note) VALUES (${size}, ${note})) \
             UPDATE log_head SET size = ${head}, frontier = ${frontier} WHERE id = 1"
        )
    } else {
        format!(
            "{records}; INSERT INTO checkpoints (size, note) VALUES (?, ?); \
             UPDATE log_head SET size = ?, frontier = ? WHERE id = 1; COMMIT"
        )
    }
}

/// An INSERT of so many records.
fn records(postgres: bool, rows: usize) -> String {
    let texts = TEXTS.join(", ");
    let mut statement = format!("INSERT INTO records (place, time, {texts}, body, leaf) VALUES ");
    for value in 0..rows * COLUMNS {
        statement.push_str(match (value, value % COLUMNS) {
            (0, _) => "(",
            (_, 0) => "), (",
            _ => ", ",
        });
        if postgres {
            // Writing into a string does not fail.
            let _ = write!(statement, "${}", value + 1);
        } else {
            // Nameless: SQLite looks names up one by one, for each value, among those of all rows.
            statement.push('?');
        }
    }
    statement.push(')');
    statement
}

type Bound<'a> = Query<'a, Any, AnyArguments>;

fn bind<'a>(mut query: Bound<'a>, rows: &[Placed<'_>]) -> Result<Bound<'a>, StoreError> {
    for (place, leaf, entry) in rows {
        query = query
            .bind(number(*place)?)
            .bind(entry.record.time.as_microsecond());
        for text in Row::texts(&entry.record) {
            query = query.bind(text);
        }
        query = query.bind(entry.body.as_slice()).bind(leaf.as_slice());
    }
    Ok(query)
}

#[cfg(test)]
mod tests;
