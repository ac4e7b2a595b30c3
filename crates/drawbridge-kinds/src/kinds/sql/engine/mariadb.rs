//! MariaDB from version 10.5 on, and MySQL from 8.0 on: tables of InnoDB.

mod failure;
mod query;
mod replica;
mod rights;
mod shape;
mod typed;

use std::time::Duration;

use async_trait::async_trait;
use drawbridge_core::{
    answer::{Failure, Status},
    secret::Secret,
};
use serde_json::Value;
use sha2::{Digest, Sha256};
use sqlx::{
    AssertSqlSafe, ConnectOptions, Connection, MySqlConnection,
    mysql::{MySqlConnectOptions, MySqlSslMode},
};

use super::{
    super::{
        cell::Cell,
        dialect::Dialect,
        link::{Done, Link},
        part::{APPLIED_TABLE, Address, Own, TableScope, Tls},
        query::Outcome,
        shape::{Column, Place, Shape, Unfit, text_at},
        statement::Statement,
    },
    Rights,
    remote::{Identity, Purpose, Wire, limits},
};
use replica::Replica;

/// How the server treats values: none is changed to make it fit, a number that is 0 is no wish for a
/// new one, and old dates without a day can be put back.
const MODE: &str = "SET SESSION sql_mode = 'STRICT_ALL_TABLES,STRICT_TRANS_TABLES,\
     NO_AUTO_VALUE_ON_ZERO,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION'";
/// What an account may have set otherwise.
const SETTINGS: &str = "SET SESSION autocommit = 1, completion_type = 'NO_CHAIN', \
     foreign_key_checks = 1, unique_checks = 1, sql_select_limit = DEFAULT";
/// Letters of the name of a lock: the server takes 64.
const LOCK_LETTERS: usize = 40;

/// A database of MariaDB or MySQL.
pub(super) struct MariaDb {
    options: MySqlConnectOptions,
    database: String,
    identity: Identity,
    replica: Replica,
}

impl MariaDb {
    pub(super) fn new(address: &Address, identity: Identity) -> Self {
        let mode = match address.tls {
            Tls::Verify => MySqlSslMode::VerifyIdentity,
            Tls::Encrypt => MySqlSslMode::Required,
            Tls::Off => MySqlSslMode::Disabled,
        };
        let mut options = MySqlConnectOptions::new()
            .host(&address.host)
            .port(address.port.unwrap_or(3306))
            .username(&address.user)
            .database(&address.database)
            .ssl_mode(mode)
            .charset("utf8mb4")
            .disable_statement_logging();
        if let Some(file) = &address.ca {
            options = options.ssl_ca(file);
        }
        Self {
            options,
            database: address.database.clone(),
            identity,
            replica: Replica::default(),
        }
    }

    /// A new connection. Each asks for the account's secret anew, so that it can be changed while the
    /// connector runs.
    async fn signed_in(&self) -> Result<MySqlConnection, Failure> {
        let connect = |secret: Option<Secret<String>>| {
            let options = self.options.clone();
            async move {
                let options = match secret {
                    Some(secret) => options.password(secret.expose()),
                    None => options,
                };
                options.connect().await
            }
        };
        self.identity.signed_in(connect, failure::refusal).await
    }

    /// Makes the settings of a connection those on which the rest relies, and tells by what the
    /// server knows it.
    async fn set_up(connection: &mut MySqlConnection) -> Result<u64, sqlx::Error> {
        let (number, version): (u64, String) = sqlx::query_as("SELECT CONNECTION_ID(), VERSION()")
            .fetch_one(&mut *connection)
            .await?;
        Self::text(connection, MODE).await?;
        Self::text(connection, SETTINGS).await?;
        let lock = limits::LOCK.as_secs();
        // The one knows a limit for every statement, the other for those that read.
        let slow = if version.contains("MariaDB") {
            format!("max_statement_time = {}", limits::STATEMENT.as_secs())
        } else {
            format!("max_execution_time = {}", limits::STATEMENT.as_millis())
        };
        let limits = format!(
            "SET SESSION {slow}, innodb_lock_wait_timeout = {lock}, lock_wait_timeout = {lock}"
        );
        Self::text(connection, limits).await?;
        Ok(number)
    }

    async fn text(
        connection: &mut MySqlConnection,
        words: impl Into<String>,
    ) -> Result<(), sqlx::Error> {
        let words = AssertSqlSafe(words.into());
        sqlx::raw_sql(words).execute(connection).await.map(|_| ())
    }

    /// Holds the lock for a key until [`Wire::execute`] ends the transaction.
    ///
    /// INVARIANT: the server lets go of it after it has committed or taken back what the connection
    /// did, also when the connection is dead. Whoever gets it next knows that nothing of an earlier
    /// transaction with this key is on its way any more.
    async fn lock(connection: &mut MySqlConnection, key: &str) -> Result<(), sqlx::Error> {
        let name = hex::encode(Sha256::digest(key));
        let name = format!("drawbridge_{}", name.get(..LOCK_LETTERS).unwrap_or(&name));
        let got: Option<i64> = sqlx::query_scalar("SELECT GET_LOCK(?, ?)")
            .bind(name)
            .bind(limits::LOCK.as_secs())
            .fetch_one(connection)
            .await?;
        match got {
            Some(1) => Ok(()),
            _ => Err(sqlx::Error::PoolTimedOut),
        }
    }
}

#[async_trait]
impl Wire for MariaDb {
    type Connection = MySqlConnection;

    async fn connect(&self) -> Result<(MySqlConnection, u64), Failure> {
        let mut connection = self.signed_in().await?;
        match Self::set_up(&mut connection).await {
            Ok(number) => Ok((connection, number)),
            Err(error) => Err(self.identity.unreachable().with_source(error)),
        }
    }

    async fn stop(&self, number: u64) -> Result<(), Failure> {
        let mut connection = self.signed_in().await?;
        let kill = Self::text(&mut connection, format!("KILL CONNECTION {number}"));
        kill.await.map_err(failure::told)?;
        connection.close().await.map_err(failure::told)
    }

    fn identity(&self) -> &Identity {
        &self.identity
    }

    async fn begin(
        &self,
        connection: &mut MySqlConnection,
        purpose: Purpose<'_>,
    ) -> Result<(), sqlx::Error> {
        let silent = |limit: Duration| format!("SET SESSION wait_timeout = {}", limit.as_secs());
        let isolated = |level| format!("SET SESSION TRANSACTION ISOLATION LEVEL {level}");
        let Purpose::Write(key) = purpose else {
            Self::text(connection, silent(limits::UNUSED)).await?;
            Self::text(connection, isolated("REPEATABLE READ")).await?;
            let words = "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY";
            return Self::text(connection, words).await;
        };
        Self::text(connection, silent(limits::SILENT)).await?;
        // Each statement sees what is committed, and no gaps are locked.
        Self::text(connection, isolated("READ COMMITTED")).await?;
        Self::lock(connection, key).await?;
        Self::text(connection, "START TRANSACTION READ WRITE").await
    }

    async fn execute(
        &self,
        connection: &mut MySqlConnection,
        words: &'static str,
    ) -> Result<(), sqlx::Error> {
        Self::text(connection, words).await?;
        // Whether this works says nothing of what was committed; a dead connection is found out
        // when it is used again.
        let _ = Self::text(connection, "DO RELEASE_ALL_LOCKS()").await;
        Ok(())
    }

    async fn run(
        &self,
        connection: &mut MySqlConnection,
        (text, cells): (String, Vec<Cell>),
    ) -> Result<Done, sqlx::Error> {
        // Some statements are not among those that can be prepared.
        let done = if cells.is_empty() {
            sqlx::raw_sql(AssertSqlSafe(text))
                .execute(connection)
                .await?
        } else {
            query::of((text, cells)).execute(connection).await?
        };
        Ok(Done {
            rows: done.rows_affected(),
            number: Some(done.last_insert_id()).filter(|number| *number != 0),
        })
    }

    async fn rows(
        &self,
        connection: &mut MySqlConnection,
        written: (String, Vec<Cell>),
        bytes: usize,
    ) -> Result<Vec<Vec<Cell>>, sqlx::Error> {
        query::rows(connection, written, bytes).await
    }

    async fn table(
        &self,
        connection: &mut MySqlConnection,
        written: (String, Vec<Cell>),
        most: (usize, usize),
    ) -> Result<Outcome, sqlx::Error> {
        query::table(connection, written, most).await
    }

    async fn attempt(
        &self,
        connection: &mut MySqlConnection,
        written: (String, Vec<Cell>),
    ) -> Result<Result<Vec<Vec<Cell>>, sqlx::Error>, sqlx::Error> {
        match query::rows(connection, written, usize::MAX).await {
            Err(error) if error.as_database_error().is_some() => Ok(Err(error)),
            tried => tried.map(Ok),
        }
    }

    fn told(&self, error: sqlx::Error) -> Failure {
        failure::told(error)
    }

    /// A commit that fails is taken back where two servers disagreed; else nobody knows.
    fn refused(&self, error: &sqlx::Error) -> bool {
        failure::number_of(error) == Some(failure::DEADLOCK)
    }

    fn ended(&self, error: &sqlx::Error) -> bool {
        failure::ended(error)
    }

    fn dialect(&self) -> Dialect {
        Dialect::MariaDb
    }

    async fn examine(
        &self,
        link: &mut dyn Link,
        table: &TableScope,
    ) -> Result<Result<Shape, Unfit>, Failure> {
        shape::examine(link, (table, &self.replica)).await
    }

    async fn typed(
        &self,
        link: &mut dyn Link,
        column: &Column,
        given: &Value,
    ) -> Result<Result<Cell, String>, Failure> {
        typed::typed(link, column, given).await
    }

    /// What the server counts of this connection, in all tables; foreign keys it does not count.
    async fn changes(&self, link: &mut dyn Link) -> Result<i64, Failure> {
        let rows = Statement::new(
            "SHOW SESSION STATUS WHERE Variable_name IN \
             ('Handler_write', 'Handler_update', 'Handler_delete')",
        )
        .rows(link)
        .await?;
        let counts: Option<Vec<i64>> = rows
            .iter()
            .map(|row| text_at(Some(row), 1).parse().ok())
            .collect();
        match counts {
            Some(counts) if counts.len() == 3 => Ok(counts.iter().sum()),
            _ => Err(Failure::new(
                Status::Failed,
                "the database does not tell what it changed",
            )),
        }
    }

    async fn applied_table(&self, link: &mut dyn Link) -> Result<Option<Place>, Failure> {
        let rows = Statement::new("SELECT 1 FROM information_schema.TABLES WHERE TABLE_SCHEMA = ")
            .value(&Cell::text(&self.database))
            .words(" AND TABLE_NAME = ")
            .value(&Cell::text(APPLIED_TABLE))
            .rows(link)
            .await?;
        Ok((!rows.is_empty()).then(|| Place::new(&self.database, APPLIED_TABLE)))
    }

    async fn make_applied_table(&self, link: &mut dyn Link) -> Result<Place, Failure> {
        let place = Place::new(&self.database, APPLIED_TABLE);
        if self.applied_table(link).await?.is_some() {
            return Ok(place);
        }
        // To make a table ends the transaction, in which nothing was done yet. The lock stays.
        Statement::new("CREATE TABLE IF NOT EXISTS ")
            .table(&place)
            .words(Dialect::MariaDb.applied_columns())
            .run(link)
            .await?;
        Statement::new("START TRANSACTION READ WRITE")
            .run(link)
            .await?;
        Ok(place)
    }

    async fn rights(&self, link: &mut dyn Link, own: &Own) -> Result<Rights, Failure> {
        rights::rights(link, own, &self.database).await
    }
}
