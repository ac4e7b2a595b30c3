//! Keeping in step with the disk: a watch, and a whole listing now and then.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io::Read,
    os::unix::fs::MetadataExt,
    path::Path,
    sync::Arc,
    time::Duration,
};

use drawbridge_core::connector::Progress;
use jiff::Timestamp;
use notify::{RecursiveMode, Watcher};
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat2};
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;
use unicode_normalization::is_nfc;

use super::{
    Folder,
    corpus::{Corpus, Document, Invisible, Stamp, passages},
    extract::{Unreadable, format_of},
};

/// How long the watch waits for more changes.
const SETTLE: Duration = Duration::from_millis(150);
/// The largest file that is read, in bytes.
const MOST_BYTES: u64 = 64 << 20;
/// Documents after which a long first sync shows what it has.
const SHOW_EVERY: usize = 64;

/// Starts the task that keeps the corpus in step.
pub(super) fn start(folder: &Arc<Folder>) {
    let owned = folder.clone();
    folder.tasks.spawn(async move {
        let (wake, mut woken) = mpsc::channel::<()>(1);
        // A full channel already wakes; a watch that cannot start leaves the periodic listing.
        let watcher = notify::recommended_watcher(move |_| {
            let _ = wake.try_send(());
        });
        let watcher = watcher.and_then(|mut watcher| {
            watcher
                .watch(&owned.own.root, RecursiveMode::Recursive)
                .map(|()| watcher)
        });
        if let Err(error) = &watcher {
            tracing::warn!("cannot watch the folder, so changes show at the next listing: {error}");
        }
        let mut planned = Planned::Yes;
        loop {
            tokio::select! {
                () = owned.stop.cancelled() => break,
                () = whole(&owned, planned) => {}
            }
            planned = tokio::select! {
                () = owned.stop.cancelled() => break,
                () = tokio::time::sleep(owned.own.rescan_every) => Planned::Yes,
                Some(()) = woken.recv() => {
                    tokio::time::sleep(SETTLE).await;
                    Planned::No
                }
            };
        }
    });
}

/// Whether a listing is one of those that come at set times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Planned {
    Yes,
    No,
}

/// Lists the whole folder and reads what changed.
async fn whole(folder: &Arc<Folder>, planned: Planned) {
    let lister = folder.clone();
    let Ok((listed, complete)) = tokio::task::spawn_blocking(move || list(&lister)).await else {
        return;
    };
    let total = listed.len() as u64;
    let mut next = Corpus::clone(&folder.corpus.load());
    next.complete = complete;
    if complete {
        // What was not listed is gone; after an incomplete listing nobody can tell.
        let there: BTreeSet<&String> = listed.keys().collect();
        next.documents.retain(|path, _| there.contains(path));
        next.invisible.retain(|path, _| there.contains(path));
        folder.corpus.store(Arc::new(next.clone()));
    }
    for (done, (path, found)) in listed.into_iter().enumerate() {
        settle(folder, &mut next, &path, found).await;
        if done % SHOW_EVERY == 0 {
            next.progress = Some(Progress {
                done: done as u64,
                total,
            });
            folder.corpus.store(Arc::new(next.clone()));
        }
    }
    next.progress = None;
    // Only a planned listing moves the time that everyone sees: one that a change brought about
    // would tell callers that something changed which they may not see.
    if planned == Planned::Yes || next.synced.is_none() {
        next.synced = Some(folder.context.clock.now());
    }
    folder.corpus.store(Arc::new(next));
}

/// Looks at one document again before it is read: gone is gone at once.
pub(super) async fn refresh(folder: &Arc<Folder>, path: &str) {
    let corpus = folder.corpus.load_full();
    let Some(known) = corpus.documents.get(path) else {
        return;
    };
    let found = inspect(&folder.own.root.join(path));
    if matches!(found, Ok(stamp) if stamp == known.stamp) {
        return;
    }
    let mut next = Corpus::clone(&corpus);
    settle(folder, &mut next, path, found).await;
    folder.corpus.store(Arc::new(next));
}

type Found = Result<Stamp, String>;

/// Every file in scope, and whether the listing was complete.
fn list(folder: &Folder) -> (BTreeMap<String, Found>, bool) {
    let (mut files, mut complete) = (BTreeMap::new(), true);
    let mut folders = vec![String::new()];
    while let Some(below) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(folder.own.root.join(&below)) else {
            complete = false;
            continue;
        };
        for entry in entries {
            let Ok(entry) = entry else {
                complete = false;
                continue;
            };
            let name = entry.file_name();
            let Some(name) = name.to_str() else { continue };
            let path = if below.is_empty() {
                name.to_owned()
            } else {
                format!("{below}/{name}")
            };
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => folders.push(path),
                Ok(_) if !folder.own.contains(&path) => {}
                Ok(_) if format_of(&path).is_none() => {
                    let reason = "its format is not one that is read; leave it out with `exclude`";
                    files.insert(path, Err(reason.to_owned()));
                }
                Ok(_) => {
                    files.insert(path, inspect(&entry.path()));
                }
                Err(_) => complete = false,
            }
        }
    }
    (files, complete)
}

/// The stamp of a plain file; the reason where it is none.
fn inspect(path: &Path) -> Found {
    let metadata = path
        .symlink_metadata()
        .map_err(|error| format!("it cannot be opened: {error}"))?;
    if !metadata.is_file() {
        return Err("it is a link or no plain file; links are not followed".to_owned());
    }
    if metadata.nlink() > 1 {
        return Err(
            "it has a second name (a hard link), which may be outside the folder".to_owned(),
        );
    }
    Ok(Stamp {
        bytes: metadata.len(),
        modified_ns: i128::from(metadata.mtime()) * 1_000_000_000
            + i128::from(metadata.mtime_nsec()),
    })
}

/// Brings one document of the corpus in step with what was found.
async fn settle(folder: &Arc<Folder>, corpus: &mut Corpus, path: &str, found: Found) {
    let nothing = Stamp {
        bytes: 0,
        modified_ns: 0,
    };
    let stamp = match found {
        Ok(stamp) => stamp,
        Err(reason) => {
            corpus.documents.remove(path);
            corpus.invisible.insert(
                path.to_owned(),
                Arc::new(Invisible {
                    stamp: nothing,
                    reason,
                }),
            );
            return;
        }
    };
    let known = corpus
        .documents
        .get(path)
        .is_some_and(|document| document.stamp == stamp)
        || corpus
            .invisible
            .get(path)
            .is_some_and(|file| file.stamp == stamp);
    if known {
        return;
    }
    match read(folder, path, stamp).await {
        Ok(document) => {
            corpus.invisible.remove(path);
            corpus.documents.insert(path.to_owned(), Arc::new(document));
        }
        Err(reason) => {
            corpus.documents.remove(path);
            corpus
                .invisible
                .insert(path.to_owned(), Arc::new(Invisible { stamp, reason }));
        }
    }
}

/// Reads a document; the reason why nobody may see it, where nobody can tell who may.
async fn read(folder: &Arc<Folder>, path: &str, stamp: Stamp) -> Result<Document, String> {
    if !is_nfc(path) {
        return Err("its name is not in Unicode's composed form (NFC); rename it".to_owned());
    }
    let (root, name) = (folder.own.root.clone(), path.to_owned());
    let bytes = tokio::task::spawn_blocking(move || load(&root, &name))
        .await
        .map_err(|error| error.to_string())?
        .map_err(|error| format!("it cannot be opened: {error}"))?;
    let version = hex::encode(Sha256::digest(&bytes))
        .chars()
        .take(16)
        .collect();
    let format = format_of(path).map_or("", |format| format.name);
    let (extracted, mut reason) = match folder.extractor.extract(path, bytes.into()).await {
        Ok(extracted) => (extracted, None),
        Err(Unreadable { reason }) => (Default::default(), Some(reason)),
    };
    if let Some(error) = &extracted.front_error {
        return Err(format!("its front matter cannot be read: {error}"));
    }
    reason = reason.or_else(|| extracted.truncated.clone());
    let mut facets = folder
        .own
        .facets(path, &extracted.front, &folder.context.labels)?;
    facets.insert("format", format.to_owned());
    let title = extracted.title.clone().unwrap_or_else(|| path.to_owned());
    let supersedes = extracted
        .front
        .get("supersedes")
        .and_then(|older| older.as_str());
    Ok(Document {
        path: path.to_owned(),
        passages: passages(&title, &extracted, folder.own.scope.language),
        title,
        resource: drawbridge_core::decide::Resource(facets),
        stamp,
        modified: Timestamp::from_nanosecond(stamp.modified_ns).ok(),
        synced: folder.context.clock.now(),
        version,
        supersedes: supersedes.map(str::to_owned),
        reason,
    })
}

/// Opens a file below the root and nowhere else: the kernel refuses links and `..` in one step, so
/// that nothing can be swapped between a check and the opening.
fn load(root: &Path, path: &str) -> std::io::Result<Vec<u8>> {
    let folder = rustix::fs::openat(
        CWD,
        root,
        OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
    )?;
    let how = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    let file = openat2(
        &folder,
        path,
        OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC,
        Mode::empty(),
        how,
    )?;
    let mut bytes = Vec::new();
    File::from(file)
        .take(MOST_BYTES + 1)
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}
