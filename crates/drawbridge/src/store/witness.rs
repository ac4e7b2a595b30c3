//! The checkpoint beside the store: it shows when the store was changed behind the gateway's back.
//!
//! Two files: the signed note, to be copied elsewhere and verified with, and the frontier of the
//! tree at that size, so that what other gateways appended can be checked without reading it all.

use std::{
    io,
    path::{Path, PathBuf},
};

use drawbridge_core::log::{
    checkpoint::{Checkpoint, PublicKey},
    merkle::Frontier,
};

use crate::keys;

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

    /// Keeps the newest checkpoint. Not synced: the store is, and an older witness still witnesses.
    ///
    /// # Errors
    /// When the files cannot be written.
    pub(super) fn save(&self, note: &str, frontier: &Frontier) -> io::Result<()> {
        let text = format!("{}\n", hex::encode(frontier.to_bytes()));
        keys::replace(&self.frontier, text.as_bytes())?;
        keys::replace(&self.note, note.as_bytes())
    }
}
