//! What is known of credentials, and the sealed secrets. Nothing here can open one.

mod taken;

use jiff::Timestamp;
use serde::Serialize;
use sqlx::{AnyConnection, Row, any::AnyRow};

use super::{Store, StoreError, count, maybe_time, number, time, writer};
pub use taken::Taken;

/// A credential as it is kept: never the secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptCredential {
    /// Its name.
    pub name: String,
    /// Who answers for it.
    pub owner: String,
    /// Who allowed it to be used.
    pub approved_by: Option<String>,
    /// When it was first set.
    pub created: Timestamp,
    /// Whether it was removed.
    pub removed: Option<Timestamp>,
}

/// One version of a credential.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CredentialVersion {
    /// Its id.
    pub version: String,
    /// The sealed secret; none where it was retired, or is kept elsewhere.
    #[serde(skip)]
    pub sealed: Option<Vec<u8>>,
    /// Which key it was sealed with; none where it is kept elsewhere.
    pub sealing_key: Option<String>,
    /// When it was set; of one that is kept elsewhere, when it was first seen.
    pub created: Timestamp,
    /// By whom.
    pub created_by: String,
    /// When a target first let it in.
    pub accepted: Option<Timestamp>,
    /// When a target last let it in.
    pub last_used: Option<Timestamp>,
    /// When a target last refused it.
    pub refused: Option<Timestamp>,
    /// When it was retired.
    pub retired: Option<Timestamp>,
    /// By whom.
    pub retired_by: Option<String>,
}

/// A version to be kept.
#[derive(Debug, Clone)]
pub struct NewVersion {
    /// The credential.
    pub name: String,
    /// Its number, from [`Store::next_version`]; its id is the same in words.
    pub number: u64,
    /// The sealed secret.
    pub sealed: Vec<u8>,
    /// Which key it is sealed with.
    pub sealing_key: String,
    /// Whether others may be sealed with another key.
    pub other_keys: OtherKeys,
    /// Who answers for it; the one before, or else who sets it, where nobody is named.
    pub owner: Option<String>,
    /// Who allowed it to be used; the one before where nobody is named.
    pub approved_by: Option<String>,
    /// Who sets it.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

/// Whether secrets may be sealed with several keys at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OtherKeys {
    /// They may not: a gateway would not find its own.
    Refused,
    /// They may: the key of the others was lost.
    Allowed,
}

/// Why a version was not kept.
#[derive(Debug, thiserror::Error)]
pub enum NotKept {
    /// Others are sealed with another key.
    #[error("other secrets are sealed with another key")]
    OtherKey,
    /// The store fails.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for NotKept {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

impl KeptCredential {
    fn read(row: &AnyRow) -> Result<Self, StoreError> {
        Ok(Self {
            name: row.try_get("name")?,
            owner: row.try_get("owner")?,
            approved_by: row.try_get("approved_by")?,
            created: time(row, "created")?,
            removed: maybe_time(row, "removed")?,
        })
    }
}

impl CredentialVersion {
    fn read(row: &AnyRow) -> Result<Self, StoreError> {
        Ok(Self {
            version: row.try_get("version")?,
            sealed: row.try_get("sealed")?,
            sealing_key: row.try_get("sealing_key")?,
            created: time(row, "created")?,
            created_by: row.try_get("created_by")?,
            accepted: maybe_time(row, "accepted")?,
            last_used: maybe_time(row, "last_used")?,
            refused: maybe_time(row, "refused")?,
            retired: maybe_time(row, "retired")?,
            retired_by: row.try_get("retired_by")?,
        })
    }
}

impl Store {
    /// Every credential that was ever set here, by name.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn credentials(&self) -> Result<Vec<KeptCredential>, StoreError> {
        let rows = sqlx::query("SELECT * FROM credentials ORDER BY name LIMIT 10000")
            .fetch_all(&self.inner.pool)
            .await?;
        rows.iter().map(KeptCredential::read).collect()
    }

    /// The versions of a credential that were ever seen, the newest first.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn credential_versions(
        &self,
        name: &str,
    ) -> Result<Vec<CredentialVersion>, StoreError> {
        let rows = sqlx::query(
            "SELECT * FROM credential_versions WHERE name = $1 ORDER BY number DESC LIMIT 1000",
        )
        .bind(name)
        .fetch_all(&self.inner.pool)
        .await?;
        rows.iter().map(CredentialVersion::read).collect()
    }

    /// The sealed versions in force, the newest first.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn sealed_versions(&self, name: &str) -> Result<Vec<CredentialVersion>, StoreError> {
        let rows = sqlx::query(
            "SELECT * FROM credential_versions WHERE name = $1 AND sealed IS NOT NULL \
             AND retired IS NULL ORDER BY number DESC LIMIT 100",
        )
        .bind(name)
        .fetch_all(&self.inner.pool)
        .await?;
        rows.iter().map(CredentialVersion::read).collect()
    }

    /// Which keys secrets are sealed with.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn sealing_keys(&self) -> Result<Vec<String>, StoreError> {
        let mut connection = self.inner.pool.acquire().await?;
        Ok(sealing_keys(&mut connection).await?)
    }

    /// The number of a credential's next version. It is given once, whether or not it is used.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn next_version(&self, name: &str) -> Result<u64, StoreError> {
        let mut transaction = self.inner.writer.begin().await?;
        let next = next_number(&mut transaction, name).await?;
        transaction.commit().await?;
        Ok(next)
    }

    /// Keeps a version beside those there are.
    ///
    /// # Errors
    /// When others are sealed with another key, or the store fails.
    pub async fn add_version(&self, new: &NewVersion) -> Result<(), NotKept> {
        let mut transaction = self.inner.writer.begin().await?;
        // Of two who set the first one at once, one is first, and the other's key must be the same.
        writer::keep_others_out(&mut transaction).await?;
        let keys = sealing_keys(&mut transaction).await?;
        if new.other_keys == OtherKeys::Refused && keys.iter().any(|key| *key != new.sealing_key) {
            return Err(NotKept::OtherKey);
        }
        put_credential(&mut transaction, new).await?;
        sqlx::query(
            "INSERT INTO credential_versions \
             (name, version, number, sealed, sealing_key, created, created_by) \
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(&new.name)
        .bind(new.number.to_string())
        .bind(number(new.number)?)
        .bind(new.sealed.clone())
        .bind(&new.sealing_key)
        .bind(new.at.as_microsecond())
        .bind(&new.by)
        .execute(&mut *transaction)
        .await?;
        self.bump(&mut transaction).await?;
        transaction.commit().await?;
        self.notice().await;
        Ok(())
    }

    /// Ends a version: its secret is no longer kept. Whether there was one to end.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn retire_version(
        &self,
        (name, version): (&str, &str),
        by: &str,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut transaction = self.inner.writer.begin().await?;
        writer::keep_others_out(&mut transaction).await?;
        let done = sqlx::query(
            "UPDATE credential_versions SET sealed = NULL, retired = $3, retired_by = $4 \
             WHERE name = $1 AND version = $2 AND retired IS NULL",
        )
        .bind(name)
        .bind(version)
        .bind(at.as_microsecond())
        .bind(by)
        .execute(&mut *transaction)
        .await?;
        self.bump(&mut transaction).await?;
        transaction.commit().await?;
        self.notice().await;
        Ok(done.rows_affected() > 0)
    }

    /// Ends a credential with all its versions. What is known of it stays.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn remove_credential(
        &self,
        name: &str,
        by: &str,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let mut transaction = self.inner.writer.begin().await?;
        writer::keep_others_out(&mut transaction).await?;
        sqlx::query(
            "UPDATE credential_versions SET sealed = NULL, retired = $2, retired_by = $3 \
             WHERE name = $1 AND retired IS NULL",
        )
        .bind(name)
        .bind(at.as_microsecond())
        .bind(by)
        .execute(&mut *transaction)
        .await?;
        sqlx::query("UPDATE credentials SET removed = $2 WHERE name = $1")
            .bind(name)
            .bind(at.as_microsecond())
            .execute(&mut *transaction)
            .await?;
        self.bump(&mut transaction).await?;
        transaction.commit().await?;
        self.notice().await;
        Ok(())
    }
}

async fn next_number(connection: &mut AnyConnection, name: &str) -> Result<u64, StoreError> {
    let row = sqlx::query(
        "INSERT INTO credential_numbers (name, last) VALUES ($1, 1) \
         ON CONFLICT (name) DO UPDATE SET last = credential_numbers.last + 1 RETURNING last",
    )
    .bind(name)
    .fetch_one(connection)
    .await?;
    count(&row, "last")
}

async fn sealing_keys(connection: &mut AnyConnection) -> Result<Vec<String>, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT sealing_key FROM credential_versions WHERE sealed IS NOT NULL \
         UNION SELECT sealing_key FROM grants WHERE sealed IS NOT NULL ORDER BY sealing_key",
    )
    .fetch_all(connection)
    .await?;
    rows.iter().map(|row| row.try_get("sealing_key")).collect()
}

async fn put_credential(
    transaction: &mut AnyConnection,
    new: &NewVersion,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO credentials (name, owner, approved_by, created, created_by) \
         VALUES ($1, $2, $3, $4, $5) ON CONFLICT (name) DO UPDATE SET \
         owner = CASE WHEN $6 = 1 THEN excluded.owner ELSE credentials.owner END, \
         approved_by = COALESCE(excluded.approved_by, credentials.approved_by), removed = NULL",
    )
    .bind(&new.name)
    .bind(new.owner.as_ref().unwrap_or(&new.by))
    .bind(new.approved_by.clone())
    .bind(new.at.as_microsecond())
    .bind(&new.by)
    .bind(i64::from(new.owner.is_some()))
    .execute(transaction)
    .await?;
    Ok(())
}
