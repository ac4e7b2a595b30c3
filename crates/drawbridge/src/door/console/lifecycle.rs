//! From a wish to an end: requests, reviews that come up, and what was retired.

use askama::Template;
use axum::extract::Path;
use drawbridge_core::{call::Power, lifecycle::State};
use serde::Deserialize;

use super::{
    answers::{Connector, Connectors},
    frame::Frame,
    visitor::{Sent, Shown, Visitor, done, read, show},
};
use crate::{
    operate::{ConnectorQuery, NewRequest, Operation, RequestQuery},
    store::RequestState,
};

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
    /// By the date of their next review.
    due: Vec<Connector>,
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
    let all: Connectors = read(
        visitor
            .look(Operation::Connectors(ConnectorQuery::default()))
            .await?,
    )?;
    let (retired, living): (Vec<_>, Vec<_>) = all
        .connectors
        .into_iter()
        .partition(|one| one.state == State::Retired);
    let (new, mut due): (Vec<_>, Vec<_>) = living
        .into_iter()
        .filter(|one| one.inspection.is_some())
        .partition(|one| one.state == State::InReview);
    due.retain(|one| one.due.is_some());
    due.sort_by(|one, other| {
        let at = |one: &Connector| one.due.as_ref().map(|due| due.at.clone());
        at(one).cmp(&at(other))
    });
    due.truncate(MOST_DUE);
    show(&Page {
        frame,
        requests: requests.requests,
        new,
        due,
        retired,
    })
}

/// Reviews that are named, the next first.
const MOST_DUE: usize = 50;

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
    done("/lifecycle?done=asked")
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
    done("/lifecycle?done=answered")
}
