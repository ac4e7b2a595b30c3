//! Why a server does not answer.

use std::sync::{Arc, Mutex};

use drawbridge_core::answer::{Failure, Status};

use super::locked;

/// Why it does not answer, for all who ask.
#[derive(Debug, Clone)]
pub(in super::super) struct Told {
    pub(in super::super) status: Status,
    pub(in super::super) message: String,
    /// For the operator alone.
    pub(super) detail: String,
    /// Whether the server has no part in it, and the next call tries again at once.
    pub(super) at_once: bool,
}

impl Told {
    pub(super) fn unavailable(message: impl Into<String>) -> Self {
        Self {
            status: Status::Unavailable,
            message: message.into(),
            detail: String::new(),
            at_once: false,
        }
    }
}

/// How a server that fails ends what is told of it, before the time.
pub(super) const AGAIN: &str = "; it is tried again with the next call after ";

/// The same failure, for whoever asks once.
pub(in super::super) fn once(mut failure: Failure) -> Failure {
    if let Some((why, _)) = failure.message.split_once(AGAIN) {
        failure.message = why.to_owned();
    }
    failure
}

impl From<Told> for Failure {
    fn from(told: Told) -> Self {
        let failure = Self::new(told.status, told.message);
        if told.detail.is_empty() {
            failure
        } else {
            failure.with_source(told.detail)
        }
    }
}

impl From<Failure> for Told {
    fn from(failure: Failure) -> Self {
        let detail = failure
            .source
            .map_or_else(String::new, |source| source.to_string());
        Self {
            status: failure.status,
            message: failure.message,
            detail,
            at_once: false,
        }
    }
}

/// Why a connection ended, said by whoever saw it first.
#[derive(Debug, Clone, Default)]
pub(super) struct Why(Arc<Mutex<Option<String>>>);

impl Why {
    pub(super) fn say(&self, why: impl Into<String>) {
        locked(&self.0).get_or_insert_with(|| why.into());
    }

    pub(super) fn said(&self) -> Option<String> {
        locked(&self.0).clone()
    }
}
