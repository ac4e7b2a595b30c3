//! What documents there are, which could not be read and why; and a search as somebody else.

use askama::Template;
use axum::extract::Query;
use serde::Deserialize;

use super::{
    answers::{Problem, state},
    encoded,
    fit::fit,
    frame::Frame,
    given,
    visitor::{Sent, Shown, Visitor, show},
};
use drawbridge_core::lifecycle::State;

use crate::operate::{Operation, SearchedAs, SourceQuery};

/// Problems that are named of each connector, until one looks at it alone.
const PROBLEMS: usize = 10;

/// From where on sources, or the problems of one, are shown.
#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Behind {
    after: String,
    connector: String,
    problems: String,
}

/// `GET /sources`.
#[derive(Deserialize)]
struct Sources {
    sources: Vec<Source>,
    next: Option<String>,
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
    problems_next: Option<u32>,
    labels: Vec<Labelled>,
}

/// How many documents have a label.
#[derive(Deserialize)]
struct Labelled {
    label: String,
    count: u64,
}

impl Source {
    /// Leaves the problems that fit on the page, of those from one on.
    fn fit(&mut self, from: u32, most: usize) {
        let mut cut = fit(&mut self.problems, |one| {
            vec![&one.path, &one.reason, &one.mend]
        });
        cut |= self.problems.len() > most;
        self.problems.truncate(most);
        if cut {
            let shown = u32::try_from(self.problems.len()).unwrap_or(u32::MAX);
            self.problems_next = Some(from.saturating_add(shown));
        }
    }

    fn texts(&self) -> Vec<&str> {
        let problems = self.problems.iter();
        let problems = problems.flat_map(|one| [&*one.path, &*one.reason, &*one.mend]);
        problems.chain([&*self.name, &*self.summary]).collect()
    }

    fn further(&self) -> Option<String> {
        let next = self.problems_next?;
        Some(format!(
            "/sources?connector={}&problems={next}",
            encoded(&self.name)
        ))
    }

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
    person_as_of: Option<String>,
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
    /// Whether these are not all of them.
    part: bool,
    further: Option<String>,
    found: Option<Found>,
}

pub(super) async fn page(visitor: Visitor, Query(behind): Query<Behind>) -> Shown {
    shown(&visitor, behind, None).await
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
    shown(&sent.visitor, Behind::default(), Some((asked, found))).await
}

async fn shown(visitor: &Visitor, behind: Behind, found: Option<(Asked, Found)>) -> Shown {
    let frame = Frame::of(visitor, "/sources").await?;
    let alone = !behind.connector.is_empty();
    let first: u32 = behind.problems.parse().unwrap_or_default();
    let query = SourceQuery {
        connector: given(&behind.connector),
        after: given(&behind.after),
        problems_from: alone.then_some(first),
    };
    let mut list: Sources = visitor.ask(Operation::Sources(query)).await?;
    let most = if alone { usize::MAX } else { PROBLEMS };
    for source in &mut list.sources {
        source.fit(if alone { first } else { 0 }, most);
    }
    let cut = fit(&mut list.sources, Source::texts);
    let last = list.sources.last().filter(|_| cut);
    let further = last.map(|one| one.name.clone()).or(list.next);
    let (asked, found) = found.map_or((Asked::default(), None), |(asked, found)| {
        (asked, Some(found))
    });
    show(&Page {
        frame,
        asked,
        part: alone || !behind.after.is_empty(),
        sources: list.sources,
        further: further.map(|after| format!("/sources?after={}", encoded(&after))),
        found,
    })
}
