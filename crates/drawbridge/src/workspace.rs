//! The files a user keeps: `drawbridge.yaml`, `connectors/*.yaml`, `policies/*.cedar`.

use std::{
    collections::BTreeMap,
    io::{self, Read},
    path::{Path, PathBuf},
};

use drawbridge_core::{
    connector::STATE,
    decide::PolicyFile,
    file::{FileError, FileErrors, GatewayFile, MOST_BYTES, read_gateway, text},
};
use sha2::{Digest, Sha256};

/// A folder with a `drawbridge.yaml`.
#[derive(Debug, Clone)]
pub struct Workspace {
    folder: PathBuf,
}

/// A connector file as it stands, before it is understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    /// The file, as the user knows it: `connectors/handbook.yaml`.
    pub name: String,
    /// Its content.
    pub text: String,
    /// SHA-256 of its content, in hexadecimal: the revision.
    pub hash: String,
}

/// All files as they stand at one moment.
#[derive(Debug)]
pub struct Files {
    /// `drawbridge.yaml`.
    pub gateway: Result<GatewayFile, FileErrors>,
    /// Connector files by the connector's name.
    pub connectors: BTreeMap<String, Text>,
    /// The organisation's rules. They forbid, so that none of them is there unless all can be read.
    pub policies: Result<Vec<PolicyFile>, FileErrors>,
    /// Other files that could not be read at all.
    pub unreadable: Vec<FileError>,
}

impl Workspace {
    /// The name of the gateway's file.
    pub const GATEWAY_FILE: &'static str = "drawbridge.yaml";

    /// The workspace in this folder.
    #[must_use]
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// The nearest folder upward from `start` that holds a `drawbridge.yaml`.
    #[must_use]
    pub fn find(start: &Path) -> Option<Self> {
        start
            .ancestors()
            .find(|folder| folder.join(Self::GATEWAY_FILE).is_file())
            .map(|folder| Self::new(folder.to_owned()))
    }

    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The folder for what the gateway itself keeps: store, index, keys.
    #[must_use]
    pub fn state(&self) -> PathBuf {
        self.folder.join(STATE)
    }

    /// The files that are there, by path.
    #[must_use]
    pub fn files(&self) -> Vec<PathBuf> {
        let mut files = vec![self.folder.join(Self::GATEWAY_FILE)];
        for (folder, extension) in FOLDERS {
            files.extend(paths(&self.folder.join(folder), extension).unwrap_or_default());
        }
        files
    }

    /// Reads all files. What cannot be read is told, not skipped.
    #[must_use]
    pub fn read(&self) -> Files {
        let mut unreadable = Vec::new();
        let gateway = read_text(Self::GATEWAY_FILE, &self.folder.join(Self::GATEWAY_FILE))
            .and_then(|text| read_gateway(Self::GATEWAY_FILE, &text));
        let mut connectors = BTreeMap::new();
        for (stem, name, text) in self.read_folder("connectors", "yaml", &mut unreadable) {
            let hash = hex::encode(Sha256::digest(text.as_bytes()));
            connectors.insert(stem, Text { name, text, hash });
        }
        let mut wrong = Vec::new();
        let policies: Vec<PolicyFile> = self
            .read_folder("policies", "cedar", &mut wrong)
            .into_iter()
            .map(|(_, name, text)| PolicyFile { name, text })
            .collect();
        let policies = if wrong.is_empty() {
            Ok(policies)
        } else {
            Err(FileErrors(wrong))
        };
        Files {
            gateway,
            connectors,
            policies,
            unreadable,
        }
    }

    /// Files of one folder with one extension, by name: stem, name, text.
    fn read_folder(
        &self,
        folder: &str,
        extension: &str,
        unreadable: &mut Vec<FileError>,
    ) -> Vec<(String, String, String)> {
        let paths = match paths(&self.folder.join(folder), extension) {
            Ok(paths) => paths,
            Err(error) => {
                unreadable.push(cannot_read(folder, &error));
                return Vec::new();
            }
        };
        let mut files = Vec::new();
        unreadable.extend(self.misnamed(folder, extension));
        for path in paths {
            let (Some(stem), Some(file)) = (
                path.file_stem().and_then(|stem| stem.to_str()),
                path.file_name().and_then(|file| file.to_str()),
            ) else {
                continue;
            };
            let name = format!("{folder}/{file}");
            match read_text(&name, &path) {
                Ok(text) => files.push((stem.to_owned(), name, text)),
                Err(errors) => unreadable.extend(errors.0),
            }
        }
        files
    }

    /// Files that somebody may believe to be in force, and whose name says otherwise.
    fn misnamed(&self, folder: &str, extension: &str) -> Vec<FileError> {
        let entries = std::fs::read_dir(self.folder.join(folder));
        let names = entries.into_iter().flatten().flatten();
        names
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .filter(|name| looks_in_force(name, extension))
            .map(|file| FileError {
                file: format!("{folder}/{file}"),
                line: 1,
                column: 1,
                place: String::new(),
                rule: "the file is not read: its name has another ending".to_owned(),
                mend: format!("rename it so that it ends in `.{extension}`, or move it away"),
            })
            .collect()
    }
}

/// Whether a name that is not read may be taken for one that is: not a hidden file, an editor's
/// copy, or a text for people.
fn looks_in_force(name: &str, extension: &str) -> bool {
    let (_, ending) = name.rsplit_once('.').unwrap_or((name, ""));
    let aside =
        name.starts_with('.') || name.ends_with('~') || ["md", "bak", "orig"].contains(&ending);
    ending != extension && !aside
}

/// The folders of files, with the extension that counts in each.
const FOLDERS: [(&str, &str); 2] = [("connectors", "yaml"), ("policies", "cedar")];

/// The files with an extension in a folder, in order; none where there is no folder.
fn paths(folder: &Path, extension: &str) -> io::Result<Vec<PathBuf>> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|found| found == extension) {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

fn read_text(name: &str, path: &Path) -> Result<String, FileErrors> {
    let read = || {
        // A pipe would be waited for, and a device never ends.
        if !std::fs::metadata(path)?.is_file() {
            return Err(io::Error::other("it is no regular file"));
        }
        let mut bytes = Vec::new();
        std::fs::File::open(path)?
            .take(MOST_BYTES as u64 + 1)
            .read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = read().map_err(|error| FileErrors(vec![cannot_read(name, &error)]))?;
    text(name, &bytes)
}

fn cannot_read(name: &str, error: &io::Error) -> FileError {
    FileError {
        file: name.to_owned(),
        line: 1,
        column: 1,
        place: String::new(),
        rule: format!("the file cannot be read: {error}"),
        mend: "check that it is there and that this user may read it".to_owned(),
    }
}
