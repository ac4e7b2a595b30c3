//! Tokens of AI clients, and sessions at the console: hashed, with an expiry, a last use and an end.

use drawbridge_core::call::Person;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sqlx::{Row, any::AnyRow};

use super::{
    CONSOLE, LINK, Store, StoreError, maybe_time, plans, sessions::make_room, time, writer,
};

/// A token to be kept. The token itself is shown once, and only its hash is here.
#[derive(Debug, Clone)]
pub struct NewToken {
    /// The part of the token that is no secret.
    pub id: String,
    /// SHA-256 of the part that is.
    pub hash: [u8; 32],
    /// For whom its calls are made.
    pub person: String,
    /// The AI client or workflow that makes them.
    pub client: String,
    /// What people call it.
    pub name: String,
    /// When it was made.
    pub created: Timestamp,
    /// When it ends by itself.
    pub expires: Option<Timestamp>,
    /// Who the organisation's sign-in said it is for.
    pub claims: Option<Claims>,
    /// The token that it came of, and ends with.
    pub parent: Option<String>,
    /// The session that ends where this one begins.
    pub replaces: Option<String>,
}

/// Which tokens; those of links are not among them.
#[derive(Debug, Clone, Default)]
pub struct TokenFilter {
    /// Of this person.
    pub person: Option<String>,
    /// That are neither ended nor expired at this time.
    pub in_force: Option<Timestamp>,
    /// Only those behind this one.
    pub after: Option<Token>,
    /// At most so many.
    pub limit: u32,
}

/// A person as the organisation's sign-in named them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Who they are, without what drawbridge.yaml adds.
    pub person: Person,
    /// Whether they are one of `people` in drawbridge.yaml.
    pub listed: bool,
}

/// A token as it is kept.
#[derive(Debug, Clone, Serialize)]
pub struct Token {
    /// The part of the token that is no secret.
    pub id: String,
    /// SHA-256 of the part that is.
    #[serde(skip)]
    pub hash: Vec<u8>,
    /// For whom its calls are made.
    pub person: String,
    /// The AI client or workflow that makes them.
    pub client: String,
    /// What people call it.
    pub name: String,
    /// When it was made.
    pub created: Timestamp,
    /// When it ends by itself.
    pub expires: Option<Timestamp>,
    /// When it was last used, within some seconds.
    pub last_used: Option<Timestamp>,
    /// When it was ended.
    pub revoked: Option<Timestamp>,
    /// By whom.
    pub revoked_by: Option<String>,
    /// Who the organisation's sign-in said it is for.
    #[serde(skip)]
    pub claims: Option<Claims>,
}

impl Token {
    /// Whether it was neither ended nor has expired.
    #[must_use]
    pub fn is_good(&self, now: Timestamp) -> bool {
        self.revoked.is_none() && self.expires.is_none_or(|end| now < end)
    }

    pub(super) fn read(row: &AnyRow) -> Result<Self, StoreError> {
        let claims: Option<String> = row.try_get("claims")?;
        let claims = claims
            .map(|claims| serde_json::from_str(&claims))
            .transpose();
        Ok(Self {
            claims: claims.map_err(|error| StoreError::Corrupt(format!("a session: {error}")))?,
            id: row.try_get("id")?,
            hash: row.try_get("hash")?,
            person: row.try_get("person")?,
            client: row.try_get("client")?,
            name: row.try_get("name")?,
            created: time(row, "created")?,
            expires: maybe_time(row, "expires")?,
            last_used: maybe_time(row, "last_used")?,
            revoked: maybe_time(row, "revoked")?,
            revoked_by: row.try_get("revoked_by")?,
        })
    }
}

impl Store {
    /// Keeps a token.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn add_token(&self, token: &NewToken) -> Result<(), StoreError> {
        let claims = token.claims.as_ref().map(serde_json::to_string).transpose();
        let claims = claims.map_err(|error| StoreError::Corrupt(format!("a session: {error}")))?;
        let mut transaction = self.inner.writer.begin().await?;
        if token.client == CONSOLE {
            // Of those that begin together, each sees the ones before it.
            writer::keep_others_out(&mut transaction).await?;
            make_room(&mut transaction, token).await?;
        }
        sqlx::query(
            "INSERT INTO tokens (id, hash, person, client, name, created, expires, claims, parent) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        )
        .bind(&token.id)
        .bind(token.hash.to_vec())
        .bind(&token.person)
        .bind(&token.client)
        .bind(&token.name)
        .bind(token.created.as_microsecond())
        .bind(token.expires.map(Timestamp::as_microsecond))
        .bind(claims)
        .bind(&token.parent)
        .execute(&mut *transaction)
        .await?;
        self.bump(&mut transaction).await?;
        transaction.commit().await?;
        self.notice().await;
        Ok(())
    }

    /// The token with this id.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn token(&self, id: &str) -> Result<Option<Token>, StoreError> {
        let row = sqlx::query("SELECT * FROM tokens WHERE id = $1")
            .bind(id)
            .fetch_optional(&self.inner.pool)
            .await?;
        row.as_ref().map(Token::read).transpose()
    }

    /// Tokens: those of AI clients and people's own first, then sessions, the newest of each first.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn tokens(&self, filter: &TokenFilter) -> Result<Vec<Token>, StoreError> {
        let mut conditions = vec!["client <> $1".to_owned()];
        let mut texts = vec![LINK];
        if let Some(person) = &filter.person {
            texts.push(person);
            conditions.push(format!("person = ${}", texts.len()));
        }
        if let Some(now) = filter.in_force {
            let now = now.as_microsecond();
            let good = format!("revoked IS NULL AND (expires IS NULL OR expires > {now})");
            conditions.push(good);
        }
        if let Some(after) = &filter.after {
            texts.push(&after.id);
            let (created, id) = (after.created.as_microsecond(), texts.len());
            let behind = format!("(created < {created} OR (created = {created} AND id > ${id}))");
            conditions.push(if after.client == CONSOLE {
                format!("client = '{CONSOLE}' AND {behind}")
            } else {
                format!("(client = '{CONSOLE}' OR {behind})")
            });
        }
        let statement = format!(
            "SELECT * FROM tokens WHERE {} \
             ORDER BY CASE WHEN client = '{CONSOLE}' THEN 1 ELSE 0 END, created DESC, id LIMIT {}",
            conditions.join(" AND "),
            filter.limit
        );
        let query = sqlx::query(sqlx::AssertSqlSafe(statement));
        let query = texts
            .into_iter()
            .fold(query, |query, text| query.bind(text));
        let rows = query.fetch_all(&self.inner.pool).await?;
        rows.iter().map(Token::read).collect()
    }

    /// Ends a token, and the sessions that came of it; whether there was one to end.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn revoke_token(
        &self,
        id: &str,
        by: &str,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut transaction = self.inner.writer.begin().await?;
        writer::keep_others_out(&mut transaction).await?;
        let told = (by, "the token it was asked for with was ended");
        plans::cancel(&mut transaction, plans::Whose::Token(id), told, at).await?;
        let done = sqlx::query(
            "UPDATE tokens SET revoked = $2, revoked_by = $3 \
             WHERE (id = $1 OR parent = $1) AND revoked IS NULL",
        )
        .bind(id)
        .bind(at.as_microsecond())
        .bind(by)
        .execute(&mut *transaction)
        .await?;
        self.bump(&mut transaction).await?;
        transaction.commit().await?;
        self.notice().await;
        Ok(done.rows_affected() > 0)
    }

    /// Ends a token as its time would: what was decided with it stands. Whether it was good until then.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn expire_token(&self, id: &str, at: Timestamp) -> Result<bool, StoreError> {
        let mut transaction = self.inner.writer.begin().await?;
        let done = sqlx::query(
            "UPDATE tokens SET expires = $2 \
             WHERE id = $1 AND revoked IS NULL AND (expires IS NULL OR expires > $2)",
        )
        .bind(id)
        .bind(at.as_microsecond())
        .execute(&mut *transaction)
        .await?;
        self.bump(&mut transaction).await?;
        transaction.commit().await?;
        self.notice().await;
        Ok(done.rows_affected() > 0)
    }

    /// Keeps when tokens were last used. Not a change that others must notice.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn touch_tokens(&self, used: &[(String, Timestamp)]) -> Result<(), StoreError> {
        let mut transaction = self.inner.writer.begin().await?;
        // In one order, so that two gateways do not wait for each other.
        let mut used: Vec<&(String, Timestamp)> = used.iter().collect();
        used.sort();
        for (id, at) in used {
            sqlx::query("UPDATE tokens SET last_used = $2 WHERE id = $1")
                .bind(id)
                .bind(at.as_microsecond())
                .execute(&mut *transaction)
                .await?;
        }
        transaction.commit().await?;
        Ok(())
    }
}
