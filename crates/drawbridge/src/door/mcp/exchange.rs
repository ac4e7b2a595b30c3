//! What a connector's target and the client say to each other while a call runs: how far it has come, and
//! questions that the client's side must answer first.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use axum::http::request::Parts;
use drawbridge_core::{
    call::Caller,
    exchange::{Asking, Asks, Exchange, Given, Hears, Step},
    log::Seal,
    plan::digest,
};
use jiff::Timestamp;
use rmcp::{
    ErrorData, RoleServer,
    model::{
        ClientCapabilities, ElicitationCapability, FormElicitationCapability, InputRequests,
        InputRequiredResult, InputResponses, ProgressNotificationParam, RootsCapabilities,
        SamplingCapability, UrlElicitationCapability,
    },
    service::RequestContext,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::mpsc;

use super::{MODERN, asking, wire};

/// How many steps wait to be passed on; more are left out.
const MOST_STEPS: usize = 64;
/// How long the answer to a question may take, and be taken for one to it.
const ANSWER_WITHIN: Duration = Duration::from_secs(3_600);

/// What of a request its questions are bound to.
pub(super) struct Asked<'a> {
    pub(super) caller: &'a Caller,
    pub(super) connector: Option<&'a str>,
    pub(super) tool: &'a str,
    pub(super) arguments: &'a Value,
}

/// What a client carries from one try to the next: it is good for the same call by the same caller only.
#[derive(Serialize, Deserialize)]
struct Carried {
    person: String,
    client: String,
    /// Digest over connector, tool and arguments.
    call: String,
    until: Timestamp,
    /// What the target wants back.
    state: String,
}

/// What came with a call that goes on.
pub(super) enum State<'a> {
    /// The plan that it waits for, sealed.
    Plan(&'a str),
    /// The answer to what a target asked.
    Given(Option<Given>),
}

fn wrong() -> ErrorData {
    ErrorData::invalid_params("`requestState`: it is not from this call", None)
}

/// Of what a question is about. Keyed by nothing: what is sealed by the same key must be no digest of it.
fn of_call(asked: &Asked<'_>) -> String {
    digest(&serde_json::json!([
        asked.connector,
        asked.tool,
        asked.arguments
    ]))
}

/// Reads what a client brings back.
pub(super) fn given<'a>(
    (seal, now): (&Seal, Timestamp),
    asked: &Asked<'_>,
    (responses, state): (Option<InputResponses>, Option<&'a str>),
) -> Result<State<'a>, ErrorData> {
    let carried = match state {
        None => None,
        Some(state) => {
            let content = seal.open(state).ok_or_else(wrong)?;
            if content.first() != Some(&b'{') {
                return Ok(State::Plan(state));
            }
            let carried: Carried = serde_json::from_slice(&content).map_err(|_| wrong())?;
            let same = carried.person == asked.caller.person.id
                && *carried.client == *asked.caller.client
                && carried.call == of_call(asked)
                && now < carried.until;
            Some(same.then_some(carried.state).ok_or_else(wrong)?)
        }
    };
    if responses
        .iter()
        .flatten()
        .any(|(_, answer)| !answer.is_object())
    {
        let told = "`inputResponses`: each answer must be an object";
        return Err(ErrorData::invalid_params(told, None));
    }
    let given = (responses.is_some() || carried.is_some()).then(|| Given {
        responses: responses.unwrap_or_default().into_iter().collect(),
        state: carried,
    });
    Ok(State::Given(given))
}

/// A question to the client's side, as MCP writes it.
pub(super) fn required(
    asks: Asks,
    asked: &Asked<'_>,
    (seal, now): (&Seal, Timestamp),
) -> Result<InputRequiredResult, ErrorData> {
    let (requests, state) = match asks {
        Asks::Input { requests, state } => (requests, state),
        Asks::Needs(needs) => {
            let required = capabilities(&needs);
            return Err(ErrorData::missing_required_client_capability(required));
        }
    };
    let odd = |_| ErrorData::internal_error("the question cannot be passed on", None);
    let requests: InputRequests = serde_json::from_value(Value::Object(requests)).map_err(odd)?;
    let state = state.map(|state| {
        let carried = Carried {
            person: asked.caller.person.id.clone(),
            client: asked.caller.client.to_string(),
            call: of_call(asked),
            until: now.checked_add(ANSWER_WITHIN).unwrap_or(now),
            state,
        };
        serde_json::to_vec(&carried).map(|carried| seal.seal(&carried))
    });
    let state = state.transpose().map_err(odd)?;
    let required = InputRequiredResult::new(Some(requests), state);
    Ok(required.with_meta(wire::server()))
}

fn capabilities(needs: &BTreeSet<Asking>) -> ClientCapabilities {
    let needs = |asking| needs.contains(&asking);
    let mut required = ClientCapabilities::default();
    let (form, page) = (needs(Asking::Form), needs(Asking::Page));
    required.elicitation = (form || page).then(|| {
        let mut elicitation = ElicitationCapability::new();
        elicitation.form = form.then(FormElicitationCapability::new);
        elicitation.url = page.then(UrlElicitationCapability::default);
        elicitation
    });
    required.sampling = needs(Asking::Sampling).then(SamplingCapability::default);
    required.roots = needs(Asking::Roots).then(RootsCapabilities::default);
    required
}

/// Whether a request is of a revision without a handshake.
pub(super) fn is_modern(context: &RequestContext<RoleServer>) -> bool {
    let version = context.protocol_version();
    version.is_some_and(|version| version.as_str() >= MODERN)
}

/// What may be asked of a client, by what this very request declares; of an older one, by what it said at
/// its handshake, and only about tools.
fn takes(context: &RequestContext<RoleServer>) -> BTreeSet<Asking> {
    if !is_modern(context) {
        let parts = context.extensions.get::<Parts>();
        return parts.map_or_else(BTreeSet::new, |parts| asking::takes(&parts.headers));
    }
    let Some(declared) = context.client_capabilities() else {
        return BTreeSet::new();
    };
    let elicitation = declared.elicitation.as_ref();
    // One that names neither takes forms.
    let form = elicitation.is_some_and(|one| one.form.is_some() || one.url.is_none());
    let page = elicitation.is_some_and(|one| one.url.is_some());
    [
        (form, Asking::Form),
        (page, Asking::Page),
        (declared.sampling.is_some(), Asking::Sampling),
        (declared.roots.is_some(), Asking::Roots),
    ]
    .into_iter()
    .filter_map(|(takes, asking)| takes.then_some(asking))
    .collect()
}

/// Passes on how far a call has come.
#[derive(Debug)]
struct Passing(mpsc::Sender<Step>);

impl Hears for Passing {
    fn heard(&self, step: Step) {
        // A client that reads too slowly hears less.
        let _ = self.0.try_send(step);
    }
}

/// How far a call has come, for a client that wants to hear it.
pub(super) struct Steps(Option<mpsc::Receiver<Step>>);

/// What a client takes and brings, and the steps it hears of.
pub(super) fn begin(
    context: &RequestContext<RoleServer>,
    given: Option<Given>,
) -> (Exchange, Steps) {
    let wanted = context.meta.get_progress_token().is_some();
    let (hears, steps) = if wanted {
        let (sender, receiver) = mpsc::channel(MOST_STEPS);
        let hears: Arc<dyn Hears> = Arc::new(Passing(sender));
        (Some(hears), Some(receiver))
    } else {
        (None, None)
    };
    let takes = takes(context);
    let exchange = Exchange {
        takes,
        given,
        hears,
    };
    (exchange, Steps(steps))
}

impl Steps {
    /// Waits for the end of a call, and tells the client meanwhile how far it has come: in order, and
    /// before the answer.
    pub(super) async fn until<T>(
        self,
        context: &RequestContext<RoleServer>,
        work: impl Future<Output = T>,
    ) -> T {
        let (Some(mut steps), Some(token)) = (self.0, context.meta.get_progress_token()) else {
            return work.await;
        };
        let tell = async |step: Step| {
            let mut told = ProgressNotificationParam::new(token.clone(), step.done);
            told.total = step.total;
            let _ = context.peer.notify_progress(told).await;
        };
        let mut work = std::pin::pin!(work);
        let done = loop {
            tokio::select! {
                biased;
                Some(step) = steps.recv() => tell(step).await,
                done = &mut work => break done,
            }
        };
        while let Ok(step) = steps.try_recv() {
            tell(step).await;
        }
        done
    }
}
