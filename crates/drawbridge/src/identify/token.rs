//! Tokens of AI clients, and sessions: `dbr_<id>_<secret>`. Only a hash of the secret is kept.

use std::{
    collections::HashMap,
    io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use drawbridge_core::{call::Person, connector::Clock, file::GatewayFile, secret::Secret};
use jiff::Timestamp;
use sha2::{Digest, Sha256};
use tokio::sync::watch;

use super::{Named, Unidentified, bind::joined};
use crate::{
    keys,
    store::{NewToken, Store, StoreError, Token},
};

/// How a token begins.
pub(super) const PREFIX: &str = "dbr_";
/// Digits of the part that is no secret.
const ID_DIGITS: usize = 12;
/// Tokens remembered between calls.
const REMEMBERED: usize = 10_000;
/// What an unknown token is compared with, so that it costs what a known one costs.
const NO_HASH: [u8; 32] = [0; 32];

/// How often sessions that ended are forgotten.
const FORGET_EVERY: Duration = Duration::from_secs(3_600);
/// How long a session stays in the list after its end.
const KEPT: Duration = Duration::from_secs(30 * 24 * 3_600);

/// The store's tokens, remembered as long as nothing changes.
pub(super) struct Tokens {
    store: Store,
    clock: Arc<dyn Clock>,
    changes: watch::Receiver<u64>,
    known: Mutex<Known>,
    used: Mutex<HashMap<String, Timestamp>>,
    /// When ended sessions are forgotten next; at once, at first.
    next_forget: Mutex<Option<Timestamp>>,
}

/// Tokens as they were at one version of the store.
#[derive(Default)]
struct Known {
    version: u64,
    tokens: HashMap<String, Arc<Token>>,
}

impl Tokens {
    pub(super) fn new(store: Store, clock: Arc<dyn Clock>) -> Self {
        Self {
            changes: store.changes(),
            store,
            clock,
            known: Mutex::default(),
            used: Mutex::default(),
            next_forget: Mutex::default(),
        }
    }

    /// Whose token this is.
    pub(super) async fn named(
        &self,
        token: &str,
        gateway: &GatewayFile,
    ) -> Result<Named, Unidentified> {
        let known = self.good(token).await?;
        let person = person(&known, gateway).ok_or(Unidentified::Invalid)?;
        let now = self.clock.now();
        self.used
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(known.id.clone(), now);
        Ok(Named {
            person,
            client: known.client.clone(),
            token: Some(known.id.as_str().into()),
        })
    }

    /// The token with this secret, as long as it is good.
    async fn good(&self, token: &str) -> Result<Arc<Token>, Unidentified> {
        let token = token.strip_prefix(PREFIX).ok_or(Unidentified::Invalid)?;
        let (id, secret) = token.split_once('_').ok_or(Unidentified::Invalid)?;
        if id.len() != ID_DIGITS || !id.bytes().all(|digit| digit.is_ascii_alphanumeric()) {
            return Err(Unidentified::Invalid);
        }
        let known = self.token(id).await?;
        let hash = Sha256::digest(secret.as_bytes());
        let expected = known.as_ref().map_or(&NO_HASH[..], |known| &known.hash);
        let same = verify_slices_are_equal(&hash, expected).is_ok();
        let known = known.filter(|_| same).ok_or(Unidentified::Invalid)?;
        if !known.is_good(self.clock.now()) {
            return Err(Unidentified::Invalid);
        }
        Ok(known)
    }

    /// Whose one-time token this is, and what it is called. It is used up.
    pub(super) async fn once(
        &self,
        token: &str,
        (client, gateway): (&str, &GatewayFile),
    ) -> Result<(Person, String), Unidentified> {
        let known = self.good(token).await?;
        let person = person(&known, gateway).filter(|_| known.client == client);
        let person = person.ok_or(Unidentified::Invalid)?;
        let now = self.clock.now();
        let first = self.store.expire_token(&known.id, now).await?;
        self.forget();
        let named = first.then(|| (person, known.name.clone()));
        named.ok_or(Unidentified::Invalid)
    }

    /// Whether this token was neither ended nor has expired.
    pub(super) async fn is_good(&self, id: &str) -> Result<bool, StoreError> {
        let known = self.token(id).await?;
        Ok(known.is_some_and(|known| known.is_good(self.clock.now())))
    }

    /// Whether nobody ended this token, whatever its time.
    pub(super) async fn is_not_revoked(&self, id: &str) -> Result<bool, StoreError> {
        let known = self.token(id).await?;
        Ok(known.is_some_and(|known| known.revoked.is_none()))
    }

    /// Forgets all remembered tokens.
    pub(super) fn forget(&self) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.tokens.clear();
    }

    /// Forgets sessions and links that ended long ago, now and then.
    pub(super) async fn forget_ended(&self) {
        let now = self.clock.now();
        {
            let mut next = self
                .next_forget
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            if next.is_some_and(|next| now < next) {
                return;
            }
            *next = now.checked_add(FORGET_EVERY).ok();
        }
        let Ok(before) = now.checked_sub(KEPT) else {
            return;
        };
        let forgotten = async {
            self.store.forget_sign_ins(now).await?;
            self.store.forget_sessions(before).await
        };
        if let Err(error) = forgotten.await {
            tracing::warn!("cannot forget sessions that ended: {error}");
        }
    }

    /// Keeps when tokens were last used; what cannot be kept is tried again.
    pub(super) async fn keep_last_uses(&self) {
        let used: Vec<(String, Timestamp)> = {
            let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
            used.drain().collect()
        };
        if used.is_empty() {
            return;
        }
        if let Err(error) = self.store.touch_tokens(&used).await {
            tracing::warn!("cannot keep when tokens were last used: {error}");
            let mut later = self.used.lock().unwrap_or_else(PoisonError::into_inner);
            for (id, at) in used {
                later.entry(id).or_insert(at);
            }
        }
    }

    /// INVARIANT: what is remembered was read at the version it is remembered under or later, and
    /// is used only while the store has that version. So a token that was ended is not found here.
    async fn token(&self, id: &str) -> Result<Option<Arc<Token>>, StoreError> {
        let version = *self.changes.borrow();
        {
            let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            if known.version == version
                && let Some(token) = known.tokens.get(id)
            {
                return Ok(Some(token.clone()));
            }
        }
        let Some(token) = self.store.token(id).await? else {
            return Ok(None);
        };
        let token = Arc::new(token);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.version != version || known.tokens.len() >= REMEMBERED {
            known.tokens.clear();
            known.version = version;
        }
        known.tokens.insert(id.to_owned(), token.clone());
        Ok(Some(token))
    }
}

/// Whom a token speaks for. Somebody who is no longer in drawbridge.yaml is nobody; somebody whom the
/// organisation's sign-in named is who it said then, as long as drawbridge.yaml gives that name to
/// nobody else. What drawbridge.yaml says of its own people counts as it stands.
pub(crate) fn person(token: &Token, gateway: &GatewayFile) -> Option<Person> {
    let own = gateway.person(&token.person);
    match (&token.claims, own) {
        (None, own) => own,
        (Some(claims), Some(own)) => claims.listed.then(|| joined(own, claims.person.clone())),
        (Some(claims), None) => (!claims.listed).then(|| claims.person.clone()),
    }
}

/// A new token for a person and a client: what is kept of it, and the token, to be shown once.
///
/// # Errors
/// When the system has no randomness.
pub fn mint(
    (person, client, name): (&str, &str, &str),
    created: Timestamp,
    expires: Option<Timestamp>,
) -> io::Result<(NewToken, Secret<String>)> {
    let id: String = hex::encode(keys::random()?)
        .chars()
        .take(ID_DIGITS)
        .collect();
    let secret = URL_SAFE_NO_PAD.encode(keys::random()?);
    let token = NewToken {
        hash: Sha256::digest(secret.as_bytes()).into(),
        person: person.to_owned(),
        client: client.to_owned(),
        name: name.to_owned(),
        created,
        expires,
        claims: None,
        parent: None,
        replaces: None,
        id: id.clone(),
    };
    Ok((token, Secret::new(format!("{PREFIX}{id}_{secret}"))))
}
