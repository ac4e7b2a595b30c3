//! How a server stands: not needed, being started, up, or left alone after it failed.

use std::{sync::Arc, time::Duration};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{
    Shared,
    link::Link,
    pipe::Era,
    told::{AGAIN, Told},
};

/// A server that ends sooner after its start did not start well.
const STEADY_AFTER: Duration = Duration::from_secs(10);
/// How long a server that failed is left alone: doubled with each failure.
const REST: Duration = Duration::from_millis(500);
/// And never longer.
const LONGEST_REST: Duration = Duration::from_secs(60);

/// How it stands.
pub(super) struct State {
    pub(super) standing: Standing,
    /// Ends what runs or is being started.
    pub(super) stop: CancellationToken,
    /// How often it failed since it last was steady.
    pub(super) failures: u32,
    /// Of which era it is known to be.
    pub(super) era: Option<Era>,
}

pub(super) enum Standing {
    /// Nobody needed it yet, or not for a while.
    Idle,
    /// It is being started.
    Starting(watch::Receiver<Option<Result<Arc<Link>, Told>>>),
    /// It answers.
    Up(Arc<Link>),
    /// It failed, and is left alone until then.
    Resting(Duration, Told),
}

/// How the server stands, for people.
pub(in super::super) enum Seen {
    Idle,
    Closed,
    Starting,
    Up(Arc<Link>),
    Resting(Told),
}

impl State {
    pub(super) fn new() -> Self {
        Self {
            standing: Standing::Idle,
            stop: CancellationToken::new(),
            failures: 0,
            era: None,
        }
    }
}

impl Shared {
    /// Leaves a server alone that ran and failed.
    pub(super) fn rest_after(&self, link: &Link, state: &mut State) -> Told {
        if link.age() >= STEADY_AFTER {
            state.failures = 0;
        }
        self.rest(Told::unavailable(link.why()), state)
    }

    /// Leaves the server alone for a while, and tells why, with until when.
    pub(super) fn rest(&self, mut told: Told, state: &mut State) -> Told {
        let rest = REST
            .saturating_mul(1 << state.failures.min(10))
            .min(LONGEST_REST);
        state.failures = state.failures.saturating_add(1);
        told.message = format!("{}{AGAIN}{} s", told.message, rest.as_secs().max(1));
        state.standing = Standing::Resting(self.now() + rest, told.clone());
        told
    }
}
