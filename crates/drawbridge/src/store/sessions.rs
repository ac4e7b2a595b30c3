//! Sessions at the console: so many of each person, the ones that ended forgotten after a while, and
//! whom the organisation's sign-in has named.

use std::collections::BTreeMap;

use jiff::Timestamp;
use sqlx::{AnyConnection, Row, query::Query};

use super::{NewToken, Store, StoreError, Token, count, maybe_time};

/// The client name of the console: a browser whose person has signed in.
pub const CONSOLE: &str = "console";
/// The client name of a link that signs somebody in, once.
pub const LINK: &str = "console-link";
/// Sessions of one person that are in force at the same time; the oldest ends when another begins.
const MOST_SESSIONS: u32 = 50;

/// Somebody's tokens, counted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TokensOf {
    /// That are neither ended nor expired.
    pub in_force: u64,
    /// When one of them was last used.
    pub last_used: Option<Timestamp>,
}

/// Ends what a session stands in the place of: the one that the same browser held, and the oldest ones
/// of a person who has many.
pub(super) async fn make_room(
    transaction: &mut AnyConnection,
    session: &NewToken,
) -> Result<(), StoreError> {
    let now = session.created.as_microsecond();
    if let Some(replaced) = &session.replaces {
        sqlx::query(
            "UPDATE tokens SET expires = $2 WHERE id = $1 AND client = $3 AND revoked IS NULL \
             AND (expires IS NULL OR expires > $2)",
        )
        .bind(replaced)
        .bind(now)
        .bind(CONSOLE)
        .execute(&mut *transaction)
        .await?;
    }
    let others = MOST_SESSIONS - 1;
    let statement = format!(
        "UPDATE tokens SET expires = $3 WHERE person = $1 AND client = $2 AND revoked IS NULL \
         AND (expires IS NULL OR expires > $3) AND id NOT IN (SELECT id FROM tokens \
         WHERE person = $1 AND client = $2 AND revoked IS NULL \
         AND (expires IS NULL OR expires > $3) ORDER BY created DESC, id DESC LIMIT {others})"
    );
    sqlx::query(sqlx::AssertSqlSafe(statement))
        .bind(&session.person)
        .bind(CONSOLE)
        .bind(now)
        .execute(transaction)
        .await?;
    Ok(())
}

impl Store {
    /// Remembers until this time that a sign-in came back; whether it is the first time, of all gateways
    /// on this store.
    ///
    /// # Errors
    /// When the store fails: then nobody knows.
    pub async fn end_sign_in(&self, mark: &str, until: Timestamp) -> Result<bool, StoreError> {
        let done = sqlx::query(
            "INSERT INTO sign_ins_ended (mark, until) VALUES ($1, $2) ON CONFLICT (mark) DO NOTHING",
        )
        .bind(mark)
        .bind(until.as_microsecond())
        .execute(&self.inner.writer)
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Forgets sign-ins that came back and are too old to come back again.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn forget_sign_ins(&self, now: Timestamp) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM sign_ins_ended WHERE until < $1")
            .bind(now.as_microsecond())
            .execute(&self.inner.writer)
            .await?;
        Ok(())
    }

    /// Forgets sessions and links that ended before this time; how many. The log keeps who was in.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn forget_sessions(&self, before: Timestamp) -> Result<u64, StoreError> {
        // One that was revoked stays in the list until its own time has passed, too.
        let done = sqlx::query("DELETE FROM tokens WHERE client IN ($1, $2) AND expires < $3")
            .bind(CONSOLE)
            .bind(LINK)
            .bind(before.as_microsecond())
            .execute(&self.inner.writer)
            .await?;
        Ok(done.rows_affected())
    }

    /// Everybody whom tokens name, or one person, with their tokens counted.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn tokens_by_person(
        &self,
        person: Option<&str>,
        now: Timestamp,
    ) -> Result<BTreeMap<String, TokensOf>, StoreError> {
        let narrower = person.map_or("", |_| "WHERE person = $2 ");
        let statement = format!(
            "SELECT person, MAX(last_used) AS last, \
             CAST(SUM(CASE WHEN revoked IS NULL AND (expires IS NULL OR expires > $1) \
             THEN 1 ELSE 0 END) AS BIGINT) AS good \
             FROM tokens {narrower}GROUP BY person"
        );
        let query = sqlx::query(sqlx::AssertSqlSafe(statement)).bind(now.as_microsecond());
        let query = person.into_iter().fold(query, Query::bind);
        let rows = query.fetch_all(&self.inner.pool).await?;
        let counted = rows.iter().map(|row| {
            let of = TokensOf {
                in_force: count(row, "good")?,
                last_used: maybe_time(row, "last")?,
            };
            Ok((row.try_get("person")?, of))
        });
        counted.collect()
    }

    /// The last session of everybody, or of one person, whom the organisation's sign-in let in.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn signed_in(&self, person: Option<&str>) -> Result<Vec<Token>, StoreError> {
        let narrower = person.map_or("", |_| " AND person = $2");
        let statement = format!(
            "SELECT one.* FROM tokens one JOIN (SELECT person, MAX(created) AS newest FROM tokens \
             WHERE client = $1 AND claims IS NOT NULL{narrower} \
             GROUP BY person) last ON one.person = last.person AND one.created = last.newest \
             WHERE one.client = $1 AND one.claims IS NOT NULL"
        );
        let query = sqlx::query(sqlx::AssertSqlSafe(statement)).bind(CONSOLE);
        let query = person.into_iter().fold(query, Query::bind);
        let rows = query.fetch_all(&self.inner.pool).await?;
        rows.iter().map(Token::read).collect()
    }
}
