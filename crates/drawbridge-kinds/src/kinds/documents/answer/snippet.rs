//! The part of a passage that shows why it was found.

use super::super::{
    language::{Language, Words},
    library::rank::Query,
};

/// How many words a snippet has.
const LENGTH: usize = 40;
/// The most bytes of a word that is shown.
const WORD: usize = 100;

/// The part of a text with the most words of the question, those in bold.
pub(super) fn snippet(text: &str, language: Language, query: &Query) -> String {
    let mut cutter = Words::new(language);
    let words: Vec<(&str, bool)> = text
        .split_whitespace()
        .map(|word| {
            let mut hit = false;
            if may_be_asked_for(word, query) {
                cutter.each(word, |term| hit |= query.asks_for(&term));
            }
            (word, hit)
        })
        .collect();
    let window = words.windows(LENGTH.min(words.len()).max(1));
    let hits = |window: &[(&str, bool)]| window.iter().filter(|(_, hit)| *hit).count();
    let best = window
        .enumerate()
        .max_by_key(|(start, window)| (hits(window), std::cmp::Reverse(*start)));
    let best = best.map_or(words.as_slice(), |(_, window)| window);
    let shown: Vec<String> = best.iter().map(|(word, hit)| shown(word, *hit)).collect();
    shown.join(" ")
}

/// Whether it is worth looking for a word's stem: a stem begins as its word does. Most words of a
/// passage are not, and stemming each is what a snippet would cost most.
fn may_be_asked_for(word: &str, query: &Query) -> bool {
    let mut parts = word.split(|letter: char| !letter.is_ascii_alphanumeric());
    !word.is_ascii()
        || parts.any(|part| {
            let first = part.chars().next();
            first.is_some_and(|first| query.asks_for_any_in(first.to_ascii_lowercase()))
        })
}

fn shown(word: &str, hit: bool) -> String {
    let word = match word.char_indices().nth(WORD) {
        Some((end, _)) => format!("{}…", word.get(..end).unwrap_or_default()),
        None => word.to_owned(),
    };
    if hit { format!("**{word}**") } else { word }
}
