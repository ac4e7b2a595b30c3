//! All documents: one writer, and a snapshot for those who read.

pub(super) mod rank;
pub(super) mod snapshot;
pub(super) mod visible;

use std::{
    collections::{BTreeMap, HashMap},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use arc_swap::ArcSwap;
use tracing::warn;

use super::{
    document::{Document, Entry, Stamp, State, Why},
    index::{Broken, Index},
    passage::Cut,
};
use snapshot::{Classes, Snapshot};

/// All documents.
pub(super) struct Library {
    /// Where it is kept; none where it is only in memory.
    folder: Option<PathBuf>,
    digest: String,
    writer: Mutex<Option<Writer>>,
    current: ArcSwap<Snapshot>,
    tickets: AtomicU64,
}

/// What one look at a file found. Looks can overtake each other; the latest counts.
pub(super) struct Look {
    pub(super) path: String,
    /// Taken before the look.
    pub(super) ticket: Ticket,
    pub(super) found: Found,
}

/// When a look at a file began, among all looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Ticket(u64);

/// What a look found.
pub(super) enum Found {
    /// Nobody can tell: what is known stays.
    Nothing,
    /// The file is not there.
    Gone,
    /// It is there, and nobody may see it: the reason.
    Hidden(Option<Stamp>, Why),
    /// A document.
    Offered(Stamp, Document, Vec<Cut>),
}

/// Why looks could not be kept.
#[derive(Debug, thiserror::Error)]
pub(super) enum Lost {
    /// The library is closed.
    #[error("the connector was stopped")]
    Closed,
    /// The index broke and is empty again: everything must be read anew.
    #[error("the index broke and is made anew")]
    Anew,
}

impl Look {
    /// About how much memory it takes.
    pub(super) fn bytes(&self) -> usize {
        match &self.found {
            Found::Nothing | Found::Gone | Found::Hidden(..) => self.path.len(),
            Found::Offered(_, _, cuts) => {
                let cuts = cuts.iter();
                cuts.map(|cut| cut.terms.len() + cut.passage.text.len())
                    .sum()
            }
        }
    }
}

struct Writer {
    index: Index,
    files: BTreeMap<String, Shelved>,
    classes: Arc<Classes>,
    next_file: u64,
    /// The latest look at each path since a listing began.
    looks: HashMap<String, Ticket>,
}

/// What is known of a file, with its number in the index.
#[derive(Clone)]
pub(super) struct Shelved {
    pub(super) file: u64,
    pub(super) entry: Arc<Entry>,
}

impl Library {
    /// Opens what is kept in `folder` for `digest`, or begins anew. Never fails: without a disk
    /// it keeps everything in memory.
    pub(super) fn open(folder: &Path, digest: &str) -> Result<Self, Broken> {
        let (index, folder) = match Index::open(folder, digest) {
            Ok(index) => (index, Some(folder.to_owned())),
            Err(Broken::Taken) => {
                warn!("another gateway uses the index, so this one keeps its own in memory");
                (Index::in_memory()?, None)
            }
            Err(broken) => {
                if folder.exists() {
                    warn!("the index is made anew: {broken}");
                }
                create(Some(folder.to_owned()), digest)?
            }
        };
        let (writer, folder) = match Writer::new(index) {
            Ok(writer) => (writer, folder),
            Err(broken) => {
                warn!("the index is made anew: {broken}");
                let (index, folder) = create(folder, digest)?;
                (Writer::new(index)?, folder)
            }
        };
        Ok(Self {
            current: ArcSwap::from_pointee(writer.snapshot(0)?),
            folder,
            digest: digest.to_owned(),
            writer: Mutex::new(Some(writer)),
            tickets: AtomicU64::new(0),
        })
    }

    /// Where it is kept over restarts; none where it is only in memory.
    pub(super) fn folder(&self) -> Option<&Path> {
        self.folder.as_deref()
    }

    /// All documents at this moment.
    pub(super) fn snapshot(&self) -> Arc<Snapshot> {
        self.current.load_full()
    }

    /// Taken before a look at a file.
    pub(super) fn ticket(&self) -> Ticket {
        Ticket(self.tickets.fetch_add(1, Ordering::Relaxed))
    }

    /// Keeps what looks found: all of it at once, durably, and visible to the next question.
    pub(super) fn keep(&self, looks: Vec<Look>) -> Result<(), Lost> {
        let mut slot = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let writer = slot.as_mut().ok_or(Lost::Closed)?;
        let generation = self.current.load().generation + 1;
        let kept = writer
            .keep(looks)
            .and_then(|()| writer.snapshot(generation));
        match kept {
            Ok(snapshot) => {
                self.current.store(Arc::new(snapshot));
                Ok(())
            }
            Err(broken) => {
                warn!("the index is made anew: {broken}");
                drop(slot.take());
                self.begin_anew(&mut slot, generation)
            }
        }
    }

    /// Throws the index away if its files are damaged.
    pub(super) fn examine(&self) -> Result<(), Lost> {
        let mut slot = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        if slot.as_ref().ok_or(Lost::Closed)?.index.is_whole() {
            return Ok(());
        }
        drop(slot.take());
        let generation = self.current.load().generation + 1;
        self.begin_anew(&mut slot, generation)
    }

    fn begin_anew(&self, slot: &mut Option<Writer>, generation: u64) -> Result<(), Lost> {
        let anew = create(self.folder.clone(), &self.digest);
        let anew = anew.and_then(|(index, _)| Writer::new(index));
        let made = anew.and_then(|writer| Ok((writer.snapshot(generation)?, writer)));
        let (snapshot, writer) = made.map_err(|broken| {
            warn!("no index can be made: {broken}");
            Lost::Closed
        })?;
        self.current.store(Arc::new(snapshot));
        *slot = Some(writer);
        Err(Lost::Anew)
    }

    /// Forgets the looks before a listing that ended: none as old as they comes any more.
    pub(super) fn settle(&self, listing: Ticket) {
        let mut slot = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(writer) = slot.as_mut() {
            writer.looks.retain(|_, look| *look > listing);
        }
    }

    /// Lets go of the folder. What is kept stays readable to those who hold a snapshot.
    pub(super) fn close(&self) {
        let mut slot = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        drop(slot.take());
    }
}

/// Makes an empty index, and says where it is kept.
fn create(folder: Option<PathBuf>, digest: &str) -> Result<(Index, Option<PathBuf>), Broken> {
    let Some(folder) = folder else {
        return Ok((Index::in_memory()?, None));
    };
    match Index::create(&folder, digest) {
        Ok(index) => Ok((index, Some(folder))),
        Err(broken) => {
            warn!("the index is kept in memory, and not over a restart: {broken}");
            Ok((Index::in_memory()?, None))
        }
    }
}

impl Writer {
    fn new(index: Index) -> Result<Self, Broken> {
        let entries = index.entries()?;
        let next_file = entries.iter().map(|(file, _)| file + 1).max().unwrap_or(0);
        let shelved = |(file, entry): (u64, Entry)| {
            let path = entry.path.clone();
            (
                path,
                Shelved {
                    file,
                    entry: Arc::new(entry),
                },
            )
        };
        Ok(Self {
            index,
            files: entries.into_iter().map(shelved).collect(),
            classes: Arc::new(Classes::default()),
            next_file,
            looks: HashMap::new(),
        })
    }

    fn keep(&mut self, looks: Vec<Look>) -> Result<(), Broken> {
        for look in looks {
            let latest = self.looks.entry(look.path.clone()).or_insert(look.ticket);
            if *latest > look.ticket {
                continue;
            }
            *latest = look.ticket;
            self.keep_one(look.path, look.found)?;
        }
        self.index.commit()?;
        Ok(())
    }

    fn keep_one(&mut self, path: String, found: Found) -> Result<(), Broken> {
        let (stamp, state, cuts) = match found {
            Found::Nothing => return Ok(()),
            Found::Gone => {
                self.index.remove(&path);
                self.files.remove(&path);
                return Ok(());
            }
            Found::Hidden(stamp, why) => (stamp, State::Hidden(why), Vec::new()),
            Found::Offered(stamp, document, cuts) => {
                (Some(stamp), State::Offered(Arc::new(document)), cuts)
            }
        };
        let entry = Entry {
            path: path.clone(),
            stamp,
            state,
        };
        let file = self.next_file;
        self.next_file += 1;
        self.index.put(file, &entry, cuts)?;
        let entry = Arc::new(entry);
        self.files.insert(path, Shelved { file, entry });
        Ok(())
    }

    fn snapshot(&self, generation: u64) -> Result<Snapshot, Broken> {
        let files = self.files.values();
        Snapshot::new(
            generation,
            files,
            &self.classes,
            (self.index.searcher(), self.index.fields()),
        )
    }
}
