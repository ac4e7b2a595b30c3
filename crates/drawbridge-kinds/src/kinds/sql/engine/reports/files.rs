//! The files of a table: which they are, and whether they still are the same.

use std::{
    collections::BTreeMap,
    fs::File,
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use rustix::{
    fd::OwnedFd,
    fs::{AtFlags, Dir, FileType, OFlags, Stat, fstat, statat},
    io::Errno,
};

use super::{
    super::super::shape::{Unfit, unfit},
    rows::Format,
};
use crate::beneath;

/// The largest file, in bytes.
const MOST_BYTES: u64 = 256 << 20;
/// The most files of one table.
const MOST_FILES: usize = 100;

/// What tells that a file may have changed: also by a change that keeps size and time, since no
/// program can set the time of the last change of the inode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stamp {
    /// From the folder.
    pub(super) path: String,
    id: (u64, u64),
    size: i64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    fn new(path: &str, stat: &Stat) -> Self {
        let nanoseconds = |given| i64::try_from(given).unwrap_or_default();
        Self {
            path: path.to_owned(),
            id: (stat.st_dev, stat.st_ino),
            size: stat.st_size,
            modified: (stat.st_mtime, nanoseconds(stat.st_mtime_nsec)),
            changed: (stat.st_ctime, nanoseconds(stat.st_ctime_nsec)),
        }
    }

    pub(super) fn modified(&self) -> Option<Timestamp> {
        let (seconds, nanoseconds) = self.modified;
        Timestamp::new(seconds, i32::try_from(nanoseconds).ok()?).ok()
    }
}

/// A file, opened.
pub(super) struct Found {
    pub(super) file: File,
    pub(super) format: Format,
    pub(super) stamp: Stamp,
}

/// What there is of each table.
pub(super) type State = BTreeMap<String, Result<Vec<Stamp>, Unfit>>;

/// The folder.
#[derive(Debug, Clone)]
pub(super) struct Folder {
    pub(super) path: PathBuf,
}

impl Folder {
    /// Whether it is there.
    pub(super) fn reach(&self) -> Result<OwnedFd, Errno> {
        // The folder of the connector's file may itself be named by a link; nothing beneath it.
        let real = std::fs::canonicalize(&self.path)
            .map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::NOENT))?;
        beneath::root(&real)
    }

    /// How the files of these tables stand.
    pub(super) fn state(&self, tables: &[String]) -> Result<State, Errno> {
        let root = self.reach()?;
        let one = |table: &String| {
            let found = found(&root, table);
            let stamps = found.map(|found| found.into_iter().map(|found| found.stamp).collect());
            (table.clone(), stamps)
        };
        Ok(tables.iter().map(one).collect())
    }

    /// The files of a table, opened.
    pub(super) fn open(&self, table: &str) -> Result<Vec<Found>, Unfit> {
        let root = self
            .reach()
            .map_err(|_| unfit("the folder is gone", "put it back"))?;
        found(&root, table)
    }

    /// Whether this account could write the folder or one of these files.
    pub(super) fn can_be_written(&self, paths: &[&Path]) -> bool {
        let beneath = paths.iter().map(|path| self.path.join(path));
        let mut all = std::iter::once(self.path.clone()).chain(beneath);
        all.any(|path| rustix::fs::access(path, rustix::fs::Access::WRITE_OK).is_ok())
    }
}

fn found(root: &OwnedFd, table: &str) -> Result<Vec<Found>, Unfit> {
    let mut found = Vec::new();
    for (extension, format) in Format::ALL {
        let path = format!("{table}.{extension}");
        if let Some(one) = file(root, &path, format)? {
            found.push(one);
        }
    }
    let single = found.len();
    found.extend(folder(root, table)?);
    if single > 1 || (single == 1 && found.len() > 1) {
        let reason = format!("`{table}` is there more than once: as {}", listed(&found));
        return Err(unfit(&reason, "leave one of them there"));
    }
    if found.is_empty() {
        let reason = format!("the folder has no file `{table}`");
        let mend = format!(
            "put `{table}.csv`, .jsonl, .xlsx or .parquet there, or take it out of `scope.tables`"
        );
        return Err(unfit(&reason, &mend));
    }
    Ok(found)
}

fn listed(found: &[Found]) -> String {
    let names = found
        .iter()
        .take(3)
        .map(|one| format!("`{}`", one.stamp.path));
    names.collect::<Vec<_>>().join(", ")
}

/// The files of a table that is a folder, in the order of their names.
fn folder(root: &OwnedFd, table: &str) -> Result<Vec<Found>, Unfit> {
    let opened = match beneath::open(root, table, OFlags::RDONLY | OFlags::DIRECTORY) {
        Ok(opened) => opened,
        Err(Errno::NOTDIR) if is_link(root, table) => return Err(refused(table, Errno::LOOP)),
        Err(Errno::NOENT | Errno::NOTDIR) => return Ok(Vec::new()),
        Err(error) => return Err(refused(table, error)),
    };
    let mut names = Vec::new();
    for entry in Dir::read_from(&opened).map_err(|error| refused(table, error))? {
        let entry = entry.map_err(|error| refused(table, error))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let of = |(extension, _): &(&str, Format)| {
            let rest = name.strip_suffix(extension);
            rest.is_some_and(|rest| rest.ends_with('.') && !rest.starts_with('.'))
        };
        if let Some((_, format)) = Format::ALL.into_iter().find(of) {
            names.push((name, format));
        }
        if names.len() > MOST_FILES {
            let reason = format!("the folder `{table}` has more than {MOST_FILES} files");
            return Err(unfit(&reason, "put older ones elsewhere"));
        }
    }
    names.sort_by(|(one, _), (other, _)| one.cmp(other));
    let mut found = Vec::new();
    for (name, format) in names {
        found.extend(file(root, &format!("{table}/{name}"), format)?);
    }
    Ok(found)
}

/// Only to tell why: what is no folder is not opened in any case.
fn is_link(root: &OwnedFd, name: &str) -> bool {
    let stat = statat(root, name, AtFlags::SYMLINK_NOFOLLOW);
    stat.is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Symlink)
}

fn file(root: &OwnedFd, path: &str, format: Format) -> Result<Option<Found>, Unfit> {
    let opened = match beneath::open(root, path, OFlags::RDONLY | OFlags::NONBLOCK) {
        Ok(opened) => opened,
        Err(Errno::NOENT) => return Ok(None),
        Err(error) => return Err(refused(path, error)),
    };
    let stat = fstat(&opened).map_err(|error| refused(path, error))?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(unfit(
            &format!("`{path}` is no plain file"),
            "take it out of the folder",
        ));
    }
    if stat.st_nlink > 1 {
        let reason =
            format!("`{path}` has a second name (a hard link), perhaps outside the folder");
        return Err(unfit(&reason, "copy it"));
    }
    if u64::try_from(stat.st_size).unwrap_or_default() > MOST_BYTES {
        let reason = format!("`{path}` has more than {} MiB", MOST_BYTES >> 20);
        return Err(unfit(&reason, "export less, or several files in a folder"));
    }
    Ok(Some(Found {
        file: File::from(opened),
        format,
        stamp: Stamp::new(path, &stat),
    }))
}

fn refused(path: &str, error: Errno) -> Unfit {
    match error {
        Errno::LOOP => unfit(
            &format!("`{path}` is a link, or behind one; links are not followed"),
            "put the file itself there",
        ),
        Errno::XDEV => unfit(
            &format!("`{path}` leads out of the folder"),
            "put the file there",
        ),
        _ => unfit(
            &format!("`{path}` cannot be opened"),
            "let the gateway's account read it",
        ),
    }
}
