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

/// How far it is followed what supersedes what.
const LONGEST_CHAIN: usize = 64;

/// Whether a document's word counts: it may not hide what others keep elsewhere.
fn may_supersede(newer: &str, older: &str) -> bool {
    let top = |path: &str| {
        path.split_once('/')
            .map_or(String::new(), |(top, _)| top.to_owned())
    };
    newer != older && top(newer) == top(older)
}

/// Whether following what supersedes what leads from one document to another: those that supersede
/// each other would all be gone.
fn leads_to(newer: &HashMap<&str, &str>, from: &str, to: &str) -> bool {
    let mut at = from;
    for _ in 0..LONGEST_CHAIN {
        match newer.get(at) {
            Some(next) if *next == to => return true,
            Some(next) => at = next,
            None => return false,
        }
    }
    // Too long to follow, or a circle that `to` is no part of.
    false
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
            let newer: HashMap<&str, &str> = documents
                .iter()
                .zip(&seen)
                .filter(|(_, seen)| **seen)
                .filter_map(|(held, _)| Some((held.path(), held.document.supersedes.as_deref()?)))
                .filter(|(newer, older)| may_supersede(newer, older))
                .collect();
            let older: HashSet<&str> = newer
                .iter()
                .filter(|(newer_path, older)| !leads_to(&newer, older, newer_path))
                .map(|(_, older)| *older)
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

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::{leads_to, may_supersede};

    #[test]
    fn a_document_hides_only_what_is_kept_where_it_is() {
        for (newer, older, may) in [
            ("policies/2026/travel.md", "policies/2024/travel.md", true),
            ("a.md", "b.md", true),
            ("team/evil.md", "policies/travel.md", false),
            ("evil.md", "policies/travel.md", false),
            ("a.md", "a.md", false),
        ] {
            assert_eq!(may_supersede(newer, older), may, "{newer} → {older}");
        }
    }

    #[test]
    fn documents_that_supersede_each_other_are_told_from_a_chain() {
        let newer = HashMap::from([("a", "b"), ("b", "c"), ("x", "y"), ("y", "x"), ("z", "x")]);
        for (from, to, leads) in [
            ("b", "a", false),
            ("c", "b", false),
            ("y", "x", true),
            ("x", "y", true),
            ("x", "z", false),
        ] {
            assert_eq!(leads_to(&newer, from, to), leads, "{from} → {to}");
        }
    }
}
