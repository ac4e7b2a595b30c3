//! The gateway's own secrets, in `.drawbridge/keys`: the log's signing key and the secret behind
//! cursors and keyed digests. Several gateways on one store share them.

pub(crate) mod cipher;

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::Path,
};

use aws_lc_rs::rand;
use drawbridge_core::{
    log::checkpoint::{NoteError, Signer},
    secret::Secret,
};

/// Bytes of the secret behind cursors and digests.
const SECRET: usize = 32;

/// The gateway's own secrets.
pub struct Keys {
    /// Signs the log's checkpoints.
    pub signer: Signer,
    /// What cursors and keyed digests are made with.
    pub secret: Secret<Vec<u8>>,
}

/// Why the keys cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// A file cannot be read or written.
    #[error(
        "cannot use `{file}`: {source}; check who owns it, it must be readable by this user only"
    )]
    File {
        /// The file.
        file: String,
        /// Why.
        source: io::Error,
    },
    /// The key is broken.
    #[error("the log's key in `{file}` cannot be used: {source}; restore it from a backup")]
    Key {
        /// The file.
        file: String,
        /// Why.
        source: NoteError,
    },
}

impl Keys {
    /// Opens the keys under `state`, or makes them when there are none.
    ///
    /// # Errors
    /// When they can be neither read nor made.
    pub fn open(state: &Path, log_name: &str) -> Result<Self, KeyError> {
        let folder = state.join("keys");
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&folder)
            .map_err(|source| KeyError::File {
                file: folder.display().to_string(),
                source,
            })?;
        // A folder that was restored or mounted may be open to all, and records lie in it.
        let own = fs::Permissions::from_mode(0o700);
        fs::set_permissions(state, own).map_err(|source| KeyError::File {
            file: state.display().to_string(),
            source,
        })?;
        let key = folder.join("log.pk8");
        let broken = |source| KeyError::Key {
            file: key.display().to_string(),
            source,
        };
        let pkcs8 = read_or_make(&key, || Signer::generate().map_err(io::Error::other))?;
        let signer = Signer::new(log_name, &pkcs8).map_err(broken)?;
        let secret = read_or_make(&folder.join("secret"), random)?;
        write_public(&folder.join("log.pub"), &signer)?;
        Ok(Self {
            signer,
            secret: Secret::new(secret),
        })
    }
}

/// Random bytes for a secret.
///
/// # Errors
/// When the system has no randomness.
pub fn random() -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; SECRET];
    rand::fill(&mut bytes).map_err(|_| io::Error::other("the system has no randomness"))?;
    Ok(bytes)
}

/// What is in a file that only this user can read, or what is made where there is none.
pub(crate) fn read_or_make(
    path: &Path,
    make: impl FnOnce() -> io::Result<Vec<u8>>,
) -> Result<Vec<u8>, KeyError> {
    let wrong = |source| KeyError::File {
        file: path.display().to_string(),
        source,
    };
    match fs::read(path) {
        Ok(bytes) if !bytes.is_empty() => Ok(bytes),
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(wrong(error)),
        _ => {
            let bytes = make().map_err(wrong)?;
            write_private(path, &bytes).map_err(wrong)?;
            Ok(bytes)
        }
    }
}

/// Writes a file that only this user can read, whole or not at all.
///
/// # Errors
/// When the file cannot be written.
pub fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let unfinished = path.with_extension(format!("{}.unfinished", std::process::id()));
    let mut file = create_private(&unfinished)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&unfinished, path)
}

/// Makes or empties a file that only this user can read.
///
/// # Errors
/// When the file cannot be made.
pub fn create_private(path: &Path) -> io::Result<fs::File> {
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
}

/// The public key lies beside the private one, to be given to whoever verifies the log.
fn write_public(path: &Path, signer: &Signer) -> Result<(), KeyError> {
    let text = format!("{}\n", signer.public());
    if fs::read_to_string(path).is_ok_and(|found| found == text) {
        return Ok(());
    }
    fs::write(path, text).map_err(|source| KeyError::File {
        file: path.display().to_string(),
        source,
    })
}

/// Replaces a file that anyone may read, whole or not at all, also by a power cut.
///
/// # Errors
/// When the file cannot be written.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let unfinished = path.with_extension(format!("{}.unfinished", std::process::id()));
    let mut file = fs::File::create(&unfinished)?;
    file.write_all(bytes)?;
    file.sync_data()?;
    fs::rename(&unfinished, path)
}
