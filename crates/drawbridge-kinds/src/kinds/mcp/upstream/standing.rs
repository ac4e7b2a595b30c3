//! How a server stands: not needed, being started, up, or left alone after it failed.

use std::{sync::Arc, time::Duration};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{link::Link, pipe::Era, told::Told};

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
