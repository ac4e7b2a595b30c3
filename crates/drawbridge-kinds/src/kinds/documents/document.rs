//! What is known of a file without its text.

use std::{collections::BTreeMap, sync::Arc};

use drawbridge_core::{connector::LABEL, decide::Resource};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{FACETS, language::Language};

/// What tells that a file may have changed. Two files with equal stamps have the same content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Stamp(pub(super) String);

/// A file in scope.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Entry {
    /// Its path from the root.
    pub(super) path: String,
    /// Its stamp when it was read; none where it could not be.
    pub(super) stamp: Option<Stamp>,
    /// What became of it.
    pub(super) state: State,
}

/// What became of a file.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum State {
    /// It is a document, for those who may see it.
    Offered(Arc<Document>),
    /// Nobody sees it, because nobody can tell who may: the reason.
    Hidden(Why),
}

/// Why a file is not offered, for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Why {
    pub(super) reason: String,
    pub(super) mend: Mend,
}

impl Why {
    /// Something is wrong with the file itself.
    pub(super) fn file(reason: impl Into<String>) -> Self {
        Self::new(Mend::File, reason)
    }

    /// What it says of itself cannot be read.
    pub(super) fn front(reason: impl Into<String>) -> Self {
        Self::new(Mend::Front, reason)
    }

    /// Nobody can tell its label.
    pub(super) fn label(reason: impl Into<String>) -> Self {
        Self::new(Mend::Label, reason)
    }

    /// Its format is not one that is read.
    pub(super) fn format() -> Self {
        Self::new(Mend::Format, "its format is not one that is read")
    }

    fn new(mend: Mend, reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            mend,
        }
    }
}

/// How a file becomes one that is offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Mend {
    File,
    Front,
    Label,
    Format,
}

impl Mend {
    /// What to do, for people.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::File => "mend the file, or leave it out with `scope.exclude`",
            Self::Front => "mend what the file says of itself: front matter or `meta` tags",
            Self::Label => "set `scope.label`, give the folder a label, or mend the file's own",
            Self::Format => "leave files of other formats out with `scope.exclude`",
        }
    }
}

/// A document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Document {
    pub(super) title: String,
    pub(super) facets: BTreeMap<String, String>,
    pub(super) modified: Option<Timestamp>,
    /// When it was read.
    pub(super) synced: Timestamp,
    /// The first digits of SHA-256 of its content.
    pub(super) version: String,
    pub(super) language: Language,
    /// The path of the document it supersedes.
    pub(super) supersedes: Option<String>,
    /// Why it gives no text, or not all of it.
    pub(super) reason: Option<String>,
    /// How many passages it has.
    pub(super) passages: u32,
    /// How many terms these have in all.
    pub(super) terms: u64,
}

impl Document {
    /// A facet's value.
    pub(super) fn facet(&self, name: &str) -> Option<&str> {
        self.facets.get(name).map(String::as_str)
    }

    /// Its label. The sync lets none in without one.
    pub(super) fn label(&self) -> &str {
        self.facet(LABEL).unwrap_or_default()
    }

    /// What the rules can know of it.
    pub(super) fn resource(&self) -> Resource {
        let known = FACETS.iter().map(|facet| facet.name);
        Resource(
            known
                .filter_map(|name| Some((name, self.facet(name)?.to_owned())))
                .collect(),
        )
    }
}
