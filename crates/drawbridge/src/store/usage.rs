//! Who used a connector lately, and who last reviewed it: facts for the checklist.

use std::collections::BTreeMap;

use drawbridge_core::log::plain;
use jiff::Timestamp;
use serde::Serialize;
use sqlx::Row;

use super::{Review, Store, StoreError, count, maybe_time, time};

/// The most groups of calls that are told apart.
const MOST_GROUPS: u32 = 10_000;
/// Connectors of one question.
const ASKED_AT_ONCE: usize = 500;

/// Calls that are alike, counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Used {
    /// For whom.
    pub person: String,
    /// Through which client.
    pub client: String,
    /// With which power.
    pub power: String,
    /// How they ended.
    pub status: String,
    /// How many.
    pub count: u64,
}

impl Store {
    /// Calls of a connector since a time, by person, client, power and status.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn used(&self, connector: &str, since: Timestamp) -> Result<Vec<Used>, StoreError> {
        let statement = format!(
            "SELECT person, client, power, status, COUNT(*) AS calls FROM records \
             WHERE connector = $1 AND time >= $2 AND power <> '' \
             GROUP BY person, client, power, status ORDER BY calls DESC LIMIT {MOST_GROUPS}"
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(statement))
            .bind(connector)
            .bind(since.as_microsecond())
            .fetch_all(&self.inner.pool)
            .await?;
        rows.iter()
            .map(|row| {
                Ok(Used {
                    person: row.try_get("person")?,
                    client: row.try_get("client")?,
                    power: row.try_get("power")?,
                    status: row.try_get("status")?,
                    count: count(row, "calls")?,
                })
            })
            .collect()
    }

    /// When each of these connectors was last called; those that never were are left out.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn last_calls(
        &self,
        connectors: &[&str],
    ) -> Result<BTreeMap<String, Timestamp>, StoreError> {
        let mut last = BTreeMap::new();
        for some in connectors.chunks(ASKED_AT_ONCE) {
            let mut query = sqlx::query(sqlx::AssertSqlSafe(last_calls(some.len())));
            for connector in some {
                query = query.bind(plain::column(connector));
            }
            for row in query.fetch_all(&self.inner.pool).await? {
                if let Some(at) = maybe_time(&row, "last")? {
                    last.insert(row.try_get("connector")?, at);
                }
            }
        }
        Ok(last)
    }

    /// The last review of each connector by a person: what the gateway puts into force by itself
    /// is no review.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn last_reviews(
        &self,
        gateway: &str,
    ) -> Result<BTreeMap<String, Review>, StoreError> {
        let rows = sqlx::query(
            "SELECT one.connector, one.approved_by, one.approved_at, one.reason \
             FROM revisions one JOIN (SELECT connector, MAX(approved_at) AS newest FROM revisions \
             WHERE approved_at IS NOT NULL AND approved_by <> $1 GROUP BY connector) last \
             ON one.connector = last.connector AND one.approved_at = last.newest \
             WHERE one.approved_by <> $1",
        )
        .bind(gateway)
        .fetch_all(&self.inner.pool)
        .await?;
        rows.iter()
            .map(|row| {
                let review = Review {
                    by: row.try_get("approved_by")?,
                    at: time(row, "approved_at")?,
                    reason: row
                        .try_get::<Option<String>, _>("reason")?
                        .unwrap_or_default(),
                };
                Ok((row.try_get("connector")?, review))
            })
            .collect()
    }
}

/// For each of so many connectors a step back along its index, to the newest record of a call.
fn last_calls(connectors: usize) -> String {
    let names: Vec<String> = (1..=connectors).map(|at| format!("(${at})")).collect();
    format!(
        "WITH wanted (connector) AS (VALUES {}) SELECT connector, \
         (SELECT time FROM records WHERE records.connector = wanted.connector AND power <> '' \
         ORDER BY place DESC LIMIT 1) AS last FROM wanted",
        names.join(", ")
    )
}
