//! Who is asking: tokens of AI clients, and the command line of the one who keeps the workspace.

use std::{
    collections::HashMap,
    io,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use axum::http::{HeaderMap, header};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use drawbridge_core::{
    call::{Caller, Door, Person},
    connector::Clock,
    file::GatewayFile,
    secret::Secret,
};
use jiff::Timestamp;
use sha2::{Digest, Sha256};

use crate::{
    keys,
    store::{NewToken, Store, StoreError, Token},
};

/// The client name of the command line. Only people's own clients may change the gateway.
pub const COMMAND_LINE: &str = "command-line";
/// With the local token: for whom the command line acts, if not the operator.
pub const PERSON_HEADER: &str = "drawbridge-person";
/// Tokens remembered between calls.
const REMEMBERED: usize = 10_000;

/// Tells callers apart.
pub struct Identify {
    store: Store,
    clock: Arc<dyn Clock>,
    local: Secret<String>,
    known: Mutex<HashMap<String, Token>>,
    used: Mutex<HashMap<String, Timestamp>>,
}

/// Why nobody can tell who is asking.
#[derive(Debug, thiserror::Error)]
pub enum Unidentified {
    /// No token, and callers without one are not let in.
    #[error("a token is needed: send `Authorization: Bearer …`; `drawbridge token new` makes one")]
    Missing,
    /// A token that is none, has ended or was ended.
    #[error(
        "this token is not valid, has expired or was revoked; `drawbridge token new` makes another"
    )]
    Invalid,
    /// The store fails.
    #[error("tokens cannot be checked at the moment; try again")]
    Store(#[from] StoreError),
}

impl Identify {
    /// Keeps the local token in `state`, and makes it when there is none.
    ///
    /// # Errors
    /// When it can be neither read nor made.
    pub fn new(state: &Path, store: Store, clock: Arc<dyn Clock>) -> io::Result<Self> {
        let path = state.join("local-token");
        let local = match std::fs::read_to_string(&path) {
            Ok(token) => token,
            Err(_) => {
                let token = format!("dbl_{}", URL_SAFE_NO_PAD.encode(keys::random()?));
                keys::write_private(&path, token.as_bytes())?;
                token
            }
        };
        Ok(Self {
            store,
            clock,
            local: Secret::new(local),
            known: Mutex::default(),
            used: Mutex::default(),
        })
    }

    /// The local token: whoever can read it holds the workspace itself.
    #[must_use]
    pub fn local(&self) -> &Secret<String> {
        &self.local
    }

    /// Who sends these headers.
    ///
    /// # Errors
    /// When nobody can tell.
    pub async fn caller(
        &self,
        headers: &HeaderMap,
        door: Door,
        gateway: &GatewayFile,
    ) -> Result<Caller, Unidentified> {
        let trace = headers
            .get("traceparent")
            .and_then(|value| value.to_str().ok()?.split('-').nth(1))
            .filter(|trace| {
                trace.len() == 32 && trace.bytes().all(|digit| digit.is_ascii_hexdigit())
            })
            .map(Arc::from);
        let Some(value) = headers.get(header::AUTHORIZATION) else {
            return if gateway.anonymous {
                Ok(caller(Person::anonymous(), Person::ANONYMOUS, door, trace))
            } else {
                Err(Unidentified::Missing)
            };
        };
        let token = value
            .to_str()
            .ok()
            .and_then(|value| value.strip_prefix("Bearer "));
        let token = token.ok_or(Unidentified::Invalid)?;
        if token.starts_with("dbl_") {
            return self
                .operator(token, headers, gateway)
                .map(|person| caller(person, COMMAND_LINE, Door::Cli, trace));
        }
        let (id, secret) = token
            .strip_prefix("dbr_")
            .and_then(|token| token.split_once('_'))
            .ok_or(Unidentified::Invalid)?;
        let known = self.token(id).await?.ok_or(Unidentified::Invalid)?;
        let hash = Sha256::digest(secret.as_bytes());
        let now = self.clock.now();
        let same = aws_lc_rs::constant_time::verify_slices_are_equal(&hash, &known.hash).is_ok();
        if !same || known.revoked.is_some() || known.expires.is_some_and(|end| end <= now) {
            return Err(Unidentified::Invalid);
        }
        let person = gateway.person(&known.person).ok_or(Unidentified::Invalid)?;
        self.used
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(id.to_owned(), now);
        Ok(caller(person, &known.client, door, trace))
    }

    /// Forgets remembered tokens: one of them may have been ended.
    pub fn forget(&self) {
        self.known
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }

    /// Keeps when tokens were last used.
    pub async fn close(&self) {
        let used: Vec<(String, Timestamp)> = {
            let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
            used.drain().collect()
        };
        if let Err(error) = self.store.touch_tokens(&used).await {
            tracing::warn!("cannot keep when tokens were last used: {error}");
        }
    }

    fn operator(
        &self,
        token: &str,
        headers: &HeaderMap,
        gateway: &GatewayFile,
    ) -> Result<Person, Unidentified> {
        aws_lc_rs::constant_time::verify_slices_are_equal(
            token.as_bytes(),
            self.local.expose().as_bytes(),
        )
        .map_err(|_| Unidentified::Invalid)?;
        let named = headers
            .get(PERSON_HEADER)
            .and_then(|value| value.to_str().ok());
        gateway
            .person(named.unwrap_or(&gateway.operator))
            .ok_or(Unidentified::Invalid)
    }

    async fn token(&self, id: &str) -> Result<Option<Token>, StoreError> {
        let known = self
            .known
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(id)
            .cloned();
        if known.is_some() {
            return Ok(known);
        }
        let token = self.store.token(id).await?;
        if let Some(token) = &token {
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            if known.len() >= REMEMBERED {
                known.clear();
            }
            known.insert(id.to_owned(), token.clone());
        }
        Ok(token)
    }
}

fn caller(person: Person, client: &str, door: Door, trace: Option<Arc<str>>) -> Caller {
    Caller {
        person: Arc::new(person),
        client: Arc::from(client),
        task: None,
        door,
        trace,
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
    let id: String = hex::encode(keys::random()?).chars().take(12).collect();
    let secret = URL_SAFE_NO_PAD.encode(keys::random()?);
    let token = NewToken {
        hash: Sha256::digest(secret.as_bytes()).into(),
        person: person.to_owned(),
        client: client.to_owned(),
        name: name.to_owned(),
        created,
        expires,
        id: id.clone(),
    };
    Ok((token, Secret::new(format!("dbr_{id}_{secret}"))))
}
