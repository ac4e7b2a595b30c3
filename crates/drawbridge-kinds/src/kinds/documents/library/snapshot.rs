//! All documents at one moment. Never changed: a sync makes the next one.

use std::{
    collections::{BTreeMap, HashMap, hash_map::Entry as Place},
    num::NonZeroUsize,
    sync::{Arc, Mutex, PoisonError},
};

use drawbridge_core::{
    connector::Problem,
    decide::{Fingerprint, Resource, View},
};
use lru::LruCache;
use tantivy::{DocAddress, InvertedIndexReader, Searcher, SegmentReader};

use super::{
    super::{
        document::{Document, Entry, Mend, Stamp, State, Why},
        index::{Broken, ENTRY, FILE, Fields, LENGTH, NUMBER},
        part::Shown,
        passage::Passage,
    },
    Shelved,
    visible::Visible,
};

/// Views whose answers are kept.
const VIEWS: NonZeroUsize = NonZeroUsize::MIN.saturating_add(255);
/// The slot of what is no passage of a document.
pub(super) const NOWHERE: u32 = u32::MAX;

/// All documents at one moment.
pub(in super::super) struct Snapshot {
    /// Counts up with each one.
    pub(in super::super) generation: u64,
    /// By path. A document's place here is its slot.
    pub(in super::super) documents: Vec<Held>,
    /// How many of them have each label.
    pub(in super::super) labels: BTreeMap<String, u64>,
    /// Files that nobody sees, by path.
    hidden: Vec<Arc<Entry>>,
    pub(super) segments: Vec<Segment>,
    searcher: Searcher,
    fields: Fields,
    classes: Arc<Classes>,
    visible: Mutex<LruCache<Fingerprint, Arc<Visible>>>,
}

/// A document of a snapshot.
pub(in super::super) struct Held {
    entry: Arc<Entry>,
    pub(in super::super) document: Arc<Document>,
    /// The number of its set of facets.
    pub(super) class: usize,
}

impl Held {
    pub(in super::super) fn path(&self) -> &str {
        &self.entry.path
    }

    pub(in super::super) fn stamp(&self) -> Option<&Stamp> {
        self.entry.stamp.as_ref()
    }
}

/// A part of the index.
pub(super) struct Segment {
    pub(super) terms: Arc<InvertedIndexReader>,
    /// What each document of the segment is.
    pub(super) passages: Vec<At>,
}

/// Where a passage belongs.
#[derive(Clone, Copy)]
pub(super) struct At {
    /// The slot of its document; [`NOWHERE`] for what is none.
    pub(super) slot: u32,
    /// Its number in the document.
    pub(super) number: u32,
    /// How many terms it has.
    pub(super) length: u32,
}

impl Snapshot {
    pub(super) fn new<'a>(
        generation: u64,
        files: impl Iterator<Item = &'a Shelved>,
        classes: &Arc<Classes>,
        (searcher, fields): (Searcher, Fields),
    ) -> Result<Self, Broken> {
        let (mut documents, mut hidden, mut slots) = (Vec::new(), Vec::new(), HashMap::new());
        for shelved in files {
            match &shelved.entry.state {
                State::Hidden(_) => hidden.push(shelved.entry.clone()),
                State::Offered(document) => {
                    slots.insert(
                        shelved.file,
                        u32::try_from(documents.len()).unwrap_or(NOWHERE),
                    );
                    documents.push(Held {
                        entry: shelved.entry.clone(),
                        document: document.clone(),
                        class: classes.of(document),
                    });
                }
            }
        }
        let segments: Result<_, Broken> = searcher
            .segment_readers()
            .iter()
            .map(|reader| Segment::new(reader, &slots, fields))
            .collect();
        let mut labels = BTreeMap::new();
        for held in &documents {
            *labels.entry(held.document.label().to_owned()).or_default() += 1;
        }
        Ok(Self {
            generation,
            labels,
            documents,
            hidden,
            segments: segments?,
            searcher,
            fields,
            classes: classes.clone(),
            visible: Mutex::new(LruCache::new(VIEWS)),
        })
    }

    /// What a view lets see, the same for the same view as long as nothing changes.
    pub(in super::super) fn visible(
        &self,
        view: &View,
        (drafts, superseded): (Shown, Shown),
    ) -> Arc<Visible> {
        let fingerprint = view.fingerprint();
        let cache = || self.visible.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = cache().get(&fingerprint) {
            return known.clone();
        }
        let admitted = self.classes.admitted(view);
        let visible = Visible::new(&self.documents, &admitted, (drafts, superseded));
        let visible = Arc::new(visible);
        cache().put(fingerprint, visible.clone());
        visible
    }

    /// The slot of a path.
    pub(in super::super) fn slot(&self, path: &str) -> Option<usize> {
        self.documents
            .binary_search_by(|held| held.path().cmp(path))
            .ok()
    }

    /// The stamp a file had when it was read.
    pub(in super::super) fn stamp(&self, path: &str) -> Option<&Stamp> {
        if let Some(slot) = self.slot(path) {
            return self.documents.get(slot)?.stamp();
        }
        let hidden = self
            .hidden
            .binary_search_by(|entry| entry.path.as_str().cmp(path));
        self.hidden.get(hidden.ok()?)?.stamp.as_ref()
    }

    /// Why nobody sees a file that could not be read at all.
    pub(in super::super) fn refused(&self, path: &str) -> Option<&Why> {
        let hidden = self
            .hidden
            .binary_search_by(|entry| entry.path.as_str().cmp(path));
        match self.hidden.get(hidden.ok()?)?.as_ref() {
            Entry {
                stamp: None,
                state: State::Hidden(why),
                ..
            } => Some(why),
            Entry { .. } => None,
        }
    }

    /// Every path that is known.
    pub(in super::super) fn paths(&self) -> impl Iterator<Item = &str> {
        let hidden = self.hidden.iter().map(|entry| entry.path.as_str());
        self.documents.iter().map(Held::path).chain(hidden)
    }

    /// What is there and is not offered, or not wholly.
    pub(in super::super) fn problems(&self) -> Vec<Problem> {
        let hidden = self.hidden.iter().filter_map(|entry| match &entry.state {
            State::Hidden(why) => Some((&entry.path, &why.reason, why.mend)),
            State::Offered(_) => None,
        });
        let partly = self.documents.iter().filter_map(|held| {
            let reason = held.document.reason.as_ref()?;
            Some((&held.entry.path, reason, Mend::File))
        });
        hidden
            .chain(partly)
            .map(|(path, reason, mend)| Problem {
                path: path.clone(),
                reason: reason.clone(),
                mend: mend.words().to_owned(),
            })
            .collect()
    }

    /// All passages of a document, in order.
    pub(in super::super) fn passages(&self, slot: usize) -> Result<Vec<Passage>, Broken> {
        let mut at = Vec::new();
        for (ordinal, segment) in (0..).zip(&self.segments) {
            for (document, passage) in (0..).zip(&segment.passages) {
                if usize::try_from(passage.slot) == Ok(slot) {
                    at.push((passage.number, DocAddress::new(ordinal, document)));
                }
            }
        }
        at.sort_unstable_by_key(|(number, _)| *number);
        at.into_iter().map(|(_, at)| self.passage(at)).collect()
    }

    /// One passage.
    pub(in super::super) fn passage(&self, at: DocAddress) -> Result<Passage, Broken> {
        self.fields.passage(&self.searcher, at)
    }

    pub(super) fn fields(&self) -> Fields {
        self.fields
    }
}

impl Segment {
    fn new(
        reader: &SegmentReader,
        slots: &HashMap<u64, u32>,
        fields: Fields,
    ) -> Result<Self, Broken> {
        let column = |name| reader.fast_fields().u64(name);
        let (files, numbers, lengths) = (column(FILE)?, column(NUMBER)?, column(LENGTH)?);
        let small = |value: Option<u64>| u32::try_from(value.unwrap_or_default()).unwrap_or(0);
        let nowhere = At {
            slot: NOWHERE,
            number: 0,
            length: 0,
        };
        let mut passages = vec![nowhere; usize::try_from(reader.max_doc()).unwrap_or_default()];
        for (document, at) in (0..).zip(&mut passages) {
            let number = numbers.first(document);
            if number == Some(ENTRY) || reader.is_deleted(document) {
                continue;
            }
            let slot = files.first(document).and_then(|file| slots.get(&file));
            *at = At {
                slot: slot.copied().unwrap_or(NOWHERE),
                number: small(number),
                length: small(lengths.first(document)),
            };
        }
        Ok(Self {
            terms: reader.inverted_index(fields.terms)?,
            passages,
        })
    }
}

/// Every distinct set of facets there has been: the rules are asked once for each, not for each
/// document. Sets are only ever added, so that answers stay true from snapshot to snapshot.
#[derive(Default)]
pub(super) struct Classes {
    inner: Mutex<Inner>,
}

struct Inner {
    numbers: HashMap<Resource, usize>,
    all: Vec<Resource>,
    admitted: LruCache<Fingerprint, Vec<bool>>,
}

impl Default for Inner {
    fn default() -> Self {
        Self {
            numbers: HashMap::new(),
            all: Vec::new(),
            admitted: LruCache::new(VIEWS),
        }
    }
}

impl Classes {
    fn of(&self, document: &Document) -> usize {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let next = inner.all.len();
        match inner.numbers.entry(document.resource()) {
            Place::Occupied(known) => *known.get(),
            Place::Vacant(place) => {
                let resource = place.key().clone();
                place.insert(next);
                inner.all.push(resource);
                next
            }
        }
    }

    /// Which sets a view admits, by their numbers.
    fn admitted(&self, view: &View) -> Vec<bool> {
        let (mut admitted, unknown) = {
            let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
            let known = inner.admitted.get(&view.fingerprint()).cloned();
            let known = known.unwrap_or_default();
            let unknown = inner.all.get(known.len()..).unwrap_or_default().to_vec();
            (known, unknown)
        };
        admitted.extend(unknown.iter().map(|resource| view.admits(resource)));
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.admitted.put(view.fingerprint(), admitted.clone());
        admitted
    }
}
