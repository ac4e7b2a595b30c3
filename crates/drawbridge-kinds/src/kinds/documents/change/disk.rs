//! The disk below a folder's root, as far as changing a document needs it: each step is one system
//! call that the kernel does whole or not at all, and none leads out of the folder.

use std::{
    fs::File,
    io::{self, Read, Write},
    path::{Path, PathBuf},
    sync::Mutex,
};

use drawbridge_core::answer::{Failure, Status};
use rustix::{
    fd::OwnedFd,
    fs::{
        AtFlags, CWD, FileType, Mode, OFlags, RenameFlags, ResolveFlags, fchmod, fstat, fsync,
        openat, openat2, renameat_with, unlinkat,
    },
    io::Errno,
};

use super::super::source::MOST_BYTES;

/// How the names of files that are only there while something is being done begin. The sync leaves
/// them out.
const OURS: &str = ".drawbridge-";

/// Whether a file is only there while something is being done.
pub(in super::super) fn is_ours(path: &str) -> bool {
    let name = path.rsplit_once('/').map_or(path, |(_, name)| name);
    name.starts_with(OURS)
}

/// The name of a file that is only there while the step `index` of `key` is being done.
pub(super) fn aside(key: &str, index: usize) -> String {
    format!("{OURS}{key}-{index}")
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

    /// Writes a file aside, durably, with the mode of the one it is to stand for.
    pub(super) fn write(&self, name: &str, text: &str) -> Result<(), Failure> {
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = Mode::from_raw_mode(0o644);
        let made = openat(&self.folder, name, flags, mode).map_err(|error| failed(error, name))?;
        let mut file = File::from(made);
        let written = file.write_all(text.as_bytes()).and_then(|()| {
            if let Some(mode) = self.mode() {
                fchmod(&file, mode)?;
            }
            file.sync_all()
        });
        written.map_err(|error| {
            // Half a file is of no use to anyone.
            let _ = unlinkat(&self.folder, name, AtFlags::empty());
            broken(&error, name)
        })
    }

    fn mode(&self) -> Option<Mode> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let opened = openat(&self.folder, &*self.name, flags, Mode::empty()).ok()?;
        let stat = fstat(&opened).ok()?;
        Some(Mode::from_raw_mode(stat.st_mode & 0o777))
    }

    /// Puts `from` under the name `to`, if there is nothing; whether there was not.
    pub(super) fn rename(&self, from: &str, to: &str) -> Result<bool, Failure> {
        let folder = &self.folder;
        match renameat_with(folder, from, folder, to, RenameFlags::NOREPLACE) {
            Ok(()) => Ok(true),
            Err(Errno::EXIST) => Ok(false),
            Err(error) => Err(failed(error, to)),
        }
    }

    /// Exchanges two files in one step.
    pub(super) fn exchange(&self, one: &str, other: &str) -> Result<(), Failure> {
        let folder = &self.folder;
        match renameat_with(folder, one, folder, other, RenameFlags::EXCHANGE) {
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => Err(Failure::new(
                Status::Unavailable,
                "the folder's file system cannot exchange two files in one step, and without that \
                 somebody's change could be lost; keep the folder on another file system",
            )),
            outcome => outcome.map_err(|error| failed(error, other)),
        }
    }

    /// Removes a file; also where there is none.
    pub(super) fn remove(&self, name: &str) -> Result<(), Failure> {
        match unlinkat(&self.folder, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(failed(error, name)),
        }
    }

    /// Makes names durable.
    pub(super) fn sync(&self) -> Result<(), Failure> {
        fsync(&self.folder).map_err(|error| failed(error, "the folder"))
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
