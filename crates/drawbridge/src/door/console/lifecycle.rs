//! From a wish to an end: requests, reviews that come up, and what was retired.

use askama::Template;
use axum::extract::{Path, Query};
use drawbridge_core::{call::Power, lifecycle::State};
use serde::Deserialize;

use super::{
    answers::{Connector, Connectors, Review},
    encoded,
    fit::fit,
    frame::Frame,
    given,
    visitor::{Sent, Shown, Trouble, Visitor, read, show},
};
use crate::{
    operate::{ConnectorQuery, NewRequest, Operation, RequestQuery},
    store::RequestState,
};

/// Connectors that are named in each state.
const NAMED: u32 = 50;

/// From where on each list is shown: empty where it is from its begin.
#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Asked {
    requests: String,
    new: String,
    retired: String,
}

/// `GET /requests`.
#[derive(Deserialize)]
struct Requests {
    requests: Vec<Request>,
    next: Option<String>,
}

/// What somebody asked for.
#[derive(Deserialize)]
struct Request {
    id: String,
    task: String,
    system: String,
    powers: Vec<Power>,
    data: String,
    why: String,
    person: String,
    created: String,
    state: String,
    answered_by: Option<String>,
    answered_at: Option<String>,
    reason: Option<String>,
    yours_to_answer: bool,
}

#[derive(Template)]
#[template(path = "lifecycle.html")]
struct Page {
    frame: Frame,
    asked: Asked,
    requests: Vec<Request>,
    further_requests: Option<String>,
    /// That wait for a first review.
    new: Vec<Connector>,
    further_new: Option<String>,
    reviews: Vec<Review>,
    retired: Vec<Connector>,
    further_retired: Option<String>,
}

impl Request {
    fn texts(&self) -> Vec<&str> {
        let reason = self.reason.as_deref().unwrap_or_default();
        vec![&self.task, &self.system, &self.data, &self.why, reason]
    }
}

impl Page {
    fn powers(&self) -> [Power; 8] {
        Power::ALL
    }

    /// The same page with one of its lists from further on.
    fn from(&self, list: &str, after: &str) -> String {
        let Asked {
            requests,
            new,
            retired,
        } = &self.asked;
        let lists = [("requests", requests), ("new", new), ("retired", retired)];
        let others = lists
            .iter()
            .filter(|(name, at)| *name != list && !at.is_empty());
        let others = others.map(|(name, at)| format!("{name}={}&", encoded(at)));
        let others: String = others.collect();
        format!("/lifecycle?{others}{list}={}#{list}", encoded(after))
    }
}

pub(super) async fn page(visitor: Visitor, Query(asked): Query<Asked>) -> Shown {
    let frame = Frame::of(&visitor, "/lifecycle").await?;
    let query = RequestQuery {
        after: given(&asked.requests),
        ..RequestQuery::default()
    };
    let mut list: Requests = visitor.ask(Operation::Requests(query)).await?;
    let cut = fit(&mut list.requests, Request::texts);
    let last = list.requests.last().filter(|_| cut);
    let further_requests = last.map(|one| one.id.clone()).or(list.next);
    let mut new = in_state(&visitor, (State::InReview, &asked.new)).await?;
    let mut retired = in_state(&visitor, (State::Retired, &asked.retired)).await?;
    let (further_new, further_retired) = (further(&mut new), further(&mut retired));
    new.connectors.retain(|one| one.inspection.is_some());
    show(&Page {
        frame,
        asked,
        requests: list.requests,
        further_requests,
        new: new.connectors,
        further_new,
        reviews: new.reviews.unwrap_or_default(),
        retired: retired.connectors,
        further_retired,
    })
}

/// Leaves the connectors that fit on the page; behind which one there are more.
fn further(list: &mut Connectors) -> Option<String> {
    let cut = fit(&mut list.connectors, |one| vec![&one.name, &one.purpose]);
    let last = list.connectors.last().filter(|_| cut);
    last.map(|one| one.name.clone()).or(list.next.take())
}

/// Connectors in a state, behind one.
async fn in_state(visitor: &Visitor, (state, after): (State, &str)) -> Result<Connectors, Trouble> {
    let query = ConnectorQuery {
        state: Some(state),
        after: given(after),
        limit: Some(NAMED),
        ..ConnectorQuery::default()
    };
    read(visitor.look(Operation::Connectors(query)).await?)
}

/// A wish for a connector.
pub(super) async fn request(sent: Sent) -> Shown {
    let powers = sent
        .chosen("power.")
        .into_iter()
        .filter_map(|word| serde_json::from_value(word.into()).ok());
    let wanted = NewRequest {
        task: sent.field("task").to_owned(),
        system: sent.field("system").to_owned(),
        powers: powers.collect(),
        data: sent.field("data").to_owned(),
        why: sent.field("why").to_owned(),
    };
    sent.visitor.data(Operation::NewRequest(wanted)).await?;
    sent.visitor.done("/lifecycle", "asked")
}

/// What a reviewer says to one.
pub(super) async fn answer(Path(id): Path<String>, sent: Sent) -> Shown {
    let outcome = match sent.field("outcome") {
        "taken" => RequestState::Taken,
        _ => RequestState::Declined,
    };
    let reason = sent.field("reason").to_owned();
    let operation = Operation::AnswerRequest {
        id,
        outcome,
        reason,
    };
    sent.visitor.data(operation).await?;
    sent.visitor.done("/lifecycle", "answered")
}
