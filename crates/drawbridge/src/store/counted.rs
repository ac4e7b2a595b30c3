//! Calls counted by time, from an index alone: how much a gateway is used, and how calls end.

use drawbridge_core::log::plain;
use jiff::{SignedDuration, Timestamp};
use sqlx::{Row, any::AnyRow};

use super::{Store, StoreError, count, moment};

/// The most groups of calls that are told apart: 90 days of eight powers and fourteen statuses fit.
const MOST_GROUPS: u32 = 20_000;

/// Which calls are counted.
#[derive(Debug, Clone)]
pub struct CountFilter {
    /// Not before.
    pub since: Timestamp,
    /// Before.
    pub until: Timestamp,
    /// How long a stretch is that is counted as one.
    pub stretch: SignedDuration,
    /// Of which connector.
    pub connector: Option<String>,
    /// For whom.
    pub person: Option<String>,
}

/// Calls of one stretch of time that are alike, counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CountedCalls {
    /// When the stretch begins.
    pub at: Timestamp,
    /// With which power.
    pub power: String,
    /// How they ended.
    pub status: String,
    /// How many.
    pub count: u64,
}

impl CountFilter {
    /// The statement. What is compared with nothing added is kept from SQLite's planner, which would
    /// take another index for it, and read every record.
    fn statement(&self) -> (String, Vec<String>) {
        let stretch = self.stretch.as_micros().max(1);
        let names = [("connector", &self.connector), ("person", &self.person)];
        let mut narrower = String::new();
        let mut values = Vec::new();
        for (column, value) in names {
            if let Some(value) = value {
                values.push(plain::column(value));
                narrower.push_str(&format!(" AND ({column} || '') = ${}", values.len() + 2));
            }
        }
        // An intent says `unknown` until its outcome is on the log, and is no call of its own.
        let statement = format!(
            "SELECT time / {stretch} AS stretch, power, status, COUNT(*) AS calls FROM records \
             WHERE time >= $1 AND time < $2 AND power <> '' AND status <> 'unknown'{narrower} \
             GROUP BY 1, 2, 3 ORDER BY 1, 2, 3 LIMIT {MOST_GROUPS}"
        );
        (statement, values)
    }
}

impl Store {
    /// Calls by time, power and status, the oldest first. Records of what was about to be done are
    /// left out.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn calls_by_time(
        &self,
        filter: &CountFilter,
    ) -> Result<Vec<CountedCalls>, StoreError> {
        let (statement, values) = filter.statement();
        let mut query = sqlx::query(sqlx::AssertSqlSafe(statement))
            .bind(filter.since.as_microsecond())
            .bind(filter.until.as_microsecond());
        for value in values {
            query = query.bind(value);
        }
        let stretch = i64::try_from(filter.stretch.as_micros()).unwrap_or(i64::MAX);
        let rows = query.fetch_all(&self.inner.pool).await?;
        rows.iter().map(|row| counted(row, stretch)).collect()
    }
}

fn counted(row: &AnyRow, stretch: i64) -> Result<CountedCalls, StoreError> {
    let number: i64 = row.try_get("stretch")?;
    Ok(CountedCalls {
        at: moment(number.saturating_mul(stretch))?,
        power: row.try_get("power")?,
        status: row.try_get("status")?,
        count: count(row, "calls")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Place;

    #[tokio::test]
    async fn calls_are_counted_from_the_index_alone() {
        let folder = tempfile::tempdir().unwrap();
        let place = Place::Sqlite(folder.path().join("drawbridge.db"));
        let store = Store::open(&place).await.unwrap();
        for (connector, person) in [
            (None, None),
            (Some("crm"), None),
            (None, Some("ann")),
            (Some("crm"), Some("ann")),
        ] {
            let filter = CountFilter {
                since: Timestamp::UNIX_EPOCH,
                until: Timestamp::MAX,
                stretch: SignedDuration::from_hours(24),
                connector: connector.map(str::to_owned),
                person: person.map(str::to_owned),
            };
            let (statement, values) = filter.statement();
            let explain = format!("EXPLAIN QUERY PLAN {statement}");
            let mut query = sqlx::query(sqlx::AssertSqlSafe(explain)).bind(0).bind(1);
            for value in values {
                query = query.bind(value);
            }
            let rows = query.fetch_all(&store.inner.pool).await.unwrap();
            let steps: Vec<String> = rows.iter().map(|row| row.get("detail")).collect();
            let plan = steps.join("; ");
            let covered = "COVERING INDEX records_by_time (time>? AND time<?)";
            assert!(plan.contains(covered), "{plan} for {filter:?}");
        }
        store.close().await;
    }
}
