//! A database of SQLite that this program makes, reads and throws away.

use std::{
    fs::{File, OpenOptions},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use drawbridge_core::answer::Failure;
use sqlx::{
    ConnectOptions, SqliteConnection, SqlitePool,
    sqlite::{SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use tokio_util::sync::CancellationToken;

use super::{
    super::super::{base::READ_WITHIN, link::Link},
    ACQUIRE, IDLE, READERS, Session, options, told, watch,
};

/// The database's file: nobody else's, and gone with the last who reads it.
pub(in super::super) struct Draft {
    path: PathBuf,
    /// Locked for as long as the file is in use.
    _held: File,
}

impl Draft {
    /// An empty file of this name, which is not there yet.
    pub(in super::super) fn new(path: PathBuf) -> std::io::Result<Self> {
        let mut options = OpenOptions::new();
        let held = options
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)?;
        held.try_lock()?;
        Ok(Self { path, _held: held })
    }

    /// Removes such a file that a dead program left.
    pub(in super::super) fn remove_if_left(path: &Path) -> std::io::Result<()> {
        if File::open(path)?.try_lock().is_ok() {
            std::fs::remove_file(path)?;
        }
        Ok(())
    }

    /// Who fills it. Nothing of it must outlive a crash; but a table that turns out unfit is taken
    /// back, which needs a journal.
    pub(in super::super) async fn filled(&self) -> Result<SqliteConnection, sqlx::Error> {
        options(&self.path)
            .read_only(false)
            .journal_mode(SqliteJournalMode::Memory)
            .synchronous(SqliteSynchronous::Off)
            .connect()
            .await
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // One that stays is removed when the connector is opened again.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// The database, filled: it is only read.
pub(in super::super) struct ThrowAway {
    readers: SqlitePool,
    _draft: Draft,
}

impl ThrowAway {
    pub(in super::super) fn new(draft: Draft) -> Self {
        let options = options(&draft.path).read_only(true).immutable(true);
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS)
            .acquire_timeout(ACQUIRE)
            .idle_timeout(IDLE)
            .test_before_acquire(false)
            .connect_lazy_with(options.pragma("query_only", "ON"));
        Self {
            readers,
            _draft: draft,
        }
    }

    pub(in super::super) async fn read(
        &self,
        stop: &CancellationToken,
    ) -> Result<Box<dyn Link>, Failure> {
        let mut reading = self.readers.begin().await.map_err(told)?;
        watch(&mut reading, stop, READ_WITHIN).await.map_err(told)?;
        Ok(Box::new(Session::Reading(reading)))
    }

    pub(in super::super) async fn close(&self) {
        self.readers.close().await;
    }
}

/// SQLite's code of what a statement broke: whether it is a rule that rows of a table keep.
pub(in super::super) fn broke_unique(error: &sqlx::Error) -> bool {
    matches!(super::code_of(error), Some(1555 | 2067 | 2579))
}

/// Whether a column that must have a value has none.
pub(in super::super) fn broke_not_null(error: &sqlx::Error) -> bool {
    super::code_of(error) == Some(1299)
}
