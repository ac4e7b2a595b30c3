//! Where a store is, and how its connections are made.

use std::{path::PathBuf, str::FromStr, time::Duration};

use drawbridge_core::secret::Secret;
use sqlx::{
    AnyPool, Executor,
    any::{AnyConnectOptions, AnyPoolOptions},
};

use super::StoreError;

/// How long a statement waits for a lock, in milliseconds.
const BUSY_MS: u32 = 10_000;
/// How long a connection is waited for.
const ACQUIRE: Duration = Duration::from_secs(15);
/// What every PostgreSQL connection is told. A gateway that hangs in a transaction does not keep
/// others from the log for longer than this.
const POSTGRES: &str = "SET synchronous_commit = on; SET statement_timeout = '60s'; \
                        SET idle_in_transaction_session_timeout = '30s'";

/// Where the store is.
#[derive(Debug, Clone)]
pub enum Place {
    /// A SQLite file.
    Sqlite(PathBuf),
    /// A `postgres://` URL, which may hold a password.
    Postgres(Secret<String>),
}

/// What connections may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    /// Read, write, and make the store where there is none.
    Write,
    /// Read only: nothing is made, migrated or tidied up.
    Read,
    /// Read a SQLite file in a folder that cannot be written, while nobody writes it.
    ReadStill,
}

impl Place {
    pub(super) fn is_postgres(&self) -> bool {
        matches!(self, Self::Postgres(_))
    }

    /// Whether this is a SQLite file that holds all that was written: nothing waits in a journal
    /// beside it.
    pub(super) fn is_still(&self) -> bool {
        let Self::Sqlite(path) = self else {
            return false;
        };
        let mut journal = path.clone().into_os_string();
        journal.push("-wal");
        std::fs::metadata(journal).map_or(true, |journal| journal.len() == 0)
    }

    /// Connections to the store, at most so many.
    pub(super) async fn connect(&self, most: u32, wanted: Use) -> Result<AnyPool, StoreError> {
        sqlx::any::install_default_drivers();
        let options = self
            .options(wanted)
            .map_err(|error| self.cannot_open(&error))?;
        let settings = self.settings(wanted);
        AnyPoolOptions::new()
            .max_connections(most)
            .acquire_timeout(ACQUIRE)
            // A file does not hang up; a server may have, since the connection was last used.
            .test_before_acquire(self.is_postgres())
            .after_connect(move |connection, _| {
                let settings = settings.clone();
                Box::pin(async move {
                    connection.execute(sqlx::AssertSqlSafe(settings)).await?;
                    Ok(())
                })
            })
            .connect_with(options)
            .await
            .map_err(|error| self.cannot_open(&error))
    }

    fn settings(&self, wanted: Use) -> String {
        match (self, wanted) {
            (Self::Postgres(_), Use::Write) => POSTGRES.to_owned(),
            (Self::Postgres(_), _) => {
                format!("{POSTGRES}; SET default_transaction_read_only = on")
            }
            (Self::Sqlite(_), Use::Write) => format!(
                "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
                 PRAGMA busy_timeout = {BUSY_MS}; PRAGMA foreign_keys = ON"
            ),
            (Self::Sqlite(_), _) => {
                format!("PRAGMA query_only = ON; PRAGMA busy_timeout = {BUSY_MS}")
            }
        }
    }

    fn options(&self, wanted: Use) -> Result<AnyConnectOptions, sqlx::Error> {
        match self {
            Self::Sqlite(path) => {
                let mode = match wanted {
                    Use::Write => "mode=rwc",
                    Use::Read => "mode=ro",
                    Use::ReadStill => "mode=ro&immutable=true",
                };
                let path = path.to_string_lossy();
                AnyConnectOptions::from_str(&format!("sqlite:{path}?{mode}"))
            }
            Self::Postgres(url) => AnyConnectOptions::from_str(url.expose()),
        }
    }

    fn shown(&self) -> String {
        match self {
            Self::Sqlite(path) => format!("`{}`", path.display()),
            Self::Postgres(_) => "on PostgreSQL".to_owned(),
        }
    }

    /// The cause without the URL, and what to do about it.
    pub(super) fn cannot_open(&self, cause: &dyn std::fmt::Display) -> StoreError {
        let cause = cause.to_string();
        let cause = match self {
            Self::Sqlite(_) => format!("{cause}; check that the folder is there and writable"),
            Self::Postgres(url) => {
                let cause = cause.replace(url.expose().as_str(), "the URL");
                format!("{cause}; check that the server runs and the account may create tables")
            }
        };
        StoreError::Open {
            place: self.shown(),
            cause,
        }
    }
}
