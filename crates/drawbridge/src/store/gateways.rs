//! Which change each gateway on this store has taken up.

use std::time::Duration;

use tokio::time::Instant;

use super::{Store, StoreError, count};

/// How long a gateway may take to take up a change, before it is counted as gone.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often it is looked at meanwhile.
const LOOK_EVERY: Duration = Duration::from_millis(20);

impl Store {
    /// The number of the newest change of a token, a standing or a revision.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn newest_change(&self) -> Result<u64, StoreError> {
        self.version().await
    }

    /// Says that a gateway has taken up all changes up to this one.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn took_up(&self, gateway: &str, change: u64) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO gateways (id, taken_up) VALUES ($1, $2) \
             ON CONFLICT (id) DO UPDATE SET taken_up = excluded.taken_up",
        )
        .bind(gateway)
        .bind(i64::try_from(change).unwrap_or(i64::MAX))
        .execute(&self.inner.writer)
        .await?;
        Ok(())
    }

    /// Says that a gateway has ended.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn ended(&self, gateway: &str) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM gateways WHERE id = $1")
            .bind(gateway)
            .execute(&self.inner.writer)
            .await?;
        Ok(())
    }

    /// Waits until every gateway has taken up a change. One that does not within five seconds is
    /// counted as gone: it crashed, or it cannot reach the store, and then it cannot record, and
    /// refuses all calls. Returns how many those were.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn everywhere(&self, change: u64) -> Result<u64, StoreError> {
        let change = i64::try_from(change).unwrap_or(i64::MAX);
        let end = Instant::now() + PATIENCE;
        loop {
            let row = sqlx::query("SELECT COUNT(*) AS behind FROM gateways WHERE taken_up < $1")
                .bind(change)
                .fetch_one(&self.inner.pool)
                .await?;
            let behind = count(&row, "behind")?;
            if behind == 0 {
                return Ok(0);
            }
            if Instant::now() >= end {
                sqlx::query("DELETE FROM gateways WHERE taken_up < $1")
                    .bind(change)
                    .execute(&self.inner.writer)
                    .await?;
                return Ok(behind);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}
