//! What a server asked for by requests of its own, as revisions before 2026-07-28 have it, and could not be
//! passed on.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

use drawbridge_core::exchange::Asking;

use super::locked;

/// What was asked for so far, by whichever connection.
#[derive(Clone, Default)]
pub(super) struct Asked(Arc<Mutex<BTreeSet<Asking>>>);

impl Asked {
    pub(super) fn note(&self, asking: Asking) {
        locked(&self.0).insert(asking);
    }

    pub(super) fn all(&self) -> BTreeSet<Asking> {
        locked(&self.0).clone()
    }
}
