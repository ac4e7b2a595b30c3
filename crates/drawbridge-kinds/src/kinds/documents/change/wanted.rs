//! What the arguments ask for, and what may be asked for.

use drawbridge_core::{answer::Failure, log::plain};
use serde::Deserialize;
use serde_json::Value;

use super::super::{extract::format_of, part::Own};

/// The most documents of one call.
pub(in super::super) const MOST_TARGETS: usize = 100;
/// The most bytes that one document can be given.
pub(in super::super) const MOST_CONTENT: usize = 1 << 20;
/// The most bytes of a path, and of one name in it: beside a document there are others while it is
/// being changed, which need room.
const MOST_PATH: usize = 500;
const MOST_NAME: usize = 200;
/// Formats that are plain text, so that what is written is what is read.
pub(in super::super) const WRITABLE_FORMATS: [&str; 4] = ["csv", "html", "md", "txt"];

/// What is done to one document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Edit {
    /// It comes to be.
    Create(String),
    /// It says something else.
    Replace(String),
    /// It comes to be, or says something else.
    Put(String),
    /// Parts of it say something else.
    Change(Vec<Piece>),
    /// It goes away.
    Delete,
}

/// A part of a text and what stands in its place.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Piece {
    /// It must occur exactly once.
    old: String,
    /// What stands there instead.
    new: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Given {
    path: Option<String>,
    content: Option<String>,
    replace: Option<Vec<Piece>>,
    paths: Option<Vec<String>>,
    documents: Option<Vec<Written>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    path: String,
    content: String,
}

/// What a call asks for: each document once, in the order of their names.
pub(super) struct Wanted {
    pub(super) edits: Vec<(String, Edit)>,
}

impl Wanted {
    pub(super) fn of(action: &str, arguments: &Value) -> Result<Self, Failure> {
        let given: Given = serde_json::from_value(arguments.clone())
            .map_err(|error| Failure::invalid(error.to_string()))?;
        let mut edits = Vec::new();
        let whole = |content| match action {
            "write" => Edit::Create(content),
            "draft" => Edit::Put(content),
            _ => Edit::Replace(content),
        };
        for written in given.documents.into_iter().flatten() {
            edits.push((written.path, whole(written.content)));
        }
        for path in given.paths.into_iter().flatten() {
            edits.push((path, Edit::Delete));
        }
        match (given.path, given.content, given.replace) {
            (Some(path), Some(content), None) => edits.push((path, whole(content))),
            (Some(path), None, Some(pieces)) => edits.push((path, Edit::Change(pieces))),
            (Some(path), None, None) if action == "delete" => edits.push((path, Edit::Delete)),
            (None, None, None) => {}
            (Some(_), None, None) => {
                return Err(Failure::invalid("`content`: it is missing"));
            }
            (Some(_), Some(_), Some(_)) => {
                return Err(Failure::invalid(
                    "`replace`: give it or `content`, not both",
                ));
            }
            (None, _, _) => return Err(Failure::invalid("`path`: it is missing")),
        }
        edits.sort_by(|one, other| one.0.cmp(&other.0));
        if edits.is_empty() {
            return Err(Failure::invalid("`path`: it is missing"));
        }
        if edits.len() > MOST_TARGETS {
            let told = format!("`paths`: at most {MOST_TARGETS} at a time");
            return Err(Failure::invalid(told));
        }
        let mut pairs = edits.iter().zip(edits.iter().skip(1));
        if let Some(((path, _), _)) = pairs.find(|(one, other)| one.0 == other.0) {
            return Err(Failure::invalid(format!("`{path}` stands there twice")));
        }
        for (path, edit) in &edits {
            let size = match edit {
                Edit::Create(text) | Edit::Replace(text) | Edit::Put(text) => text.len(),
                Edit::Change(_) | Edit::Delete => 0,
            };
            bounded(path, size)?;
        }
        Ok(Self { edits })
    }
}

fn bounded(path: &str, size: usize) -> Result<(), Failure> {
    if size > MOST_CONTENT {
        let told =
            format!("`{path}` would have {size} bytes, and at most {MOST_CONTENT} can be written");
        return Err(Failure::invalid(told));
    }
    Ok(())
}

/// A text with parts of it replaced.
pub(super) fn changed(path: &str, text: &str, pieces: &[Piece]) -> Result<String, Failure> {
    let mut text = text.to_owned();
    for (index, piece) in pieces.iter().enumerate() {
        let at = format!("`replace/{index}/old`");
        let mut found = text.match_indices(&piece.old);
        let place = match (found.next(), found.next()) {
            _ if piece.old.is_empty() => {
                return Err(Failure::invalid(format!("{at}: it is empty")));
            }
            (Some((place, _)), None) => place,
            (None, _) => {
                let told = format!("{at}: `{path}` does not say this; read it again");
                return Err(Failure::invalid(told));
            }
            (Some(_), Some(_)) => {
                let told = format!(
                    "{at}: `{path}` says this more than once; give more of what is around it"
                );
                return Err(Failure::invalid(told));
            }
        };
        text.replace_range(place..place + piece.old.len(), &piece.new);
    }
    bounded(path, text.len())?;
    Ok(text)
}

impl Own {
    /// Whether the file lets a document be changed at all.
    ///
    /// # Errors
    /// `invalid`, with the rule that a path breaks.
    pub(in super::super) fn may_change(&self, path: &str) -> Result<(), Failure> {
        let wrong = |why: &str| Err(Failure::invalid(format!("`{path}`: {why}")));
        let parts = || path.split('/');
        if path.len() > MOST_PATH || parts().any(|part| part.len() > MOST_NAME) {
            let told = format!(
                "`path`: it has more than {MOST_PATH} bytes, or a name in it more than {MOST_NAME}"
            );
            return Err(Failure::invalid(told));
        }
        if parts().any(|part| part.is_empty() || part.starts_with('.') || part.trim() != part) {
            return wrong(
                "a path goes from the folder's root down, and no name in it begins with a dot or ends with a space",
            );
        }
        if path.chars().any(misleads) || !unicode_normalization::is_nfc(path) {
            return wrong("its name has characters that mislead");
        }
        if path.contains('\\') {
            return wrong("folders are separated by `/`");
        }
        let format = format_of(path).map(|format| format.name);
        if !format.is_some_and(|format| WRITABLE_FORMATS.contains(&format)) {
            let told = format!("only {} files can be written", WRITABLE_FORMATS.join(", "));
            return wrong(&told);
        }
        if !self.contains(path) || !self.writable.is_match(path) {
            return wrong("it is not in a folder that may be written");
        }
        Ok(())
    }
}

/// Characters that a name could hide something with: what is not seen, or looks like a space.
fn misleads(letter: char) -> bool {
    plain::misleads(letter)
        || (letter != ' ' && letter.is_whitespace())
        || matches!(
            letter,
            '\u{34f}'
                | '\u{115f}'
                | '\u{1160}'
                | '\u{180b}'..='\u{180f}'
                | '\u{2800}'
                | '\u{3164}'
                | '\u{fe00}'..='\u{fe0f}'
                | '\u{ffa0}'
                | '\u{fffc}'
                | '\u{fffd}'
                | '\u{e0000}'..='\u{e0fff}'
        )
}
