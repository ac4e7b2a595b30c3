//! Notices to people: made together with the mark that they were, each delivered by one gateway.

use std::time::Duration;

use drawbridge_core::plan::KeptPlan;
use jiff::Timestamp;
use sqlx::Row;

use super::{Store, StoreError, count, number};

/// Notices, and plans with news, that are read at once.
const PAGE: u32 = 50;

/// Something that somebody is to be told of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// Its id, the same at each attempt.
    pub id: String,
    /// The plan it is about.
    pub plan: String,
    /// What happened to it, such as `approval.asked`.
    pub event: String,
    /// `email` or `webhook`.
    pub channel: String,
    /// Where to.
    pub recipient: String,
    /// How often it was tried.
    pub attempts: u64,
}

impl Store {
    /// Plans of which people are still to be told.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn plans_with_news(&self) -> Result<Vec<KeptPlan>, StoreError> {
        let rows = sqlx::query(sqlx::AssertSqlSafe(format!(
            "SELECT body FROM plans WHERE news = 1 ORDER BY created LIMIT {PAGE}"
        )))
        .fetch_all(&self.inner.pool)
        .await?;
        rows.iter().map(super::plans::decode).collect()
    }

    /// Keeps the notices of a plan, and marks that there is no more news of this turn.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn keep_notices(
        &self,
        plan: &KeptPlan,
        notices: &[Notice],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut transaction = self.inner.writer.begin().await?;
        for notice in notices {
            sqlx::query(
                "INSERT INTO notices (id, plan, event, channel, recipient, attempts, next) \
                 VALUES ($1, $2, $3, $4, $5, 0, $6) ON CONFLICT DO NOTHING",
            )
            .bind(&notice.id)
            .bind(&notice.plan)
            .bind(&notice.event)
            .bind(&notice.channel)
            .bind(&notice.recipient)
            .bind(now.as_microsecond())
            .execute(&mut *transaction)
            .await?;
        }
        sqlx::query("UPDATE plans SET news = 0 WHERE id = $1 AND turn = $2")
            .bind(&plan.id)
            .bind(number(plan.turn)?)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Takes at most so many notices that are due, for as long as `lease`: no other gateway delivers them meanwhile.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn take_notices(
        &self,
        now: Timestamp,
        lease: Duration,
        most: usize,
    ) -> Result<Vec<Notice>, StoreError> {
        let rows = sqlx::query("SELECT * FROM notices WHERE next <= $1 ORDER BY next LIMIT $2")
            .bind(now.as_microsecond())
            .bind(i64::try_from(most).unwrap_or(i64::MAX))
            .fetch_all(&self.inner.pool)
            .await?;
        let until = now.checked_add(lease).unwrap_or(now);
        let mut taken = Vec::new();
        for row in &rows {
            let notice = Notice {
                id: row.try_get("id")?,
                plan: row.try_get("plan")?,
                event: row.try_get("event")?,
                channel: row.try_get("channel")?,
                recipient: row.try_get("recipient")?,
                attempts: count(row, "attempts")?,
            };
            let mine = sqlx::query(
                "UPDATE notices SET attempts = attempts + 1, next = $3 \
                 WHERE id = $1 AND attempts = $2 AND next IS NOT NULL",
            )
            .bind(&notice.id)
            .bind(number(notice.attempts)?)
            .bind(until.as_microsecond())
            .execute(&self.inner.writer)
            .await?;
            if mine.rows_affected() == 1 {
                taken.push(notice);
            }
        }
        Ok(taken)
    }

    /// When a notice is tried next; never where there is no time.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn next_attempt(&self, id: &str, next: Option<Timestamp>) -> Result<(), StoreError> {
        sqlx::query("UPDATE notices SET next = $2 WHERE id = $1")
            .bind(id)
            .bind(next.map(Timestamp::as_microsecond))
            .execute(&self.inner.writer)
            .await?;
        Ok(())
    }
}
