//! A connection on which nothing new is asked: the server lets its secret in no longer, or not to
//! everything, or there is another one.

use std::sync::{Mutex, PoisonError};

use tokio_util::sync::CancellationToken;

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
        let lacks = challenge.contains("insufficient_scope");
        let mut kept = self.lacks.lock().unwrap_or_else(PoisonError::into_inner);
        *kept = lacks.then(|| challenge.to_owned());
        self.so.cancel();
        if lacks {
            "its server wants more access for this than the account was given; connect the account again, \
             or tell whoever keeps the connector"
        } else {
            "its server refuses the connector's credential; tell whoever keeps the connector"
        }
    }

    /// What the server said that it wants beside what its secret gives.
    pub(super) fn lacks(&self) -> Option<String> {
        let kept = self.lacks.lock().unwrap_or_else(PoisonError::into_inner);
        kept.clone()
    }
}
