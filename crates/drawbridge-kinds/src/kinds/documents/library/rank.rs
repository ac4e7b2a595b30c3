//! BM25 over the visible passages, and over nothing else.
//!
//! Frequencies and lengths are those of what the caller may see. Each passage's score is a sum in
//! 64 bits over the words of the question in their alphabetical order, and equal scores are told
//! apart by path and place: so an answer is the same to the byte whatever else the index holds or
//! held, in whichever segments.

use std::collections::BTreeMap;

use tantivy::{DocAddress, Term, schema::IndexRecordOption};

use super::{
    super::{
        index::Broken,
        language::{Language, Words, spellings},
    },
    snapshot::{At, Segment, Snapshot},
    visible::Visible,
};

/// BM25's saturation of term frequency and weight of length (Robertson and Zaragoza, 2009).
const K1: f64 = 1.2;
const B: f64 = 0.75;
/// Passages of one document in an answer.
const PER_DOCUMENT: usize = 3;

/// The words of a question.
pub(in super::super) struct Query {
    words: Vec<Word>,
}

/// A word: how often it is asked for, and its term in each language.
struct Word {
    times: u32,
    terms: Vec<String>,
}

impl Query {
    /// The words of a text, with the terms they have in some languages. A word that is said twice
    /// counts twice.
    pub(in super::super) fn new<'a>(
        text: &str,
        languages: impl IntoIterator<Item = &'a Language>,
    ) -> Self {
        let mut times = BTreeMap::<String, u32>::new();
        for word in spellings(text) {
            *times.entry(word).or_default() += 1;
        }
        let mut cutters: Vec<Words> = languages.into_iter().map(|one| Words::new(*one)).collect();
        let words = times.into_iter().map(|(word, times)| Word {
            times,
            terms: cutters
                .iter_mut()
                .filter_map(|words| words.term(&word))
                .collect(),
        });
        Self {
            words: words.collect(),
        }
    }

    /// Whether there is nothing to look for.
    pub(in super::super) fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// Whether it asks for a word that begins with a letter.
    pub(in super::super) fn asks_for_any_in(&self, letter: char) -> bool {
        let mut terms = self.words.iter().flat_map(|word| &word.terms);
        // A term begins with the mark of its language.
        terms.any(|term| term.chars().nth(1) == Some(letter))
    }

    /// Whether it asks for a term.
    pub(in super::super) fn asks_for(&self, term: &str) -> bool {
        let mut words = self.words.iter();
        words.any(|word| word.terms.iter().any(|own| own == term))
    }
}

/// A passage that has a word of the question.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Hit {
    pub(in super::super) score: f64,
    /// Its document.
    pub(in super::super) slot: usize,
    /// Its number in the document.
    number: u32,
    /// Where it is kept.
    pub(in super::super) at: DocAddress,
}

impl Hit {
    fn order(&self, other: &Self) -> std::cmp::Ordering {
        // Slots are in the order of paths.
        let by_score = other.score.total_cmp(&self.score);
        by_score.then((self.slot, self.number).cmp(&(other.slot, other.number)))
    }
}

/// The hits from one position to another, the best first, and how many there are in all.
pub(in super::super) fn best(
    mut hits: Vec<Hit>,
    (from, limit): (usize, usize),
) -> (Vec<Hit>, usize) {
    let (total, end) = (hits.len(), from.saturating_add(limit));
    if end < total {
        hits.select_nth_unstable_by(end, Hit::order);
        hits.truncate(end);
    }
    hits.sort_unstable_by(Hit::order);
    (hits.into_iter().skip(from).collect(), total)
}

impl Snapshot {
    /// The passages of `wanted` documents that have a word of the question: the best few of each
    /// document, in no order. All statistics are those of `visible`.
    pub(in super::super) fn hits(
        &self,
        visible: &Visible,
        wanted: &[bool],
        query: &Query,
    ) -> Result<Vec<Hit>, Broken> {
        let total = visible.passages as f64;
        let average = visible.terms as f64 / total.max(1.0);
        let mut weights = Vec::new();
        for word in &query.words {
            let mut having = 0;
            for term in &word.terms {
                having += visible.frequency(term, || self.frequency(visible, term))?;
            }
            let having = having as f64;
            let rarity = (1.0 + (total - having + 0.5) / (having + 0.5)).ln();
            weights.push(rarity * f64::from(word.times));
        }
        let mut hits = Vec::new();
        for (ordinal, segment) in (0..).zip(&self.segments) {
            let mut scores = vec![0.0; segment.passages.len()];
            for (word, weight) in query.words.iter().zip(&weights) {
                for term in &word.terms {
                    let term = Term::from_field_text(self.fields().terms, term);
                    segment.each(
                        &term,
                        wanted,
                        |at, times, score: &mut f64| {
                            let (times, length) = (f64::from(times), f64::from(at.length));
                            let norm = 1.0 - B + B * length / average;
                            *score += weight * times * (K1 + 1.0) / (times + K1 * norm);
                        },
                        &mut scores,
                    )?;
                }
            }
            collect(ordinal, segment, &scores, &mut hits);
        }
        Ok(hits)
    }

    /// In how many visible passages a term occurs.
    fn frequency(&self, visible: &Visible, term: &str) -> Result<u64, Broken> {
        let term = Term::from_field_text(self.fields().terms, term);
        let mut having = 0;
        for segment in &self.segments {
            let Some(mut block) = segment
                .terms
                .read_block_postings(&term, IndexRecordOption::Basic)?
            else {
                continue;
            };
            while !block.docs().is_empty() {
                let seen = block.docs().iter().filter(|document| {
                    let at = segment.at(**document);
                    at.is_some_and(|at| visible.sees(at.slot as usize))
                });
                having += seen.count() as u64;
                block.advance();
            }
        }
        Ok(having)
    }
}

impl Segment {
    fn at(&self, document: u32) -> Option<&At> {
        self.passages.get(document as usize)
    }

    /// Calls `add` for every wanted passage with a term: where it is, how often it has the term,
    /// and its place in `sums`.
    fn each<T>(
        &self,
        term: &Term,
        wanted: &[bool],
        mut add: impl FnMut(&At, u32, &mut T),
        sums: &mut [T],
    ) -> Result<(), Broken> {
        let Some(mut block) = self
            .terms
            .read_block_postings(term, IndexRecordOption::WithFreqs)?
        else {
            return Ok(());
        };
        while !block.docs().is_empty() {
            for (document, times) in block.docs().iter().zip(block.freqs()) {
                if let Some(at) = self.at(*document)
                    && wanted.get(at.slot as usize).copied().unwrap_or_default()
                    && let Some(sum) = sums.get_mut(*document as usize)
                {
                    add(at, *times, sum);
                }
            }
            block.advance();
        }
        Ok(())
    }
}

/// The best passages of each document. A document's passages stand side by side in one segment:
/// they are written together, and merging keeps the order.
fn collect(ordinal: u32, segment: &Segment, scores: &[f64], hits: &mut Vec<Hit>) {
    let mut found = (0..)
        .zip(segment.passages.iter().zip(scores))
        .filter(|(_, (_, score))| **score > 0.0)
        .map(|(document, (at, score))| Hit {
            score: *score,
            slot: at.slot as usize,
            number: at.number,
            at: DocAddress::new(ordinal, document),
        })
        .peekable();
    let mut of_document: Vec<Hit> = Vec::new();
    while let Some(hit) = found.next() {
        of_document.push(hit);
        if found.peek().is_none_or(|next| next.slot != hit.slot) {
            of_document.sort_unstable_by(Hit::order);
            of_document.truncate(PER_DOCUMENT);
            hits.append(&mut of_document);
        }
    }
}
