//! Where the log ends, read while nobody else writes it.

use drawbridge_core::log::merkle::Frontier;
use sqlx::{AnyConnection, Row, any::AnyRow};

use crate::store::{StoreError, count};

/// Takes the lock of the head, or makes it where there is none: an update locks the row on PostgreSQL
/// and the whole file on SQLite.
const LOCK: &str = "INSERT INTO log_head (id, size, frontier) VALUES (1, 0, $1) \
    ON CONFLICT (id) DO UPDATE SET id = log_head.id";
/// What the store says of the log, and where its records and checkpoints end.
const READ: &str = "SELECT size, frontier, (SELECT version FROM changes WHERE id = 1) AS version, \
    (SELECT MAX(place) FROM records) AS last, (SELECT MAX(size) FROM checkpoints) AS signed \
    FROM log_head WHERE id = 1";

/// What the store says of the log.
pub(super) struct Head {
    pub(super) frontier: Frontier,
    /// The version of what is in force.
    pub(super) version: u64,
    /// The place of the last record.
    pub(super) last: Option<i64>,
    /// The size of the newest checkpoint.
    pub(super) signed: Option<i64>,
}

/// Begins a transaction of SQLite and reads the head in it, in one text (see [`super::insert`]).
/// Others are kept out from its beginning to its end.
pub(super) async fn begin(connection: &mut AnyConnection) -> Result<Head, StoreError> {
    let text = format!("BEGIN IMMEDIATE; {LOCK}; {READ}");
    // All of it is run, not only until the first row.
    let began = sqlx::query(sqlx::AssertSqlSafe(text)).bind(NOTHING);
    let row = began.fetch_all(connection).await?.pop();
    head(&row.ok_or(sqlx::Error::RowNotFound)?)
}

/// Reads the head in a transaction of PostgreSQL, and keeps other writers out until it ends. What is
/// read after that is not changed by others. It is read by a statement of its own: each sees what was
/// there when it began, which for the one that locks may be before it had the lock.
pub(super) async fn lock(transaction: &mut AnyConnection) -> Result<Head, StoreError> {
    keep_others_out(transaction).await?;
    head(&sqlx::query(READ).fetch_one(transaction).await?)
}

/// Waits for other writers of the log, and keeps them out until this transaction ends.
pub(in crate::store) async fn keep_others_out(
    transaction: &mut AnyConnection,
) -> Result<(), sqlx::Error> {
    let lock = sqlx::query(LOCK).bind(NOTHING);
    lock.execute(transaction).await?;
    Ok(())
}

/// The frontier of no records.
const NOTHING: &[u8] = &[];

fn head(row: &AnyRow) -> Result<Head, StoreError> {
    let bytes: Vec<u8> = row.try_get("frontier")?;
    Ok(Head {
        frontier: Frontier::from_bytes(count(row, "size")?, &bytes)
            .ok_or_else(|| StoreError::Corrupt("the log's head".to_owned()))?,
        version: count(row, "version")?,
        last: row.try_get("last")?,
        signed: row.try_get("signed")?,
    })
}
