//! Answers, made from what the view admits and nothing else.

mod cursor;
mod filter;
mod list;
mod read;
mod search;
mod snippet;

use std::sync::Arc;

use drawbridge_core::{
    answer::{Failure, Found, Source, Status},
    call::Call,
    decide::View,
    file::WhenStale,
};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    Folder,
    document::Stamp,
    index::Broken,
    library::{
        snapshot::{Held, Snapshot},
        visible::Visible,
    },
    passage::Passage,
    sync::Standing,
};

/// An answer, with the documents it shows as they were when they were read.
pub(super) struct Answer {
    pub(super) found: Found,
    pub(super) shown: Vec<(String, Option<Stamp>)>,
}

/// Why there is no answer.
pub(super) enum NoAnswer {
    /// For the caller.
    Failure(Failure),
    /// The index must be made anew.
    Broken(Broken),
}

impl From<Failure> for NoAnswer {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

impl From<Broken> for NoAnswer {
    fn from(broken: Broken) -> Self {
        Self::Broken(broken)
    }
}

/// Answers a call. Blocks.
pub(super) fn to(folder: &Folder, call: &Call, view: &View) -> Result<Answer, NoAnswer> {
    let snapshot = folder.library.snapshot();
    let scope = &folder.own.scope;
    let question = Question {
        visible: snapshot.visible(view, (scope.drafts, scope.superseded)),
        standing: folder.progress.now(),
        folder,
        call,
        view,
        snapshot,
    };
    let mut answer = Answer {
        found: Found::new(Value::Null, String::new(), 0),
        shown: Vec::new(),
    };
    question.freshness(&mut answer.found)?;
    match &*call.action.name {
        "search" => question.search(&mut answer)?,
        "list" => question.list(&mut answer)?,
        _ => question.read(&mut answer)?,
    }
    Ok(answer)
}

struct Question<'a> {
    folder: &'a Folder,
    call: &'a Call,
    view: &'a View,
    snapshot: Arc<Snapshot>,
    visible: Arc<Visible>,
    standing: Standing,
}

impl Question<'_> {
    fn text(&self, name: &str) -> Option<&str> {
        self.call.arguments.get(name).and_then(Value::as_str)
    }

    fn number(&self, name: &str) -> Option<usize> {
        let number = self.call.arguments.get(name).and_then(Value::as_u64)?;
        Some(usize::try_from(number).unwrap_or(usize::MAX))
    }

    /// Says when the documents may be incomplete or old; refuses where the file wants that.
    fn freshness(&self, found: &mut Found) -> Result<(), Failure> {
        if !self.standing.listed {
            let partly = "the first sync since the gateway started is not complete, so documents \
                          may be missing or old; ask again later";
            found.missing.push(partly.to_owned());
        }
        let Some(synced) = self.standing.synced else {
            return Ok(());
        };
        if !self.is_stale(synced) {
            return Ok(());
        }
        match self.folder.part.when_stale {
            WhenStale::Refuse => Err(Failure::new(
                Status::Stale,
                "the documents were last seen longer ago than the file allows; tell whoever keeps \
                 the connector",
            )),
            WhenStale::Warn => {
                let notice = format!(
                    "these documents were last seen at {synced}, longer ago than the file wants: \
                     say so when you answer"
                );
                found.notices.push(notice);
                Ok(())
            }
        }
    }

    fn is_stale(&self, seen: Timestamp) -> bool {
        let age = self.folder.context.clock.now().duration_since(seen);
        let most = self.folder.part.stale_after;
        most.is_some_and(|most| !age.is_negative() && age.unsigned_abs() > most)
    }

    /// Adds a document to what the answer rests on, and describes it.
    fn show(&self, held: &Held, place: Option<String>, answer: &mut Answer) -> Value {
        let document = &held.document;
        let seen = self
            .standing
            .synced
            .unwrap_or(document.synced)
            .max(document.synced);
        let stale = self
            .standing
            .synced
            .is_some_and(|synced| self.is_stale(synced));
        let source = Source {
            title: document.title.clone(),
            path: held.path().to_owned(),
            place,
            modified: document.modified,
            synced: seen,
            version: document.version.clone(),
            label: document.label().to_owned(),
            stale,
            untrusted: false,
        };
        let described = json!({
            "title": source.title, "path": source.path, "label": source.label, "modified": source.modified,
            "synced": source.synced, "version": source.version, "stale": source.stale,
        });
        answer.found.sources.push(source);
        let shown = (held.path().to_owned(), held.stamp().cloned());
        if !answer.shown.contains(&shown) {
            answer.shown.push(shown);
        }
        described
    }

    fn held(&self, slot: usize) -> Result<&Held, NoAnswer> {
        let held = self.snapshot.documents.get(slot);
        held.ok_or(NoAnswer::Broken(Broken::Damaged))
    }
}

/// Where in its document a passage is, for people.
fn place(passage: &Passage) -> Option<String> {
    match (passage.page, passage.heading.as_str()) {
        (Some(page), _) => Some(format!("page {page}")),
        (None, "") => None,
        (None, heading) => Some(heading.to_owned()),
    }
}

fn with(mut value: Value, more: Value) -> Value {
    if let (Value::Object(all), Value::Object(more)) = (&mut value, more) {
        all.extend(more);
    }
    value
}
