//! A person agrees in a browser: what they are sent to, and what comes back.
//!
//! The browser comes back to the command line of whoever began, on their own machine (RFC 8252). Somebody
//! else who follows the same address comes back to their own machine, where nobody waits for them: so
//! nobody's account is connected by a link that somebody sent.

use std::time::Duration;

use drawbridge_core::{file::OauthFile, secret::Secret};
use reqwest::Url;
use rmcp::transport::auth::{
    AuthorizationCallback, CredentialStore, InMemoryCredentialStore, InMemoryStateStore,
    StateStore, StoredAuthorizationState,
};
use serde::{Deserialize, Serialize};

use super::{
    OauthError,
    kept::{Client, Held},
    limit,
    problem::word,
    server::{Server, back},
};
use crate::{
    credentials::{CredentialError, Credentials},
    store::{Begun, Holder, NewGrant},
};

/// How long somebody may take to agree.
const AGREE_WITHIN: Duration = Duration::from_secs(600);
/// What a client of the gateway is called where it registers itself.
const NAME: &str = "Drawbridge";

/// What somebody wants to agree to.
pub(crate) struct Wish<'a> {
    pub(crate) holder: &'a Holder,
    pub(crate) file: &'a OauthFile,
    /// Who wants it.
    pub(crate) by: &'a str,
}

/// What came of it.
pub(crate) struct Agreed {
    pub(crate) grant: NewGrant,
    pub(crate) issuer: String,
    pub(crate) scopes: Vec<String>,
}

/// What is kept until they have agreed.
#[derive(Serialize, Deserialize)]
struct Pending {
    resource: String,
    issuer: String,
    client: Client,
    asked: Vec<String>,
    port: u16,
    state: StoredAuthorizationState,
}

impl Credentials {
    /// Where to send a browser that comes back to this port of the machine it runs on.
    pub(crate) async fn to_agree(
        &self,
        wish: &Wish<'_>,
        port: u16,
    ) -> Result<(String, Begun), CredentialError> {
        let within = limit(wish.file) * 2;
        let asked = tokio::time::timeout(within, self.asked_to_agree(wish, port)).await;
        asked.unwrap_or_else(|_| Err(OauthError::Slow(within).into()))
    }

    async fn asked_to_agree(
        &self,
        Wish { holder, file, by }: &Wish<'_>,
        port: u16,
    ) -> Result<(String, Begun), CredentialError> {
        let kept = self.kept(holder, file).await?;
        let mut server = Server::find(file).await?;
        server.takes_codes()?;
        // Who connects again keeps what they had, and gets what was lacking.
        let mut beside = kept.held.as_ref().map(Held::granted).unwrap_or_default();
        beside.extend(kept.lacking.iter().cloned());
        let asked = server.scopes(file, &beside).await;
        let words: Vec<&str> = asked.iter().map(String::as_str).collect();
        let client = self.client(&mut server, file, (port, &words)).await?;
        let secret = self.client_secret(file, &server).await?;
        server.speak_as(&client, secret, &back(port))?;
        let states = InMemoryStateStore::new();
        server.manager.set_state_store(states.clone());
        let address = server.manager.get_authorization_url(&words).await;
        let address = address.map_err(OauthError::from)?;
        let state = parameter(&address, "state").ok_or(OauthError::Form)?;
        let stored = states.load(&state).await.map_err(OauthError::from)?;
        let pending = Pending {
            resource: file.resource.clone(),
            issuer: server.issuer.clone(),
            client,
            asked,
            port,
            state: stored.ok_or(OauthError::Form)?,
        };
        let (sealed, _) = self.closed(("begun", holder), &pending).await?;
        let now = self.clock.now();
        let begun = Begun {
            state: self.known_by(&state),
            holder: (*holder).clone(),
            by: (*by).to_owned(),
            sealed,
            expires: now.checked_add(AGREE_WITHIN).unwrap_or(now),
        };
        Ok((address, begun))
    }

    /// As whom the gateway asks: as the file says, else by its own metadata document, else as one that
    /// registers itself.
    async fn client(
        &self,
        server: &mut Server,
        file: &OauthFile,
        (port, scopes): (u16, &[&str]),
    ) -> Result<Client, OauthError> {
        if let Some(id) = &file.client_id {
            let (id, secret) = (id.clone(), None);
            return Ok(Client { id, secret });
        }
        if let (Some((id, _)), true) = (
            self.client_document(),
            server.says("client_id_metadata_document_supported"),
        ) {
            return Ok(Client { id, secret: None });
        }
        if server.metadata.registration_endpoint.is_none() {
            return Err(OauthError::NoRegistration);
        }
        let back = back(port);
        let registering = server.manager.register_client(NAME, &back, scopes);
        let registered = registering.await?;
        Ok(Client {
            id: registered.client_id,
            secret: registered.client_secret,
        })
    }

    /// What the browser came back with, exchanged for tokens. It works once.
    pub(crate) async fn agreed(
        &self,
        wish: &Wish<'_>,
        came_back: &Secret<String>,
    ) -> Result<Agreed, CredentialError> {
        let address = came_back.expose();
        let state = parameter(address, "state").ok_or(OauthError::NotBegun)?;
        let whose = (wish.holder, wish.by);
        let (known, now) = (self.known_by(&state), self.clock.now());
        let taken = self.store.take_begun(&known, whose, now).await?;
        let sealed = taken.ok_or(OauthError::NotBegun)?;
        let pending: Pending = self.opened(("begun", wish.holder), (&sealed, "")).await?;
        if let Some(error) = parameter(address, "error") {
            let mend = "agree there, or ask who runs it";
            let word = word(&error);
            return Err(OauthError::Refused { word, mend }.into());
        }
        let within = limit(wish.file) * 2;
        let exchanged = tokio::time::timeout(within, self.exchanged(wish, address, pending)).await;
        exchanged.unwrap_or_else(|_| Err(OauthError::Slow(within).into()))
    }

    async fn exchanged(
        &self,
        Wish { holder, file, .. }: &Wish<'_>,
        address: &str,
        pending: Pending,
    ) -> Result<Agreed, CredentialError> {
        let callback = AuthorizationCallback::from_redirect_url(address);
        let callback = callback.map_err(OauthError::from)?;
        let mut server = Server::find(file).await?;
        // Neither the file nor the server may have become another meanwhile.
        if server.issuer != pending.issuer || file.resource != pending.resource {
            return Err(OauthError::OtherIssuer.into());
        }
        server.takes_codes()?;
        let secret = self.client_secret(file, &server).await?;
        server.speak_as(&pending.client, secret, &back(pending.port))?;
        let (states, keep) = (InMemoryStateStore::new(), InMemoryCredentialStore::new());
        let saved = states.save(&callback.csrf_token, pending.state).await;
        saved.map_err(OauthError::from)?;
        server.manager.set_state_store(states);
        server.manager.set_credential_store(keep.clone());
        let (code, state) = (&callback.code, &callback.csrf_token);
        let issuer = callback.issuer.as_deref();
        let exchanging = server
            .manager
            .exchange_code_for_token_with_issuer(code, state, issuer);
        exchanging.await.map_err(OauthError::from)?;
        let held = Held {
            resource: pending.resource,
            issuer: pending.issuer,
            client: pending.client,
            tokens: keep.load().await.map_err(OauthError::from)?,
            asked: pending.asked,
            refused: Vec::new(),
        };
        Ok(Agreed {
            grant: self.sealed_grant(holder, &held).await?,
            scopes: held.granted(),
            issuer: held.issuer,
        })
    }

    /// By what a state is known again: the store does not hold it itself.
    fn known_by(&self, state: &str) -> String {
        self.oauth.states.digest(state.as_bytes())
    }
}

fn parameter(address: &str, name: &str) -> Option<String> {
    let url = Url::parse(address).ok()?;
    let mut pairs = url.query_pairs();
    let found = pairs.find(|(key, _)| key == name);
    found.map(|(_, value)| value.into_owned())
}
