//! Exports in a folder, loaded into a throw-away database of SQLite: the gateway never writes them.

mod files;
mod load;
mod reading;
mod rows;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use async_trait::async_trait;
use drawbridge_core::answer::{Failure, Status};
use jiff::Timestamp;
use tokio::sync::OwnedMutexGuard;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    super::{
        link::{Link, Transaction},
        part::{Acting, Own, TableScope},
        shape::Unfit,
    },
    Engine, Rights,
    sqlite::throwaway::{Draft, ThrowAway},
};
use crate::confine;
use files::{Folder, State};
use reading::Reading;

#[cfg(test)]
pub(in super::super) use rows::answer as answer_rows;
pub use rows::child;

/// After how long without a question what was loaded is let go.
const IDLE: Duration = Duration::from_secs(600);
/// What the names of throw-away databases begin with.
const PREFIX: &str = "reports-";

/// Counts the throw-away databases of this process.
static COUNT: AtomicU64 = AtomicU64::new(0);

/// A folder of exports.
pub(super) struct Reports(Arc<Shared>);

struct Shared {
    folder: Folder,
    shown: String,
    tables: BTreeMap<String, TableScope>,
    state: PathBuf,
    program: PathBuf,
    /// A child said that the kernel does not confine it as it asked.
    loose: Arc<AtomicBool>,
    loaded: Mutex<Option<(Arc<Loaded>, Instant)>>,
    /// Held by the one load at a time.
    turn: Arc<tokio::sync::Mutex<()>>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

/// What the files held at one moment.
struct Loaded {
    state: State,
    base: ThrowAway,
    unfit: BTreeMap<String, Unfit>,
    /// When the newest file of each table was changed.
    modified: BTreeMap<String, Timestamp>,
}

#[async_trait]
impl Engine for Reports {
    async fn read(&self, _acting: &Acting) -> Result<Box<dyn Link>, Failure> {
        let loaded = self.0.current().await?;
        let link = loaded.base.read(&self.0.stop).await?;
        Ok(Box::new(Reading { link, loaded }))
    }

    /// Loading takes as long as the files are large: it begins with the first question.
    async fn reach(&self) -> Result<(), Failure> {
        let (state, shared) = (self.0.state.clone(), self.0.clone());
        let done = tokio::task::spawn_blocking(move || {
            remove_left(&state);
            shared.folder.reach().map(drop)
        });
        match done.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(self.0.unreachable().with_source(error)),
            Err(error) => Err(self.0.unreachable().with_source(error)),
        }
    }

    async fn write(&self, _key: &str, _acting: &Acting) -> Result<Box<dyn Transaction>, Failure> {
        Err(read_only())
    }

    async fn rights(&self, _own: &Own) -> Result<Rights, Failure> {
        let state = self.0.look().await?;
        let stamps = state.values().flatten().flatten();
        let paths: Vec<&Path> = stamps.map(|stamp| Path::new(&stamp.path)).collect();
        let mut rights = Rights::default();
        if self.0.folder.can_be_written(&paths) {
            let told = "the folder or its files can be written, and reports are only read";
            rights.excess.push(told.to_owned());
        }
        if self.0.loose.load(Ordering::Relaxed) {
            rights.problems.push(confine::loosely());
        }
        Ok(rights)
    }

    async fn close(&self) {
        self.0.stop.cancel();
        self.0.tasks.close();
        self.0.tasks.wait().await;
        let loaded = self.0.loaded().take();
        if let Some((loaded, _)) = loaded {
            loaded.base.close().await;
        }
    }

    fn is_closed(&self) -> bool {
        self.0.stop.is_cancelled()
    }
}

fn read_only() -> Failure {
    Failure::new(
        Status::Denied,
        "reports are only read; nothing of them can be changed",
    )
}

/// Removes the databases that dead programs left.
fn remove_left(state: &Path) {
    let Ok(entries) = std::fs::read_dir(state) else {
        return;
    };
    for entry in entries.flatten() {
        if entry.file_name().to_string_lossy().starts_with(PREFIX) {
            // Another program may still use it, or have removed it just now.
            let _ = Draft::remove_if_left(&entry.path());
        }
    }
}

impl Reports {
    /// The folder at this path, from the folder of the workspace.
    pub(super) fn new(path: &str, own: &Own) -> Self {
        Self(Arc::new(Shared {
            folder: Folder {
                path: own.workspace.join(path),
            },
            shown: path.to_owned(),
            tables: own.tables.clone(),
            state: own.state.clone(),
            program: own.program.clone(),
            loose: Arc::default(),
            loaded: Mutex::default(),
            turn: Arc::default(),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
        }))
    }
}

impl Shared {
    fn unreachable(&self) -> Failure {
        let told = format!(
            "its folder `{}` cannot be reached at this moment; tell whoever keeps the connector",
            self.shown
        );
        Failure::new(Status::Unavailable, told)
    }

    fn loaded(&self) -> MutexGuard<'_, Option<(Arc<Loaded>, Instant)>> {
        self.loaded.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A name that nothing has.
    fn next_path(&self) -> PathBuf {
        let (process, count) = (std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        self.state.join(format!("{PREFIX}{process}-{count}.db"))
    }

    /// How the files stand.
    async fn look(&self) -> Result<State, Failure> {
        if self.stop.is_cancelled() {
            let told = "the connector was stopped";
            return Err(Failure::new(Status::Unavailable, told));
        }
        let (folder, tables) = (self.folder.clone(), self.tables.keys().cloned().collect());
        let look = move || {
            let tables: Vec<String> = tables;
            folder.state(&tables)
        };
        match tokio::task::spawn_blocking(look).await {
            Ok(Ok(state)) => Ok(state),
            Ok(Err(error)) => Err(self.unreachable().with_source(error)),
            Err(error) => Err(self.unreachable().with_source(error)),
        }
    }

    /// What was loaded last, if there is any.
    fn last(&self) -> Option<Arc<Loaded>> {
        let mut held = self.loaded();
        let (loaded, used) = held.as_mut()?;
        *used = Instant::now();
        Some(loaded.clone())
    }

    /// What the files hold. Who finds them changed loads them; who comes while that lasts has what
    /// was loaded before, or waits when there is nothing.
    async fn current(self: &Arc<Self>) -> Result<Arc<Loaded>, Failure> {
        let state = self.look().await?;
        let last = self.last();
        if let Some(loaded) = last.as_ref().filter(|loaded| loaded.state == state) {
            return Ok(loaded.clone());
        }
        let turn = match (self.turn.clone().try_lock_owned(), last) {
            (Ok(turn), _) => turn,
            (Err(_), Some(last)) => return Ok(last),
            (Err(_), None) => self.turn.clone().lock_owned().await,
        };
        if let Some(loaded) = self.last().filter(|loaded| loaded.state == state) {
            return Ok(loaded);
        }
        // It goes on when nobody waits for it any more, so that a later question finds it done.
        let (shared, stop) = (self.clone(), self.stop.clone());
        let task = async move { stop.run_until_cancelled(shared.anew(turn)).await };
        match self.tasks.spawn(task).await {
            Ok(Some(loaded)) => loaded,
            Ok(None) | Err(_) => Err(self.unreachable()),
        }
    }

    /// Loads the files, and keeps what they held until nobody asks for a while.
    async fn anew(self: &Arc<Self>, _turn: OwnedMutexGuard<()>) -> Result<Arc<Loaded>, Failure> {
        let state = self.look().await?;
        let loaded = Arc::new(load::load(self, state).await?);
        let before = self.loaded().replace((loaded.clone(), Instant::now()));
        if before.is_none() {
            let (shared, stop) = (self.clone(), self.stop.clone());
            let rest = async move { stop.run_until_cancelled(shared.rest()).await };
            self.tasks.spawn(rest);
        }
        Ok(loaded)
    }

    /// Lets go of what nobody asked for.
    async fn rest(&self) {
        loop {
            tokio::time::sleep(IDLE).await;
            let mut held = self.loaded();
            match held.as_ref() {
                Some((_, used)) if used.elapsed() < IDLE => {}
                Some(_) | None => {
                    *held = None;
                    return;
                }
            }
        }
    }
}
