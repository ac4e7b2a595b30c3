//! What a connector's target and the client say to each other while a call runs: how far it has come, and
//! questions that the client's side must answer first.

use std::{collections::BTreeSet, sync::Arc};

use axum::http::request::Parts;
use drawbridge_core::{
    call::Caller,
    exchange::{Asking, Asks, Exchange, Given, Hears, Step},
    log::Record,
    plan::digest,
};
use rmcp::{
    ErrorData, RoleServer,
    model::{
        ClientCapabilities, ElicitationCapability, FormElicitationCapability, InputRequests,
        InputRequiredResult, InputResponses, ProgressNotificationParam, RootsCapabilities,
        SamplingCapability, UrlElicitationCapability,
    },
    service::RequestContext,
};
use serde_json::Value;
use tokio::sync::mpsc;

use super::{MODERN, answers, asking, wire};
use crate::{
    app::App,
    door,
    questions::{Carried, Posed},
};

/// How many steps wait to be passed on; more are left out.
const MOST_STEPS: usize = 64;
/// The most characters of a made up name on a record.
const MOST_NAME: usize = 100;

/// What of a request its questions are bound to.
pub(super) struct Asked<'a> {
    pub(super) caller: &'a Caller,
    pub(super) connector: Option<&'a str>,
    pub(super) tool: &'a str,
    pub(super) arguments: &'a Value,
}

/// What a client brings for a call.
#[derive(Default)]
pub(super) struct Brought {
    /// The answers to what it was asked.
    pub(super) given: Option<Given>,
    /// The names of answers that nobody asked for.
    pub(super) unasked: Vec<String>,
}

/// What came with a call that goes on.
pub(super) enum State<'a> {
    /// The plan that it waits for, sealed.
    Plan(&'a str),
    /// The answers to what a target asked.
    Answers(Brought),
}

impl Asked<'_> {
    /// What questions about it are sealed to: the same call, in the same task, by the same caller only.
    fn call(&self) -> String {
        let caller = self.caller;
        digest(&serde_json::json!([
            caller.person.id,
            caller.client,
            caller.task,
            self.connector,
            self.tool,
            self.arguments,
        ]))
    }

    /// Refuses what was brought, and puts that on the log.
    pub(super) async fn refused(&self, app: &App, told: String) -> ErrorData {
        let named = match self.connector {
            Some(connector) => Some((connector, self.tool)),
            None => self.tool.split_once('_'),
        };
        let (connector, action) = named.unwrap_or((Record::GATEWAY, self.tool));
        let short = |name: &str| name.chars().take(MOST_NAME).collect::<String>();
        let named = (&*short(connector), &*short(action));
        match door::record_refused(app, self.caller, named, &told).await {
            Ok(_) => ErrorData::invalid_params(told, None),
            Err(error) => ErrorData::internal_error(error.to_string(), None),
        }
    }
}

/// Reads what a client brings. Answers without a state are taken for those to what the same call was
/// asked last; where that was nothing, they are left out, and the call is as good as new.
///
/// # Errors
/// What is wrong with it, and what to do.
pub(super) fn brought<'a>(
    app: &App,
    asked: &Asked<'_>,
    (responses, state): (Option<InputResponses>, Option<&'a str>),
) -> Result<State<'a>, String> {
    let opened = match state {
        None if responses.is_none() => return Ok(State::Answers(Brought::default())),
        None => app.questions.last(&asked.call(), app.clock.now()),
        Some(state) if app.states.open(state).is_some() => return Ok(State::Plan(state)),
        Some(state) => {
            let opened = app.questions.open(&asked.call(), state, app.clock.now());
            Some(opened.map_err(|error| error.to_string())?)
        }
    };
    let responses = answers::looked_at(responses)?;
    let Some(opened) = opened else {
        let unasked = answers::names(&responses);
        let given = None;
        return Ok(State::Answers(Brought { given, unasked }));
    };
    let (replies, unasked) = answers::taken(&opened.carried.asked, responses)?;
    let spent = app.questions.spend(&asked.call(), &opened);
    spent.map_err(|error| error.to_string())?;
    let state = opened.carried.state;
    let given = Some(Given { replies, state });
    Ok(State::Answers(Brought { given, unasked }))
}

/// A question to the client's side, as MCP writes it.
pub(super) fn required(
    app: &App,
    asks: Asks,
    asked: &Asked<'_>,
) -> Result<InputRequiredResult, ErrorData> {
    let (questions, state) = match asks {
        Asks::Input { questions, state } => (questions, state),
        Asks::Needs(needs) => {
            let required = capabilities(&needs);
            return Err(ErrorData::missing_required_client_capability(required));
        }
    };
    let odd = || ErrorData::internal_error("the question cannot be passed on", None);
    let posed = questions.iter().map(Posed::of).collect();
    let carried = Carried::new(posed, state, app.clock.now());
    let sealed = app.questions.seal(&asked.call(), &carried);
    let sealed = sealed.ok_or_else(odd)?;
    let named = questions.into_iter();
    let named = named.map(|question| (question.name, question.request));
    let requests = serde_json::from_value(Value::Object(named.collect()));
    let requests: InputRequests = requests.map_err(|_| odd())?;
    let required = InputRequiredResult::new(Some(requests), Some(sealed));
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
    let declared = context.client_capabilities();
    declared.map_or_else(BTreeSet::new, |capabilities| declared_in(&capabilities))
}

/// What may be asked of a client that declares these capabilities.
pub(super) fn declared_in(capabilities: &ClientCapabilities) -> BTreeSet<Asking> {
    let elicitation = capabilities.elicitation.as_ref();
    // One that names neither takes forms.
    let form = elicitation.is_some_and(|one| one.form.is_some() || one.url.is_none());
    let page = elicitation.is_some_and(|one| one.url.is_some());
    [
        (form, Asking::Form),
        (page, Asking::Page),
        (capabilities.sampling.is_some(), Asking::Sampling),
        (capabilities.roots.is_some(), Asking::Roots),
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
    Brought { given, unasked }: Brought,
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
        unasked,
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
