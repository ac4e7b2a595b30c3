//! The full-text index on disk: tantivy as the keeper of postings and text.
//!
//! One of its documents is a passage, and one more for each file is the [`Entry`] of that file, so
//! that what is known of a file and what it says change in the same commit. The index is derived:
//! whatever is wrong with it, it is thrown away and made anew.
//!
//! Scores are not tantivy's. It adds them up in 32 bits, in an order that hangs on which segments
//! hold which words, and rounds a passage's length to one byte: files that a caller may not see
//! would move the last digits, and with them the order. [`super::library::rank`] counts itself.

use std::{
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
};

use tantivy::{
    DocAddress, IndexReader, IndexWriter, ReloadPolicy, Searcher, TantivyDocument, TantivyError,
    Term,
    indexer::{LogMergePolicy, UserOperation},
    schema::{
        FAST, Field, IndexRecordOption, STORED, STRING, Schema, TextFieldIndexing, TextOptions,
        Value,
    },
};

use super::{
    document::Entry,
    passage::{Cut, Passage},
};

/// Changes with everything that is kept: fields, terms, what an entry says.
const FORMAT: u32 = 3;
/// Memory of the writer before it writes a segment, in bytes.
const WRITER_MEMORY: usize = 32 << 20;
/// The share of deleted passages above which a segment is written anew.
const DELETED: f32 = 0.3;
/// Says which format and file the index was made for; written when it is whole.
const ABOUT: &str = "about";
/// The number that an entry has in place of a passage's.
pub(super) const ENTRY: u64 = u64::MAX;

/// Why the index cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum Broken {
    /// It was made for another format, another file, or not made at all.
    #[error("it is not made for this file")]
    Other,
    /// Bytes on the disk are not those that were written.
    #[error("files of it are damaged")]
    Damaged,
    /// Another process writes it.
    #[error("another process writes it")]
    Taken,
    /// An entry cannot be understood.
    #[error("an entry of it cannot be understood: {0}")]
    Entry(#[from] serde_json::Error),
    /// tantivy says no.
    #[error(transparent)]
    Tantivy(TantivyError),
    /// The disk says no.
    #[error(transparent)]
    Disk(#[from] std::io::Error),
}

impl From<TantivyError> for Broken {
    fn from(error: TantivyError) -> Self {
        match error {
            TantivyError::LockFailure(..) => Self::Taken,
            error => Self::Tantivy(error),
        }
    }
}

/// The fields of the index.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fields {
    /// The file's path, of passages and entries.
    path: Field,
    /// The file's number: another one each time it is read.
    file: Field,
    /// The passage's number in its file, or [`ENTRY`].
    number: Field,
    /// How many terms the passage has.
    length: Field,
    /// The terms.
    pub(super) terms: Field,
    /// The passage, or the entry, as JSON.
    kept: Field,
}

/// The names of the columns that a snapshot reads.
pub(super) const FILE: &str = "file";
pub(super) const NUMBER: &str = "number";
pub(super) const LENGTH: &str = "length";

fn schema() -> (Schema, Fields) {
    let mut schema = Schema::builder();
    let terms = TextFieldIndexing::default()
        .set_tokenizer("whitespace")
        .set_fieldnorms(false)
        .set_index_option(IndexRecordOption::WithFreqs);
    let fields = Fields {
        path: schema.add_text_field("path", STRING),
        file: schema.add_u64_field(FILE, FAST),
        number: schema.add_u64_field(NUMBER, FAST),
        length: schema.add_u64_field(LENGTH, FAST),
        terms: schema.add_text_field("terms", TextOptions::default().set_indexing_options(terms)),
        kept: schema.add_text_field("kept", TextOptions::from(STORED)),
    };
    (schema.build(), fields)
}

/// The index, open for writing.
pub(super) struct Index {
    fields: Fields,
    writer: IndexWriter,
    reader: IndexReader,
}

impl Index {
    /// Opens what is kept in a folder, if it was made for `digest` and is whole.
    pub(super) fn open(folder: &Path, digest: &str) -> Result<Self, Broken> {
        if fs::read_to_string(folder.join(ABOUT))? != about(digest) {
            return Err(Broken::Other);
        }
        // Damaged files can make tantivy panic. The folder is thrown away then, and with it
        // whatever state the panic left behind.
        let opened = catch_unwind(AssertUnwindSafe(|| {
            let index = tantivy::Index::open_in_dir(folder)?;
            if !index.validate_checksum()?.is_empty() {
                return Err(Broken::Damaged);
            }
            Self::on(&index)
        }));
        opened.unwrap_or(Err(Broken::Damaged))
    }

    /// Makes an empty one in a folder, in place of what was there.
    pub(super) fn create(folder: &Path, digest: &str) -> Result<Self, Broken> {
        if let Err(error) = fs::remove_dir_all(folder)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            return Err(error.into());
        }
        fs::create_dir_all(folder)?;
        let index = Self::on(&tantivy::Index::create_in_dir(folder, schema().0)?)?;
        fs::write(folder.join(ABOUT), about(digest))?;
        Ok(index)
    }

    /// Makes an empty one that is forgotten with the process.
    pub(super) fn in_memory() -> Result<Self, Broken> {
        Self::on(&tantivy::Index::create_in_ram(schema().0))
    }

    fn on(index: &tantivy::Index) -> Result<Self, Broken> {
        let (schema, fields) = schema();
        if index.schema() != schema {
            return Err(Broken::Other);
        }
        let writer: IndexWriter = index.writer_with_num_threads(1, WRITER_MEMORY)?;
        let mut merges = LogMergePolicy::default();
        merges.set_del_docs_ratio_before_merge(DELETED);
        writer.set_merge_policy(Box::new(merges));
        let reader = index
            .reader_builder()
            .reload_policy(ReloadPolicy::Manual)
            .try_into()?;
        Ok(Self {
            fields,
            writer,
            reader,
        })
    }

    pub(super) fn fields(&self) -> Fields {
        self.fields
    }

    /// Every entry, with its file's number.
    pub(super) fn entries(&self) -> Result<Vec<(u64, Entry)>, Broken> {
        let searcher = self.reader.searcher();
        let mut entries = Vec::new();
        for (ordinal, segment) in (0..).zip(searcher.segment_readers()) {
            let (file, number) = (
                segment.fast_fields().u64(FILE)?,
                segment.fast_fields().u64(NUMBER)?,
            );
            for document in segment.doc_ids_alive() {
                if number.first(document) == Some(ENTRY) {
                    let kept = self
                        .fields
                        .kept(&searcher, DocAddress::new(ordinal, document))?;
                    let file = file.first(document).unwrap_or_default();
                    entries.push((file, serde_json::from_str(&kept)?));
                }
            }
        }
        Ok(entries)
    }

    /// Puts a file in the place of what is known of the path.
    pub(super) fn put(&self, file: u64, entry: &Entry, cuts: Vec<Cut>) -> Result<(), Broken> {
        let fields = &self.fields;
        let mut operations = vec![UserOperation::Delete(fields.of(&entry.path))];
        let base = |number: u64, kept: String| {
            let mut document = TantivyDocument::default();
            document.add_text(fields.path, &entry.path);
            document.add_u64(fields.file, file);
            document.add_u64(fields.number, number);
            document.add_text(fields.kept, kept);
            document
        };
        for (number, cut) in (0..).zip(cuts) {
            let mut document = base(number, serde_json::to_string(&cut.passage)?);
            document.add_u64(fields.length, u64::from(cut.length));
            document.add_text(fields.terms, &cut.terms);
            operations.push(UserOperation::Add(document));
        }
        let mut document = base(ENTRY, serde_json::to_string(entry)?);
        document.add_u64(fields.length, 0);
        operations.push(UserOperation::Add(document));
        self.writer.run(operations)?;
        Ok(())
    }

    /// Forgets a path.
    pub(super) fn remove(&self, path: &str) {
        self.writer.delete_term(self.fields.of(path));
    }

    /// Makes all that was put and removed durable, and readable, at once.
    pub(super) fn commit(&mut self) -> Result<Searcher, Broken> {
        self.writer.commit()?;
        self.reader.reload()?;
        Ok(self.reader.searcher())
    }

    /// Whether the bytes on the disk are those that were written.
    pub(super) fn is_whole(&self) -> bool {
        let damaged = self.writer.index().validate_checksum();
        damaged.is_ok_and(|damaged| damaged.is_empty())
    }

    pub(super) fn searcher(&self) -> Searcher {
        self.reader.searcher()
    }
}

impl Fields {
    fn of(&self, path: &str) -> Term {
        Term::from_field_text(self.path, path)
    }

    /// A passage.
    pub(super) fn passage(&self, searcher: &Searcher, at: DocAddress) -> Result<Passage, Broken> {
        Ok(serde_json::from_str(&self.kept(searcher, at)?)?)
    }

    fn kept(&self, searcher: &Searcher, at: DocAddress) -> Result<String, Broken> {
        let document: TantivyDocument = searcher.doc(at)?;
        let kept = document.get_first(self.kept).and_then(|kept| kept.as_str());
        kept.map(str::to_owned).ok_or(Broken::Damaged)
    }
}

fn about(digest: &str) -> String {
    format!("drawbridge documents {FORMAT}\n{digest}\n")
}
