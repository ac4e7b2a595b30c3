//! The database's file: connections that read, the one that writes, and whether it still is the same.

mod failure;
mod writing;

use std::{
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use drawbridge_core::{
    answer::{Failure, Status},
    plan::Receipt,
};
use lru::LruCache;
use sqlx::{
    ConnectOptions, Connection, SqliteConnection, SqlitePool, Transaction,
    sqlite::{SqliteConnectOptions, SqlitePoolOptions},
};
use tokio_util::sync::CancellationToken;

use super::{part::Own, statement::Statement};
pub(super) use failure::told;
use failure::{code_of, unreachable_base};
pub(super) use writing::Writing;

/// Connections that read at a time.
const READERS: u32 = 4;
/// How long a call waits for one of them.
const ACQUIRE: Duration = Duration::from_secs(3);
/// How long a connection that nobody uses stays open.
const IDLE: Duration = Duration::from_secs(60);
/// How long one waits for another program that holds the database locked.
const BUSY: Duration = Duration::from_secs(5);
/// How long one read or one plan may take.
pub(super) const READ_WITHIN: Duration = Duration::from_secs(15);
/// How many effects of this process are remembered where the database has no table for them.
const REMEMBERED: usize = 1_000;
/// After how many steps of SQLite's machine it is asked whether to go on.
const STEPS: i32 = 10_000;

/// The database of a connector.
pub(super) struct Base {
    path: PathBuf,
    shown: String,
    state: PathBuf,
    opened: tokio::sync::Mutex<Option<Arc<Opened>>>,
    /// Held by whoever writes: SQLite has one writer.
    turn: Arc<tokio::sync::Mutex<()>>,
    done: Mutex<LruCache<String, Receipt>>,
    stop: CancellationToken,
}

/// The file as it was found.
struct Opened {
    real: PathBuf,
    id: (u64, u64),
    readers: SqlitePool,
}

/// A look at the database in which nothing changes.
pub(super) struct Reading(Transaction<'static, sqlx::Sqlite>);

impl Reading {
    pub(super) fn connection(&mut self) -> &mut SqliteConnection {
        &mut self.0
    }
}

impl Base {
    pub(super) fn new(own: &Own) -> Self {
        let most = std::num::NonZeroUsize::new(REMEMBERED).unwrap_or(std::num::NonZeroUsize::MIN);
        Self {
            path: own.path.clone(),
            shown: own.shown.clone(),
            state: own.workspace.join(".drawbridge"),
            opened: tokio::sync::Mutex::new(None),
            turn: Arc::default(),
            done: Mutex::new(LruCache::new(most)),
            stop: CancellationToken::new(),
        }
    }

    /// Begins to read. What is read until it is dropped is of one moment.
    pub(super) async fn read(&self) -> Result<Reading, Failure> {
        let opened = self.opened().await?;
        match self.begin(&opened).await {
            Err(error) if needs_recovery(&error) => {
                // A program died while it wrote; only who may write can tidy up after it.
                self.recover(&opened.real).await.map_err(told)?;
                self.begin(&opened).await.map_err(told)
            }
            begun => begun.map_err(told),
        }
    }

    async fn begin(&self, opened: &Opened) -> Result<Reading, sqlx::Error> {
        let mut reading = Reading(opened.readers.begin().await?);
        watch(reading.connection(), &self.stop, READ_WITHIN).await?;
        // The first statement takes the lock, and finds what a dead program left behind.
        sqlx::query("SELECT count(*) FROM main.sqlite_schema")
            .execute(reading.connection())
            .await?;
        Ok(reading)
    }

    async fn recover(&self, real: &Path) -> Result<(), sqlx::Error> {
        let mut connection = options(real).read_only(false).connect().await?;
        sqlx::query("SELECT count(*) FROM main.sqlite_schema")
            .execute(&mut connection)
            .await?;
        connection.close().await
    }

    /// Where the file is, if it may be used at all.
    async fn place(&self) -> Result<(PathBuf, (u64, u64)), Failure> {
        if self.stop.is_cancelled() {
            let told = "the connector was stopped";
            return Err(Failure::new(Status::Unavailable, told));
        }
        let gone = |error: std::io::Error| unreachable_base(&self.shown).with_source(error);
        let real = tokio::fs::canonicalize(&self.path).await.map_err(gone)?;
        let metadata = tokio::fs::metadata(&real).await.map_err(gone)?;
        let ours = tokio::fs::canonicalize(&self.state).await;
        if ours.is_ok_and(|ours| real.starts_with(ours)) {
            let told = "its file is the gateway's own, and no connector may reach that";
            return Err(Failure::new(Status::Unavailable, told));
        }
        if !metadata.is_file() {
            return Err(unreachable_base(&self.shown));
        }
        Ok((real, (metadata.dev(), metadata.ino())))
    }

    /// The file, opened; anew when another one has come in its place, so that nothing is read from
    /// or written to one that nobody else sees any more.
    async fn opened(&self) -> Result<Arc<Opened>, Failure> {
        let (real, id) = self.place().await?;
        let mut held = self.opened.lock().await;
        if let Some(opened) = held.as_ref().filter(|opened| opened.id == id) {
            return Ok(opened.clone());
        }
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS)
            .acquire_timeout(ACQUIRE)
            .idle_timeout(IDLE)
            .test_before_acquire(false)
            .connect_lazy_with(options(&real).read_only(true).pragma("query_only", "ON"));
        let opened = Arc::new(Opened { real, id, readers });
        *held = Some(opened.clone());
        Ok(opened)
    }

    /// Whether the account can write the file.
    pub(super) async fn writable(&self) -> Result<bool, Failure> {
        let opened = self.opened().await?;
        let access = rustix::fs::access(&opened.real, rustix::fs::Access::WRITE_OK);
        Ok(access.is_ok())
    }

    /// What an effect of this process left, by its key.
    pub(super) fn remembered(&self, key: &str) -> Option<Receipt> {
        let mut done = self.done.lock().unwrap_or_else(|broke| broke.into_inner());
        done.get(key).cloned()
    }

    pub(super) fn remember(&self, key: &str, receipt: &Receipt) {
        let mut done = self.done.lock().unwrap_or_else(|broke| broke.into_inner());
        done.put(key.to_owned(), receipt.clone());
    }

    /// Ends what runs and lets go of the file.
    pub(super) async fn close(&self) {
        self.stop.cancel();
        if let Some(opened) = self.opened.lock().await.take() {
            opened.readers.close().await;
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.stop.is_cancelled()
    }
}

/// What every connection is like.
fn options(real: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(real)
        .create_if_missing(false)
        .foreign_keys(true)
        .busy_timeout(BUSY)
        .pragma("trusted_schema", "OFF")
        .disable_statement_logging()
}

/// Ends a statement that takes too long, or that runs when the connector is stopped.
async fn watch(
    connection: &mut SqliteConnection,
    stop: &CancellationToken,
    within: Duration,
) -> Result<(), sqlx::Error> {
    let (stop, until) = (stop.clone(), Instant::now() + within);
    let mut handle = connection.lock_handle().await?;
    handle.set_progress_handler(STEPS, move || {
        !stop.is_cancelled() && Instant::now() < until
    });
    Ok(())
}

/// Whether a program that wrote died, and somebody who may write must look at the file first.
fn needs_recovery(error: &sqlx::Error) -> bool {
    // READONLY_RECOVERY, READONLY_CANTLOCK, READONLY_ROLLBACK, CANTOPEN (a log without its index).
    matches!(code_of(error), Some(264 | 520 | 776 | 14))
}

/// How many rows this connection has changed so far, also by triggers and foreign keys.
pub(super) async fn changes(connection: &mut SqliteConnection) -> Result<i64, Failure> {
    let rows = Statement::new("SELECT total_changes()")
        .rows(connection)
        .await?;
    match rows.first().and_then(|row| row.first()) {
        Some(super::cell::Cell::Integer(count)) => Ok(*count),
        _ => Err(Failure::new(
            Status::Failed,
            "the database does not tell what it changed",
        )),
    }
}
