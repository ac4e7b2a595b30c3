//! One running connection to a server: questions, answers, and what it offers.

mod listing;

use std::{
    ops::Deref,
    sync::{Arc, Mutex},
    time::Duration,
};

use drawbridge_core::{
    answer::{Failure, Status},
    connector::Clock,
};
use rmcp::{
    Peer, RoleClient,
    model::{ClientRequest, CustomRequest},
    service::ServiceError,
};
use serde_json::{Map, Value};
use tokio::sync::Mutex as Turn;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    Told, Trouble, Why,
    direct::Direct,
    given_up::GivenUp,
    handler::Handler,
    locked,
    lost::{Lost, refused},
    progress::Progress,
    question::Beside,
    refusal::Refusal,
    used::Used,
    veil::Veil,
    whole,
};

pub(in super::super) use listing::Listing;

/// A result of a server.
type Asked = Result<Value, Trouble>;

pub(in super::super) struct Link {
    peer: Peer<RoleClient>,
    direct: Option<Direct>,
    handler: Handler,
    progress: Progress,
    clock: Arc<dyn Clock>,
    tasks: TaskTracker,
    closed: CancellationToken,
    pub(super) refusal: Refusal,
    why: Why,
    veil: Veil,
    since: Duration,
    used: Mutex<Used>,
    listing: Turn<Option<(Duration, Arc<Listing>)>>,
}

/// The connection while somebody uses it: it is not ended for not being needed meanwhile.
pub(in super::super) struct InUse(Arc<Link>);

impl Deref for InUse {
    type Target = Link;

    fn deref(&self) -> &Link {
        &self.0
    }
}

impl Drop for InUse {
    fn drop(&mut self) {
        locked(&self.0.used).end(self.0.clock.monotonic());
    }
}

impl Link {
    pub(super) fn new(
        (peer, direct): (Peer<RoleClient>, Option<Direct>),
        (handler, progress): (Handler, Progress),
        (clock, tasks): (Arc<dyn Clock>, TaskTracker),
        (closed, why, veil): (CancellationToken, Why, Veil),
    ) -> Self {
        let since = clock.monotonic();
        let used = Mutex::new(Used::new(since));
        Self {
            peer,
            direct,
            handler,
            progress,
            clock,
            tasks,
            closed,
            refusal: Refusal::default(),
            why,
            veil,
            since,
            used,
            listing: Turn::new(None),
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.is_cancelled() || self.refusal.is_so() || self.peer.is_transport_closed()
    }

    pub(super) fn close(&self) {
        self.closed.cancel();
    }

    /// Begins to use it, unless it is being ended because nobody needed it.
    pub(super) fn enter(self: &Arc<Self>) -> Option<InUse> {
        let now = self.clock.monotonic();
        let entered = locked(&self.used).begin(now);
        entered.then(|| InUse(self.clone()))
    }

    /// Lets nobody use it any more if nobody did for so long; else returns after how long to look again.
    pub(super) fn leave(&self, idle: Duration) -> Option<Duration> {
        locked(&self.used).leave(self.clock.monotonic(), idle)
    }

    /// Lets nobody use it any more.
    pub(super) fn bar(&self) {
        locked(&self.used).bar();
    }

    /// How long it has stood.
    pub(super) fn age(&self) -> Duration {
        self.clock.monotonic().saturating_sub(self.since)
    }

    /// Says why it ended, if nobody did.
    pub(super) fn say(&self, why: String) {
        self.why.say(why);
    }

    /// Why it ended, for people.
    pub(super) fn why(&self) -> String {
        let why = self.why.said();
        why.unwrap_or_else(|| "its server ended the connection".to_owned())
    }

    /// The server's name for itself, and the version of MCP that is spoken. Nothing is decided by it.
    pub(in super::super) fn server(&self) -> String {
        let info = self.peer.peer_info();
        let told = info.map(|info| {
            let server = info.server_info.as_ref();
            let server = server.map(|server| format!("{} {}, ", server.name, server.version));
            format!(
                "{}MCP {}",
                server.unwrap_or_default(),
                info.protocol_version
            )
        });
        let told: String = told.unwrap_or_default().chars().take(200).collect();
        super::super::doubts::visible(&told)
    }

    /// Asks, and waits for the answer. Whoever gives up waiting tells the server so.
    pub(in super::super) async fn ask(
        &self,
        method: &str,
        params: Map<String, Value>,
        beside: &Beside,
    ) -> Asked {
        let direct = self.direct.as_ref();
        if let Some(plain) = direct.and_then(|direct| direct.plain(method, &params)) {
            if self.closed.is_cancelled() {
                return Err(Trouble::Before(self.ended()));
            }
            let answer = tokio::select! {
                answer = plain.ask(&params, beside) => answer,
                () = self.closed.cancelled() => return Err(Trouble::After(self.ended())),
            };
            return self.told(answer);
        }
        let request = CustomRequest::new(method, Some(Value::Object(params)));
        let request = ClientRequest::CustomRequest(request);
        let starting = self.handler.attending().starting();
        let sent = self
            .peer
            .send_request_with_option(request, beside.options());
        let handle = tokio::select! {
            biased;
            () = self.closed.cancelled() => return Err(Trouble::Before(self.ended())),
            sent = sent => sent.map_err(|error| match self.trouble(&error) {
                Trouble::After(failure) => Trouble::Before(failure),
                before => before,
            })?,
        };
        let mut given_up = GivenUp {
            peer: &self.peer,
            tasks: &self.tasks,
            id: Some(handle.id.clone()),
        };
        let mut going = starting.sent(handle.id.clone(), beside.asks.clone());
        let hears = beside.hears.clone();
        let _hearing = hears.and_then(|hears| self.progress.hear(&handle.progress_token, hears));
        let answer = tokio::select! {
            answer = handle.await_response() => answer,
            () = self.closed.cancelled() => return Err(Trouble::After(self.ended())),
        };
        given_up.id = None;
        if let Some(going) = &mut going {
            going.over();
        }
        self.told(answer.map(whole::result))
    }

    /// What came of a question, without what must not leave.
    fn told(&self, answer: Result<Value, ServiceError>) -> Asked {
        let mut result = answer.map_err(|error| self.trouble(&error))?;
        self.veil.value(&mut result);
        Ok(result)
    }

    fn trouble(&self, error: &ServiceError) -> Trouble {
        match error {
            ServiceError::McpError(error) => refused(error, &self.veil),
            ServiceError::Timeout { .. } => {
                let told = "its server did not answer in time";
                Trouble::After(Failure::new(Status::Timeout, told))
            }
            // It looked at who asks, and no further. What others asked here may be answered still.
            other if other.auth_challenge().is_some() => {
                let told = self
                    .refusal
                    .hear(other.auth_challenge().unwrap_or_default());
                Trouble::Before(Told::unavailable(told).into())
            }
            other => match Lost::of(other) {
                Lost::Unsent => Trouble::Before(self.gone(other)),
                Lost::Refused(status) => {
                    let told = format!("its server refuses the call with the status {status}");
                    // Only this one passes by itself: the others would be the same again.
                    let passes = status == http::StatusCode::TOO_MANY_REQUESTS.as_u16();
                    Trouble::Refused(match passes {
                        true => Told::unavailable(told).into(),
                        false => Failure::new(Status::Failed, told),
                    })
                }
                Lost::Failed(status) => {
                    let told = format!("its server answers with the status {status}");
                    Trouble::After(Failure::from(Told::unavailable(told)))
                }
                Lost::Answer if self.why.said().is_none() && !self.is_closed() => {
                    let told = "its server does not answer, or answers what is no MCP";
                    let failure = Failure::from(Told::unavailable(told));
                    Trouble::After(
                        failure.with_source(self.veil.text(&other.to_string()).into_owned()),
                    )
                }
                Lost::Answer | Lost::Connection => Trouble::After(self.gone(other)),
            },
        }
    }

    /// The connection is of no more use; the next question makes another.
    fn gone(&self, error: &ServiceError) -> Failure {
        let told = "its server ended the connection or answers what is no MCP";
        if !matches!(error, ServiceError::Cancelled { .. }) {
            self.why.say(told);
            self.close();
        }
        self.ended()
            .with_source(self.veil.text(&error.to_string()).into_owned())
    }

    fn ended(&self) -> Failure {
        Failure::from(Told::unavailable(self.why()))
    }
}
