//! What one view lets see, and the statistics of just that.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::{Mutex, PoisonError},
};

use super::{
    super::{language::Language, part::Shown},
    snapshot::Held,
};

/// Words whose frequency is kept.
const MOST_FREQUENCIES: usize = 10_000;

/// What one view lets see.
pub(in super::super) struct Visible {
    /// By slot.
    seen: Vec<bool>,
    /// How many passages.
    pub(super) passages: u64,
    /// How many terms these have.
    pub(super) terms: u64,
    /// In which languages.
    pub(in super::super) languages: BTreeSet<Language>,
    /// In how many passages a term occurs.
    frequencies: Mutex<HashMap<String, u64>>,
}

impl Visible {
    /// A superseded document is hidden only from those who may see what supersedes it: else its
    /// absence would tell that something else exists.
    pub(super) fn new(
        documents: &[Held],
        admitted: &[bool],
        (drafts, superseded): (Shown, Shown),
    ) -> Self {
        let sees = |held: &Held| {
            let draft = held.document.facet("status") == Some("draft");
            (!draft || drafts == Shown::Show)
                && admitted.get(held.class).copied().unwrap_or_default()
        };
        let mut seen: Vec<bool> = documents.iter().map(sees).collect();
        if superseded == Shown::Hide {
            let older: HashSet<&str> = documents
                .iter()
                .zip(&seen)
                .filter(|(held, seen)| {
                    **seen && held.document.supersedes.as_deref() != Some(held.path())
                })
                .filter_map(|(held, _)| held.document.supersedes.as_deref())
                .collect();
            for (seen, held) in seen.iter_mut().zip(documents) {
                *seen &= !older.contains(held.path());
            }
        }
        let shown = || documents.iter().zip(&seen).filter(|(_, seen)| **seen);
        let passages = shown()
            .map(|(held, _)| u64::from(held.document.passages))
            .sum();
        let terms = shown().map(|(held, _)| held.document.terms).sum();
        let languages = shown().map(|(held, _)| held.document.language).collect();
        Self {
            seen,
            passages,
            terms,
            languages,
            frequencies: Mutex::default(),
        }
    }

    /// Whether the document in a slot may be seen.
    pub(in super::super) fn sees(&self, slot: usize) -> bool {
        self.seen.get(slot).copied().unwrap_or_default()
    }

    /// The slots that may be seen, by path.
    pub(in super::super) fn slots(&self) -> impl Iterator<Item = usize> {
        let slots = self.seen.iter().enumerate();
        slots.filter(|(_, seen)| **seen).map(|(slot, _)| slot)
    }

    /// In how many visible passages a term occurs; counted once.
    pub(super) fn frequency<E>(
        &self,
        term: &str,
        count: impl FnOnce() -> Result<u64, E>,
    ) -> Result<u64, E> {
        let cache = || {
            self.frequencies
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
        };
        if let Some(known) = cache().get(term) {
            return Ok(*known);
        }
        let counted = count()?;
        let mut cache = cache();
        if cache.len() >= MOST_FREQUENCIES {
            cache.clear();
        }
        cache.insert(term.to_owned(), counted);
        Ok(counted)
    }
}
