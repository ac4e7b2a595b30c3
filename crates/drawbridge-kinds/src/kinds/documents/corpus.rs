//! All documents at one moment, cut into passages. Never changed: a sync makes the next one.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use drawbridge_core::{
    connector::{LABEL, Problem, Progress},
    decide::Resource,
};
use jiff::Timestamp;
use tantivy::tokenizer::{
    Language as Stems, LowerCaser, RemoveLongFilter, SimpleTokenizer, Stemmer, TextAnalyzer,
};

use super::{extract::Extracted, part::Language};

/// About how many words a passage has.
const WORDS: usize = 200;

/// All documents at one moment.
#[derive(Clone, Default)]
pub(super) struct Corpus {
    /// By path.
    pub(super) documents: BTreeMap<String, Arc<Document>>,
    /// Files that are there and cannot be offered, with the reason.
    pub(super) invisible: BTreeMap<String, Arc<Invisible>>,
    /// When the whole folder was last listed.
    pub(super) synced: Option<Timestamp>,
    /// Whether that listing was complete.
    pub(super) complete: bool,
    /// How far the running sync is.
    pub(super) progress: Option<Progress>,
}

/// A file that nobody may see, because nobody can tell who may.
pub(super) struct Invisible {
    pub(super) stamp: Stamp,
    pub(super) reason: String,
}

/// What tells that a file may have changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) bytes: u64,
    pub(super) modified_ns: i128,
}

/// A document.
pub(super) struct Document {
    pub(super) path: String,
    pub(super) title: String,
    pub(super) resource: Resource,
    pub(super) stamp: Stamp,
    pub(super) modified: Option<Timestamp>,
    pub(super) synced: Timestamp,
    /// The first digits of SHA-256 of its content.
    pub(super) version: String,
    /// The path of the document it supersedes.
    pub(super) supersedes: Option<String>,
    /// Why it gives no text, or not all of it.
    pub(super) reason: Option<String>,
    pub(super) passages: Vec<Passage>,
}

/// A part of a document that can be found by itself.
pub(super) struct Passage {
    pub(super) heading: String,
    pub(super) page: Option<u32>,
    pub(super) text: String,
    /// How often each stem occurs in title, headings and text.
    pub(super) stems: HashMap<Box<str>, u32>,
    /// How many stems there are in all.
    pub(super) length: u32,
}

impl Corpus {
    pub(super) fn problems(&self) -> Vec<Problem> {
        let invisible = self
            .invisible
            .iter()
            .map(|(path, file)| (path, &file.reason));
        let partly = self
            .documents
            .iter()
            .filter_map(|(path, document)| Some((path, document.reason.as_ref()?)));
        invisible
            .chain(partly)
            .map(|(path, reason)| Problem {
                path: path.clone(),
                reason: reason.clone(),
            })
            .collect()
    }
}

impl Document {
    /// Its label. The sync lets none in without one.
    pub(super) fn label(&self) -> &str {
        self.resource.0.get(LABEL).map_or("", String::as_str)
    }
}

/// Cuts a document's sections into passages of about [`WORDS`] words, at paragraphs.
pub(super) fn passages(title: &str, extracted: &Extracted, language: Language) -> Vec<Passage> {
    let mut analyzer = analyzer(language);
    let mut passages = Vec::new();
    for section in &extracted.sections {
        let heading = section.heading.join(" › ");
        let mut text = String::new();
        let mut close = |text: &mut String| {
            let text = std::mem::take(text);
            if !text.trim().is_empty() {
                let stems = count(&mut analyzer, &format!("{title}\n{heading}\n{text}"));
                passages.push(Passage {
                    heading: heading.clone(),
                    page: section.page,
                    length: stems.values().sum(),
                    stems,
                    text,
                });
            }
        };
        for paragraph in section.text.split("\n\n") {
            if text.split_whitespace().count() + paragraph.split_whitespace().count() > WORDS {
                close(&mut text);
            }
            if !text.is_empty() {
                text.push_str("\n\n");
            }
            text.push_str(paragraph.trim_end());
        }
        close(&mut text);
    }
    passages
}

/// Words as they are compared: lower case, without endings.
pub(super) fn analyzer(language: Language) -> TextAnalyzer {
    let stems = match language {
        Language::En => Stems::English,
        Language::De => Stems::German,
        Language::Fr => Stems::French,
        Language::Es => Stems::Spanish,
        Language::Sv => Stems::Swedish,
    };
    TextAnalyzer::builder(SimpleTokenizer::default())
        .filter(RemoveLongFilter::limit(60))
        .filter(LowerCaser)
        .filter(Stemmer::new(stems))
        .build()
}

/// How often each stem occurs.
pub(super) fn count(analyzer: &mut TextAnalyzer, text: &str) -> HashMap<Box<str>, u32> {
    let mut stems = HashMap::new();
    let mut stream = analyzer.token_stream(text);
    stream.process(&mut |token| *stems.entry(token.text.as_str().into()).or_default() += 1);
    stems
}
