//! Whom a server of the older era asks by requests of its own: whoever made the call that a question belongs
//! to. Over HTTP a question may come on the stream of its call. Over a pipe, and on the stream that belongs to
//! no call, nothing says to which it belongs, so that it is known only while a single call is going on.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use rmcp::model::{ElicitResult, RequestId};
use serde_json::Value;
use tokio::{
    sync::{Notify, mpsc, oneshot},
    time::timeout,
};

use super::locked;

/// How long a question waits for its call to be known: a server may ask before we are told of its number.
const KNOWN_WITHIN: Duration = Duration::from_secs(2);
/// How many questions are remembered that came on the stream of a call.
const MOST_CAME: usize = 1_000;

/// A question of a server, as MCP writes it, and where its answer goes.
pub(in super::super) struct Elicited {
    pub(in super::super) request: Value,
    pub(in super::super) answer: oneshot::Sender<ElicitResult>,
}

/// Where the questions of one call go.
pub(in super::super) type Asks = mpsc::Sender<Elicited>;

/// The calls that go on over one connection.
#[derive(Clone, Default)]
pub(super) struct Attending(Arc<Attended>);

#[derive(Default)]
struct Attended {
    calls: Mutex<Calls>,
    changed: Notify,
}

#[derive(Default)]
struct Calls {
    /// Calls on their way, whose number is not known yet.
    starting: usize,
    /// By number, with who can be asked.
    going: HashMap<RequestId, Option<Asks>>,
    /// Whether there was one that nobody waited for to its end. It may still ask something.
    is_one_lost: bool,
    /// The calls on whose streams questions came, by the questions' own numbers.
    came: HashMap<RequestId, RequestId>,
}

/// A call on its way.
pub(super) struct Starting(Option<Attending>);

/// A call that goes on.
pub(super) struct Going {
    of: Attending,
    call: RequestId,
    is_over: bool,
}

impl Attending {
    /// A question came on the stream of this call.
    pub(super) fn came(&self, question: RequestId, call: RequestId) {
        let mut calls = locked(&self.0.calls);
        if calls.came.len() < MOST_CAME {
            calls.came.insert(question, call);
        }
    }

    /// A call is about to be sent.
    pub(super) fn starting(&self) -> Starting {
        locked(&self.0.calls).starting += 1;
        Starting(Some(self.clone()))
    }

    /// Who can be asked this question; none where nobody can be, or nobody knows who.
    pub(super) async fn whom(&self, question: &RequestId) -> Option<Asks> {
        let known = async {
            loop {
                let changed = self.0.changed.notified();
                tokio::pin!(changed);
                // Whatever changes from here on is heard.
                changed.as_mut().enable();
                if let Some(known) = self.known(question) {
                    return known;
                }
                changed.await;
            }
        };
        let asks = timeout(KNOWN_WITHIN, known).await.ok().flatten();
        locked(&self.0.calls).came.remove(question);
        asks
    }

    /// The same; none also where it may be known in a moment.
    fn known(&self, question: &RequestId) -> Option<Option<Asks>> {
        let calls = locked(&self.0.calls);
        if let Some(call) = calls.came.get(question) {
            return calls.going.get(call).cloned();
        }
        if calls.is_one_lost {
            return Some(None);
        }
        let mut going = calls.going.values();
        match (calls.starting, going.next(), going.next()) {
            (0, Some(asks), None) => Some(asks.clone()),
            (0, ..) => Some(None),
            _ => None,
        }
    }
}

impl Starting {
    /// It was sent, under this number.
    pub(super) fn sent(mut self, call: RequestId, asks: Option<Asks>) -> Option<Going> {
        let of = self.0.take()?;
        let mut calls = locked(&of.0.calls);
        calls.starting -= 1;
        calls.going.insert(call.clone(), asks);
        drop(calls);
        of.0.changed.notify_waiters();
        let is_over = false;
        Some(Going { of, call, is_over })
    }
}

impl Drop for Starting {
    fn drop(&mut self) {
        if let Some(of) = &self.0 {
            let mut calls = locked(&of.0.calls);
            calls.starting -= 1;
            // It may have been sent, or not.
            calls.is_one_lost = true;
            drop(calls);
            of.0.changed.notify_waiters();
        }
    }
}

impl Going {
    /// Its answer came.
    pub(super) fn over(&mut self) {
        self.is_over = true;
    }
}

impl Drop for Going {
    fn drop(&mut self) {
        let mut calls = locked(&self.of.0.calls);
        calls.going.remove(&self.call);
        calls.came.retain(|_, call| *call != self.call);
        calls.is_one_lost |= !self.is_over;
        drop(calls);
        self.of.0.changed.notify_waiters();
    }
}
