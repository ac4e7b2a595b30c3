//! Secrets that are kept elsewhere: in variables, files, what a program prints, and a vault.

use std::{
    fs, io,
    io::Read,
    path::{Path, PathBuf},
    time::Duration,
};

use drawbridge_core::{
    credential::Version,
    file::{CredentialFile, Elsewhere, Place, Reference, Source, VaultFile},
    log::Seal,
    secret::Secret,
};
use tokio::sync::Semaphore;

use super::{
    command::{self, CommandError},
    vault::{self, Found, Vault, VaultError},
};
use crate::approvals::Lookup;

/// How many programs run and vaults are asked at once.
const AT_ONCE: usize = 8;
/// How long a file may take to be read.
const FILE: Duration = Duration::from_secs(5);
/// Digits of the digest by which a secret that is kept elsewhere is known again.
const DIGITS: usize = 12;

/// Why a secret that is kept elsewhere cannot be had. None of it comes from the secret.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SourceError {
    #[error("the variable `{0}` is not set, or holds no text; set it and start the gateway again")]
    Variable(String),
    #[error(
        "the file `{path}` cannot be read: {source}; check that it is there and who may read it"
    )]
    File { path: String, source: io::Error },
    #[error("the file `{0}` has not been read for {seconds} s; check its disk", seconds = FILE.as_secs())]
    Slow(String),
    #[error("`{0}` holds nothing; put the secret there")]
    Empty(String),
    #[error("what `{0}` holds is no UTF-8 text; put the secret there in base64")]
    NoText(String),
    #[error(
        "what `{0}` holds has more than {most} bytes; it must hold the secret alone",
        most = Version::MOST_BYTES
    )]
    TooLong(String),
    #[error("too many programs and vaults are asked at once; try again")]
    Busy,
    #[error(transparent)]
    Command(#[from] CommandError),
    #[error(transparent)]
    Vault(#[from] VaultError),
}

/// Whether the version before the newest is asked for too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Before {
    /// It is: no target has let the newest in yet.
    Wanted,
    /// It is not.
    Unwanted,
}

/// Where secrets are kept that the gateway does not keep itself.
pub(super) struct Sources {
    folder: PathBuf,
    lookup: Lookup,
    ids: Seal,
    turns: Semaphore,
}

impl Sources {
    pub(super) fn new(folder: &Path, lookup: Lookup, secret: &[u8]) -> Self {
        Self {
            folder: folder.to_owned(),
            lookup,
            ids: Seal::new(secret, "credential version"),
            turns: Semaphore::new(AT_ONCE),
        }
    }

    /// The versions at the places that a file names, the newest first. `before` tells whether the
    /// one before a vault's newest is wanted.
    pub(super) async fn versions(
        &self,
        name: &str,
        file: &CredentialFile,
        before: impl AsyncFnOnce(&str) -> Before,
    ) -> Result<Vec<Version>, SourceError> {
        match &file.from {
            Source::Places(places) => {
                let mut found = Vec::new();
                for place in places.iter().filter_map(Reference::place) {
                    let secret = self.at(place).await?;
                    let version = self.known(name, secret);
                    if !found.iter().any(|one: &Version| one.id == version.id) {
                        found.push(version);
                    }
                }
                Ok(found)
            }
            Source::Elsewhere(elsewhere) => self.elsewhere(name, elsewhere, before).await,
        }
    }

    async fn elsewhere(
        &self,
        name: &str,
        elsewhere: &Elsewhere,
        before: impl AsyncFnOnce(&str) -> Before,
    ) -> Result<Vec<Version>, SourceError> {
        if let Some(line) = &elsewhere.command {
            let limit = elsewhere.timeout;
            let limit = limit.map_or(command::LONGEST, |limit| limit.duration());
            let secret = self.printed(line, &elsewhere.environment, limit).await?;
            return Ok(vec![self.known(name, secret)]);
        }
        match &elsewhere.vault {
            Some(vault) => self.in_vault(name, vault, before).await,
            None => Ok(Vec::new()),
        }
    }

    /// A version known by a keyed digest: it tells whether it is another one, and nothing of it.
    fn known(&self, name: &str, secret: Secret<String>) -> Version {
        let digest = self
            .ids
            .digest(format!("{name}\0{}", secret.expose()).as_bytes());
        let digest: String = digest.chars().take(DIGITS).collect();
        Version {
            id: format!("seen-{digest}").into(),
            secret,
        }
    }

    async fn at(&self, place: Place<'_>) -> Result<Secret<String>, SourceError> {
        match place {
            Place::Variable(name) => {
                let found = (self.lookup)(name);
                let found = found.ok_or_else(|| SourceError::Variable(name.to_owned()))?;
                usable(found.expose().clone().into_bytes(), &place.shown())
            }
            Place::File(path) => {
                let whole = self.folder.join(path);
                let read =
                    tokio::task::spawn_blocking(move || bounded(&whole, Version::MOST_BYTES + 2));
                let read = tokio::time::timeout(FILE, read).await;
                let read = read.map_err(|_| SourceError::Slow(path.to_owned()))?;
                let bytes = read
                    .unwrap_or_else(|error| Err(io::Error::other(error)))
                    .map_err(|source| SourceError::File {
                        path: path.to_owned(),
                        source,
                    })?;
                usable(without_line_break(bytes), &place.shown())
            }
            // The file's check lets neither stand here.
            Place::Sealed | Place::Keyring(_) => Err(SourceError::Empty(place.shown())),
        }
    }

    async fn printed(
        &self,
        line: &[String],
        environment: &[String],
        limit: Duration,
    ) -> Result<Secret<String>, SourceError> {
        let mut variables = Vec::new();
        for name in environment {
            let value = (self.lookup)(name);
            let value = value.ok_or_else(|| SourceError::Variable(name.clone()))?;
            variables.push((name.clone(), value));
        }
        let turn = tokio::time::timeout(limit, self.turns.acquire()).await;
        let _turn = turn.map_err(|_| SourceError::Busy)?;
        let printed = command::printed(line, &variables, (&self.folder, limit)).await?;
        let program = line.first().map(String::as_str).unwrap_or_default();
        usable(without_line_break(printed), program)
    }

    /// The newest version in a vault; and the one before, while it may be needed and is there.
    async fn in_vault(
        &self,
        name: &str,
        file: &VaultFile,
        before: impl AsyncFnOnce(&str) -> Before,
    ) -> Result<Vec<Version>, SourceError> {
        let place = file.token.place().unwrap_or(Place::Sealed);
        let token = self.at(place).await?;
        let (folder, own) = (self.folder.clone(), file.clone());
        let authorities = tokio::task::spawn_blocking(move || vault::authorities(&folder, &own));
        let authorities = authorities
            .await
            .map_err(|error| VaultError::Certificates(error.to_string()))??;
        let limit = file
            .timeout
            .map_or(vault::LONGEST, |limit| limit.duration());
        let turn = tokio::time::timeout(limit, self.turns.acquire()).await;
        let _turn = turn.map_err(|_| SourceError::Busy)?;
        let vault = Vault::new(file, &token, authorities.as_deref())?;
        let Found { secret, version } = vault.read(None).await?;
        let secret = usable(secret.expose().clone().into_bytes(), &file.field)?;
        let Some(number) = version else {
            return Ok(vec![self.known(name, secret)]);
        };
        let id = |number: u64| format!("vault-{number}");
        let mut found = vec![Version {
            id: id(number).into(),
            secret,
        }];
        let earlier = number.checked_sub(1).filter(|earlier| *earlier > 0);
        if let Some(earlier) = earlier
            && before(&id(number)).await == Before::Wanted
        {
            // One that was deleted there is in force no longer.
            let read = vault.read(Some(earlier)).await.ok();
            let secret = read.and_then(|found| {
                usable(found.secret.expose().clone().into_bytes(), &file.field).ok()
            });
            found.extend(secret.map(|secret| Version {
                id: id(earlier).into(),
                secret,
            }));
        }
        Ok(found)
    }
}

/// What is in a regular file, unless it has more bytes. It reads a file: not for the runtime's threads.
pub(super) fn bounded(path: &Path, most: usize) -> io::Result<Vec<u8>> {
    // A pipe would be waited for, and a device never ends.
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    let mut bytes = Vec::new();
    let file = fs::File::open(path)?;
    file.take(most as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > most {
        return Err(io::Error::other(format!("it has more than {most} bytes")));
    }
    Ok(bytes)
}

/// Without one line break at the end, as editors and programs leave one.
fn without_line_break(mut bytes: Vec<u8>) -> Vec<u8> {
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
        if bytes.last() == Some(&b'\r') {
            bytes.pop();
        }
    }
    bytes
}

/// A secret as it may be used.
fn usable(bytes: Vec<u8>, place: &str) -> Result<Secret<String>, SourceError> {
    if bytes.is_empty() {
        return Err(SourceError::Empty(place.to_owned()));
    }
    if bytes.len() > Version::MOST_BYTES {
        return Err(SourceError::TooLong(place.to_owned()));
    }
    // The error would hold the bytes.
    let text = String::from_utf8(bytes).map_err(|_| SourceError::NoText(place.to_owned()))?;
    Ok(Secret::new(text))
}
