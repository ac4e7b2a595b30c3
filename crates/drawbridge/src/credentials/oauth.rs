//! Access that an authorization server gives: tokens, kept sealed and renewed before they expire.
//!
//! INVARIANT: of all who need a token to be renewed, on whichever gateway, one renews it and the others
//! wait for what comes of it. A refresh token that was used is replaced in the store before anybody gets
//! what it brought, whoever gave up waiting meanwhile.

mod addresses;
mod agree;
mod issuer;
mod kept;
mod problem;
mod renew;
mod server;
mod subject;
mod tokens;

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use drawbridge_core::{
    credential::Version,
    file::{Grant, OauthFile},
    log::Seal,
    secret::Secret,
};
use rmcp::transport::auth::WWWAuthenticateParams;
use tokio_util::task::TaskTracker;

use super::{CredentialError, Credentials, lock};
use crate::store::Holder;
pub(crate) use agree::Wish;
pub(crate) use problem::{OauthError, word};
use renew::Turn;
use subject::Subject;

/// Where the SDK gets tokens. What it traces there for its own developers holds codes, and what an
/// authorization server answers: no `RUST_LOG` brings it out.
pub(crate) const GETTING_TOKENS: &str = "rmcp::transport::auth";
/// How long an authorization server may take to give a token, unless the file says otherwise.
const LONGEST: Duration = Duration::from_secs(10);
/// How long before its end a token is renewed, and never longer than half its life.
const BEFORE_END: Duration = Duration::from_secs(30);
/// A token that is refused sooner after one that was refused is not renewed: the target wants no token
/// of this server.
const REFUSED_AGAIN: Duration = Duration::from_secs(5);
/// How many holders are remembered by their turns and refusals.
const MOST_HOLDERS: usize = 10_000;
/// The longest list of scopes that a target may ask for, in bytes.
const MOST_SCOPES: usize = 2_000;
/// Where the gateway describes itself to authorization servers.
pub(crate) const CLIENT_PATH: &str = "/oauth/client.json";
/// Where the keys are that its statements are checked with.
pub(crate) const KEYS_PATH: &str = "/oauth/keys.json";

/// What this gateway knows of its own of tokens: none of it is a secret but the key.
pub(super) struct Oauth {
    pub(super) tasks: TaskTracker,
    subject: Subject,
    states: Seal,
    turns: Mutex<BTreeMap<Holder, Arc<Turn>>>,
    refused: Mutex<BTreeMap<Holder, Refused>>,
}

/// Which token of a holder was refused.
#[derive(Clone, Copy)]
struct Refused {
    revision: u64,
    /// When a token was last renewed because it was refused.
    renewed: Option<Duration>,
}

/// For whom somebody wants a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Whose {
    /// The account that is for everyone.
    Service,
    /// Each person's own, of which nobody is named here.
    Each,
    /// One person's own.
    Person(String),
}

impl Oauth {
    pub(super) fn new(state: &Path, secret: &[u8]) -> Self {
        Self {
            tasks: TaskTracker::new(),
            subject: Subject::new(state),
            states: Seal::new(secret, "oauth state"),
            turns: Mutex::default(),
            refused: Mutex::default(),
        }
    }

    fn turn(&self, holder: &Holder) -> Arc<Turn> {
        let mut turns = lock(&self.turns);
        if turns.len() >= MOST_HOLDERS {
            turns.retain(|_, turn| Arc::strong_count(turn) > 1);
        }
        turns.entry(holder.clone()).or_default().clone()
    }

    /// Whether this token was refused.
    fn was_refused(&self, holder: &Holder, revision: u64) -> bool {
        let refused = lock(&self.refused).get(holder).copied();
        refused.is_some_and(|refused| refused.revision == revision)
    }

    /// Whether this token was refused, and another may be had for that reason.
    fn is_refused(&self, holder: &Holder, revision: u64, now: Duration) -> bool {
        let refused = lock(&self.refused).get(holder).copied();
        refused.is_some_and(|refused| {
            let recently = |renewed: Duration| now.saturating_sub(renewed) < REFUSED_AGAIN;
            refused.revision == revision && !refused.renewed.is_some_and(recently)
        })
    }

    fn renewed_for_refusal(&self, holder: &Holder, now: Duration) {
        if let Some(refused) = lock(&self.refused).get_mut(holder) {
            refused.renewed = Some(now);
        }
    }
}

impl Credentials {
    /// The token in force for whoever this is, renewed where it must be.
    pub(super) async fn granted(
        self: &Arc<Self>,
        (name, whose): (&str, &Whose),
        file: &OauthFile,
    ) -> Result<Version, CredentialError> {
        let person = match (whose, file.grant) {
            (Whose::Person(_), Grant::ClientCredentials) => {
                return Err(OauthError::ForEveryone(name.to_owned()).into());
            }
            (Whose::Service | Whose::Each, Grant::TokenExchange) => {
                return Err(OauthError::ForPeople(name.to_owned()).into());
            }
            (Whose::Person(person), _) => Some(person.clone()),
            (Whose::Service | Whose::Each, _) => None,
        };
        let holder = Holder {
            name: name.to_owned(),
            person,
        };
        let kept = self.kept(&holder, file).await?;
        if let Some(version) = self.usable(&holder, file, &kept) {
            return Ok(version);
        }
        // Whoever gives up waiting cuts nothing off: a refresh token that was used must be replaced.
        let renewing = self.clone().renewed(holder, file.clone());
        self.oauth.tasks.spawn(renewing).await?
    }

    /// The target refused this version.
    pub(super) fn token_refused(&self, name: &str, whose: &Whose, version: &str) {
        let Some(revision) = revision(version) else {
            return;
        };
        let mut refused = lock(&self.oauth.refused);
        if refused.len() >= MOST_HOLDERS {
            refused.clear();
        }
        let renewed = refused
            .get(&holder(name, whose))
            .and_then(|known| known.renewed);
        refused.insert(holder(name, whose), Refused { revision, renewed });
    }

    /// The target let a token in, and wants more scopes for what was asked of it.
    pub(super) async fn token_lacking(&self, (name, whose): (&str, &Whose), said: &str) {
        let Some(file) = self.oauth(name) else {
            return;
        };
        let base = reqwest::Url::parse(&file.resource).ok();
        let asked = base.map(|base| WWWAuthenticateParams::parse(said, &base));
        let asked = asked.filter(WWWAuthenticateParams::is_insufficient_scope);
        let scopes = asked.and_then(|asked| asked.scope).unwrap_or_default();
        let allowed = scopes.split_whitespace().filter(|one| file.allows(one));
        let allowed: Vec<&str> = allowed.collect();
        if allowed.len() < scopes.split_whitespace().count() {
            tracing::warn!(
                "the target of `{name}` wants more than `scopes` of it in drawbridge.yaml allows"
            );
        }
        let scopes = allowed.join(" ");
        if scopes.is_empty() || scopes.len() > MOST_SCOPES {
            return;
        }
        if let Err(error) = self.store.keep_lacking(&holder(name, whose), &scopes).await {
            tracing::warn!("cannot keep which scopes a target asked for: {error}");
        }
    }

    /// What the file asks of an authorization server for this credential, where it does.
    pub(crate) fn oauth(&self, name: &str) -> Option<OauthFile> {
        self.declared.load().credentials.get(name)?.oauth().cloned()
    }

    /// The keys that this gateway's statements about people are checked with, as a JSON Web Key Set.
    pub(crate) async fn subject_keys(&self) -> Result<serde_json::Value, CredentialError> {
        Ok(self.oauth.subject.keys().await?)
    }

    /// What this gateway says of itself to authorization servers, and where; none without a public
    /// address with `https`.
    pub(crate) fn client_document(&self) -> Option<(String, serde_json::Value)> {
        let declared = self.declared.load();
        let address = &declared.address;
        address.starts_with("https://").then(|| {
            let id = format!("{address}{CLIENT_PATH}");
            let document = server::described(&id, &declared.gateway, address);
            (id, document)
        })
    }

    /// Waits for what is being renewed.
    pub(crate) async fn close(&self) {
        self.oauth.tasks.close();
        self.oauth.tasks.wait().await;
    }
}

fn holder(name: &str, whose: &Whose) -> Holder {
    let person = match whose {
        Whose::Person(person) => Some(person.clone()),
        Whose::Service | Whose::Each => None,
    };
    Holder {
        name: name.to_owned(),
        person,
    }
}

/// What a version is called: nothing of the token can be learnt from it.
fn version(revision: u64, token: &str) -> Version {
    Version {
        id: format!("oauth-{revision}").into(),
        secret: Secret::new(token.to_owned()),
    }
}

fn revision(version: &str) -> Option<u64> {
    version.strip_prefix("oauth-")?.parse().ok()
}

/// How long an authorization server may take.
fn limit(file: &OauthFile) -> Duration {
    file.timeout.map_or(LONGEST, |limit| limit.duration())
}
