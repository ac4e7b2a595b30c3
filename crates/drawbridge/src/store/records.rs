//! Reading the audit log back.

use drawbridge_core::log::{Record, Row as LogRow, merkle::Hash};
use jiff::Timestamp;
use serde::Serialize;
use sqlx::{Row, any::AnyRow};

use super::{Store, StoreError, count};

/// Which records; what is not said does not matter.
#[derive(Debug, Clone, Default)]
pub struct RecordFilter {
    /// For whom.
    pub person: Option<String>,
    /// Through which client.
    pub client: Option<String>,
    /// Of which connector.
    pub connector: Option<String>,
    /// Which action.
    pub action: Option<String>,
    /// With which power.
    pub power: Option<String>,
    /// How it ended.
    pub status: Option<String>,
    /// Not before.
    pub since: Option<Timestamp>,
    /// Not after.
    pub until: Option<Timestamp>,
    /// Only after this place, the oldest first.
    pub after: Option<u64>,
    /// Only before this place, the newest first.
    pub before: Option<u64>,
    /// At most so many.
    pub limit: u32,
}

/// A record and its place in the log.
#[derive(Debug, Clone, Serialize)]
pub struct StoredRecord {
    /// Its place, from 0.
    pub place: u64,
    /// The record.
    #[serde(flatten)]
    pub record: Record,
    /// The bytes that were hashed.
    #[serde(skip)]
    pub body: Vec<u8>,
}

impl StoredRecord {
    fn read(row: &AnyRow) -> Result<Self, StoreError> {
        let body: Vec<u8> = row.try_get("body")?;
        Ok(Self {
            place: count(row, "place")?,
            record: serde_json::from_slice(&body)
                .map_err(|error| StoreError::Corrupt(format!("a record: {error}")))?,
            body,
        })
    }
}

impl Store {
    /// Records that the filter lets through.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn records(&self, filter: &RecordFilter) -> Result<Vec<StoredRecord>, StoreError> {
        let order = if filter.after.is_some() {
            "ASC"
        } else {
            "DESC"
        };
        let statement = format!(
            "SELECT place, body FROM records WHERE \
             ($1 = '' OR person = $1) AND ($2 = '' OR client = $2) AND \
             ($3 = '' OR connector = $3) AND ($4 = '' OR action = $4) AND \
             ($5 = '' OR power = $5) AND ($6 = '' OR status = $6) AND \
             time >= $7 AND time <= $8 AND place > $9 AND place < $10 \
             ORDER BY place {order} LIMIT {}",
            filter.limit
        );
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        let place = |value: Option<u64>, none: i64| {
            value.map_or(none, |place| i64::try_from(place).unwrap_or(i64::MAX))
        };
        let rows = sqlx::query(sqlx::AssertSqlSafe(statement))
            .bind(text(&filter.person))
            .bind(text(&filter.client))
            .bind(text(&filter.connector))
            .bind(text(&filter.action))
            .bind(text(&filter.power))
            .bind(text(&filter.status))
            .bind(filter.since.map_or(i64::MIN, Timestamp::as_microsecond))
            .bind(filter.until.map_or(i64::MAX, Timestamp::as_microsecond))
            .bind(place(filter.after, -1))
            .bind(place(filter.before, i64::MAX))
            .fetch_all(&self.inner.pool)
            .await?;
        rows.iter().map(StoredRecord::read).collect()
    }

    /// One record.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn record(&self, id: &str) -> Result<Option<StoredRecord>, StoreError> {
        let row = sqlx::query("SELECT place, body FROM records WHERE id = $1")
            .bind(id)
            .fetch_optional(&self.inner.pool)
            .await?;
        row.as_ref().map(StoredRecord::read).transpose()
    }

    /// Records as they are stored, from a place on, for verifying.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn rows(&self, from: u64, limit: u32) -> Result<Vec<LogRow>, StoreError> {
        let statement = format!(
            "SELECT place, id, time, person, client, connector, action, power, status, body, leaf \
             FROM records WHERE place >= $1 ORDER BY place LIMIT {limit}"
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(statement))
            .bind(i64::try_from(from).unwrap_or(i64::MAX))
            .fetch_all(&self.inner.pool)
            .await?;
        rows.iter().map(log_row).collect()
    }

    /// The hashes of the first `size` records, in order.
    ///
    /// # Errors
    /// When the store fails, or holds fewer.
    pub async fn leaves(&self, size: u64) -> Result<Vec<Hash>, StoreError> {
        let rows = sqlx::query("SELECT leaf FROM records WHERE place < $1 ORDER BY place")
            .bind(i64::try_from(size).unwrap_or(i64::MAX))
            .fetch_all(&self.inner.pool)
            .await?;
        let leaves: Result<Vec<Hash>, StoreError> = rows
            .iter()
            .map(|row| {
                let leaf: Vec<u8> = row.try_get("leaf")?;
                Hash::try_from(leaf).map_err(|_| StoreError::Corrupt("a record's hash".to_owned()))
            })
            .collect();
        leaves.and_then(|leaves| {
            let whole = u64::try_from(leaves.len()).is_ok_and(|count| count == size);
            whole
                .then_some(leaves)
                .ok_or_else(|| StoreError::Corrupt("records are missing".to_owned()))
        })
    }

    /// Checkpoints from a size on, with the size they are stored under.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn checkpoints(
        &self,
        from: u64,
        limit: u32,
    ) -> Result<Vec<(u64, String)>, StoreError> {
        let statement = format!(
            "SELECT size, note FROM checkpoints WHERE size >= $1 ORDER BY size LIMIT {limit}"
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(statement))
            .bind(i64::try_from(from).unwrap_or(i64::MAX))
            .fetch_all(&self.inner.pool)
            .await?;
        rows.iter()
            .map(|row| Ok((count(row, "size")?, row.try_get("note")?)))
            .collect()
    }

    /// The newest checkpoint.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn newest_checkpoint(&self) -> Result<Option<(u64, String)>, StoreError> {
        let row = sqlx::query("SELECT size, note FROM checkpoints ORDER BY size DESC LIMIT 1")
            .fetch_optional(&self.inner.pool)
            .await?;
        row.map(|row| Ok((count(&row, "size")?, row.try_get("note")?)))
            .transpose()
    }

    /// The log's head: its size and the frontier's bytes.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn log_head(&self) -> Result<Option<(u64, Vec<u8>)>, StoreError> {
        let row = sqlx::query("SELECT size, frontier FROM log_head WHERE id = 1")
            .fetch_optional(&self.inner.pool)
            .await?;
        row.map(|row| Ok((count(&row, "size")?, row.try_get("frontier")?)))
            .transpose()
    }
}

fn log_row(row: &AnyRow) -> Result<LogRow, StoreError> {
    let time: i64 = row.try_get("time")?;
    let mut columns = Vec::new();
    for name in [
        "id",
        "time",
        "person",
        "client",
        "connector",
        "action",
        "power",
        "status",
    ] {
        let value = if name == "time" {
            time.to_string()
        } else {
            row.try_get(name)?
        };
        columns.push((name, value));
    }
    Ok(LogRow {
        place: count(row, "place")?,
        body: row.try_get("body")?,
        leaf: row.try_get("leaf")?,
        columns,
    })
}
