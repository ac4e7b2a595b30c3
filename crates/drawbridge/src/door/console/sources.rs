//! What documents there are, which could not be read and why; and a search as somebody else.

use askama::Template;
use serde::Deserialize;

use super::{
    answers::{Problem, state},
    frame::Frame,
    visitor::{Sent, Shown, Visitor, show},
};
use drawbridge_core::lifecycle::State;

use crate::operate::{Operation, SearchedAs, SourceQuery};

/// `GET /sources`.
#[derive(Deserialize)]
struct Sources {
    sources: Vec<Source>,
}

#[derive(Deserialize)]
struct Source {
    name: String,
    state: State,
    health: Option<String>,
    summary: String,
    resources: Option<u64>,
    synced: Option<String>,
    stale_after: Option<String>,
    stale: bool,
    problems: Vec<Problem>,
    problems_total: Option<u64>,
    labels: Vec<Labelled>,
}

/// How many documents have a label.
#[derive(Deserialize)]
struct Labelled {
    label: String,
    count: u64,
}

impl Source {
    fn state(&self) -> (&'static str, &'static str) {
        state(self.state)
    }
}

/// What is searched for, and as whom.
#[derive(Default)]
struct Asked {
    person: String,
    connector: String,
    query: String,
}

/// `POST /search_as`.
#[derive(Deserialize)]
struct Found {
    person: String,
    status: String,
    message: Option<String>,
    count: u64,
    sources: Vec<Hit>,
}

#[derive(Deserialize)]
struct Hit {
    title: String,
    path: String,
    place: Option<String>,
    modified: Option<String>,
    label: String,
    stale: bool,
}

#[derive(Template)]
#[template(path = "sources.html")]
struct Page {
    frame: Frame,
    asked: Asked,
    sources: Vec<Source>,
    found: Option<Found>,
}

pub(super) async fn page(visitor: Visitor) -> Shown {
    shown(&visitor, Asked::default(), None).await
}

/// A search as somebody else: an act of its own, so that no address does it.
pub(super) async fn search(sent: Sent) -> Shown {
    let asked = Asked {
        person: sent.field("person").to_owned(),
        connector: sent.field("connector").to_owned(),
        query: sent.field("query").to_owned(),
    };
    let operation = Operation::SearchAs(SearchedAs {
        person: asked.person.clone(),
        connector: asked.connector.clone(),
        query: asked.query.clone(),
    });
    let found = sent.visitor.ask(operation).await?;
    shown(&sent.visitor, asked, Some(found)).await
}

async fn shown(visitor: &Visitor, asked: Asked, found: Option<Found>) -> Shown {
    let frame = Frame::of(visitor, "/sources").await?;
    let sources: Sources = visitor
        .ask(Operation::Sources(SourceQuery::default()))
        .await?;
    show(&Page {
        frame,
        asked,
        sources: sources.sources,
        found,
    })
}
