//! The disk below a folder's root, as far as changing a document needs it: each step is one system
//! call that the kernel does whole or not at all, and none leads out of the folder.

use std::{
    fs::File,
    io::{self, Read, Write},
    path::{Path, PathBuf},
    sync::Mutex,
};

use drawbridge_core::{
    answer::{Failure, Status},
    connector::STATE,
};
use rustix::{
    fd::OwnedFd,
    fs::{
        AtFlags, CWD, FileType, Gid, Mode, OFlags, RenameFlags, ResolveFlags, Stat, Uid, fchmod,
        fchown, fstat, fsync, openat, openat2, renameat_with, unlinkat,
    },
    io::Errno,
};

#[cfg(test)]
use super::steps::tests::step;
use super::{super::source::MOST_BYTES, item::Access};

/// How the names of files that are only there while something is being done begin. The sync leaves
/// them out.
const OURS: &str = ".drawbridge-";

/// Whether a file is only there while something is being done, or what the gateway itself keeps.
pub(in super::super) fn is_ours(path: &str) -> bool {
    let (folders, name) = path.rsplit_once('/').unwrap_or(("", path));
    name.starts_with(OURS) || folders.split('/').any(|folder| folder == STATE)
}

/// The name beside the document `index` of the plan `key`: of what it shall say until the names are
/// exchanged, and of what it said from then on.
pub(super) fn aside(key: &str, index: usize) -> String {
    format!("{OURS}{key}-{index}")
}

/// The name of a file that is still being written.
pub(super) fn unfinished(aside: &str) -> String {
    format!("{aside}.part")
}

/// The name that says how far the plan `key` is.
pub(super) fn mark(key: &str, word: &str) -> String {
    format!("{OURS}{key}-{word}")
}

/// Where tests end or disturb what is being done.
#[cfg(not(test))]
#[expect(clippy::unnecessary_wraps, reason = "in tests it fails")]
fn step() -> Result<(), Failure> {
    Ok(())
}

/// The folder's disk. One change at a time: who looks what came of one waits for it.
pub(in super::super) struct Disk {
    root: PathBuf,
    pub(super) alone: Mutex<()>,
}

/// The folder of one document, opened.
pub(super) struct Place {
    folder: OwnedFd,
    name: String,
}

impl Disk {
    pub(in super::super) fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            alone: Mutex::new(()),
        }
    }

    /// Opens the folder that a document is in; none where there is no such folder.
    pub(super) fn place(&self, path: &str) -> Result<Option<Place>, Failure> {
        let (above, name) = path.rsplit_once('/').unwrap_or((".", path));
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let root = openat(CWD, &self.root, flags, Mode::empty())
            .map_err(|error| failed(error, "the folder"))?;
        let beneath =
            ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        match openat2(&root, above, flags, Mode::empty(), beneath) {
            Ok(folder) => Ok(Some(Place {
                folder,
                name: name.to_owned(),
            })),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(failed(error, above)),
        }
    }
}

/// What became of a file that was to have another name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Moved {
    /// It has it.
    Yes,
    /// Something else has that name.
    Taken,
    /// It is not there.
    Gone,
}

/// What is under a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum There {
    /// Nothing.
    Nothing,
    /// A file with these bytes.
    Bytes(Vec<u8>),
    /// Something that is no plain file with one name.
    Other,
}

impl There {
    pub(super) fn is(&self, text: Option<&String>) -> bool {
        match (self, text) {
            (Self::Nothing, None) => true,
            (Self::Bytes(bytes), Some(text)) => bytes == text.as_bytes(),
            _ => false,
        }
    }
}

impl Place {
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// What is under a name here.
    pub(super) fn look(&self, name: &str) -> Result<There, Failure> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let opened = match openat(&self.folder, name, flags, Mode::empty()) {
            Ok(opened) => opened,
            Err(Errno::NOENT) => return Ok(There::Nothing),
            Err(Errno::LOOP | Errno::NXIO) => return Ok(There::Other),
            Err(error) => return Err(failed(error, name)),
        };
        let stat = fstat(&opened).map_err(|error| failed(error, name))?;
        let plain = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
        if !plain || stat.st_nlink > 1 {
            return Ok(There::Other);
        }
        let mut bytes = Vec::new();
        let read = File::from(opened)
            .take(MOST_BYTES + 1)
            .read_to_end(&mut bytes);
        read.map_err(|error| broken(&error, name))?;
        Ok(There::Bytes(bytes))
    }

    /// Writes a file aside, durably, with mode and owner of the one it is to stand for. Under this
    /// name there is all of it or nothing.
    /// Where there is none, `access` says who may use it.
    pub(super) fn write(
        &self,
        name: &str,
        text: &str,
        access: Option<Access>,
    ) -> Result<(), Failure> {
        let part = unfinished(name);
        let put =
            self.write_part(&part, text, access)
                .and_then(|()| match self.rename(&part, name)? {
                    Moved::Yes => Ok(()),
                    Moved::Taken | Moved::Gone => Err(failed(Errno::EXIST, name)),
                });
        if put.is_err() {
            // Half a file is of no use to anyone; what cannot be removed is when it is looked up.
            let _ = self.remove(&part);
        }
        put
    }

    fn write_part(&self, part: &str, text: &str, access: Option<Access>) -> Result<(), Failure> {
        step()?;
        let stands = self.stat();
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        // Nobody reads what replaces a closed file before it is as closed.
        let closed = stands.is_some() || access.is_some();
        let mode = if closed { 0o600 } else { 0o666 };
        let made = openat(&self.folder, part, flags, Mode::from_raw_mode(mode))
            .map_err(|error| failed(error, part))?;
        let mut file = File::from(made);
        step()?;
        let written = file.write_all(text.as_bytes()).and_then(|()| {
            if let Some(stat) = stands {
                fchmod(&file, Mode::from_raw_mode(stat.st_mode & 0o777))?;
                let (owner, group) = (Uid::from_raw(stat.st_uid), Gid::from_raw(stat.st_gid));
                // Only some accounts may give a file away; its group is what then can be kept.
                let _ = fchown(&file, Some(owner), Some(group))
                    .or_else(|_| fchown(&file, None, Some(group)));
            } else if let Some(access) = access {
                let group = fchown(&file, None, Some(Gid::from_raw(access.group)));
                // Of another group than it had, it is its owner's alone.
                let bits = if group.is_ok() { 0o777 } else { 0o700 };
                fchmod(&file, Mode::from_raw_mode(access.mode & bits))?;
            }
            file.sync_all()
        });
        written.map_err(|error| broken(&error, part))
    }

    /// Who may use the document's file, where there is one.
    pub(super) fn access(&self) -> Option<Access> {
        let stat = self.stat()?;
        Some(Access {
            mode: stat.st_mode & 0o777,
            group: stat.st_gid,
        })
    }

    /// What is known of the document's file, where there is one.
    fn stat(&self) -> Option<Stat> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let opened = openat(&self.folder, &*self.name, flags, Mode::empty()).ok()?;
        fstat(&opened).ok()
    }

    /// Makes an empty file.
    pub(super) fn touch(&self, name: &str) -> Result<(), Failure> {
        step()?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let made = openat(&self.folder, name, flags, Mode::from_raw_mode(0o600));
        made.map(drop).map_err(|error| failed(error, name))
    }

    /// Puts `from` under the name `to`, if there is nothing.
    pub(super) fn rename(&self, from: &str, to: &str) -> Result<Moved, Failure> {
        step()?;
        let folder = &self.folder;
        match renameat_with(folder, from, folder, to, RenameFlags::NOREPLACE) {
            Ok(()) => Ok(Moved::Yes),
            Err(Errno::EXIST) => Ok(Moved::Taken),
            Err(Errno::NOENT) => Ok(Moved::Gone),
            Err(error) => Err(unfit(error, to)),
        }
    }

    /// Exchanges two files in one step; not where one of them is not there.
    pub(super) fn exchange(&self, one: &str, other: &str) -> Result<Moved, Failure> {
        step()?;
        let folder = &self.folder;
        match renameat_with(folder, one, folder, other, RenameFlags::EXCHANGE) {
            Ok(()) => Ok(Moved::Yes),
            Err(Errno::NOENT) => Ok(Moved::Gone),
            Err(error) => Err(unfit(error, other)),
        }
    }

    /// Removes a file; also where there is none.
    pub(super) fn remove(&self, name: &str) -> Result<(), Failure> {
        step()?;
        match unlinkat(&self.folder, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(failed(error, name)),
        }
    }

    /// Makes names durable.
    pub(super) fn sync(&self) -> Result<(), Failure> {
        step()?;
        fsync(&self.folder).map_err(|error| failed(error, "the folder"))
    }
}

/// Not every file system renames so that nothing is lost.
fn unfit(error: Errno, name: &str) -> Failure {
    match error {
        Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP => Failure::new(
            Status::Unavailable,
            "the folder's file system cannot exchange two files in one step, and without that \
             somebody's change could be lost; keep the folder on another file system",
        ),
        error => failed(error, name),
    }
}

fn broken(error: &io::Error, name: &str) -> Failure {
    match Errno::from_io_error(error) {
        Some(errno) => failed(errno, name),
        None => Failure::new(
            Status::Unavailable,
            format!("`{name}` cannot be used: {error}"),
        ),
    }
}

fn failed(error: Errno, name: &str) -> Failure {
    let told = match error {
        Errno::NOSPC | Errno::DQUOT => "the disk is full; whoever keeps it makes room".to_owned(),
        Errno::ACCESS | Errno::PERM | Errno::ROFS => {
            "the gateway's account may not write there; its owner gives it the right, or takes the \
             power out of `access`"
                .to_owned()
        }
        // A link as the last part of the path is told as no folder.
        Errno::LOOP | Errno::XDEV | Errno::NOTDIR => {
            format!("`{name}` is behind a link; links are not followed")
        }
        error => format!("`{name}` cannot be used: {error}"),
    };
    Failure::new(Status::Unavailable, told)
}

#[cfg(test)]
mod tests {
    use super::is_ours;

    #[test]
    fn what_the_gateway_keeps_is_no_document() {
        for (path, ours) in [
            (".drawbridge/imports/old.txt", true),
            ("firm/.drawbridge/key.txt", true),
            ("docs/.drawbridge-k-1", true),
            ("docs/.drawbridge.md", false),
            ("drawbridge/a.md", false),
            ("a.md", false),
        ] {
            assert_eq!(is_ours(path), ours, "{path}");
        }
    }
}
