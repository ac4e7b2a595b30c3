//! A folder of this machine as a store that nothing leads out of.
//!
//! The library's own service for files follows links, so this one opens each path by `openat2`
//! beneath the root: the kernel refuses `..`, links and absolute paths in the same step in which it
//! opens, so that nothing can be swapped between a check and the opening. It only lists and reads.

use std::{
    ffi::CStr,
    fs::File,
    io::Read,
    path::{Path, PathBuf},
    sync::Arc,
    vec::IntoIter,
};

use jiff::Timestamp;
use opendal::{
    Buffer, BytesRange, Capability, Error, ErrorKind, Metadata, MetadataBuilder, OperationContext,
    Operator, Result,
    raw::{
        OpCopy, OpCreateDir, OpList, OpPresign, OpRead, OpRename, OpStat, OpWrite, RpCreateDir,
        RpPresign, RpRead, RpRename, RpStat, Service, ServiceInfo, oio,
    },
};
use rustix::{
    fd::OwnedFd,
    fs::{AtFlags, Dir, FileType, OFlags, Stat, fstat, statat},
    io::Errno,
};

use super::{super::part::HardLinks, MOST_BYTES};
use crate::beneath;

/// A store that lists and reads the folder `root`.
pub(super) fn operator(root: &Path, links: HardLinks) -> Operator {
    let service = Confined {
        root: Arc::new(root.to_owned()),
        links,
    };
    Operator::from_parts(OperationContext::default(), Arc::new(service))
}

#[derive(Debug, Clone)]
struct Confined {
    root: Arc<PathBuf>,
    links: HardLinks,
}

impl Confined {
    /// Opens what a path of the library means: `/` is the root, and folders end with a slash.
    fn open(&self, path: &str, flags: OFlags) -> Result<OwnedFd> {
        let root = beneath::root(&self.root).map_err(|error| {
            // Not the file's fault: nothing can be told of any file.
            let message = format!("the folder itself cannot be opened: {error}");
            Error::new(ErrorKind::ConfigInvalid, message)
        })?;
        let path = path.trim_end_matches('/');
        let path = if path.is_empty() { "." } else { path };
        beneath::open(&root, path, flags).map_err(refused)
    }

    /// Metadata of a plain file; the reason where it is none.
    fn file(&self, stat: &Stat) -> Result<Metadata> {
        let kind = FileType::from_raw_mode(stat.st_mode);
        if kind == FileType::Symlink {
            return Err(denied("it is a link; links are not followed"));
        }
        if kind != FileType::RegularFile {
            return Err(denied("it is no plain file"));
        }
        if stat.st_nlink > 1 && self.links == HardLinks::Refuse {
            return Err(denied(
                "it has a second name (a hard link), which may be outside the folder; copy it, \
                 or set `system.hard_links: allow`",
            ));
        }
        let length = u64::try_from(stat.st_size).unwrap_or_default();
        if length > MOST_BYTES {
            let most = MOST_BYTES >> 20;
            return Err(denied(format!("it has more than {most} MiB")));
        }
        let mut metadata = MetadataBuilder::file(length);
        metadata.etag(etag(stat));
        let nanoseconds = i32::try_from(stat.st_mtime_nsec).unwrap_or_default();
        if let Ok(modified) = Timestamp::new(stat.st_mtime, nanoseconds) {
            metadata.last_modified(modified.into());
        }
        Ok(metadata.build())
    }

    /// The whole of a file, with the metadata of just what was read.
    fn read_all(&self, path: &str) -> Result<(Vec<u8>, Metadata)> {
        let opened = self.open(path, OFlags::RDONLY | OFlags::NONBLOCK)?;
        let before = fstat(&opened).map_err(refused)?;
        let metadata = self.file(&before)?;
        let mut bytes = Vec::new();
        let mut file = File::from(opened);
        Read::by_ref(&mut file)
            .take(MOST_BYTES + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| unexpected("it cannot be read", error))?;
        let after = fstat(&file).map_err(refused)?;
        if etag(&before) != etag(&after) || bytes.len() as u64 != metadata.content_length() {
            let message = "it changes while it is read";
            return Err(Error::new(ErrorKind::ConditionNotMatch, message));
        }
        Ok((bytes, metadata))
    }

    /// What is in a folder, each with its metadata.
    fn entries(&self, path: &str) -> Result<Vec<oio::Entry>> {
        let folder = self.open(path, OFlags::RDONLY | OFlags::DIRECTORY)?;
        let above = path.trim_start_matches('/');
        let mut entries = Vec::new();
        for entry in Dir::read_from(&folder).map_err(refused)? {
            let entry = entry.map_err(refused)?;
            let name = entry.file_name();
            if name == c"." || name == c".." {
                continue;
            }
            match self.entry(&folder, name) {
                Ok(metadata) => {
                    let name = name.to_string_lossy();
                    let slash = if metadata.is_dir() { "/" } else { "" };
                    entries.push(oio::Entry::new(&format!("{above}{name}{slash}"), metadata));
                }
                // It went away while the folder was read.
                Err(Errno::NOENT) => {}
                Err(error) => return Err(refused(error)),
            }
        }
        Ok(entries)
    }

    fn entry(&self, folder: &OwnedFd, name: &CStr) -> std::result::Result<Metadata, Errno> {
        let stat = statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)?;
        if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
            return Ok(MetadataBuilder::dir().build());
        }
        // What is no file to be read is listed all the same, so that it is told with its reason.
        let otherwise = |_| MetadataBuilder::unknown().build();
        Ok(self.file(&stat).unwrap_or_else(otherwise))
    }
}

/// What tells that a file may have changed: also by a change that keeps size and time, since no
/// program can set the time of the last change of the inode.
fn etag(stat: &Stat) -> String {
    format!(
        "{:x}-{:x}-{:x}.{:x}-{:x}.{:x}",
        stat.st_ino,
        stat.st_size,
        stat.st_mtime,
        stat.st_mtime_nsec,
        stat.st_ctime,
        stat.st_ctime_nsec
    )
}

fn denied(reason: impl Into<String>) -> Error {
    Error::new(ErrorKind::PermissionDenied, reason)
}

fn unexpected(message: &str, error: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Unexpected, format!("{message}: {error}"))
}

fn refused(error: Errno) -> Error {
    match error {
        Errno::NOENT | Errno::NOTDIR => Error::new(ErrorKind::NotFound, "it is not there"),
        Errno::LOOP => denied("it is behind a link; links are not followed"),
        Errno::XDEV => denied("its path leads out of the folder"),
        error => unexpected("it cannot be opened", error),
    }
}

impl Service for Confined {
    type Reader = WholeFile;
    type Writer = ();
    type Lister = Entries;
    type Deleter = ();
    type Copier = ();
    type Composer = ();

    fn info(&self) -> ServiceInfo {
        ServiceInfo::new("confined", "/", self.root.to_string_lossy())
    }

    fn capability(&self) -> Capability {
        Capability {
            stat: true,
            read: true,
            list: true,
            ..Capability::default()
        }
    }

    async fn stat(&self, _: &OperationContext, path: &str, _: OpStat) -> Result<RpStat> {
        let opened = self.open(path, OFlags::PATH)?;
        let stat = fstat(&opened).map_err(refused)?;
        if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
            return Ok(RpStat::new(MetadataBuilder::dir().build()));
        }
        self.file(&stat).map(RpStat::new)
    }

    fn read(&self, _: &OperationContext, path: &str, _: OpRead) -> Result<WholeFile> {
        Ok(WholeFile {
            folder: self.clone(),
            path: path.to_owned(),
        })
    }

    fn list(&self, _: &OperationContext, path: &str, _: OpList) -> Result<Entries> {
        Ok(Entries(self.entries(path)?.into_iter()))
    }

    async fn create_dir(
        &self,
        _: &OperationContext,
        _: &str,
        _: OpCreateDir,
    ) -> Result<RpCreateDir> {
        Err(unsupported())
    }

    fn write(&self, _: &OperationContext, _: &str, _: OpWrite) -> Result<()> {
        Err(unsupported())
    }

    fn delete(&self, _: &OperationContext) -> Result<()> {
        Err(unsupported())
    }

    fn copy(&self, _: &OperationContext, _: &str, _: &str, _: OpCopy) -> Result<()> {
        Err(unsupported())
    }

    async fn rename(
        &self,
        _: &OperationContext,
        _: &str,
        _: &str,
        _: OpRename,
    ) -> Result<RpRename> {
        Err(unsupported())
    }

    async fn presign(&self, _: &OperationContext, _: &str, _: OpPresign) -> Result<RpPresign> {
        Err(unsupported())
    }
}

fn unsupported() -> Error {
    Error::new(ErrorKind::Unsupported, "a connector's folder is only read")
}

/// A file that is read at once.
struct WholeFile {
    folder: Confined,
    path: String,
}

impl oio::Read for WholeFile {
    async fn open(&self, range: BytesRange) -> Result<(RpRead, Box<dyn oio::ReadStreamDyn>)> {
        let (read, buffer) = oio::Read::read(self, range).await?;
        Ok((read, Box::new(buffer)))
    }

    async fn read(&self, range: BytesRange) -> Result<(RpRead, Buffer)> {
        let (bytes, metadata) = self.folder.read_all(&self.path)?;
        let range = range.to_content_range(bytes.len())?;
        Ok((RpRead::new(metadata), Buffer::from(bytes).slice(range)))
    }
}

/// The entries of a folder.
struct Entries(IntoIter<oio::Entry>);

impl oio::List for Entries {
    async fn next(&mut self) -> Result<Option<oio::Entry>> {
        Ok(self.0.next())
    }
}
