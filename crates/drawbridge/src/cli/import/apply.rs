//! A client's settings written anew, so that it starts this gateway. The old file is kept in the gateway's state:
//! beside the new one, in a project, it would go where the project goes, with every secret in it.

use std::{
    fs::{DirBuilder, File, Metadata, OpenOptions, TryLockError},
    io::Write,
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::{
    Settings,
    places::{self, Place},
    settings,
};
use crate::workspace::Workspace;

/// The file in the gateway's state that says what was written where.
const RECORDS: &str = "imports.json";
/// The file that is locked while something is imported or put back.
const ALONE: &str = "imports.lock";
/// The folder of the state that keeps settings as they were.
const KEPT: &str = "imports";
/// The right of its owner to write a file.
const WRITABLE: u32 = 0o200;
/// How many old files of one name are kept.
const MOST_KEPT: u32 = 999;

/// Settings that were written anew, or why not.
pub(super) struct Applied {
    pub(super) place: Place,
    pub(super) kept: Result<PathBuf, String>,
}

/// What was written, for putting it back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) file: PathBuf,
    /// Where the old one is kept, in the gateway's state. Earlier versions kept it beside the file, and
    /// wrote a whole path.
    kept: PathBuf,
    /// SHA-256 of what was written.
    pub(super) digest: String,
    /// The servers that were taken out, each with the keys that lead to where it stood.
    pub(super) taken: Vec<(Vec<String>, String)>,
    /// The entry that took their place. Earlier versions did not remember it.
    #[serde(default)]
    pub(super) entry: Option<Map<String, Value>>,
}

impl Record {
    /// Where the old file is kept.
    pub(super) fn kept(&self, workspace: &Workspace) -> Result<PathBuf, String> {
        Ok(state(workspace)?.join(&self.kept))
    }
}

/// Sees to it that nothing else is imported or put back as long as this is held: of two at once, one would
/// give its secret the name of the other's.
pub(super) fn alone(workspace: &Workspace) -> anyhow::Result<File> {
    let folder = state(workspace).map_err(anyhow::Error::msg)?;
    let mut options = OpenOptions::new();
    let file = options.write(true).create(true).truncate(false).mode(0o600);
    let file = file.open(folder.join(ALONE))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => anyhow::bail!(
            "another `drawbridge import` is at work in this workspace; run this when it has ended"
        ),
        Err(TryLockError::Error(error)) => Err(error.into()),
    }
}

/// The folder of the gateway's state, for this account alone.
fn state(workspace: &Workspace) -> Result<PathBuf, String> {
    let folder = workspace.state();
    let made = DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&folder);
    let whole = made.and_then(|()| folder.canonicalize());
    whole.map_err(|error| format!("`{}` cannot be made: {error}", folder.display()))
}

/// Puts one entry in the place of those that were taken, and keeps the file as it was.
pub(super) fn apply(
    workspace: &Workspace,
    settings: &Settings,
    taken: &[(Vec<String>, String)],
    entry: &Map<String, Value>,
) -> Result<PathBuf, String> {
    let (file, known) = own(&settings.place.path)?;
    if places::text(&file)? != settings.text {
        return Err("it was changed meanwhile; import again".to_owned());
    }
    let new = settings::rewritten(&settings.text, taken, entry)?;
    let mode = known.permissions().mode() & 0o777;
    let kept = keep(
        workspace,
        (&file, "before-drawbridge"),
        settings.text.as_bytes(),
    )?;
    let within = kept.strip_prefix(state(workspace)?).unwrap_or(&kept);
    let record = Record {
        file: file.clone(),
        kept: within.to_owned(),
        digest: digest(new.as_bytes()),
        taken: taken.to_vec(),
        entry: Some(entry.clone()),
    };
    let written = remembered(workspace)
        .and_then(|mut records| {
            records.push(record);
            remember(workspace, &records)
        })
        .and_then(|()| replace(&file, new.as_bytes(), mode));
    match written {
        Ok(()) => Ok(kept),
        Err(why) => {
            // It is as it was, so that nothing needs to be kept.
            let _ = std::fs::remove_file(&kept);
            if let Ok(mut records) = remembered(workspace) {
                records.retain(|record| record.kept != within);
                let _ = remember(workspace, &records);
            }
            Err(why)
        }
    }
}

/// The file itself, with links followed: one of this account's, which may be written.
pub(super) fn own(path: &Path) -> Result<(PathBuf, Metadata), String> {
    let told = |error: std::io::Error| format!("it cannot be looked at: {error}");
    let file = path.canonicalize().map_err(told)?;
    let known = file.metadata().map_err(told)?;
    if !known.is_file() {
        return Err("it is no file".to_owned());
    }
    if known.uid() != rustix::process::geteuid().as_raw() {
        return Err("it belongs to another account, which must do this itself".to_owned());
    }
    if known.permissions().mode() & WRITABLE == 0 {
        return Err(format!(
            "it is read-only, and whoever made it so may have had a reason; `chmod u+w '{}'`, and run this again",
            file.display()
        ));
    }
    Ok((file, known))
}

/// The folder that keeps settings as they were: for this account alone, and for no repository, even where
/// the workspace is in one that ignores nothing.
fn cellar(workspace: &Workspace) -> Result<PathBuf, String> {
    let folder = state(workspace)?.join(KEPT);
    let told = |error: std::io::Error| format!("`{}` cannot be made: {error}", folder.display());
    match DirBuilder::new().mode(0o700).create(&folder) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => return Err(told(error)),
        _ => {}
    }
    let known = folder.symlink_metadata().map_err(told)?;
    if !known.is_dir() || known.uid() != rustix::process::geteuid().as_raw() {
        return Err(format!(
            "`{}` is no folder of this account, and old settings hold secrets; move it away, and run this again",
            folder.display()
        ));
    }
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o700)).map_err(told)?;
    match written(&folder.join(".gitignore"), b"*\n", 0o600) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(told(error)),
        _ => Ok(folder),
    }
}

/// Keeps a settings file as it is, for this account alone, under a name that nothing has yet.
pub(super) fn keep(
    workspace: &Workspace,
    (file, word): (&Path, &str),
    bytes: &[u8],
) -> Result<PathBuf, String> {
    let folder = cellar(workspace)?;
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    for number in 1..=MOST_KEPT {
        let end = if number == 1 {
            String::new()
        } else {
            format!("-{number}")
        };
        let path = folder.join(format!("{name}.{word}{end}"));
        match written(&path, bytes, 0o600) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Ok(()) => return Ok(path),
            Err(error) => return Err(format!("`{}` cannot be written: {error}", path.display())),
        }
    }
    Err(format!(
        "{MOST_KEPT} old files of its name are kept in `{}` already; delete those that nobody needs",
        folder.display()
    ))
}

/// Writes a new file through to the disk; where that fails, no part of it stays.
fn written(path: &Path, bytes: &[u8], mode: u32) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(mode).open(path)?;
    let done = file.write_all(bytes).and_then(|()| file.sync_all());
    done.inspect_err(|_| {
        let _ = std::fs::remove_file(path);
    })
}

/// Puts a new file in its place as a whole: at no moment is half of it there, and nothing is overwritten, nor
/// a link followed.
pub(super) fn place(path: &Path, bytes: &[u8], mode: u32) -> std::io::Result<()> {
    let new = hidden(path);
    written(&new, bytes, mode)?;
    let linked = std::fs::hard_link(&new, path);
    let _ = std::fs::remove_file(&new);
    match linked {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => return Err(error),
        // There are disks on which no file has two names.
        Err(_) => written(path, bytes, mode)?,
        Ok(()) => {}
    }
    listed(path)
}

/// A name beside a file that nobody reads.
fn hidden(file: &Path) -> PathBuf {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    file.with_file_name(format!(".{name}.{}", uuid::Uuid::now_v7()))
}

/// Writes through to the disk under which name a file is there.
fn listed(file: &Path) -> std::io::Result<()> {
    match file.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

/// Replaces a file as a whole: at no moment is half of it there.
pub(super) fn replace(file: &Path, bytes: &[u8], mode: u32) -> Result<(), String> {
    let new = hidden(file);
    let done = written(&new, bytes, mode).and_then(|()| {
        // The umask may have taken more than was meant.
        std::fs::set_permissions(&new, std::fs::Permissions::from_mode(mode))?;
        std::fs::rename(&new, file)?;
        listed(file)
    });
    done.map_err(|error| {
        let _ = std::fs::remove_file(&new);
        format!("it cannot be written: {error}")
    })
}

pub(super) fn digest(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// What was written by earlier imports, the oldest first.
pub(super) fn remembered(workspace: &Workspace) -> Result<Vec<Record>, String> {
    let path = workspace.state().join(RECORDS);
    match std::fs::read_to_string(&path) {
        Ok(text) => serde_json::from_str(&text)
            .map_err(|error| format!("`{}` is broken: {error}", path.display())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(format!("`{}` cannot be read: {error}", path.display())),
    }
}

pub(super) fn remember(workspace: &Workspace, records: &[Record]) -> Result<(), String> {
    let folder = state(workspace)?;
    let text = serde_json::to_vec_pretty(records).map_err(|error| error.to_string())?;
    replace(&folder.join(RECORDS), &text, 0o600)
        .map_err(|why| format!("what was written cannot be remembered: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let files = std::fs::read_dir(folder).unwrap();
        let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
        names.collect()
    }

    #[test]
    fn a_file_is_placed_as_a_whole_where_nothing_is() {
        let keep = tempfile::tempdir().unwrap();
        let path = keep.path().join("one.yaml");
        place(&path, b"first", 0o644).unwrap();
        let again = place(&path, b"second", 0o644).unwrap_err();
        assert_eq!(again.kind(), std::io::ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read(&path).unwrap(), b"first");
        let (link, end) = (keep.path().join("two.yaml"), keep.path().join("end"));
        std::os::unix::fs::symlink(&end, &link).unwrap();
        let linked = place(&link, b"second", 0o644).unwrap_err();
        assert_eq!(linked.kind(), std::io::ErrorKind::AlreadyExists);
        assert!(!end.exists());
        let mut names = names(keep.path());
        names.sort();
        assert_eq!(names, ["one.yaml", "two.yaml"]);
    }
}
