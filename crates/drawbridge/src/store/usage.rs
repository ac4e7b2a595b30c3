//! When connectors were last called, and who last reviewed them.

use std::collections::BTreeMap;

use drawbridge_core::log::plain;
use jiff::Timestamp;
use sqlx::Row;

use super::{Review, Store, StoreError, maybe_time, time};

/// Connectors of one question.
const ASKED_AT_ONCE: usize = 500;

impl Store {
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
