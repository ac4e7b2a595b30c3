//! Receipts of what was done lately, so that the same key does it once.

use std::{
    num::NonZeroUsize,
    sync::{Mutex, PoisonError},
};

use drawbridge_core::plan::Receipt;
use lru::LruCache;

/// How many are kept. Across a restart the gateway itself sees to it that nothing is done twice.
const KEPT: NonZeroUsize = NonZeroUsize::MIN.saturating_add(999);

pub(super) struct Done(Mutex<LruCache<String, Receipt>>);

impl Default for Done {
    fn default() -> Self {
        Self(Mutex::new(LruCache::new(KEPT)))
    }
}

impl Done {
    pub(super) fn get(&self, key: &str) -> Option<Receipt> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.get(key).cloned()
    }

    pub(super) fn keep(&self, key: &str, receipt: &Receipt) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.put(key.to_owned(), receipt.clone());
    }
}
