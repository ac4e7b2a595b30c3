//! The checkpoint beside the store: it shows when the store was changed behind the gateway's back.
//!
//! Two files: the signed note, to be copied elsewhere and verified with, and the frontier of the
//! tree at that size, so that what other gateways appended can be checked without reading it all.

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use drawbridge_core::log::{
    checkpoint::{Checkpoint, PublicKey},
    merkle::Frontier,
};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::error;

use crate::keys;

/// How long the files may be behind the store. Writing them for each batch costs as much as the
/// batch; what was written meanwhile can only be cut off unseen together with a crash.
const EVERY: Duration = Duration::from_millis(100);

/// A checkpoint to be kept.
#[derive(Debug, Clone)]
pub(super) struct Newest {
    pub(super) note: String,
    pub(super) frontier: Frontier,
}

/// The checkpoint beside the store.
#[derive(Debug, Clone)]
pub(super) struct Witness {
    note: PathBuf,
    frontier: PathBuf,
}

/// What is known of the log from outside the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Seen {
    /// Nothing: this gateway never saw a log.
    Nothing,
    /// Its size and root.
    Checkpoint(Checkpoint),
    /// All that is needed to append to it.
    Whole(Frontier),
}

impl Witness {
    pub(super) fn new(note: PathBuf) -> Self {
        Self {
            frontier: note.with_extension("frontier"),
            note,
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.note
    }

    /// Reads what was last kept.
    ///
    /// # Errors
    /// When there is a checkpoint and it cannot be read, or this key did not sign it.
    pub(super) fn load(&self, key: &PublicKey) -> io::Result<Seen> {
        let note = match std::fs::read_to_string(&self.note) {
            Ok(note) => note,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Seen::Nothing),
            Err(error) => return Err(error),
        };
        let checkpoint = key.open(&note).map_err(io::Error::other)?;
        let frontier = std::fs::read_to_string(&self.frontier)
            .ok()
            .and_then(|text| hex::decode(text.trim_end()).ok())
            .and_then(|bytes| Frontier::from_bytes(checkpoint.size, &bytes))
            .filter(|frontier| frontier.root() == checkpoint.root);
        Ok(frontier.map_or(Seen::Checkpoint(checkpoint), Seen::Whole))
    }

    /// Keeps the newest checkpoint as the log grows, off the way of calls, until nobody tells any
    /// more; then the last one.
    pub(super) async fn keep(
        self,
        mut newest: watch::Receiver<Option<Newest>>,
        stop: CancellationToken,
    ) {
        while newest.changed().await.is_ok() {
            let Some(Newest { note, frontier }) = newest.borrow_and_update().clone() else {
                continue;
            };
            let files = self.clone();
            let saved = tokio::task::spawn_blocking(move || files.save(&note, &frontier)).await;
            if let Ok(Err(cause)) = saved {
                error!("cannot write the newest checkpoint beside the store: {cause}");
            }
            let _ = tokio::time::timeout(EVERY, stop.cancelled()).await;
        }
    }

    /// Keeps a checkpoint. Not synced: the store is, and an older witness still witnesses.
    ///
    /// # Errors
    /// When the files cannot be written.
    fn save(&self, note: &str, frontier: &Frontier) -> io::Result<()> {
        let text = format!("{}\n", hex::encode(frontier.to_bytes()));
        keys::replace(&self.frontier, text.as_bytes())?;
        keys::replace(&self.note, note.as_bytes())
    }
}
