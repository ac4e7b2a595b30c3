//! Keeping in step with the source: a watch, and a whole listing now and then.

mod look;
mod watch;

pub(super) use look::document;

use std::{
    collections::HashSet,
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use drawbridge_core::connector::{Problem, Progress};
use futures_util::{Stream, StreamExt, stream};
use jiff::Timestamp;
use tokio::time::Instant;
use tracing::warn;

use super::{
    Folder,
    document::{Stamp, Why},
    extract::format_of,
    library::{Found, Look, Lost},
    source::Listing,
};
use watch::Watch;

/// Looks that are kept together: one commit for all of them.
const BATCH: usize = 512;
/// The most text of a batch, in bytes.
const BATCH_BYTES: usize = 16 << 20;
/// How long looks wait for others before they are kept.
const BATCH_TIME: Duration = Duration::from_secs(1);
/// How long files are looked at before the folder is listed again: what changes during a long sync
/// does not wait for its end.
const SLICE: Duration = Duration::from_secs(2);
/// How long after a change the folder is listed once more, for what the watch missed.
const ECHO: Duration = Duration::from_secs(2);

/// How far the sync is.
#[derive(Default)]
pub(super) struct Progressing {
    inner: Mutex<Standing>,
}

/// How far the sync is, at one moment.
#[derive(Debug, Clone, Default)]
pub(super) struct Standing {
    /// The whole source was seen since it was opened: what is kept from before may be behind it.
    pub(super) listed: bool,
    /// When the whole source was last seen.
    pub(super) synced: Option<Timestamp>,
    /// What is wrong with the sync itself.
    pub(super) problems: Vec<Problem>,
    /// How far the running listing is.
    pub(super) progress: Option<Progress>,
}

impl Progressing {
    /// What was kept when the folder was closed.
    pub(super) fn kept(index: Option<&Path>) -> Self {
        let synced = index.and_then(|index| fs::read_to_string(synced_file(index)).ok());
        Self {
            inner: Mutex::new(Standing {
                synced: synced.and_then(|text| text.trim().parse().ok()),
                ..Standing::default()
            }),
        }
    }

    pub(super) fn now(&self) -> Standing {
        self.lock().clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Standing> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Beside the index, with which it is thrown away.
fn synced_file(index: &Path) -> PathBuf {
    index.join("synced")
}

/// Whether a listing is one of those that come at set times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Planned {
    Yes,
    No,
}

/// Starts the task that keeps the library in step.
pub(super) fn start(folder: &Arc<Folder>) {
    let owned = folder.clone();
    folder.tasks.spawn(async move {
        let mut watch = Watch::start(&owned);
        let stop = owned.stop.clone();
        let every = owned.own.rescan_every;
        let mut next = Instant::now() + every;
        let (mut planned, mut echo) = (Planned::Yes, false);
        loop {
            let looked = tokio::select! {
                () = stop.cancelled() => break,
                looked = whole(&owned, planned, &watch) => looked,
            };
            owned.first.cancel();
            if looked == Looked::AtSome {
                continue;
            }
            planned = tokio::select! {
                () = stop.cancelled() => break,
                () = watch.change() => { echo = true; Planned::No }
                () = owned.anew.notified() => Planned::No,
                () = tokio::time::sleep(ECHO), if echo => { echo = false; Planned::No }
                () = tokio::time::sleep_until(next) => { next += every; Planned::Yes }
            };
        }
    });
}

/// Whether all that changed was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Looked {
    AtAll,
    AtSome,
}

/// Lists the whole source and looks at what changed.
async fn whole(folder: &Arc<Folder>, planned: Planned, watch: &Watch) -> Looked {
    let began = folder.library.ticket();
    let lister = folder.clone();
    let list = move || lister.source.list(|path| lister.own.contains(path));
    let listed = folder.turns.block(list);
    let Ok(listing) = listed.await else {
        warn!("the folder could not be listed: the listing broke");
        return Looked::AtAll;
    };
    let complete = listing.unknown.is_empty();
    let mut problems: Vec<Problem> = listing.unknown.iter().map(unlisted).collect();
    problems.extend(watch.problem());
    folder.progress.lock().problems = problems;
    let total = listing.files.len() as u64;
    let changes = changed(folder, listing);
    let holds = folder.library.snapshot().paths().next().is_some();
    if holds && !changes.is_empty() {
        // Nobody waits for what must be read, unless there is nothing yet to answer from.
        folder.first.cancel();
    }
    let looked = match look_at(folder, changes, total).await {
        Ok(looked) => looked,
        Err(Lost::Anew) => {
            begin_anew(folder);
            return Looked::AtAll;
        }
        Err(Lost::Closed) => return Looked::AtAll,
    };
    folder.library.settle(began);
    if looked == Looked::AtAll {
        finished(folder, planned, complete).await;
    }
    looked
}

/// Notes that the library is in step.
async fn finished(folder: &Folder, planned: Planned, complete: bool) {
    folder.extractor.rest().await;
    let mut standing = folder.progress.lock();
    standing.progress = None;
    standing.listed |= complete;
    // Only a planned listing moves the time that everyone sees: one that a change brought about
    // would tell callers that something changed which they may not see.
    if complete && (planned == Planned::Yes || standing.synced.is_none()) {
        let now = folder.context.clock.now();
        standing.synced = Some(now);
        let kept = folder.library.folder().map(synced_file);
        if let Some(Err(error)) = kept.map(|file| fs::write(file, now.to_string())) {
            warn!("when the folder was last seen is not kept over a restart: {error}");
        }
    }
}

fn unlisted((folder, reason): &(String, String)) -> Problem {
    Problem {
        path: format!("{folder}/"),
        reason: format!("this folder could not be listed, so nothing of it was removed: {reason}"),
        mend: "let the gateway's account list the folder, or leave it out with `scope.exclude`"
            .to_owned(),
    }
}

/// A file to look at, with what the listing says of it.
enum Change {
    Read(String),
    Refused(String, Why),
    Gone(String),
}

/// What differs from what is known, the most urgent first: what is gone, what may have a more
/// sensitive label, what is new. What was not listed is gone only where the listing is whole.
fn changed(folder: &Folder, listing: Listing) -> Vec<Change> {
    let known = folder.library.snapshot();
    let there: HashSet<&str> = listing
        .files
        .iter()
        .map(|(path, _)| path.as_str())
        .collect();
    let gone = known
        .paths()
        .filter(|path| !there.contains(path) && listing.knows(path))
        .map(|path| Change::Gone(path.to_owned()));
    let mut changes: Vec<Change> = gone.collect();
    let mut new = Vec::new();
    for (path, found) in listing.files {
        let of_format = |stamp| match format_of(&path) {
            Some(_) => Ok(stamp),
            None => Err(Why::format()),
        };
        match found.map_err(Why::file).and_then(of_format) {
            Ok(stamp) if known.stamp(&path) == Some(&stamp) => {}
            Ok(_) if known.slot(&path).is_none() => new.push(Change::Read(path)),
            Ok(_) => changes.push(Change::Read(path)),
            Err(why) if known.refused(&path) == Some(&why) => {}
            Err(why) => changes.push(Change::Refused(path, why)),
        }
    }
    changes.extend(new);
    changes
}

/// Looks at files for a [`SLICE`], several at a time, and keeps what was found in batches.
async fn look_at(folder: &Arc<Folder>, changes: Vec<Change>, total: u64) -> Result<Looked, Lost> {
    let mut left = changes.len() as u64;
    let slice = Box::pin(tokio::time::sleep(SLICE));
    let looks = stream::iter(changes)
        .take_until(slice)
        .map(|change| async move {
            let ticket = folder.library.ticket();
            match change {
                Change::Read(path) => look::at(folder, path).await,
                Change::Refused(path, why) => Look {
                    path,
                    ticket,
                    found: Found::Hidden(None, why),
                },
                Change::Gone(path) => look::whether_gone(folder, path).await,
            }
        });
    let mut looks = Box::pin(looks.buffer_unordered(folder.extractor.children()));
    loop {
        let (batch, more) = gather(&mut looks).await;
        left = left.saturating_sub(batch.len() as u64);
        let done = total.saturating_sub(left);
        folder.progress.lock().progress = Some(Progress { done, total });
        if !batch.is_empty() {
            keep(folder, batch).await?;
        }
        if !more {
            return Ok(if left == 0 {
                Looked::AtAll
            } else {
                Looked::AtSome
            });
        }
    }
}

/// The next batch of looks, and whether there may be more. A look that takes long does not hold up
/// those that are done.
async fn gather(looks: &mut (impl Stream<Item = Look> + Unpin)) -> (Vec<Look>, bool) {
    let (mut batch, mut bytes) = (Vec::new(), 0);
    let end = Instant::now() + BATCH_TIME;
    while batch.len() < BATCH && bytes < BATCH_BYTES {
        match tokio::time::timeout_at(end, looks.next()).await {
            Ok(Some(look)) => {
                bytes += look.bytes();
                batch.push(look);
            }
            Ok(None) => return (batch, false),
            Err(_) => break,
        }
    }
    (batch, true)
}

async fn keep(folder: &Arc<Folder>, looks: Vec<Look>) -> Result<(), Lost> {
    let keeper = folder.clone();
    let kept = folder.turns.block(move || keeper.library.keep(looks));
    match kept.await {
        Ok(kept) => kept,
        Err(broke) => {
            warn!("the index broke: {broke}");
            examined(folder).await
        }
    }
}

/// Examines an index that could not be read; where it is damaged, has everything read again.
pub(super) async fn examine(folder: &Arc<Folder>) {
    if let Err(Lost::Anew) = examined(folder).await {
        begin_anew(folder);
    }
}

async fn examined(folder: &Arc<Folder>) -> Result<(), Lost> {
    let examiner = folder.clone();
    let examined = folder.turns.block(move || examiner.library.examine());
    examined.await.unwrap_or(Err(Lost::Closed))
}

/// Has everything read again. Until then answers say that they are not whole.
fn begin_anew(folder: &Folder) {
    let mut standing = folder.progress.lock();
    (standing.listed, standing.synced) = (false, None);
    drop(standing);
    folder.anew.notify_one();
}

/// Looks again at documents that are about to be shown and that changed: gone is gone at once.
pub(super) async fn refresh(folder: &Arc<Folder>, paths: Vec<String>) {
    let looks = stream::iter(paths).map(|path| look::at(folder, path));
    let looks: Vec<Look> = looks.buffered(folder.extractor.children()).collect().await;
    match keep(folder, looks).await {
        Ok(()) | Err(Lost::Closed) => {}
        Err(Lost::Anew) => begin_anew(folder),
    }
}

/// Which of some documents are not on the disk as they were read. Blocks.
pub(super) fn moved(folder: &Folder, shown: &[(String, Option<Stamp>)]) -> Vec<String> {
    let moved = shown
        .iter()
        .filter(|(path, stamp)| folder.source.stamp(path).ok() != *stamp);
    moved.map(|(path, _)| path.clone()).collect()
}
