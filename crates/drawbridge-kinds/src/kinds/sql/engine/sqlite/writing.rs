//! The one transaction that writes, and how its end is known.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use drawbridge_core::answer::{Failure, Status};
use sqlx::{ConnectOptions, Connection, SqliteConnection, sqlite::SqliteSynchronous};
use tokio::sync::OwnedMutexGuard;

use super::{File, code_of, options, told, watch};

/// How long an effect may take before its commit. Afterwards it is taken back, also when this
/// process slept meanwhile: nothing is done so late that somebody else has settled it.
const WRITE_WITHIN: Duration = Duration::from_secs(20);
/// How long a commit may take before nobody knows what came of it.
const COMMIT_WITHIN: Duration = Duration::from_secs(30);

/// A transaction that holds the lock of the database: nobody else writes, and nobody else has a
/// commit on its way. A connection of its own, because SQLite may end a transaction by itself.
/// Dropped, it is taken back.
pub(super) struct Writing {
    pub(super) connection: SqliteConnection,
    file: Arc<File>,
    id: (u64, u64),
    until: Instant,
    _turn: OwnedMutexGuard<()>,
}

/// Begins to write.
pub(super) async fn begin(file: &Arc<File>) -> Result<Writing, Failure> {
    let until = Instant::now() + WRITE_WITHIN;
    let waited = tokio::time::timeout(WRITE_WITHIN, file.turn.clone().lock_owned()).await;
    let turn = waited.map_err(|_| late())?;
    let opened = file.opened().await?;
    let options = options(&opened.real)
        .read_only(false)
        .synchronous(SqliteSynchronous::Full);
    let mut connection = options.connect().await.map_err(told)?;
    watch(&mut connection, &file.stop, WRITE_WITHIN)
        .await
        .map_err(told)?;
    sqlx::query("BEGIN IMMEDIATE")
        .execute(&mut connection)
        .await
        .map_err(told)?;
    let writing = Writing {
        connection,
        file: file.clone(),
        id: opened.id,
        until,
        _turn: turn,
    };
    writing.in_time()?;
    Ok(writing)
}

impl Writing {
    fn in_time(&self) -> Result<(), Failure> {
        if Instant::now() < self.until {
            Ok(())
        } else {
            Err(late())
        }
    }

    /// Makes it last.
    pub(super) async fn commit(mut self) -> Result<(), Failure> {
        let (_, id) = self.file.place().await?;
        if id != self.id {
            let told = "the database's file was replaced meanwhile; nothing was changed";
            return Err(Failure::new(Status::Unavailable, told));
        }
        self.in_time()?;
        // From here on it is not stopped: a commit that was interrupted says nothing of its end.
        let handle = self.connection.lock_handle().await;
        handle.map_err(told)?.remove_progress_handler();
        let commit = sqlx::query("COMMIT").execute(&mut self.connection);
        match tokio::time::timeout(COMMIT_WITHIN, commit).await {
            Ok(Ok(_)) => {
                // It lasts already; what is left is to let go of the file.
                let _ = tokio::time::timeout(COMMIT_WITHIN, self.connection.close()).await;
                Ok(())
            }
            // Locked by readers, or refused by a rule that is checked at the end: SQLite keeps such
            // a transaction open, and it is taken back with the connection.
            Ok(Err(error)) if matches!(code_of(&error).map(|code| code & 0xff), Some(5 | 19)) => {
                self.give_up().await;
                Err(told(error))
            }
            Ok(Err(error)) => {
                let told = "the database did not say whether it was done";
                Err(Failure::new(Status::Unknown, told).with_source(error))
            }
            Err(_) => {
                let told = "the database did not say in time whether it was done";
                Err(Failure::new(Status::Unknown, told))
            }
        }
    }

    /// Takes it back.
    pub(super) async fn give_up(self) {
        let _ = tokio::time::timeout(COMMIT_WITHIN, self.connection.close()).await;
    }
}

fn late() -> Failure {
    let told = "the database took too long; nothing was changed";
    Failure::new(Status::Timeout, told)
}
