//! A connection on which nothing new is asked: the server lets its secret in no longer, or not to
//! everything, or there is another one.

use std::sync::{Mutex, PoisonError};

use tokio_util::sync::CancellationToken;

use super::{Standing, Upstream, locked};

/// What is told where the server wants more access.
pub(super) const MORE: &str = "its server wants more access for this than the account was given; connect \
                               the account again, or tell whoever keeps the connector";

/// A challenge by which a server lets a secret in, and wants more access for what was asked.
pub(super) fn lacks(challenge: &str) -> Option<String> {
    let lacks = challenge.contains("insufficient_scope");
    lacks.then(|| challenge.to_owned())
}

/// Whether that is so, and why.
#[derive(Default)]
pub(super) struct Refusal {
    so: CancellationToken,
    /// What the server said that it wants beside what its secret gives.
    lacks: Mutex<Option<String>>,
}

impl Refusal {
    pub(super) fn is_so(&self) -> bool {
        self.so.is_cancelled()
    }

    /// Returns once it is so.
    pub(super) async fn comes(&self) {
        self.so.cancelled().await;
    }

    /// There is another secret.
    pub(super) fn let_go(&self) {
        self.so.cancel();
    }

    /// The server refused the secret, with this challenge. What to tell of it.
    pub(super) fn hear(&self, challenge: &str) -> &'static str {
        let lacks = lacks(challenge);
        let told = if lacks.is_some() {
            MORE
        } else {
            "its server refuses the connector's credential; tell whoever keeps the connector"
        };
        *self.lacks.lock().unwrap_or_else(PoisonError::into_inner) = lacks;
        self.so.cancel();
        told
    }

    /// What the server said that it wants beside what its secret gives.
    pub(super) fn lacks(&self) -> Option<String> {
        let kept = self.lacks.lock().unwrap_or_else(PoisonError::into_inner);
        kept.clone()
    }
}

impl Upstream {
    /// Makes another connection with the next question: there is another secret. What was asked on this
    /// one may be answered still.
    pub(in super::super) fn renew(&self) {
        if let Standing::Up(link) = &locked(&self.shared.state).standing {
            link.refusal.let_go();
        }
    }
}
