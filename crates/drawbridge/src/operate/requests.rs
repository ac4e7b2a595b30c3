//! Wishes for connectors: whoever needs a system asks, and owners and reviewers answer.

use drawbridge_core::{
    answer::{Failure, Found, Status},
    call::{Caller, Power},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};

use super::{
    Effect, Prepared,
    roles::{has_role, is_owner, own_client},
    store_down,
};
use crate::{
    app::App,
    connectors::Snapshot,
    store::{ConnectorRequest, RequestAnswer, RequestFilter, RequestState},
};

/// The longest text of a request, in characters.
const LONGEST: usize = 2_000;
/// The most requests of one person that are open.
const MOST_OPEN: u64 = 20;
/// The most powers: there are eight.
const MOST_POWERS: usize = 8;
/// Requests of a page, unless the question says how many.
const REQUESTS: u32 = 50;
/// The most requests of a page.
const MOST_REQUESTS: u32 = 200;

/// A wish for a connector.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewRequest {
    /// The work it is for. At most 2000 characters, as every text of it.
    pub task: String,
    /// The system to be reached.
    pub system: String,
    /// What should be possible: `read`, `search`, `draft`, `write`, `update`, `delete`, `send`,
    /// `trigger`.
    #[schema(value_type = Vec<String>)]
    pub powers: Vec<Power>,
    /// Which data of it.
    #[serde(default)]
    pub data: String,
    /// Why.
    pub why: String,
}

/// Which requests.
#[derive(Debug, Clone, Default, Serialize, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct RequestQuery {
    /// That this became of: `open`, `taken` or `declined`.
    #[param(value_type = Option<String>)]
    pub state: Option<RequestState>,
    /// At most so many. Default 50.
    pub limit: Option<u32>,
    /// Only those behind this id: the `next` of an earlier answer.
    pub after: Option<String>,
}

impl App {
    pub(super) async fn new_request(
        &self,
        snapshot: &Snapshot,
        caller: &Caller,
        (act, new): (&str, &NewRequest),
    ) -> Prepared {
        own_client(caller)?;
        for (field, text) in [
            ("task", &new.task),
            ("system", &new.system),
            ("why", &new.why),
        ] {
            fits(field, text)?;
            if text.trim().is_empty() {
                return Err(Failure::invalid(format!("`{field}`: say something")));
            }
        }
        fits("data", &new.data)?;
        let mut powers = new.powers.clone();
        powers.sort();
        powers.dedup();
        if powers.is_empty() || new.powers.len() > MOST_POWERS {
            let told = "`powers`: name what should be possible, such as `search` and `read`";
            return Err(Failure::invalid(told));
        }
        let person = &caller.person.id;
        let open = self.store.open_requests(Some(person)).await;
        if open.map_err(store_down)? >= MOST_OPEN {
            return Err(too_many());
        }
        let request = ConnectorRequest {
            id: act.to_owned(),
            task: new.task.clone(),
            system: new.system.clone(),
            powers,
            data: new.data.clone(),
            why: new.why.clone(),
            person: person.clone(),
            created: self.clock.now(),
            state: RequestState::Open,
            answered_by: None,
            answered_at: None,
            reason: None,
        };
        let found = Found::new(shown(snapshot, caller, &request), String::new(), 1);
        Ok((found, Effect::KeepRequest(Box::new(request))))
    }

    pub(super) async fn requests_found(
        &self,
        snapshot: &Snapshot,
        caller: &Caller,
        query: &RequestQuery,
    ) -> Prepared {
        own_client(caller)?;
        let own = (!answers(snapshot, caller)).then(|| caller.person.id.clone());
        let open = self.store.open_requests(own.as_deref()).await;
        let most = query.limit.unwrap_or(REQUESTS).clamp(1, MOST_REQUESTS);
        let after = match &query.after {
            None => None,
            Some(id) => {
                let known = self.store.request(id).await.map_err(store_down)?;
                let told = "`after`: there is no such request";
                Some(known.ok_or_else(|| Failure::invalid(told))?)
            }
        };
        let filter = RequestFilter {
            person: own,
            state: query.state,
            after,
            limit: most + 1,
        };
        let mut page = self.store.requests(&filter).await.map_err(store_down)?;
        let more = page.len() > most as usize;
        page.truncate(most as usize);
        let next = page.last().filter(|_| more).map(|last| &last.id);
        let list: Vec<Value> = page
            .iter()
            .map(|request| shown(snapshot, caller, request))
            .collect();
        let count = list.len() as u64;
        let data = json!({"requests": list, "next": next, "open": open.map_err(store_down)?});
        Ok((Found::new(data, String::new(), count), Effect::Nothing))
    }

    pub(super) async fn answer_request(
        &self,
        snapshot: &Snapshot,
        caller: &Caller,
        (id, outcome, reason): (&str, RequestState, &str),
    ) -> Prepared {
        own_client(caller)?;
        if !answers(snapshot, caller) {
            let told = "only a reviewer or an owner may answer a request";
            return Err(Failure::new(Status::Denied, told));
        }
        fits("reason", reason)?;
        if reason.trim().is_empty() {
            let told = "`reason`: say why, for who asked";
            return Err(Failure::invalid(told));
        }
        if outcome == RequestState::Open {
            return Err(Failure::invalid("`outcome`: `taken` or `declined`"));
        }
        let request = self.store.request(id).await.map_err(store_down)?;
        let request = request.ok_or_else(|| Failure::not_found("there is no such request"))?;
        if request.state != RequestState::Open {
            let by = request.answered_by.unwrap_or_default();
            let told = format!("`{by}` answered it already: {}", request.state.word());
            return Err(Failure::new(Status::Conflict, told));
        }
        let answer = RequestAnswer {
            id: request.id.clone(),
            state: outcome,
            by: caller.person.id.clone(),
            at: self.clock.now(),
            reason: reason.to_owned(),
        };
        let answered = ConnectorRequest {
            state: outcome,
            answered_by: Some(answer.by.clone()),
            answered_at: Some(answer.at),
            reason: Some(answer.reason.clone()),
            ..request
        };
        let found = Found::new(shown(snapshot, caller, &answered), String::new(), 1);
        Ok((found, Effect::AnswerRequest(Box::new(answer))))
    }
}

impl App {
    /// Keeps a request, or the answer to one.
    pub(super) async fn keep_request(&self, effect: Effect) -> anyhow::Result<()> {
        match effect {
            Effect::KeepRequest(request) => {
                if !self.store.add_request(&request, MOST_OPEN).await? {
                    return Err(too_many().into());
                }
            }
            Effect::AnswerRequest(answer) => {
                if !self.store.answer_request(&answer).await? {
                    let told = "somebody else answered it first; look at it again";
                    return Err(Failure::new(Status::Conflict, told).into());
                }
            }
            _ => anyhow::bail!("no request is kept by this"),
        }
        Ok(())
    }
}

/// Who sees every request and answers them.
fn answers(snapshot: &Snapshot, caller: &Caller) -> bool {
    let reviewers = &snapshot.gateway.roles.reviewer;
    is_owner(snapshot, caller) || has_role(snapshot, caller, reviewers)
}

fn too_many() -> Failure {
    let told =
        format!("{MOST_OPEN} requests of yours are open; wait until some of them are answered");
    Failure::new(Status::Limited, told)
}

fn fits(field: &str, text: &str) -> Result<(), Failure> {
    if text.chars().count() <= LONGEST {
        return Ok(());
    }
    let told = format!("`{field}`: at most {LONGEST} characters");
    Err(Failure::invalid(told))
}

fn shown(snapshot: &Snapshot, caller: &Caller, request: &ConnectorRequest) -> Value {
    let mut shown = json!(request);
    if let Some(shown) = shown.as_object_mut() {
        let yours = request.person == caller.person.id;
        let open = request.state == RequestState::Open;
        let yours_to_answer = open && answers(snapshot, caller);
        shown.insert("yours".to_owned(), yours.into());
        shown.insert("yours_to_answer".to_owned(), yours_to_answer.into());
    }
    shown
}
