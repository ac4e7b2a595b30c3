//! The database of a connector, whichever engine it is, and what this process did to it.

use std::{
    num::NonZeroUsize,
    sync::{Arc, Mutex},
    time::Duration,
};

use drawbridge_core::{answer::Failure, credential::Credential, plan::Receipt};
use lru::LruCache;

use super::{
    engine::{self, Engine, Rights},
    link::{Link, Transaction},
    part::{Acting, Own},
};

/// How long one read or one plan may take.
pub(super) const READ_WITHIN: Duration = Duration::from_secs(15);
/// How many effects of this process are remembered where the database has no table for them.
const REMEMBERED: usize = 1_000;

/// The database of a connector.
pub(super) struct Base {
    engine: Box<dyn Engine>,
    done: Mutex<LruCache<String, Receipt>>,
}

/// A look at the database in which nothing changes.
pub(super) struct Reading(Box<dyn Link>);

impl Reading {
    pub(super) fn connection(&mut self) -> &mut dyn Link {
        &mut *self.0
    }
}

/// The one transaction that does an effect. Dropped, it is taken back.
pub(super) struct Writing(Box<dyn Transaction>);

impl Writing {
    pub(super) fn connection(&mut self) -> &mut dyn Link {
        &mut *self.0
    }

    /// Makes it last.
    ///
    /// # Errors
    /// `unknown` when nobody can tell whether it does; with any other status it does not.
    pub(super) async fn commit(self) -> Result<(), Failure> {
        self.0.commit().await
    }

    /// Takes it back.
    pub(super) async fn give_up(self) {
        self.0.give_up().await;
    }
}

impl Base {
    /// It signs in to a server with this credential.
    pub(super) fn new(own: &Own, credential: Option<Arc<dyn Credential>>) -> Self {
        let most = NonZeroUsize::new(REMEMBERED).unwrap_or(NonZeroUsize::MIN);
        Self {
            engine: engine::of(own, credential),
            done: Mutex::new(LruCache::new(most)),
        }
    }

    /// Begins to read. What is read until it is dropped is of one moment.
    pub(super) async fn read(&self, acting: &Acting) -> Result<Reading, Failure> {
        self.engine.read(acting).await.map(Reading)
    }

    /// Whether the database is there.
    pub(super) async fn reach(&self) -> Result<(), Failure> {
        self.engine.reach().await
    }

    /// Begins to write. Until it ends nobody else can begin with the same key.
    pub(super) async fn write(&self, key: &str, acting: &Acting) -> Result<Writing, Failure> {
        self.engine.write(key, acting).await.map(Writing)
    }

    /// What the connector's account can do.
    pub(super) async fn rights(&self, own: &Own) -> Result<Rights, Failure> {
        self.engine.rights(own).await
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

    /// Ends what runs and lets go of the database.
    pub(super) async fn close(&self) {
        self.engine.close().await;
    }

    pub(super) fn is_closed(&self) -> bool {
        self.engine.is_closed()
    }
}
