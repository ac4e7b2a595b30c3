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
    Hidden(String),
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
