//! Words as they are compared: composed, in lower case, without endings, language by language.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tantivy::tokenizer::{
    Language as Endings, LowerCaser, RemoveLongFilter, SimpleTokenizer, Stemmer, TextAnalyzer,
};
use unicode_normalization::UnicodeNormalization;

/// The longest word that is kept, in bytes: longer ones are numbers, keys or noise.
const LONGEST: usize = 60;

/// A language of documents, by its ISO 639-1 code.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Default,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub(super) enum Language {
    /// Arabic.
    Ar,
    /// Danish.
    Da,
    /// German.
    De,
    /// Greek.
    El,
    /// English.
    #[default]
    En,
    /// Spanish.
    Es,
    /// Finnish.
    Fi,
    /// French.
    Fr,
    /// Hungarian.
    Hu,
    /// Italian.
    It,
    /// Dutch.
    Nl,
    /// Norwegian.
    No,
    /// Portuguese.
    Pt,
    /// Romanian.
    Ro,
    /// Russian.
    Ru,
    /// Swedish.
    Sv,
    /// Tamil.
    Ta,
    /// Turkish.
    Tr,
    /// Any other: words are compared as they are written.
    Other,
}

impl Language {
    /// Reads a language tag such as `de` or `de-AT`; one that is not known is [`Self::Other`].
    pub(super) fn of_tag(tag: &str) -> Self {
        let primary = tag.split(['-', '_']).next().unwrap_or_default();
        let code = serde_json::Value::String(primary.to_ascii_lowercase());
        match primary.to_ascii_lowercase().as_str() {
            "nb" | "nn" => Self::No,
            _ => serde_json::from_value(code).unwrap_or(Self::Other),
        }
    }

    /// The mark its words carry in the index, so that those of two languages never meet.
    fn mark(self) -> char {
        // Letters and digits only: see `words`.
        char::from_digit(self as u32, 36).unwrap_or('z')
    }

    fn endings(self) -> Option<Endings> {
        Some(match self {
            Self::Ar => Endings::Arabic,
            Self::Da => Endings::Danish,
            Self::De => Endings::German,
            Self::El => Endings::Greek,
            Self::En => Endings::English,
            Self::Es => Endings::Spanish,
            Self::Fi => Endings::Finnish,
            Self::Fr => Endings::French,
            Self::Hu => Endings::Hungarian,
            Self::It => Endings::Italian,
            Self::Nl => Endings::Dutch,
            Self::No => Endings::Norwegian,
            Self::Pt => Endings::Portuguese,
            Self::Ro => Endings::Romanian,
            Self::Ru => Endings::Russian,
            Self::Sv => Endings::Swedish,
            Self::Ta => Endings::Tamil,
            Self::Tr => Endings::Turkish,
            Self::Other => return None,
        })
    }
}

/// Cuts text of one language into terms. Made once for many texts: a stemmer is dear to make.
pub(super) struct Words {
    mark: char,
    analyzer: TextAnalyzer,
}

impl Words {
    pub(super) fn new(language: Language) -> Self {
        let plain = TextAnalyzer::builder(SimpleTokenizer::default())
            .filter(RemoveLongFilter::limit(LONGEST))
            .filter(LowerCaser);
        Self {
            mark: language.mark(),
            analyzer: match language.endings() {
                Some(endings) => plain.filter(Stemmer::new(endings)).build(),
                None => plain.build(),
            },
        }
    }

    /// Calls `each` with every term of a text, in order: its language's mark, then the stem. A term
    /// has no white space in it.
    pub(super) fn each(&mut self, text: &str, mut each: impl FnMut(String)) {
        let composed: String = text.nfkc().collect();
        let mut stream = self.analyzer.token_stream(&composed);
        stream.process(&mut |token| each(format!("{}{}", self.mark, token.text)));
    }

    /// The term of a single word, as [`spellings`] gives it.
    pub(super) fn term(&mut self, word: &str) -> Option<String> {
        let mut term = None;
        self.each(word, |found| term = Some(found));
        term
    }
}

/// The words of a question, composed and in lower case, with their endings.
pub(super) fn spellings(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    Words::new(Language::Other).each(text, |term| words.push(term.chars().skip(1).collect()));
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms(language: Language, text: &str) -> Vec<String> {
        let mut terms = Vec::new();
        Words::new(language).each(text, |term| terms.push(term));
        terms
    }

    #[test]
    fn words_of_two_languages_never_meet_and_spellings_of_one_word_do() {
        assert_eq!(
            terms(Language::En, "Running"),
            terms(Language::En, "runs, run")[..1]
        );
        assert_ne!(terms(Language::En, "run"), terms(Language::De, "run"));
        assert_eq!(
            terms(Language::De, "Häuser"),
            terms(Language::De, "Ha\u{308}user")
        );
        assert_eq!(terms(Language::En, "ｆｕｌｌ"), terms(Language::En, "full"));
    }

    #[test]
    fn language_tags_are_read_as_people_write_them() {
        for (tag, language) in [
            ("de", Language::De),
            ("de-AT", Language::De),
            ("EN_us", Language::En),
            ("nb", Language::No),
            ("ja", Language::Other),
            ("", Language::Other),
        ] {
            assert_eq!(Language::of_tag(tag), language, "{tag}");
        }
    }
}
