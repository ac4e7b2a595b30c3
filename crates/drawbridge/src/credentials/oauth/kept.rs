//! What is kept of a grant, and sealing it.

use drawbridge_core::{
    credential::Version,
    file::{Grant, OauthFile},
    secret::Secret,
};
use jiff::Timestamp;
use oauth2::TokenResponse;
use rmcp::transport::auth::StoredCredentials;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{BEFORE_END, OauthError, server::OFFLINE, version};
use crate::{
    credentials::{
        CredentialError, Credentials,
        key::{Make, SealingKey},
    },
    store::{Holder, KeptGrant, NewGrant},
};

/// What is kept of a grant, sealed.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Held {
    /// What it is for, as the file said then: for another it is of no use.
    pub(super) resource: String,
    /// The authorization server that gave it.
    pub(super) issuer: String,
    /// The client that it was given to.
    pub(super) client: Client,
    /// The tokens; none where the server ended them.
    pub(super) tokens: Option<StoredCredentials>,
    /// The scopes that were asked for when it was given.
    pub(super) asked: Vec<String>,
    /// The scopes that the server refused then.
    #[serde(default)]
    pub(super) refused: Vec<String>,
}

/// A client, as an authorization server knows it.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Client {
    pub(super) id: String,
    /// Its secret, where it registered itself and was given one. One of the file's own is not kept here.
    pub(super) secret: Option<String>,
}

/// A grant as it stands.
#[derive(Default)]
pub(super) struct Kept {
    /// Zero where nothing was ever kept.
    pub(super) revision: u64,
    pub(super) held: Option<Held>,
    /// Scopes that the target asked for and that were not granted.
    pub(super) lacking: Vec<String>,
}

impl Held {
    pub(super) fn token(&self) -> Option<&str> {
        let response = self.tokens.as_ref()?.token_response.as_ref()?;
        Some(response.access_token().secret())
    }

    pub(super) fn can_refresh(&self) -> bool {
        let response = self
            .tokens
            .as_ref()
            .and_then(|one| one.token_response.as_ref());
        response.is_some_and(|response| response.refresh_token().is_some())
    }

    /// Whether the token is good, and whether it goes on for long enough not to be renewed.
    fn stands(&self, now: Timestamp) -> (bool, bool) {
        let Some(tokens) = self.tokens.as_ref() else {
            return (false, false);
        };
        let response = tokens.token_response.as_ref();
        let life = response.and_then(TokenResponse::expires_in);
        let Some((life, since)) = life.zip(tokens.token_received_at) else {
            return (response.is_some(), response.is_some());
        };
        let now = u64::try_from(now.as_second()).unwrap_or_default();
        let rest = life.as_secs().saturating_sub(now.saturating_sub(since));
        let soon = BEFORE_END.as_secs().min(life.as_secs() / 2);
        (rest > 0, rest > soon)
    }

    /// Whether more was asked for than the file allows by now.
    fn exceeds(&self, file: &OauthFile) -> bool {
        let allowed = |scope: &String| file.allows(scope) || scope == OFFLINE;
        let all = self.asked.iter().all(allowed);
        !all || (self.asked.is_empty() && !file.scopes.is_empty())
    }

    /// The scopes to ask for with a refresh token that is for more than the file allows by now: nothing
    /// where it is for no more, and an empty list where it is for nothing that the file allows.
    pub(super) fn narrower(&self, file: &OauthFile) -> Option<Vec<String>> {
        let granted = self.tokens.as_ref().map(|tokens| &tokens.granted_scopes);
        let Some(granted) = granted.filter(|granted| !granted.is_empty()) else {
            return (!file.scopes.is_empty()).then(|| file.scopes.clone());
        };
        let allowed = |scope: &&String| file.allows(scope) || *scope == OFFLINE;
        let mut within: Vec<String> = granted.iter().filter(allowed).cloned().collect();
        if within.len() == granted.len() {
            return None;
        }
        if within.iter().all(|scope| scope == OFFLINE) {
            within.clear();
        }
        Some(within)
    }

    /// The scopes that were granted, or where the server did not say, those that were asked for.
    pub(super) fn granted(&self) -> Vec<String> {
        let granted = self.tokens.as_ref().map(|tokens| &tokens.granted_scopes);
        granted
            .filter(|granted| !granted.is_empty())
            .unwrap_or(&self.asked)
            .clone()
    }
}

impl Kept {
    /// Whether it stands for a while yet and need not be replaced: the token.
    pub(super) fn fresh(&self, file: &OauthFile, now: Timestamp) -> Option<Version> {
        let held = self.held.as_ref()?;
        // What a person must agree to is not had by renewing; what the gateway itself asks for is.
        let asks = file.grant != Grant::AuthorizationCode;
        let known = |scope: &String| held.asked.contains(scope) || held.refused.contains(scope);
        let more = asks && !self.lacking.iter().chain(&file.scopes).all(known);
        let fresh = held.stands(now).1 && !more && !held.exceeds(file);
        fresh
            .then(|| held.token())
            .flatten()
            .map(|token| version(self.revision, token))
    }

    /// Which of the scopes that the target asked for are dealt with once this is renewed: none where a
    /// person must agree to them.
    pub(super) fn dealt_with(&self, file: &OauthFile) -> String {
        match file.grant {
            Grant::AuthorizationCode => String::new(),
            Grant::ClientCredentials | Grant::TokenExchange => self.lacking.join(" "),
        }
    }

    /// The token, where it is good at this moment.
    pub(super) fn good(&self, file: &OauthFile, now: Timestamp) -> Option<Version> {
        let held = self.held.as_ref()?;
        let good = held.stands(now).0 && !held.exceeds(file);
        good.then(|| held.token())
            .flatten()
            .map(|token| version(self.revision, token))
    }
}

impl Credentials {
    /// What is kept for a holder, as far as it is what the file asks for.
    pub(super) async fn kept(
        &self,
        holder: &Holder,
        file: &OauthFile,
    ) -> Result<Kept, CredentialError> {
        let Some(kept) = self.store.grant(holder).await? else {
            return Ok(Kept::default());
        };
        let KeptGrant { revision, .. } = kept;
        let lacking = kept.lacking.split_whitespace();
        let lacking = lacking.filter(|scope| file.allows(scope));
        let lacking = lacking.map(str::to_owned).collect();
        let held = match kept.sealed {
            None => None,
            Some(sealed) => {
                let key = kept.sealing_key.unwrap_or_default();
                let held: Held = self.opened(("grant", holder), (&sealed, &key)).await?;
                let same = held.resource == file.resource
                    && file
                        .client_id
                        .as_ref()
                        .is_none_or(|id| *id == held.client.id)
                    && file
                        .issuer
                        .as_ref()
                        .is_none_or(|issuer| *issuer == held.issuer);
                same.then_some(held)
            }
        };
        Ok(Kept {
            revision,
            held,
            lacking,
        })
    }

    /// The token, unless it was refused or must be renewed.
    pub(super) fn usable(&self, holder: &Holder, file: &OauthFile, kept: &Kept) -> Option<Version> {
        let now = self.clock.monotonic();
        let refused = self.oauth.is_refused(holder, kept.revision, now);
        kept.fresh(file, self.clock.now()).filter(|_| !refused)
    }

    /// A grant, sealed to be kept.
    pub(super) async fn sealed_grant(
        &self,
        holder: &Holder,
        held: &Held,
    ) -> Result<NewGrant, CredentialError> {
        let (sealed, sealing_key) = self.closed(("grant", holder), held).await?;
        Ok(NewGrant {
            holder: holder.clone(),
            sealed,
            sealing_key,
            at: self.clock.now(),
        })
    }

    /// Seals what belongs to a holder, with the key that secrets are sealed with.
    pub(super) async fn closed(
        &self,
        (what, holder): (&str, &Holder),
        value: &impl Serialize,
    ) -> Result<(Vec<u8>, String), CredentialError> {
        let keys = self.store.sealing_keys().await?;
        let make = if keys.is_empty() {
            Make::Allowed
        } else {
            Make::Refused
        };
        let key = self.own_key(make).await?;
        if keys.iter().any(|other| other != key.id()) {
            return Err(CredentialError::OtherKeys);
        }
        let text = serde_json::to_string(value).map_err(|_| CredentialError::NotSealed)?;
        let sealed = key.seal((&bound(what, holder), ""), &Secret::new(text));
        let sealed = sealed.ok_or(CredentialError::NotSealed)?;
        Ok((sealed, key.id().to_owned()))
    }

    /// Opens what was sealed for a holder.
    pub(super) async fn opened<T: DeserializeOwned>(
        &self,
        (what, holder): (&str, &Holder),
        (sealed, sealed_with): (&[u8], &str),
    ) -> Result<T, CredentialError> {
        let key = self.own_key(Make::Refused).await?;
        let name = || holder.name.clone();
        if !sealed_with.is_empty() && key.id() != sealed_with {
            let (other, own) = (sealed_with.to_owned(), key.id().to_owned());
            return Err(CredentialError::OtherGrantKey(name(), other, own));
        }
        let changed = || CredentialError::GrantChanged(name());
        let text = key.open((&bound(what, holder), ""), sealed);
        let text = text.ok_or_else(changed)?;
        // What serde says of it may hold a piece of it.
        serde_json::from_str(text.expose()).map_err(|_| changed())
    }

    async fn own_key(&self, make: Make) -> Result<SealingKey, CredentialError> {
        let at = self.declared.load().sealing_key.clone();
        self.key(at, make).await
    }
}

/// What it is bound to, apart from every secret: no name of a credential holds a space or a NUL.
fn bound(what: &str, holder: &Holder) -> String {
    let person = holder.person.as_deref().unwrap_or_default();
    format!("oauth {what}\0{}\0{person}", holder.name)
}

impl From<OauthError> for CredentialError {
    fn from(error: OauthError) -> Self {
        Self::Oauth(error)
    }
}
