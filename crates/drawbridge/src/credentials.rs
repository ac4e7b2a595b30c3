//! The credential store: what connectors prove their identity with, wherever the secret is kept.
//!
//! Secrets are opened each time they are asked for and kept nowhere, so that a rotation is in force on
//! every gateway for the next connection.

mod command;
mod key;
mod keyring;
mod lent;
mod oauth;
mod source;
mod taken;
mod vault;

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use arc_swap::ArcSwap;
use drawbridge_core::{
    connector::Clock,
    credential::{Credential, Version},
    file::{ActsFor, CredentialFile, GatewayFile, Place, Reference, Source},
    secret::Secret,
};
use tokio::sync::Notify;

use crate::{
    approvals::Lookup,
    store::{NewVersion, OtherKeys, Store, StoreError, Taken},
};
use key::{KeyError, Make, SealingKey};
use lent::Lent;
use oauth::Oauth;
pub(crate) use oauth::{CLIENT_PATH, GETTING_TOKENS, KEYS_PATH, OauthError, Whose, Wish, word};
use source::{SourceError, Sources};
use taken::Told;

/// Why a credential cannot be had. It says what to do, and holds nothing of the secret.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CredentialError {
    #[error(
        "there is no secret for the credential `{0}`; set it by `drawbridge secret set {0}`, or say \
         under `credentials` in drawbridge.yaml where it is kept"
    )]
    Missing(String),
    #[error(
        "the version {1} of the credential `{0}` is sealed with another key ({2}) than the one here \
         ({3}); bring the right key back, or set the secret anew by `drawbridge secret set {0} --new-key`"
    )]
    OtherKey(String, String, String, String),
    #[error(
        "the version {1} of the credential `{0}` is not what was sealed: the store was changed; find out \
         by whom, then set the secret anew by `drawbridge secret set {0}` and retire this version"
    )]
    Changed(String, String),
    #[error(
        "what an authorization server granted for `{0}` is sealed with another key ({1}) than the one here \
         ({2}); bring the right key back, or end it by `drawbridge secret disconnect {0} --all` and connect \
         anew"
    )]
    OtherGrantKey(String, String, String),
    #[error(
        "what an authorization server granted for `{0}` is not what was sealed: the store was changed; find \
         out by whom, then end it by `drawbridge secret disconnect {0} --all` and connect anew"
    )]
    GrantChanged(String),
    #[error(
        "other secrets or accounts are sealed with another key than the one here; bring the right key back, \
         or where it is lost for good, set the secrets with `--new-key`, and end the accounts by \
         `drawbridge secret disconnect NAME --all`"
    )]
    OtherKeys,
    #[error("the secret cannot be sealed: the system has no randomness")]
    NotSealed,
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error("{0}")]
    Oauth(OauthError),
    #[error(
        "`{0}` is one secret for everyone, and cannot be each person's own; write `acts_for: service`, or \
         `from: {{oauth: …}}` under `credentials.{0}` in drawbridge.yaml"
    )]
    ForEveryone(String),
    #[error("{0}; its disk or connection may be gone")]
    Store(#[from] StoreError),
    #[error("reading the key was cut off: {0}; try again")]
    Cut(#[from] tokio::task::JoinError),
}

/// What drawbridge.yaml says of credentials.
#[derive(Default)]
struct Declared {
    credentials: BTreeMap<String, CredentialFile>,
    sealing_key: Option<Reference>,
    /// What the gateway is called, and where it is.
    gateway: String,
    address: String,
}

/// A secret that is to be sealed.
pub(crate) struct Setting<'a> {
    pub(crate) name: &'a str,
    pub(crate) secret: &'a Secret<String>,
    pub(crate) owner: Option<&'a str>,
    pub(crate) approved_by: Option<&'a str>,
    pub(crate) by: &'a str,
    pub(crate) other_keys: OtherKeys,
}

/// Which version of which credential.
type Which = (String, String);

/// The credential store.
pub struct Credentials {
    store: Store,
    clock: Arc<dyn Clock>,
    folder: PathBuf,
    state: PathBuf,
    lookup: Lookup,
    sources: Sources,
    oauth: Oauth,
    declared: ArcSwap<Declared>,
    /// How targets took versions, since that was last kept.
    taken: Mutex<BTreeMap<Which, Taken>>,
    /// What this gateway told the store of already.
    told: Mutex<Told>,
    news: Notify,
    /// One keeps at a time, so that who asks for it to be kept finds it kept.
    keeping: tokio::sync::Mutex<()>,
}

impl Credentials {
    /// The credential store of a workspace; `secret` is the gateway's own.
    pub(crate) fn new(
        (folder, state): (PathBuf, PathBuf),
        (store, clock): (Store, Arc<dyn Clock>),
        (lookup, secret): (Lookup, &[u8]),
    ) -> Self {
        Self {
            sources: Sources::new(&folder, lookup, secret),
            oauth: Oauth::new(&state, secret),
            store,
            clock,
            folder,
            state,
            lookup,
            declared: ArcSwap::default(),
            taken: Mutex::default(),
            told: Mutex::default(),
            news: Notify::new(),
            keeping: tokio::sync::Mutex::default(),
        }
    }

    /// Takes up what drawbridge.yaml says.
    pub(crate) fn declare(&self, file: &GatewayFile) {
        self.declared.store(Arc::new(Declared {
            credentials: file.credentials.clone(),
            sealing_key: file.sealing_key.clone(),
            gateway: file.gateway.clone(),
            address: file.own_address(),
        }));
    }

    /// What is lent to whoever asks for no person. It follows what drawbridge.yaml and the store say
    /// later.
    #[must_use]
    pub fn lend(self: &Arc<Self>, name: &str) -> Arc<dyn Credential> {
        Arc::new(Lent {
            name: name.to_owned(),
            connector: None,
            whose: Whose::Service,
            credentials: self.clone(),
        })
    }

    /// What is lent to a connector, which acts for everyone or for each person.
    pub(crate) fn lend_to(
        self: &Arc<Self>,
        connector: &str,
        (name, acts_for): (&str, ActsFor),
    ) -> Arc<dyn Credential> {
        Arc::new(Lent {
            name: name.to_owned(),
            connector: Some(connector.to_owned()),
            whose: match acts_for {
                ActsFor::Service => Whose::Service,
                ActsFor::Person => Whose::Each,
            },
            credentials: self.clone(),
        })
    }

    /// Every version in force, the newest first. Never empty.
    pub(crate) async fn versions(
        self: &Arc<Self>,
        name: &str,
        whose: &Whose,
    ) -> Result<Vec<Version>, CredentialError> {
        match self.oauth(name) {
            Some(file) => Ok(vec![self.granted((name, whose), &file).await?]),
            None if matches!(whose, Whose::Person(_)) => {
                Err(CredentialError::ForEveryone(name.to_owned()))
            }
            None => self.plain_versions(name).await,
        }
    }

    /// Every version of a secret that no authorization server gives.
    async fn plain_versions(&self, name: &str) -> Result<Vec<Version>, CredentialError> {
        let declared = self.declared.load_full();
        let elsewhere = declared
            .credentials
            .get(name)
            .filter(|file| !is_sealed(file));
        let versions = match elsewhere {
            None => self.unsealed(name, declared.sealing_key.clone()).await?,
            Some(file) => {
                let before = async |newest: &str| self.before(name, newest).await;
                let found = self.sources.versions(name, file, before).await?;
                for version in &found {
                    self.seen(name, &version.id);
                }
                found
            }
        };
        if versions.is_empty() {
            return Err(CredentialError::Missing(name.to_owned()));
        }
        Ok(versions)
    }

    async fn unsealed(
        &self,
        name: &str,
        at: Option<Reference>,
    ) -> Result<Vec<Version>, CredentialError> {
        let sealed = self.store.sealed_versions(name).await?;
        if sealed.is_empty() {
            return Ok(Vec::new());
        }
        let key = self.key(at, Make::Refused).await?;
        let mut versions = Vec::new();
        for one in &sealed {
            if one.sealing_key.as_deref() != Some(key.id()) {
                continue;
            }
            let bytes = one.sealed.as_deref().unwrap_or_default();
            let changed = || CredentialError::Changed(name.to_owned(), one.version.clone());
            versions.push(Version {
                id: one.version.as_str().into(),
                secret: key.open((name, &one.version), bytes).ok_or_else(changed)?,
            });
        }
        if let (true, Some(newest)) = (versions.is_empty(), sealed.first()) {
            let other = newest.sealing_key.clone().unwrap_or_default();
            return Err(CredentialError::OtherKey(
                name.to_owned(),
                newest.version.clone(),
                other,
                key.id().to_owned(),
            ));
        }
        Ok(versions)
    }

    /// Seals a secret as the next version of a credential; the store keeps it once it is on the log.
    pub(crate) async fn sealed(&self, setting: Setting<'_>) -> Result<NewVersion, CredentialError> {
        let sealing_key = self.declared.load().sealing_key.clone();
        let keys = self.store.sealing_keys().await?;
        let make = if keys.is_empty() || setting.other_keys == OtherKeys::Allowed {
            Make::Allowed
        } else {
            Make::Refused
        };
        let key = self.key(sealing_key, make).await?;
        let others = keys.iter().any(|other| other != key.id());
        if others && setting.other_keys == OtherKeys::Refused {
            return Err(CredentialError::OtherKeys);
        }
        let number = self.store.next_version(setting.name).await?;
        let which = (setting.name, &*number.to_string());
        let sealed = key.seal(which, setting.secret);
        Ok(NewVersion {
            name: setting.name.to_owned(),
            number,
            sealed: sealed.ok_or(CredentialError::NotSealed)?,
            sealing_key: key.id().to_owned(),
            other_keys: setting.other_keys,
            owner: setting.owner.map(str::to_owned),
            approved_by: setting.approved_by.map(str::to_owned),
            by: setting.by.to_owned(),
            at: self.clock.now(),
        })
    }

    /// Where the file says that a secret is kept; none where it says nothing.
    pub(crate) fn file(&self, name: &str) -> Option<CredentialFile> {
        self.declared.load().credentials.get(name).cloned()
    }

    /// The names that the file knows.
    pub(crate) fn names(&self) -> Vec<String> {
        self.declared.load().credentials.keys().cloned().collect()
    }

    async fn key(&self, at: Option<Reference>, make: Make) -> Result<SealingKey, CredentialError> {
        let (folder, state, lookup) = (self.folder.clone(), self.state.clone(), self.lookup);
        let read = move || SealingKey::read(at.as_ref(), (&folder, &state), lookup, make);
        Ok(tokio::task::spawn_blocking(read).await??)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether the gateway keeps the secret itself.
pub(crate) fn is_sealed(file: &CredentialFile) -> bool {
    match &file.from {
        Source::Places(places) => places
            .iter()
            .all(|place| place.place() == Some(Place::Sealed)),
        Source::Elsewhere(_) => false,
    }
}
