//! SQLite: the database's file, connections that read, the one that writes, and whether the file
//! still is the same.

mod failure;
mod link;
mod shape;
pub(super) mod throwaway;
mod values;
mod writing;

use std::{
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use drawbridge_core::{
    answer::{Failure, Status},
    connector::{Problem, STATE},
};
use sqlx::{
    ConnectOptions, Connection, SqliteConnection, SqlitePool,
    sqlite::{SqliteConnectOptions, SqlitePoolOptions},
};
use tokio_util::sync::CancellationToken;

use super::{
    super::{
        base::READ_WITHIN,
        link::{Link, Transaction},
        part::{Acting, Own},
    },
    Engine, Rights,
};
use failure::{code_of, told, unreachable_base};
use link::Session;

/// Connections that read at a time.
const READERS: u32 = 4;
/// How long a call waits for one of them.
const ACQUIRE: Duration = Duration::from_secs(3);
/// How long a connection that nobody uses stays open.
const IDLE: Duration = Duration::from_secs(60);
/// How long one waits for another program that holds the database locked.
const BUSY: Duration = Duration::from_secs(5);
/// After how many steps of SQLite's machine it is asked whether to go on.
const STEPS: i32 = 10_000;

/// A file of SQLite.
#[derive(Clone)]
pub(super) struct Sqlite(Arc<File>);

struct File {
    path: PathBuf,
    shown: String,
    state: PathBuf,
    opened: tokio::sync::Mutex<Option<Arc<Opened>>>,
    /// Held by whoever writes: SQLite has one writer.
    turn: Arc<tokio::sync::Mutex<()>>,
    stop: CancellationToken,
}

/// The file as it was found.
struct Opened {
    real: PathBuf,
    id: (u64, u64),
    readers: SqlitePool,
}

#[async_trait]
impl Engine for Sqlite {
    async fn read(&self, _acting: &Acting) -> Result<Box<dyn Link>, Failure> {
        let opened = self.0.opened().await?;
        let reading = match self.0.begin(&opened).await {
            Err(error) if needs_recovery(&error) => {
                // A program died while it wrote; only who may write can tidy up after it.
                self.0.recover(&opened.real).await.map_err(told)?;
                self.0.begin(&opened).await.map_err(told)?
            }
            begun => begun.map_err(told)?,
        };
        Ok(Box::new(reading))
    }

    /// Nobody else can write at all, whatever their key.
    async fn write(&self, _key: &str, _acting: &Acting) -> Result<Box<dyn Transaction>, Failure> {
        let writing = writing::begin(&self.0).await?;
        Ok(Box::new(Session::Writing(writing)))
    }

    async fn rights(&self, own: &Own) -> Result<Rights, Failure> {
        let changes = own.tables.values().any(|scope| !scope.writable.is_empty());
        let opened = self.0.opened().await?;
        let access = rustix::fs::access(&opened.real, rustix::fs::Access::WRITE_OK);
        let mut rights = Rights::default();
        match (changes, access.is_ok()) {
            (true, false) => rights.problems.push(Problem {
                path: self.0.shown.clone(),
                reason: "the file lets rows be changed, and the gateway cannot write the database"
                    .to_owned(),
                mend: "let the gateway's account write the database and its folder, or take \
                       `writable` out"
                    .to_owned(),
            }),
            (false, true) => rights.excess.push(
                "the database can be written, and the file lets nothing be changed".to_owned(),
            ),
            (true, true) | (false, false) => {}
        }
        Ok(rights)
    }

    async fn close(&self) {
        self.0.stop.cancel();
        if let Some(opened) = self.0.opened.lock().await.take() {
            opened.readers.close().await;
        }
    }

    fn is_closed(&self) -> bool {
        self.0.stop.is_cancelled()
    }
}

impl Sqlite {
    /// The file at this path, from the folder of the workspace.
    pub(super) fn new(path: &str, own: &Own) -> Self {
        Self(Arc::new(File {
            path: own.workspace.join(path),
            shown: path.to_owned(),
            state: own.workspace.join(STATE),
            opened: tokio::sync::Mutex::new(None),
            turn: Arc::default(),
            stop: CancellationToken::new(),
        }))
    }
}

impl File {
    async fn begin(&self, opened: &Opened) -> Result<Session, sqlx::Error> {
        let mut reading = opened.readers.begin().await?;
        watch(&mut reading, &self.stop, READ_WITHIN).await?;
        // The first statement takes the lock, and finds what a dead program left behind.
        sqlx::query("SELECT count(*) FROM main.sqlite_schema")
            .execute(&mut *reading)
            .await?;
        Ok(Session::Reading(reading))
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
