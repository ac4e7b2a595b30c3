//! Being told of changes by the operating system.

use std::time::Duration;

use drawbridge_core::connector::Problem;
use notify::{
    Config, Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher,
    event::{AccessKind, AccessMode},
};
use tokio::sync::mpsc;
use tracing::warn;

use super::super::Folder;

/// How long the watch waits for more changes.
const SETTLE: Duration = Duration::from_millis(150);

/// A watch over a folder and all below it.
pub(super) struct Watch {
    woken: mpsc::Receiver<()>,
    watcher: Result<RecommendedWatcher, notify::Error>,
}

impl Watch {
    /// Starts to watch. A watch that cannot start leaves the listings at set times.
    pub(super) fn start(folder: &Folder) -> Self {
        let (wake, woken) = mpsc::channel::<()>(1);
        let told = move |event: notify::Result<Event>| {
            if event.as_ref().is_ok_and(|event| !tells_of(event.kind)) {
                return;
            }
            // A full channel already wakes.
            let _ = wake.try_send(());
        };
        let config = Config::default().with_follow_symlinks(false);
        let watcher = RecommendedWatcher::new(told, config).and_then(|mut watcher| {
            watcher.watch(&folder.own.root, RecursiveMode::Recursive)?;
            Ok(watcher)
        });
        if let Err(error) = &watcher {
            warn!("cannot watch the folder, so changes show at the next listing: {error}");
        }
        Self { woken, watcher }
    }

    /// Returns some time after something changed.
    pub(super) async fn change(&mut self) {
        if self.woken.recv().await.is_none() {
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(SETTLE).await;
        // What was told meanwhile is seen by the listing that follows.
        while self.woken.try_recv().is_ok() {}
    }

    /// Why changes are not told.
    pub(super) fn problem(&self) -> Option<Problem> {
        let error = self.watcher.as_ref().err()?;
        Some(Problem {
            path: "/".to_owned(),
            reason: format!(
                "the folder cannot be watched, so changes show at the next listing: {error}"
            ),
            mend: "raise the system's limit of watches (`fs.inotify.max_user_watches`)".to_owned(),
        })
    }
}

/// Whether an event tells of a change. Our own listings and readings are told too.
fn tells_of(kind: EventKind) -> bool {
    match kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => true,
        EventKind::Access(_) => false,
        _ => true,
    }
}
