//! The sensitivity of data: an ordered list of words.

use super::{Fault, schema::nearest};

/// The labels of a gateway, from the least to the most sensitive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Labels(Vec<String>);

impl Default for Labels {
    fn default() -> Self {
        Self(
            ["public", "internal", "confidential", "restricted"]
                .map(str::to_owned)
                .to_vec(),
        )
    }
}

impl Labels {
    /// Labels in rising order.
    #[must_use]
    pub fn new(words: Vec<String>) -> Self {
        Self(words)
    }

    /// How sensitive a label is, from 0; none for a word that is no label.
    #[must_use]
    pub fn rank(&self, label: &str) -> Option<usize> {
        self.0.iter().position(|word| word == label)
    }

    /// Every label, the least sensitive first.
    #[must_use]
    pub fn words(&self) -> &[String] {
        &self.0
    }

    /// What is wrong with a word that is no label, at a place.
    #[must_use]
    pub fn unknown(&self, at: &str, word: &str) -> Fault {
        let near = nearest(word, self.0.iter().map(String::as_str));
        Fault::new(
            at,
            format!("`{word}` is no label of this gateway"),
            near.map_or_else(
                || format!("write one of {}", self.0.join(", ")),
                |near| format!("did you mean `{near}`?"),
            ),
        )
    }

    /// The most sensitive of some labels. An unknown word counts as the most sensitive of all.
    pub fn highest<'a>(&self, labels: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
        labels
            .into_iter()
            .max_by_key(|label| self.rank(label).unwrap_or(usize::MAX))
    }
}
