//! A document's text, cut where its author cut it.

mod child;
mod formats;
mod pool;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use child::{answer_all, child};
pub use pool::Extractor;

/// What a file says.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Extracted {
    /// The title its author gave it.
    pub title: Option<String>,
    /// Front matter: what the file says about itself.
    pub front: BTreeMap<String, Value>,
    /// The labels that it names outside front matter: the most sensitive counts.
    pub labels: Vec<String>,
    /// Front matter is there and cannot be read: why.
    pub front_error: Option<String>,
    /// Its parts in reading order.
    pub sections: Vec<Section>,
    /// A limit was reached: which, and what is missing.
    pub truncated: Option<String>,
}

/// A part of a document.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Section {
    /// The headings above it, from the top.
    pub heading: Vec<String>,
    /// The page it is on, from 1.
    pub page: Option<u32>,
    /// Its text.
    pub text: String,
}

/// Why a file gives no text, for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{reason}")]
pub struct Unreadable {
    /// The reason, and how to mend it.
    pub reason: String,
}

impl Unreadable {
    /// A reason in words.
    pub fn new(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
        }
    }
}

/// A file format that can be read.
pub struct Format {
    /// Its name, the value of the facet `format`.
    pub name: &'static str,
    /// File name extensions, in lower case.
    pub extensions: &'static [&'static str],
    read: fn(&[u8]) -> Result<Extracted, Unreadable>,
}

impl Format {
    /// Whether a file of it can name its label, so that nobody can tell who may see one that cannot
    /// be read.
    #[must_use]
    pub fn names_labels(&self) -> bool {
        ["html", "md", "txt"].contains(&self.name)
    }
}

/// Every format, in alphabetical order.
pub static FORMATS: &[Format] = &[
    Format {
        name: "csv",
        extensions: &["csv"],
        read: formats::csv,
    },
    Format {
        name: "docx",
        extensions: &["docx"],
        read: formats::office,
    },
    Format {
        name: "eml",
        extensions: &["eml"],
        read: formats::eml,
    },
    Format {
        name: "html",
        extensions: &["html", "htm"],
        read: formats::html,
    },
    Format {
        name: "md",
        extensions: &["md", "markdown"],
        read: formats::markdown,
    },
    Format {
        name: "odt",
        extensions: &["odt"],
        read: formats::odt,
    },
    Format {
        name: "pdf",
        extensions: &["pdf"],
        read: formats::pdf,
    },
    Format {
        name: "pptx",
        extensions: &["pptx"],
        read: formats::office,
    },
    Format {
        name: "txt",
        extensions: &["txt"],
        read: formats::markdown,
    },
    Format {
        name: "xlsx",
        extensions: &["xlsx", "xls", "ods"],
        read: formats::sheets,
    },
];

/// Reads a file in this process, as the confined child does.
///
/// # Errors
/// The reason, when it gives no text.
pub fn read(path: &str, bytes: &[u8]) -> Result<Extracted, Unreadable> {
    match format_of(path) {
        Some(format) => (format.read)(bytes),
        None => Err(Unreadable::new("its format is not known")),
    }
}

/// The format of a file, by its extension in any case.
#[must_use]
pub fn format_of(path: &str) -> Option<&'static Format> {
    let (_, extension) = path.rsplit_once('.')?;
    let extension = extension.to_ascii_lowercase();
    FORMATS
        .iter()
        .find(|format| format.extensions.contains(&extension.as_str()))
}
