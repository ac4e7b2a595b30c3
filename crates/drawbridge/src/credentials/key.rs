//! The key that secrets are sealed with, and sealing: bound to a credential's name and
//! version, so that no sealed secret can stand in another's place.

use std::{
    fs, io,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use drawbridge_core::{
    file::{Place, Reference},
    log::Seal,
    secret::Secret,
};

use super::keyring;
use crate::{
    approvals::Lookup,
    keys::{self, cipher::Cipher},
};

/// Bytes of a key.
const KEY: usize = 32;
/// The largest file that may hold one: in base64, with a line break.
const MOST_BYTES: u64 = 100;

/// The key that secrets are sealed with.
pub(crate) struct SealingKey {
    cipher: Cipher,
    id: String,
}

/// Whether a key may be made where there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Make {
    /// It may: nothing is sealed yet, or the key it was sealed with is lost.
    Allowed,
    /// It may not: what is sealed could never be opened with another one.
    Refused,
}

/// Why the key cannot be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyError {
    #[error(
        "the key that secrets are sealed with is not at `{0}`; bring it there from a backup, or from \
         the machine that made it; if it is lost for good, `drawbridge secret set NAME --new-key` sets \
         each secret anew"
    )]
    Missing(String),
    #[error("`{0}` holds no key; it must hold 32 random bytes, plain or in base64")]
    Form(String),
    #[error(
        "the key that secrets are sealed with cannot be read at `{place}`: {source}; check who owns it, \
         it must be readable by this user only"
    )]
    Unreadable { place: String, source: io::Error },
}

impl SealingKey {
    /// The key where drawbridge.yaml says it is, else in the gateway's own folder for keys.
    ///
    /// It reads files: not for the runtime's threads.
    ///
    /// # Errors
    /// When it cannot be had; the message says what to do.
    pub(crate) fn read(
        at: Option<&Reference>,
        (folder, state): (&Path, &Path),
        lookup: Lookup,
        make: Make,
    ) -> Result<Self, KeyError> {
        let place = at.and_then(Reference::place);
        let missing = || KeyError::Missing(place.map(Place::shown).unwrap_or_default());
        let bytes = match place {
            Some(Place::Variable(name)) => {
                let text = lookup(name).ok_or_else(missing)?;
                text.expose().clone().into_bytes()
            }
            Some(Place::Keyring(name)) => {
                keyring::key(name).map_err(|source| match source.kind() {
                    io::ErrorKind::NotFound => missing(),
                    _ => unreadable(place.map(Place::shown).unwrap_or_default(), source),
                })?
            }
            Some(Place::File(path)) => in_file(&folder.join(path), Make::Refused)?,
            None | Some(Place::Sealed) => in_file(&own(state), make)?,
        };
        let shown = place.map_or_else(|| own(state).display().to_string(), Place::shown);
        Self::of(&bytes).ok_or(KeyError::Form(shown))
    }

    fn of(bytes: &[u8]) -> Option<Self> {
        let decoded;
        let bytes = if bytes.len() == KEY {
            bytes
        } else {
            decoded = STANDARD.decode(bytes.trim_ascii()).ok()?;
            &decoded
        };
        if bytes.len() != KEY {
            return None;
        }
        Some(Self {
            cipher: Cipher::new(bytes)?,
            id: Seal::new(bytes, "sealing key")
                .digest(b"id")
                .chars()
                .take(16)
                .collect(),
        })
    }

    /// What to call it: it tells whether a secret was sealed with this key, and nothing of the key.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// Nonce, ciphertext and tag; none when the system has no randomness.
    pub(crate) fn seal(
        &self,
        (name, version): (&str, &str),
        secret: &Secret<String>,
    ) -> Option<Vec<u8>> {
        let text = secret.expose().clone().into_bytes();
        self.cipher.seal(&bound(name, version), text)
    }

    /// The secret; none when it is not what this key sealed for this name and version.
    pub(crate) fn open(
        &self,
        (name, version): (&str, &str),
        sealed: &[u8],
    ) -> Option<Secret<String>> {
        let text = self.cipher.open(&bound(name, version), sealed)?;
        String::from_utf8(text).ok().map(Secret::new)
    }
}

/// What a sealed secret is bound to. No name holds a NUL, so that no two are bound alike.
fn bound(name: &str, version: &str) -> Vec<u8> {
    format!("drawbridge credential\0{name}\0{version}").into_bytes()
}

fn own(state: &Path) -> PathBuf {
    state.join("keys").join("sealing")
}

fn unreadable(place: String, source: io::Error) -> KeyError {
    KeyError::Unreadable { place, source }
}

fn in_file(path: &Path, make: Make) -> Result<Vec<u8>, KeyError> {
    let shown = || path.display().to_string();
    match read(path) {
        Ok(bytes) => Ok(bytes),
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(unreadable(shown(), error)),
        Err(_) if make == Make::Refused => Err(KeyError::Missing(shown())),
        Err(_) => made(path)
            .and_then(|()| read(path))
            .map_err(|error| unreadable(shown(), error)),
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    use io::Read;
    // A pipe would be waited for.
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    let mut bytes = Vec::new();
    fs::File::open(path)?
        .take(MOST_BYTES)
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Makes a key file that only this user can read. Of two who make one at once, the first one's stays.
fn made(path: &Path) -> io::Result<()> {
    use io::Write;
    let folder = path.parent().unwrap_or(path);
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)?;
    let unfinished = path.with_extension(format!("{}.unfinished", std::process::id()));
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&unfinished)?;
    file.write_all(&keys::random()?)?;
    file.sync_all()?;
    let linked = fs::hard_link(&unfinished, path);
    fs::remove_file(&unfinished)?;
    match linked {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        // Nothing is sealed with a key that a power cut could take away.
        _ => fs::File::open(folder)?.sync_all(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_secret_opens_only_whole_with_its_key_at_its_place() {
        let key = SealingKey::of(&[7; KEY]).unwrap();
        let secret = Secret::new("line\nbreak\0and more".to_owned());
        let sealed = key.seal(("crm", "1"), &secret).unwrap();
        assert_eq!(
            key.open(("crm", "1"), &sealed).unwrap().expose(),
            secret.expose()
        );
        assert_ne!(
            key.seal(("crm", "1"), &secret).unwrap(),
            sealed,
            "its own nonce"
        );
        for place in [("crm", "2"), ("crm2", "1"), ("cr", "m1"), ("", "crm1")] {
            assert!(key.open(place, &sealed).is_none(), "{place:?}");
        }
        let other = SealingKey::of(&[8; KEY]).unwrap();
        assert_ne!(other.id(), key.id());
        assert!(other.open(("crm", "1"), &sealed).is_none());
        for length in 0..sealed.len() {
            assert!(key.open(("crm", "1"), &sealed[..length]).is_none());
            let mut changed = sealed.clone();
            changed[length] ^= 1;
            assert!(key.open(("crm", "1"), &changed).is_none());
        }
    }

    #[test]
    fn a_key_is_32_bytes_plain_or_in_base64() {
        let plain = SealingKey::of(&[7; KEY]).unwrap();
        let text = format!("{}\n", STANDARD.encode([7; KEY]));
        assert_eq!(SealingKey::of(text.as_bytes()).unwrap().id(), plain.id());
        for wrong in [&b""[..], &[7; 31], &[7; 33], b"c2hvcnQ="] {
            assert!(SealingKey::of(wrong).is_none());
        }
    }
}
