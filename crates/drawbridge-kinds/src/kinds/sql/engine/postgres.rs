//! PostgreSQL, from version 12 on.

mod acting;
mod failure;
mod query;
mod rights;
mod shape;
mod typed;

use async_trait::async_trait;
use drawbridge_core::{
    answer::{Failure, Status},
    secret::Secret,
};
use serde_json::Value;
use sha2::{Digest, Sha256};
use sqlx::{
    ConnectOptions, Connection, Executor, PgConnection,
    postgres::{PgConnectOptions, PgSslMode},
};

use super::{
    super::{
        cell::Cell,
        dialect::Dialect,
        link::{Done, Link},
        part::{APPLIED_TABLE, Acting, Address, Own, TableScope, Tls},
        query::Outcome,
        shape::{Column, PUBLIC, Place, Shape, Unfit},
        statement::Statement,
    },
    Rights,
    remote::{Identity, Purpose, Wire, limits},
};

/// Names a lock among those of other programs, together with the key of an effect.
const LOCKS: &str = "drawbridge effect ";

/// A database of PostgreSQL.
pub(super) struct Postgres {
    options: PgConnectOptions,
    identity: Identity,
}

impl Postgres {
    pub(super) fn new(address: &Address, identity: Identity) -> Self {
        let mode = match address.tls {
            Tls::Verify => PgSslMode::VerifyFull,
            Tls::Encrypt => PgSslMode::Require,
            Tls::Off => PgSslMode::Disable,
        };
        let mut options = PgConnectOptions::new_without_pgpass()
            .host(&address.host)
            .port(address.port.unwrap_or(5432))
            .username(&address.user)
            .password("")
            .database(&address.database)
            .ssl_mode(mode)
            .application_name("drawbridge")
            .disable_statement_logging();
        if let Some(file) = &address.ca {
            options = options.ssl_root_cert(file);
        }
        Self { options, identity }
    }

    /// A new connection. Each asks for the account's secret anew, so that it can be changed while the
    /// connector runs.
    async fn signed_in(&self) -> Result<PgConnection, Failure> {
        let connect = |secret: Option<Secret<String>>| {
            let options = self.options.clone();
            async move {
                let options = match secret {
                    // The protocol ends a password at the first NUL.
                    Some(secret) if secret.expose().contains('\0') => {
                        let told = "a password cannot hold NUL";
                        return Err(sqlx::Error::Configuration(told.into()));
                    }
                    Some(secret) => options.password(secret.expose()),
                    None => options,
                };
                options.connect().await
            }
        };
        self.identity.signed_in(connect, failure::refusal).await
    }
}

#[async_trait]
impl Wire for Postgres {
    type Connection = PgConnection;

    async fn connect(&self) -> Result<(PgConnection, u64), Failure> {
        let mut connection = self.signed_in().await?;
        match set_up(&mut connection).await {
            Ok(number) => Ok((connection, number)),
            Err(error) => Err(self.identity.unreachable().with_source(error)),
        }
    }

    async fn stop(&self, number: u64) -> Result<(), Failure> {
        let mut connection = self.signed_in().await?;
        let number = i32::try_from(number).unwrap_or_default();
        let stop = sqlx::query("SELECT pg_terminate_backend($1)").bind(number);
        stop.execute(&mut connection).await.map_err(failure::told)?;
        connection.close().await.map_err(failure::told)
    }

    fn identity(&self) -> &Identity {
        &self.identity
    }

    async fn begin(
        &self,
        connection: &mut PgConnection,
        purpose: Purpose<'_>,
    ) -> Result<(), sqlx::Error> {
        let Purpose::Write(key) = purpose else {
            let words = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY";
            return self.execute(connection, words).await;
        };
        let words = "BEGIN ISOLATION LEVEL READ COMMITTED, READ WRITE";
        self.execute(connection, words).await?;
        // What is done must last, whatever the account's own settings are.
        self.execute(
            connection,
            "SELECT set_config('synchronous_commit', 'on', true) \
             WHERE current_setting('synchronous_commit') = 'off'",
        )
        .await?;
        // INVARIANT: the lock is held until the transaction has ended on the server. Whoever gets it
        // next knows that nothing of an earlier one with this key is on its way any more.
        sqlx::query("SELECT pg_advisory_xact_lock($1)")
            .bind(lock_of(key))
            .persistent(false)
            .execute(connection)
            .await?;
        Ok(())
    }

    async fn act(
        &self,
        connection: &mut PgConnection,
        acting: &Acting,
    ) -> Result<bool, sqlx::Error> {
        acting::act(connection, acting).await
    }

    async fn step_aside(&self, connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
        acting::step_aside(connection).await
    }

    fn forbids(&self, error: &sqlx::Error) -> bool {
        failure::forbids(error)
    }

    async fn execute(
        &self,
        connection: &mut PgConnection,
        words: &'static str,
    ) -> Result<(), sqlx::Error> {
        sqlx::raw_sql(words).execute(connection).await.map(|_| ())
    }

    async fn run(
        &self,
        connection: &mut PgConnection,
        written: (String, Vec<Cell>),
    ) -> Result<Done, sqlx::Error> {
        let done = query::of(written).execute(connection).await?;
        let rows = done.rows_affected();
        Ok(Done { rows, number: None })
    }

    async fn rows(
        &self,
        connection: &mut PgConnection,
        written: (String, Vec<Cell>),
        bytes: usize,
    ) -> Result<Vec<Vec<Cell>>, sqlx::Error> {
        query::rows(connection, written, bytes).await
    }

    async fn catalog(
        &self,
        connection: &mut PgConnection,
        written: (String, Vec<Cell>),
    ) -> Result<Vec<Vec<Cell>>, sqlx::Error> {
        query::catalog(connection, written).await
    }

    async fn own_names_only(
        &self,
        connection: &mut PgConnection,
        only: bool,
    ) -> Result<(), sqlx::Error> {
        let path = match only {
            true => "SET LOCAL search_path = pg_catalog, pg_temp",
            false => "SET LOCAL search_path TO DEFAULT",
        };
        self.execute(connection, path).await
    }

    async fn table(
        &self,
        connection: &mut PgConnection,
        written: (String, Vec<Cell>),
        most: (usize, usize),
    ) -> Result<Outcome, sqlx::Error> {
        query::table(connection, written, most).await
    }

    async fn attempt(
        &self,
        connection: &mut PgConnection,
        written: (String, Vec<Cell>),
    ) -> Result<Result<Vec<Vec<Cell>>, sqlx::Error>, sqlx::Error> {
        self.execute(connection, "SAVEPOINT attempt").await?;
        match query::rows(connection, written, usize::MAX).await {
            Err(error) if error.as_database_error().is_some() => {
                self.execute(connection, "ROLLBACK TO SAVEPOINT attempt")
                    .await?;
                Ok(Err(error))
            }
            tried => {
                let rows = tried?;
                self.execute(connection, "RELEASE SAVEPOINT attempt")
                    .await?;
                Ok(Ok(rows))
            }
        }
    }

    fn told(&self, error: sqlx::Error) -> Failure {
        failure::told(error)
    }

    fn refused(&self, error: &sqlx::Error) -> bool {
        failure::refused(error)
    }

    fn ended(&self, error: &sqlx::Error) -> bool {
        failure::ended(error)
    }

    fn dialect(&self) -> Dialect {
        Dialect::Postgres
    }

    async fn examine(
        &self,
        link: &mut dyn Link,
        table: &TableScope,
    ) -> Result<Result<Shape, Unfit>, Failure> {
        shape::examine(link, table).await
    }

    async fn typed(
        &self,
        link: &mut dyn Link,
        column: &Column,
        given: &Value,
    ) -> Result<Result<Cell, String>, Failure> {
        typed::typed(link, column, given).await
    }

    /// What the server counts of this transaction, in all tables.
    async fn changes(&self, link: &mut dyn Link) -> Result<i64, Failure> {
        let rows = Statement::new(
            "SELECT CASE WHEN current_setting('track_counts')::bool THEN \
             coalesce(sum(n_tup_ins + n_tup_upd + n_tup_del), 0)::int8 END \
             FROM pg_stat_xact_user_tables",
        )
        .rows(link)
        .await?;
        match rows.first().and_then(|row| row.first()) {
            Some(Cell::Integer(count)) => Ok(*count),
            _ => {
                let told = "the database does not count what it changes (`track_counts` is off), so \
                            nothing was changed; tell whoever keeps the connector";
                Err(Failure::new(Status::Failed, told))
            }
        }
    }

    async fn applied_table(&self, link: &mut dyn Link) -> Result<Option<Place>, Failure> {
        let rows = Statement::new(
            "SELECT 1 FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace \
             WHERE c.relkind = 'r' AND n.nspname = ",
        )
        .value(&Cell::text(PUBLIC))
        .words(" AND c.relname = ")
        .value(&Cell::text(APPLIED_TABLE))
        .rows(link)
        .await?;
        Ok((!rows.is_empty()).then(|| Place::new(PUBLIC, APPLIED_TABLE)))
    }

    async fn make_applied_table(&self, link: &mut dyn Link) -> Result<Place, Failure> {
        if let Some(place) = self.applied_table(link).await? {
            return Ok(place);
        }
        // Two that make it at once would fail; the second waits for the first.
        Statement::new("SELECT pg_advisory_xact_lock(")
            .value(&Cell::Integer(lock_of(APPLIED_TABLE)))
            .words(")")
            .rows(link)
            .await?;
        Statement::new("CREATE TABLE IF NOT EXISTS ")
            .table(&Place::new(PUBLIC, APPLIED_TABLE))
            .words(Dialect::Postgres.applied_columns())
            .run(link)
            .await?;
        Ok(Place::new(PUBLIC, APPLIED_TABLE))
    }

    async fn rights(&self, link: &mut dyn Link, own: &Own) -> Result<Rights, Failure> {
        rights::rights(link, own).await
    }
}

/// Makes the settings of a connection those on which the rest relies, and tells by what the server
/// knows it.
async fn set_up(connection: &mut PgConnection) -> Result<u64, sqlx::Error> {
    let milliseconds = |limit: std::time::Duration| limit.as_millis().to_string();
    let (statement, lock) = (milliseconds(limits::STATEMENT), milliseconds(limits::LOCK));
    let silent = milliseconds(limits::SILENT);
    // How values are written is pinned, so that a text that was read is the same value again. The
    // account's search path and time zone stay: triggers and defaults rely on them, and every
    // time that depends on a zone is written with its offset.
    let settings = [
        ("datestyle", "ISO, YMD"),
        ("intervalstyle", "postgres"),
        ("bytea_output", "hex"),
        ("extra_float_digits", "1"),
        ("lc_monetary", "C"),
        ("xmloption", "content"),
        ("standard_conforming_strings", "on"),
        ("statement_timeout", statement.as_str()),
        ("lock_timeout", lock.as_str()),
        ("idle_in_transaction_session_timeout", silent.as_str()),
    ];
    for (name, value) in settings {
        sqlx::query("SELECT pg_catalog.set_config($1, $2, false)")
            .bind(name)
            .bind(value)
            .execute(&mut *connection)
            .await?;
    }
    // From version 14 on the server itself notices that nobody waits for an answer any more.
    connection
        .execute(
            "SELECT set_config(name, '2000', false) FROM pg_settings \
                 WHERE name = 'client_connection_check_interval'",
        )
        .await?;
    let number: i32 = sqlx::query_scalar("SELECT pg_backend_pid()")
        .fetch_one(&mut *connection)
        .await?;
    Ok(u64::try_from(number).unwrap_or_default())
}

/// The number of the lock for a key.
fn lock_of(key: &str) -> i64 {
    let digest = Sha256::digest(format!("{LOCKS}{key}"));
    let bytes: [u8; 8] = std::array::from_fn(|index| digest.get(index).copied().unwrap_or(0));
    i64::from_be_bytes(bytes)
}
