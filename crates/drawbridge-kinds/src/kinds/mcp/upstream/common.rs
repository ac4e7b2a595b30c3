//! The stream on which a server of the older era says what belongs to no call. A session's first call waits
//! for it: what is said before it is there is lost with many servers.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio_util::sync::CancellationToken;

/// A server may answer nothing to the question for the stream before it has something to say.
const WITHIN: Duration = Duration::from_millis(500);

#[derive(Clone, Default)]
pub(super) struct Common {
    is_expected: Arc<AtomicBool>,
    answered: CancellationToken,
}

impl Common {
    /// There is a session, so it will be asked for.
    pub(super) fn expected(&self) {
        self.is_expected.store(true, Ordering::Relaxed);
    }

    /// The server gives it, or refuses.
    pub(super) fn answered(&self) {
        self.answered.cancel();
    }

    /// Waits until it is there, or will hardly be.
    pub(super) async fn open(&self) {
        if self.is_expected.load(Ordering::Relaxed) {
            let _ = tokio::time::timeout(WITHIN, self.answered.cancelled()).await;
        }
    }
}
