//! A question that nobody waits for any more.

use std::time::Duration;

use rmcp::{
    Peer, RoleClient,
    model::{CancelledNotification, CancelledNotificationParam, RequestId},
};
use tokio_util::task::TaskTracker;

/// How long telling it may take.
const TELL_WITHIN: Duration = Duration::from_secs(20);

/// Tells the server that nobody waits for an answer any more, when it is dropped before that came.
pub(super) struct GivenUp<'a> {
    pub(super) peer: &'a Peer<RoleClient>,
    pub(super) tasks: &'a TaskTracker,
    pub(super) id: Option<RequestId>,
}

impl Drop for GivenUp<'_> {
    fn drop(&mut self) {
        let Some(id) = self.id.take() else { return };
        let peer = self.peer.clone();
        let params = CancelledNotificationParam::new(Some(id), None);
        self.tasks.spawn(async move {
            let told = CancelledNotification::new(params);
            let _ = tokio::time::timeout(TELL_WITHIN, peer.send_notification(told.into())).await;
        });
    }
}
