//! The folder, through one storage library: what is there, and what it says.
//!
//! All calls block; they run where that is allowed. Another store is another [`Operator`].

mod confined;

use std::path::Path;

use jiff::Timestamp;
use opendal::{EntryMode, Error, ErrorKind, Metadata, Operator};
use tokio::runtime::Handle;
use unicode_normalization::is_nfc;

use super::{document::Stamp, part::HardLinks};

/// The largest file that is read, in bytes.
pub(super) const MOST_BYTES: u64 = 64 << 20;
/// The most files and folders that are listed.
const MOST_FILES: usize = 2_000_000;
/// How often a file is read again that changes while it is read.
const TRIES: usize = 3;

/// Where documents come from.
#[derive(Clone)]
pub(super) struct Source {
    operator: Operator,
    runtime: Handle,
}

/// A listing of the whole source.
#[derive(Debug, Default)]
pub(super) struct Listing {
    /// Every file, with its stamp or the reason why it cannot be read.
    pub(super) files: Vec<(String, Result<Stamp, String>)>,
    /// The folders that could not be listed, with the reason: what is below them is not known.
    pub(super) unknown: Vec<(String, String)>,
}

impl Listing {
    /// Whether a path that was not listed is really gone.
    pub(super) fn knows(&self, path: &str) -> bool {
        self.unknown.iter().all(|(folder, _)| {
            let below = path.strip_prefix(folder.as_str());
            !folder.is_empty() && below.is_none_or(|rest| !rest.starts_with('/'))
        })
    }
}

/// What a file says.
pub(super) struct Content {
    pub(super) bytes: Vec<u8>,
    pub(super) stamp: Stamp,
    pub(super) modified: Option<Timestamp>,
}

/// Why there is no content.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Absent {
    /// It is not there.
    Gone,
    /// It is there and is not read: the reason.
    Refused(String),
    /// Nobody can tell: the source itself cannot be reached.
    Unreachable(String),
}

impl Source {
    /// A folder of this machine, which nothing leads out of.
    pub(super) fn folder(root: &Path, links: HardLinks) -> Self {
        Self {
            operator: confined::operator(root, links),
            runtime: Handle::current(),
        }
    }

    /// Every file of which `wanted` says that it is in scope.
    pub(super) fn list(&self, wanted: impl Fn(&str) -> bool) -> Listing {
        let mut listing = Listing::default();
        let mut folders = vec![String::new()];
        let mut seen = 0_usize;
        while let Some(folder) = folders.pop() {
            let entries = match self
                .runtime
                .block_on(self.operator.list(&format!("{folder}/")))
            {
                Ok(entries) => entries,
                Err(error) => {
                    listing.unknown.push((folder, reason(&error)));
                    continue;
                }
            };
            seen += entries.len();
            if seen > MOST_FILES {
                let reason = format!("there are more than {MOST_FILES} files; leave some out");
                listing.unknown.push((String::new(), reason));
                return listing;
            }
            for entry in entries {
                let (path, metadata) = entry.into_parts();
                let path = path.trim_end_matches('/').to_owned();
                match metadata.mode() {
                    _ if path == folder => {}
                    EntryMode::DIR => match named_well(&path) {
                        Ok(()) => folders.push(path),
                        Err(reason) => listing.files.push((path, Err(reason))),
                    },
                    EntryMode::FILE | EntryMode::Unknown if !wanted(&path) => {}
                    EntryMode::FILE => {
                        let found = named_well(&path).map(|()| stamp(&metadata));
                        listing.files.push((path, found));
                    }
                    EntryMode::Unknown => {
                        let found = self.why_not(&path);
                        listing.files.push((path, Err(found)));
                    }
                }
            }
        }
        listing
    }

    /// Whether the source can be reached; the reason why not.
    pub(super) fn reach(&self) -> Result<(), String> {
        let root = self.runtime.block_on(self.operator.stat("/"));
        root.map(|_| ()).map_err(|error| reason(&error))
    }

    /// The stamp of a file.
    pub(super) fn stamp(&self, path: &str) -> Result<Stamp, Absent> {
        named_well(path).map_err(Absent::Refused)?;
        let metadata = self.runtime.block_on(self.operator.stat(path));
        metadata
            .map(|metadata| stamp(&metadata))
            .map_err(|error| absent(&error))
    }

    /// What a file says, with the stamp of just that content.
    pub(super) fn read(&self, path: &str) -> Result<Content, Absent> {
        named_well(path).map_err(Absent::Refused)?;
        let mut outcome = self.runtime.block_on(self.read_once(path));
        for _ in 1..TRIES {
            match &outcome {
                Err(error) if error.kind() == ErrorKind::ConditionNotMatch => {
                    outcome = self.runtime.block_on(self.read_once(path));
                }
                _ => break,
            }
        }
        outcome.map_err(|error| absent(&error))
    }

    async fn read_once(&self, path: &str) -> Result<Content, Error> {
        let reader = self.operator.reader(path).await?;
        let bytes = reader.read(..).await?.to_vec();
        let missing = || Error::new(ErrorKind::Unexpected, "it has no metadata");
        let metadata = reader.metadata().ok_or_else(missing)?;
        Ok(Content {
            bytes,
            stamp: stamp(metadata),
            modified: metadata.last_modified().map(Timestamp::from),
        })
    }

    /// Why something that is listed is no file.
    fn why_not(&self, path: &str) -> String {
        match self.stamp(path) {
            Err(Absent::Refused(reason)) => reason,
            Err(Absent::Gone | Absent::Unreachable(_)) | Ok(_) => "it is no plain file".to_owned(),
        }
    }
}

/// One canonical name for each document: what is not written so is not read.
fn named_well(path: &str) -> Result<(), String> {
    if path.contains(char::REPLACEMENT_CHARACTER) {
        return Err("its name is no Unicode; rename it".to_owned());
    }
    if !is_nfc(path) {
        return Err("its name is not in Unicode's composed form (NFC); rename it".to_owned());
    }
    if path.chars().any(char::is_control) {
        return Err("its name has a control character in it; rename it".to_owned());
    }
    // The storage library trims names and joins doubled slashes: it must not read another file.
    if opendal::raw::normalize_path(path) != path {
        return Err("its name begins or ends with a space; rename it".to_owned());
    }
    Ok(())
}

fn stamp(metadata: &Metadata) -> Stamp {
    let modified = metadata.last_modified().map(|time| time.to_string());
    Stamp(metadata.etag().map_or_else(
        || {
            format!(
                "{}@{}",
                metadata.content_length(),
                modified.unwrap_or_default()
            )
        },
        str::to_owned,
    ))
}

fn reason(error: &Error) -> String {
    error.message().to_owned()
}

fn absent(error: &Error) -> Absent {
    match error.kind() {
        ErrorKind::NotFound => Absent::Gone,
        ErrorKind::ConfigInvalid => Absent::Unreachable(reason(error)),
        _ => Absent::Refused(reason(error)),
    }
}
