//! From a wish to an end: requests, reviews that come up, and what was retired.

use askama::Template;
use axum::extract::Path;
use drawbridge_core::{call::Power, lifecycle::State};
use serde::Deserialize;

use super::{
    answers::{Connector, Connectors, Review},
    frame::Frame,
    visitor::{Sent, Shown, Trouble, Visitor, read, show},
};
use crate::{
    operate::{ConnectorQuery, NewRequest, Operation, RequestQuery},
    store::RequestState,
};

/// Connectors that are named in each state.
const NAMED: u32 = 50;

/// `GET /requests`.
#[derive(Deserialize)]
struct Requests {
    requests: Vec<Request>,
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
    requests: Vec<Request>,
    /// That wait for a first review.
    new: Vec<Connector>,
    reviews: Vec<Review>,
    retired: Vec<Connector>,
}

impl Page {
    fn powers(&self) -> [Power; 8] {
        Power::ALL
    }
}

pub(super) async fn page(visitor: Visitor) -> Shown {
    let frame = Frame::of(&visitor, "/lifecycle").await?;
    let requests: Requests = visitor
        .ask(Operation::Requests(RequestQuery::default()))
        .await?;
    let new = in_state(&visitor, State::InReview).await?;
    let retired = in_state(&visitor, State::Retired).await?.connectors;
    let mine = new
        .connectors
        .into_iter()
        .filter(|one| one.inspection.is_some());
    show(&Page {
        frame,
        requests: requests.requests,
        new: mine.collect(),
        reviews: new.reviews.unwrap_or_default(),
        retired,
    })
}

/// The first connectors in a state.
async fn in_state(visitor: &Visitor, state: State) -> Result<Connectors, Trouble> {
    let query = ConnectorQuery {
        state: Some(state),
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
