//! The files a user keeps: `drawbridge.yaml`, `connectors/*.yaml`, `policies/*.cedar`.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

use drawbridge_core::{
    decide::PolicyFile,
    file::{FileError, FileErrors, GatewayFile, read_gateway},
};
use sha2::{Digest, Sha256};

/// The largest file that is read, in bytes.
const MOST_BYTES: u64 = 1 << 20;

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
    /// The organisation's rules.
    pub policies: Vec<PolicyFile>,
    /// Files that could not be read at all.
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
        self.folder.join(".drawbridge")
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
        let gateway = match read_text(&self.folder.join(Self::GATEWAY_FILE)) {
            Ok(text) => read_gateway(Self::GATEWAY_FILE, &text),
            Err(error) => Err(FileErrors(vec![cannot_read(Self::GATEWAY_FILE, &error)])),
        };
        let mut connectors = BTreeMap::new();
        for (stem, name, text) in self.read_folder("connectors", "yaml", &mut unreadable) {
            let hash = hex::encode(Sha256::digest(text.as_bytes()));
            connectors.insert(stem, Text { name, text, hash });
        }
        let policies = self
            .read_folder("policies", "cedar", &mut unreadable)
            .into_iter()
            .map(|(_, name, text)| PolicyFile { name, text })
            .collect();
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
        for path in paths {
            let (Some(stem), Some(file)) = (
                path.file_stem().and_then(|stem| stem.to_str()),
                path.file_name().and_then(|file| file.to_str()),
            ) else {
                continue;
            };
            let name = format!("{folder}/{file}");
            match read_text(&path) {
                Ok(text) => files.push((stem.to_owned(), name, text)),
                Err(error) => unreadable.push(cannot_read(&name, &error)),
            }
        }
        files
    }
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

fn read_text(path: &Path) -> io::Result<String> {
    let size = std::fs::metadata(path)?.len();
    if size > MOST_BYTES {
        return Err(io::Error::other(format!(
            "it has {size} bytes, and at most {MOST_BYTES} are read"
        )));
    }
    std::fs::read_to_string(path)
}

fn cannot_read(name: &str, error: &io::Error) -> FileError {
    FileError {
        file: name.to_owned(),
        line: 1,
        column: 1,
        place: String::new(),
        rule: format!("the file cannot be read: {error}"),
        mend: "check that it is there, that this user may read it, and that it is UTF-8".to_owned(),
    }
}
