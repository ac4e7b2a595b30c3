//! How targets took the versions of credentials.

use std::collections::BTreeMap;

use jiff::Timestamp;
use sqlx::AnyConnection;

use super::{next_number, number};
use crate::store::{Store, StoreError, writer};

/// How targets took a version, since that was last kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Taken {
    /// Where it is kept elsewhere: when it was seen.
    pub seen: Option<Timestamp>,
    /// When a target let it in, first and last.
    pub accepted: Option<(Timestamp, Timestamp)>,
    /// When a target last refused it.
    pub refused: Option<Timestamp>,
}

impl Store {
    /// Keeps how targets took versions. Not a change that others must notice.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn keep_taken(
        &self,
        taken: &BTreeMap<(String, String), Taken>,
    ) -> Result<(), StoreError> {
        let mut transaction = self.inner.writer.begin().await?;
        if taken.values().any(|taken| taken.seen.is_some()) {
            writer::keep_others_out(&mut transaction).await?;
        }
        for ((name, version), taken) in taken {
            if let Some(seen) = taken.seen {
                see(&mut transaction, (name, version), seen).await?;
            }
            let first = taken.accepted.map(|(first, _)| first.as_microsecond());
            let last = taken.accepted.map(|(_, last)| last.as_microsecond());
            sqlx::query(
                "UPDATE credential_versions SET accepted = COALESCE(accepted, $3), \
                 last_used = COALESCE($4, last_used), refused = COALESCE($5, refused) \
                 WHERE name = $1 AND version = $2",
            )
            .bind(name)
            .bind(version)
            .bind(first)
            .bind(last)
            .bind(taken.refused.map(Timestamp::as_microsecond))
            .execute(&mut *transaction)
            .await?;
        }
        transaction.commit().await?;
        Ok(())
    }
}

/// Keeps that a version was seen that is kept elsewhere.
async fn see(
    transaction: &mut AnyConnection,
    (name, version): (&str, &str),
    at: Timestamp,
) -> Result<(), StoreError> {
    let known =
        sqlx::query("SELECT version FROM credential_versions WHERE name = $1 AND version = $2")
            .bind(name)
            .bind(version)
            .fetch_optional(&mut *transaction)
            .await?;
    if known.is_some() {
        return Ok(());
    }
    let next = next_number(transaction, name).await?;
    sqlx::query(
        "INSERT INTO credential_versions (name, version, number, created, created_by) \
         VALUES ($1, $2, $3, $4, '') ON CONFLICT (name, version) DO NOTHING",
    )
    .bind(name)
    .bind(version)
    .bind(number(next)?)
    .bind(at.as_microsecond())
    .execute(transaction)
    .await?;
    Ok(())
}
