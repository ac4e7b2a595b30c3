//! Calls of servers of the older era that wait for a person: such a server asks by a request of its own while
//! the call goes on, and the call is held until the answer comes with the next try of it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use drawbridge_core::{
    answer::{Failure, Status},
    exchange::{Given, How},
};
use futures_util::future::BoxFuture;
use rmcp::model::{ElicitResult, ElicitationAction};
use serde_json::{Map, Value, json};
use tokio::sync::{mpsc, oneshot};

use crate::kinds::mcp::{
    Server,
    fetch::Asker,
    upstream::{Beside, Elicited, Trouble},
};

/// How long a question stays open for a person.
const OPEN_FOR: Duration = Duration::from_secs(300);
/// How many calls are held for one connection, and how many of them for one person.
const MOST: usize = 100;
const MOST_OF_ONE: usize = 5;
/// The name of the one question of a held call.
const QUESTION: &str = "question";
/// How the state begins that names a held call.
const HELD: &str = "held:";

/// The calls that wait for a person, by their state.
#[derive(Clone, Default)]
pub(in super::super) struct Held(Arc<Mutex<HashMap<String, Running>>>);

/// A call that goes on, and what is asked in it.
struct Running {
    /// For whom.
    person: String,
    work: BoxFuture<'static, Result<Value, Trouble>>,
    questions: mpsc::Receiver<Elicited>,
    /// Where the answer goes to what was asked last.
    answer: Option<oneshot::Sender<ElicitResult>>,
}

/// Asks a server that may ask something itself, or goes on with what it was asked before. A question of its
/// own comes back as MCP writes what is no result yet.
pub(in super::super) async fn put(
    server: &Server,
    (method, params): (&str, Map<String, Value>),
    asker: Asker<'_>,
    beside: Beside,
) -> Result<Value, Trouble> {
    let given = asker.exchange.given.as_ref();
    let state = given.and_then(|given| given.state.as_deref());
    let running = match (state.filter(|state| state.starts_with(HELD)), given) {
        (Some(state), Some(given)) => server.held.answered(state, given),
        _ => Some(Running::begin(server, (method, params), (asker, beside))),
    };
    let mut running = running.ok_or_else(|| {
        let told = "what its server asked is no longer open; call it anew";
        Trouble::Halted(Failure::new(Status::Failed, told))
    })?;
    tokio::select! {
        biased;
        Some(Elicited { request, answer }) = running.questions.recv() => {
            running.answer = Some(answer);
            let state = server.held.hold(server, running)?;
            Ok(json!({
                "resultType": "input_required",
                "inputRequests": {QUESTION: request},
                "requestState": state,
            }))
        }
        result = &mut running.work => result,
    }
}

impl Running {
    fn begin(
        server: &Server,
        (method, params): (&str, Map<String, Value>),
        (asker, beside): (Asker<'_>, Beside),
    ) -> Self {
        let (asks, questions) = mpsc::channel(1);
        let (upstream, method) = (server.upstream.clone(), method.to_owned());
        let beside = Beside {
            asks: Some(asks),
            ..beside
        };
        let work = async move { upstream.ask(&method, params, &beside).await };
        Self {
            person: asker.person.to_owned(),
            work: Box::pin(work),
            questions,
            answer: None,
        }
    }
}

impl Held {
    /// Keeps a call until its answer comes, or nobody gives one; its state.
    fn hold(&self, server: &Server, running: Running) -> Result<String, Trouble> {
        let mut calls = self.locked();
        let theirs = calls.values().filter(|call| call.person == running.person);
        if calls.len() >= MOST || theirs.count() >= MOST_OF_ONE {
            let told =
                "too many calls wait for an answer already; answer those first, or try again later";
            return Err(Trouble::Halted(Failure::new(Status::Limited, told)));
        }
        let mut random = [0_u8; 16];
        aws_lc_rs::rand::fill(&mut random).map_err(|_| {
            let told = "the system has no randomness";
            Trouble::Halted(Failure::new(Status::Failed, told))
        })?;
        let state = format!("{HELD}{}", hex::encode(random));
        calls.insert(state.clone(), running);
        drop(calls);
        let (held, late) = (self.clone(), state.clone());
        // Whoever asks for it meanwhile has it; what is dropped here is given up.
        server
            .upstream
            .later(OPEN_FOR, move || drop(held.locked().remove(&late)));
        Ok(state)
    }

    /// A call that was held, once, with its answer on the way to the server.
    fn answered(&self, state: &str, given: &Given) -> Option<Running> {
        let mut running = self.locked().remove(state)?;
        let reply = given.replies.iter().find(|reply| reply.name == QUESTION);
        let action = match reply.map(|reply| reply.how) {
            Some(How::Accept) => ElicitationAction::Accept,
            Some(How::Decline) => ElicitationAction::Decline,
            Some(How::Cancel) | None => ElicitationAction::Cancel,
        };
        let mut result = ElicitResult::new(action);
        if let Some(content) = reply.and_then(|reply| reply.content.clone()) {
            result = result.with_content(content);
        }
        if let Some(answer) = running.answer.take() {
            // Its server may have given up meanwhile; then its call tells.
            let _ = answer.send(result);
        }
        Some(running)
    }

    fn locked(&self) -> MutexGuard<'_, HashMap<String, Running>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
