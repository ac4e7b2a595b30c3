//! Takes up changed files, what other gateways changed in the store, and review dates that passed.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::Arc,
    time::{Duration, SystemTime},
};

use drawbridge_core::lifecycle::State;
use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

use crate::{app::App, store::StoreError, workspace::Workspace};

/// How long an editor may take to write all it writes.
const SETTLE: Duration = Duration::from_millis(100);
/// How often files are looked at although they are watched: a watch may miss a change.
const LOOK_EVERY: Duration = Duration::from_secs(60);
/// How often it is looked whether a connector must be graded.
const GRADE_AFTER: Duration = Duration::from_secs(1);
/// How often it is looked whether there are calls to be counted.
const COUNT_AFTER: Duration = Duration::from_secs(2);
/// How often files are looked at where they cannot be watched.
const POLL_EVERY: Duration = Duration::from_secs(2);

/// Size and time of each file that a user keeps.
type Stamps = BTreeMap<PathBuf, (u64, Option<SystemTime>)>;

/// Runs until `stop`.
pub(crate) async fn run(app: Arc<App>, stop: CancellationToken) {
    let mut store = app.store.changes();
    let (wake, mut files) = watch::channel(());
    let mut watched = Watched::new(&app.workspace, wake);
    // What changed between opening and subscribing is taken up at once.
    let mut known = take_up(&app).await;
    loop {
        let look = if known.is_empty() {
            POLL_EVERY
        } else {
            next_look(&app, &watched)
        };
        tokio::select! {
            () = stop.cancelled() => return,
            Ok(()) = store.changed() => {}
            Ok(()) = files.changed() => tokio::time::sleep(SETTLE).await,
            () = tokio::time::sleep(look) => {
                if known == stamps(&app.workspace).await && !overdue(&app) {
                    continue;
                }
            }
        }
        files.mark_unchanged();
        watched.renew();
        known = take_up(&app).await;
    }
}

/// Grades connectors in the background until `stop`, a few at a time: it rests four times as long as
/// it worked, so that it never takes more than a fifth of one processor.
pub(crate) async fn grade(app: Arc<App>, stop: CancellationToken) {
    let mut changes = app.connectors.changes();
    let mut rest = GRADE_AFTER;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(rest) => {}
            Ok(()) = changes.changed() => tokio::time::sleep(SETTLE).await,
        }
        let began = app.clock.monotonic();
        // A target that hangs does not keep the gateway from ending.
        let more = tokio::select! {
            () = stop.cancelled() => return,
            more = app.grade_some() => more,
        };
        let took = app.clock.monotonic().saturating_sub(began);
        rest = if more {
            SETTLE.max(took * 4)
        } else {
            GRADE_AFTER
        };
    }
}

/// Counts calls in the background until `stop`, and keeps what proofs need: it rests four times as
/// long as it worked.
pub(crate) async fn count(app: Arc<App>, stop: CancellationToken) {
    let mut rest = COUNT_AFTER;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(rest) => {}
        }
        let began = app.clock.monotonic();
        let more = tokio::select! {
            () = stop.cancelled() => return,
            more = count_some(&app) => more,
        };
        let took = app.clock.monotonic().saturating_sub(began);
        rest = if more { took * 4 } else { COUNT_AFTER };
    }
}

/// Counts some calls; whether there may be more. A store that fails is told of by the log's writer,
/// and what is not counted yet is counted when somebody looks.
async fn count_some(app: &App) -> bool {
    let told = |done: Result<bool, StoreError>| {
        done.unwrap_or_else(|error| {
            debug!("cannot count calls, and tries again soon: {error}");
            false
        })
    };
    let calls = told(app.store.count_some().await);
    told(app.store.tile_some().await) || calls
}

/// Takes up everything; returns what the files were, or nothing where it must be tried again.
async fn take_up(app: &App) -> Stamps {
    app.identify.forget();
    let stamps = stamps(&app.workspace).await;
    match app.connectors.reload().await {
        Ok(()) => stamps,
        Err(error) => {
            error!("cannot take up the change, and tries again soon: {error}");
            Stamps::new()
        }
    }
}

/// When files and dates are looked at next.
fn next_look(app: &App, watched: &Watched) -> Duration {
    let now = app.clock.now();
    let most = if watched.is_whole() {
        LOOK_EVERY
    } else {
        POLL_EVERY
    };
    pauses(app)
        .map(|pause| Duration::try_from(pause.duration_since(now)).unwrap_or_default())
        .min()
        .map_or(most, |next| next.clamp(SETTLE, most))
}

fn overdue(app: &App) -> bool {
    let now = app.clock.now();
    pauses(app).any(|pause| pause <= now)
}

/// When the connectors that run are paused, if nobody reviews them.
fn pauses(app: &App) -> impl Iterator<Item = jiff::Timestamp> {
    let snapshot = app.snapshot();
    let dates: Vec<_> = snapshot
        .connectors
        .values()
        .filter(|mounted| mounted.bridge.standing.state == State::Active)
        .filter_map(|mounted| mounted.due.map(|due| due.pause_at))
        .collect();
    dates.into_iter()
}

async fn stamps(workspace: &Workspace) -> Stamps {
    let workspace = workspace.clone();
    let read = tokio::task::spawn_blocking(move || {
        let stamp = |path: PathBuf| {
            let metadata = std::fs::metadata(&path).ok()?;
            Some((path, (metadata.len(), metadata.modified().ok())))
        };
        workspace.files().into_iter().filter_map(stamp).collect()
    });
    read.await.unwrap_or_default()
}

/// The folders that are watched.
struct Watched {
    watcher: Option<RecommendedWatcher>,
    folders: [PathBuf; 3],
    /// Why not all of them are watched, once it was said.
    missing: Option<String>,
}

impl Watched {
    fn new(workspace: &Workspace, wake: watch::Sender<()>) -> Self {
        let state = workspace.state();
        let root = workspace.folder().to_owned();
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            // Reading is no change, and the gateway's own state changes all the time.
            let ours = event.is_ok_and(|event| {
                event.kind.is_access() || event.paths.iter().all(|path| path.starts_with(&state))
            });
            if !ours {
                wake.send_replace(());
            }
        });
        let mut watched = Self {
            folders: [root.clone(), root.join("connectors"), root.join("policies")],
            watcher: None,
            missing: None,
        };
        match watcher {
            Ok(watcher) => {
                watched.watcher = Some(watcher);
                watched.renew();
            }
            Err(error) => watched.poll(error.to_string()),
        }
        watched
    }

    /// Watches folders that are there now: one that was made or replaced is another folder.
    fn renew(&mut self) {
        let Some(watcher) = &mut self.watcher else {
            return;
        };
        let mut failed = None;
        for folder in self.folders.iter().filter(|folder| folder.is_dir()) {
            if let Err(error) = watcher.watch(folder, RecursiveMode::NonRecursive) {
                failed = Some(error.to_string());
            }
        }
        match failed {
            Some(error) => self.poll(error),
            None if self.missing.take().is_some() => info!("files are watched again"),
            None => {}
        }
    }

    fn poll(&mut self, error: String) {
        if self.missing.is_none() {
            warn!(
                "cannot watch the files, so they are looked at every {} s: {error}",
                POLL_EVERY.as_secs()
            );
        }
        self.missing = Some(error);
    }

    fn is_whole(&self) -> bool {
        self.missing.is_none()
    }
}
