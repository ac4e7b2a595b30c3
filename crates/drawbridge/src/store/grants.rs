//! What authorization servers granted, sealed. Nothing here can open it.

use jiff::Timestamp;
use sqlx::{Row, any::AnyRow};

use super::{Store, StoreError, count, maybe_time, number, time};

/// Whose access it is: a credential's, and where each person has an account of their own, one person's.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Holder {
    /// The credential.
    pub name: String,
    /// The person; none where one account is for everyone.
    pub person: Option<String>,
}

impl Holder {
    fn person(&self) -> &str {
        self.person.as_deref().unwrap_or_default()
    }
}

/// Whose access is to be ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// One holder's.
    One(Holder),
    /// All that is kept for a credential.
    All(String),
}

impl Ended {
    /// The credential, and the person as it stands in the store; none where all are meant.
    fn bound(&self) -> (&str, Option<&str>) {
        match self {
            Self::One(holder) => (&holder.name, Some(holder.person())),
            Self::All(name) => (name, None),
        }
    }
}

/// What is kept for one holder.
#[derive(Debug, Clone)]
pub struct KeptGrant {
    /// Counts up with each change.
    pub revision: u64,
    /// What was granted; none where it was ended, or nothing was granted yet.
    pub sealed: Option<Vec<u8>>,
    /// Which key it is sealed with.
    pub sealing_key: Option<String>,
    /// When somebody agreed to it.
    pub created: Timestamp,
    /// Who did.
    pub created_by: String,
    /// When it was last renewed.
    pub renewed: Timestamp,
    /// Scopes that the target asked for and that were not granted.
    pub lacking: String,
    /// Until when another gateway may renew it.
    pub renewed_until: Option<Timestamp>,
}

/// What is to be kept for one holder.
#[derive(Debug, Clone)]
pub struct NewGrant {
    /// Whose it is.
    pub holder: Holder,
    /// What was granted.
    pub sealed: Vec<u8>,
    /// Which key it is sealed with.
    pub sealing_key: String,
    /// When.
    pub at: Timestamp,
}

/// What somebody began to agree to.
#[derive(Debug, Clone)]
pub struct Begun {
    /// A digest of what will come back.
    pub state: String,
    /// Whose access it will be.
    pub holder: Holder,
    /// Who began, and nobody else may bring it to its end.
    pub by: String,
    /// What is needed for that, sealed.
    pub sealed: Vec<u8>,
    /// When it is too late.
    pub expires: Timestamp,
}

impl KeptGrant {
    fn read(row: &AnyRow) -> Result<Self, StoreError> {
        Ok(Self {
            revision: count(row, "revision")?,
            sealed: row.try_get("sealed")?,
            sealing_key: row.try_get("sealing_key")?,
            created: time(row, "created")?,
            created_by: row.try_get("created_by")?,
            renewed: time(row, "renewed")?,
            lacking: row.try_get("lacking")?,
            renewed_until: maybe_time(row, "renewed_until")?,
        })
    }
}

impl Store {
    /// What is kept for one holder.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn grant(&self, holder: &Holder) -> Result<Option<KeptGrant>, StoreError> {
        let row = sqlx::query("SELECT * FROM grants WHERE name = $1 AND person = $2")
            .bind(&holder.name)
            .bind(holder.person())
            .fetch_optional(&self.inner.pool)
            .await?;
        row.as_ref().map(KeptGrant::read).transpose()
    }

    /// How many people have a grant of their own for a credential.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn grants_of_people(&self, name: &str) -> Result<u64, StoreError> {
        let row = sqlx::query(
            "SELECT COUNT(*) AS people FROM grants WHERE name = $1 AND person <> '' \
             AND sealed IS NOT NULL",
        )
        .bind(name)
        .fetch_one(&self.inner.pool)
        .await?;
        count(&row, "people")
    }

    /// Takes the turn to renew what is kept at this revision, until then. Whether it was got: nobody
    /// else has it, and nothing changed.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn begin_renewal(
        &self,
        (holder, revision): (&Holder, u64),
        by: &str,
        (now, until): (Timestamp, Timestamp),
    ) -> Result<bool, StoreError> {
        let mut transaction = self.inner.writer.begin().await?;
        sqlx::query(
            "INSERT INTO grants (name, person, revision, created, created_by, renewed, lacking) \
             VALUES ($1, $2, 0, $3, '', $3, '') ON CONFLICT (name, person) DO NOTHING",
        )
        .bind(&holder.name)
        .bind(holder.person())
        .bind(now.as_microsecond())
        .execute(&mut *transaction)
        .await?;
        let done = sqlx::query(
            "UPDATE grants SET renewed_by = $4, renewed_until = $6 \
             WHERE name = $1 AND person = $2 AND revision = $3 \
             AND (renewed_until IS NULL OR renewed_until < $5)",
        )
        .bind(&holder.name)
        .bind(holder.person())
        .bind(number(revision)?)
        .bind(by)
        .bind(now.as_microsecond())
        .bind(until.as_microsecond())
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(done.rows_affected() > 0)
    }

    /// Gives the turn back without having renewed anything.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn give_up_renewal(&self, holder: &Holder, by: &str) -> Result<(), StoreError> {
        let mut transaction = self.inner.writer.begin().await?;
        sqlx::query(
            "UPDATE grants SET renewed_by = NULL, renewed_until = NULL \
             WHERE name = $1 AND person = $2 AND renewed_by = $3",
        )
        .bind(&holder.name)
        .bind(holder.person())
        .bind(by)
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Keeps what was renewed, unless something else was kept meanwhile: whether it was kept. These
    /// scopes are lacking no longer; what the target asked for meanwhile still is.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn end_renewal(
        &self,
        new: &NewGrant,
        (revision, lacking): (u64, &str),
    ) -> Result<bool, StoreError> {
        let mut transaction = self.inner.writer.begin().await?;
        let done = sqlx::query(
            "UPDATE grants SET sealed = $4, sealing_key = $5, renewed = $6, \
             lacking = CASE WHEN lacking = $7 THEN '' ELSE lacking END, \
             revision = revision + 1, renewed_by = NULL, renewed_until = NULL \
             WHERE name = $1 AND person = $2 AND revision = $3",
        )
        .bind(&new.holder.name)
        .bind(new.holder.person())
        .bind(number(revision)?)
        .bind(new.sealed.clone())
        .bind(&new.sealing_key)
        .bind(new.at.as_microsecond())
        .bind(lacking)
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(done.rows_affected() > 0)
    }

    /// Keeps what somebody agreed to, in the place of whatever there was.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn keep_grant(&self, new: &NewGrant, by: &str) -> Result<(), StoreError> {
        let mut transaction = self.inner.writer.begin().await?;
        sqlx::query(
            "INSERT INTO grants (name, person, revision, sealed, sealing_key, created, created_by, \
             renewed, lacking) VALUES ($1, $2, 1, $3, $4, $5, $6, $5, '') \
             ON CONFLICT (name, person) DO UPDATE SET sealed = excluded.sealed, \
             sealing_key = excluded.sealing_key, created = excluded.created, \
             created_by = excluded.created_by, renewed = excluded.renewed, lacking = '', \
             revision = grants.revision + 1, renewed_by = NULL, renewed_until = NULL",
        )
        .bind(&new.holder.name)
        .bind(new.holder.person())
        .bind(new.sealed.clone())
        .bind(&new.sealing_key)
        .bind(new.at.as_microsecond())
        .bind(by)
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(())
    }

    /// How many of these are kept.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn grants_kept(&self, which: &Ended) -> Result<u64, StoreError> {
        let (name, person) = which.bound();
        let row = sqlx::query(
            "SELECT COUNT(*) AS kept FROM grants WHERE name = $1 \
             AND (person = $2 OR $3 = 1) AND sealed IS NOT NULL",
        )
        .bind(name)
        .bind(person.unwrap_or_default())
        .bind(i64::from(person.is_none()))
        .fetch_one(&self.inner.pool)
        .await?;
        count(&row, "kept")
    }

    /// Ends what was granted: it is no longer kept.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn end_grants(&self, which: &Ended) -> Result<(), StoreError> {
        let (name, person) = which.bound();
        let mut transaction = self.inner.writer.begin().await?;
        sqlx::query(
            "UPDATE grants SET sealed = NULL, sealing_key = NULL, lacking = '', \
             revision = revision + 1, renewed_by = NULL, renewed_until = NULL \
             WHERE name = $1 AND (person = $2 OR $3 = 1)",
        )
        .bind(name)
        .bind(person.unwrap_or_default())
        .bind(i64::from(person.is_none()))
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Keeps which scopes the target asked for.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn keep_lacking(&self, holder: &Holder, scopes: &str) -> Result<(), StoreError> {
        let mut transaction = self.inner.writer.begin().await?;
        sqlx::query("UPDATE grants SET lacking = $3 WHERE name = $1 AND person = $2")
            .bind(&holder.name)
            .bind(holder.person())
            .bind(scopes)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Keeps what somebody began, in the place of what they began before.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn begin_grant(&self, begun: &Begun, now: Timestamp) -> Result<(), StoreError> {
        let mut transaction = self.inner.writer.begin().await?;
        sqlx::query(
            "DELETE FROM grants_begun WHERE expires < $4 \
             OR (name = $1 AND person = $2 AND begun_by = $3)",
        )
        .bind(&begun.holder.name)
        .bind(begun.holder.person())
        .bind(&begun.by)
        .bind(now.as_microsecond())
        .execute(&mut *transaction)
        .await?;
        sqlx::query(
            "INSERT INTO grants_begun (state, name, person, begun_by, sealed, expires) \
             VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(&begun.state)
        .bind(&begun.holder.name)
        .bind(begun.holder.person())
        .bind(&begun.by)
        .bind(begun.sealed.clone())
        .bind(begun.expires.as_microsecond())
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Takes what this person began for this holder, and only once: none where there is no such thing,
    /// or it is too late.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn take_begun(
        &self,
        state: &str,
        (holder, by): (&Holder, &str),
        now: Timestamp,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let mut transaction = self.inner.writer.begin().await?;
        let row = sqlx::query(
            "DELETE FROM grants_begun WHERE state = $1 AND name = $2 AND person = $3 \
             AND begun_by = $4 RETURNING sealed, expires",
        )
        .bind(state)
        .bind(&holder.name)
        .bind(holder.person())
        .bind(by)
        .fetch_optional(&mut *transaction)
        .await?;
        transaction.commit().await?;
        let Some(row) = row else {
            return Ok(None);
        };
        let in_time = now < time(&row, "expires")?;
        let sealed: Vec<u8> = row.try_get("sealed")?;
        Ok(in_time.then_some(sealed))
    }
}
