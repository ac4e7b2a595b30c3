//! States of connectors and revisions of their files.

use drawbridge_core::lifecycle::State;
use jiff::Timestamp;
use serde::Serialize;
use sqlx::{AnyConnection, Row, any::AnyRow};

use super::{Store, StoreError, maybe_time, plans, time, writer};

/// A connector's state, who brought it there, and which revision is in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Standing {
    /// The connector.
    pub connector: String,
    /// Its state.
    pub state: State,
    /// By whom.
    pub by: String,
    /// Since when.
    pub at: Timestamp,
    /// Why.
    pub reason: String,
    /// The content hash of the revision in force, once one was approved.
    pub active: Option<String>,
}

/// Who put a revision into force, when and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Review {
    /// Who.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// Why.
    pub reason: String,
}

/// A connector file as it once was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Revision {
    /// The connector.
    pub connector: String,
    /// SHA-256 of the text.
    pub hash: String,
    /// The file as it was.
    pub text: String,
    /// When the gateway first saw it.
    pub first_seen: Timestamp,
    /// Who approved it, where somebody did.
    pub review: Option<Review>,
}

impl Revision {
    fn read(row: &AnyRow) -> Result<Self, StoreError> {
        let by: Option<String> = row.try_get("approved_by")?;
        let review = match (by, maybe_time(row, "approved_at")?) {
            (Some(by), Some(at)) => Some(Review {
                by,
                at,
                reason: row
                    .try_get::<Option<String>, _>("reason")?
                    .unwrap_or_default(),
            }),
            _ => None,
        };
        Ok(Self {
            connector: row.try_get("connector")?,
            hash: row.try_get("hash")?,
            text: row.try_get("content")?,
            first_seen: time(row, "first_seen")?,
            review,
        })
    }
}

impl Store {
    /// The state of every connector that was ever seen.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn standings(&self) -> Result<Vec<Standing>, StoreError> {
        let rows = sqlx::query("SELECT * FROM standings ORDER BY connector")
            .fetch_all(&self.inner.pool)
            .await?;
        rows.iter()
            .map(|row| {
                let word: String = row.try_get("state")?;
                Ok(Standing {
                    connector: row.try_get("connector")?,
                    state: State::of_word(&word)
                        .ok_or_else(|| StoreError::Corrupt(format!("a state `{word}`")))?,
                    by: row.try_get("by_person")?,
                    at: time(row, "at")?,
                    reason: row.try_get("reason")?,
                    active: row.try_get("active")?,
                })
            })
            .collect()
    }

    /// Brings a connector into a state.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn set_standing(&self, standing: &Standing) -> Result<(), StoreError> {
        let mut transaction = self.inner.writer.begin().await?;
        // First of all, so that the log's writer and this wait for each other in one order.
        writer::keep_others_out(&mut transaction).await?;
        self.plans_with(&mut transaction, standing).await?;
        sqlx::query(
            "INSERT INTO standings (connector, state, by_person, at, reason, active) \
             VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (connector) DO UPDATE SET \
             state = excluded.state, by_person = excluded.by_person, at = excluded.at, \
             reason = excluded.reason, active = excluded.active",
        )
        .bind(&standing.connector)
        .bind(standing.state.word())
        .bind(&standing.by)
        .bind(standing.at.as_microsecond())
        .bind(&standing.reason)
        .bind(standing.active.clone())
        .execute(&mut *transaction)
        .await?;
        self.bump(&mut transaction).await?;
        transaction.commit().await?;
        self.notice().await;
        Ok(())
    }

    /// What becomes of a connector's waiting plans together with its state: retiring ends them, and
    /// a pause costs them no time.
    async fn plans_with(
        &self,
        transaction: &mut AnyConnection,
        next: &Standing,
    ) -> Result<(), StoreError> {
        if next.state == State::Retired {
            let told = format!("the connector was retired: {}", next.reason);
            let whose = plans::Whose::Connector(&next.connector);
            return plans::cancel(transaction, whose, (&next.by, &told), next.at).await;
        }
        let before = sqlx::query("SELECT state, at FROM standings WHERE connector = $1")
            .bind(&next.connector)
            .fetch_optional(&mut *transaction)
            .await?;
        let Some(before) = before else { return Ok(()) };
        let state: String = before.try_get("state")?;
        if state == State::Paused.word() && next.state == State::Active {
            let frozen = next.at.duration_since(time(&before, "at")?);
            let frozen = frozen.try_into().unwrap_or_default();
            plans::thaw(transaction, &next.connector, frozen).await?;
        }
        Ok(())
    }

    /// Keeps a file's text under its hash, once.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn put_revision(
        &self,
        (connector, hash): (&str, &str),
        text: &str,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        if self.revision(connector, hash).await?.is_some() {
            return Ok(());
        }
        sqlx::query(
            "INSERT INTO revisions (connector, hash, content, first_seen) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (connector, hash) DO NOTHING",
        )
        .bind(connector)
        .bind(hash)
        .bind(text)
        .bind(at.as_microsecond())
        .execute(&self.inner.writer)
        .await?;
        Ok(())
    }

    /// A connector's revisions, the newest first.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn revisions(&self, connector: &str) -> Result<Vec<Revision>, StoreError> {
        let rows = sqlx::query(
            "SELECT * FROM revisions WHERE connector = $1 ORDER BY first_seen DESC, hash LIMIT 1000",
        )
        .bind(connector)
        .fetch_all(&self.inner.pool)
        .await?;
        rows.iter().map(Revision::read).collect()
    }

    /// One revision.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn revision(
        &self,
        connector: &str,
        hash: &str,
    ) -> Result<Option<Revision>, StoreError> {
        let row = sqlx::query("SELECT * FROM revisions WHERE connector = $1 AND hash = $2")
            .bind(connector)
            .bind(hash)
            .fetch_optional(&self.inner.pool)
            .await?;
        row.as_ref().map(Revision::read).transpose()
    }

    /// Puts a revision into force, in the state `standing` says.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn approve_revision(
        &self,
        standing: &Standing,
        review: &Review,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "UPDATE revisions SET approved_by = $3, approved_at = $4, reason = $5 \
             WHERE connector = $1 AND hash = $2",
        )
        .bind(&standing.connector)
        .bind(standing.active.clone())
        .bind(&review.by)
        .bind(review.at.as_microsecond())
        .bind(&review.reason)
        .execute(&self.inner.writer)
        .await?;
        self.set_standing(standing).await
    }
}
