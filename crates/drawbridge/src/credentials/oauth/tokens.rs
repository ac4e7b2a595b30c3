//! Asking an authorization server for tokens.

use base64::{Engine, engine::general_purpose::STANDARD};
use drawbridge_core::file::{Grant, OauthFile};
use jiff::Timestamp;
use rmcp::transport::auth::{
    AuthError, ClientCredentialsConfig, CredentialStore, InMemoryCredentialStore,
    OAuthTokenResponse, StoredCredentials,
};
use serde_json::Value;

use super::{
    OauthError,
    kept::{Client, Held, Kept},
    problem::word,
    server::{OFFLINE, Server, back},
};
use crate::{
    credentials::{CredentialError, Credentials},
    store::Holder,
};

const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";
/// What a server says to scopes that it does not know, or grants nobody.
const INVALID_SCOPE: &str = "invalid_scope";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
/// How a client says who it is, where the server tells no other way.
const METHODS: &str = "token_endpoint_auth_methods_supported";

/// Why a holder has no token.
pub(super) fn none(holder: &Holder, had: bool) -> OauthError {
    match (&holder.person, had) {
        (Some(_), false) => OauthError::NotYours,
        (Some(_), true) => OauthError::YoursEnded,
        (None, false) => OauthError::NotConnected(holder.name.clone()),
        (None, true) => OauthError::Ended(holder.name.clone()),
    }
}

impl Credentials {
    /// What is to stand in the place of what is kept.
    pub(super) async fn obtained(
        &self,
        holder: &Holder,
        file: &OauthFile,
        kept: &Kept,
    ) -> Result<Held, CredentialError> {
        if file.grant == Grant::AuthorizationCode {
            return self.refreshed(holder, file, kept).await;
        }
        let (mut server, secret) = self.found(file).await?;
        let secret = secret.unwrap_or_default();
        let tries = tries(&server, file, kept).await;
        let mut rest = tries.iter().peekable();
        let (asked, tokens) = loop {
            let asked = rest.next().ok_or(OauthError::Form)?;
            let given = self.given(&mut server, (file, asked), (holder, &secret));
            match given.await {
                Ok(tokens) => break (asked, tokens),
                // The target may want what nobody grants, and what it needs is had all the same.
                Err(CredentialError::Oauth(OauthError::Refused {
                    word: Some(INVALID_SCOPE),
                    ..
                })) if rest.peek().is_some() => {}
                Err(error) => return Err(error),
            }
        };
        let most = tries.first().into_iter().flatten();
        Ok(Held {
            resource: file.resource.clone(),
            issuer: server.issuer,
            client: Client {
                id: file.client_id.clone().unwrap_or_default(),
                secret: None,
            },
            tokens: Some(tokens),
            refused: most.filter(|one| !asked.contains(one)).cloned().collect(),
            asked: asked.clone(),
        })
    }

    /// The server, and the client's secret for it, in the time that the file allows. What is then asked of
    /// the server has a limit of its own: a refresh token that is on its way is not cut off for the time
    /// that was needed to find where it goes.
    async fn found(&self, file: &OauthFile) -> Result<(Server, Option<String>), CredentialError> {
        let limit = super::limit(file);
        let finding = async {
            let server = Server::find(file).await?;
            let secret = self.client_secret(file, &server).await?;
            Ok((server, secret))
        };
        let found = tokio::time::timeout(limit, finding).await;
        found.unwrap_or_else(|_| Err(OauthError::Slow(limit).into()))
    }

    /// By the client's secret: for itself, or for a person.
    async fn given(
        &self,
        server: &mut Server,
        (file, asked): (&OauthFile, &[String]),
        (holder, secret): (&Holder, &str),
    ) -> Result<StoredCredentials, CredentialError> {
        let known = (file.client_id.as_deref().unwrap_or_default(), secret);
        let Some(person) = &holder.person else {
            return Ok(as_itself(server, (file, asked), known).await?);
        };
        let (address, lives) = (self.declared.load().address.clone(), super::limit(file));
        let whose = (address.as_str(), server.issuer.as_str());
        let times = (self.clock.now(), lives);
        let subject = &self.oauth.subject;
        let stated = subject.stated(whose, person, times).await?;
        let stated = (stated.as_str(), self.clock.now());
        Ok(exchanged(server, (file, asked), known, stated).await?)
    }

    /// By the refresh token. One that the server refuses for good is not tried again.
    async fn refreshed(
        &self,
        holder: &Holder,
        file: &OauthFile,
        kept: &Kept,
    ) -> Result<Held, CredentialError> {
        let held = kept.held.as_ref().ok_or_else(|| none(holder, false))?;
        if !held.can_refresh() {
            return Err(none(holder, true).into());
        }
        let (mut server, secret) = self.found(file).await?;
        if server.issuer != held.issuer {
            return Err(OauthError::OtherIssuer.into());
        }
        server.speak_as(&held.client, secret, &back(0))?;
        let keep = InMemoryCredentialStore::new();
        if let Some(tokens) = held.tokens.clone() {
            keep.save(tokens).await.map_err(OauthError::from)?;
        }
        server.manager.set_credential_store(keep.clone());
        let narrower = held.narrower(file);
        if let Some(scopes) = &narrower {
            if scopes.is_empty() {
                return Err(none(holder, true).into());
            }
            server.manager.set_refresh_scopes(scopes.clone());
        }
        let tokens = match server.manager.refresh_token().await {
            Ok(_) => keep.load().await.map_err(OauthError::from)?,
            Err(AuthError::TokenRefreshRejected(_) | AuthError::AuthorizationRequired) => None,
            Err(error) => return Err(server.way.why(error).into()),
        };
        Ok(Held {
            tokens,
            asked: narrower.unwrap_or_else(|| held.asked.clone()),
            ..held.clone()
        })
    }

    /// The client's secret, from wherever the file says that it is kept.
    ///
    /// INVARIANT: it goes to the server that the file names, whichever the resource names.
    pub(super) async fn client_secret(
        &self,
        file: &OauthFile,
        server: &Server,
    ) -> Result<Option<String>, CredentialError> {
        let Some(name) = &file.client_secret else {
            return Ok(None);
        };
        if file.issuer.as_ref() != Some(&server.issuer) {
            return Err(OauthError::OtherIssuer.into());
        }
        let versions = self.plain_versions(name).await;
        let versions = versions.map_err(|error| OauthError::ClientSecret(error.to_string()))?;
        Ok(versions
            .first()
            .map(|newest| newest.secret.expose().clone()))
    }
}

/// What is asked for, the next where a server does not grant one: with what the target wants beside, as
/// before without that, and what is asked for from the start.
async fn tries(server: &Server, file: &OauthFile, kept: &Kept) -> Vec<Vec<String>> {
    let had = kept.held.as_ref().map(|held| held.asked.clone());
    let had = had.unwrap_or_default();
    let more = [had.as_slice(), &kept.lacking].concat();
    let mut tries = Vec::new();
    for beside in [more.as_slice(), &had, &[]] {
        let mut asked = server.scopes(file, beside).await;
        asked.retain(|scope| scope != OFFLINE);
        tries.push(asked);
    }
    tries.dedup();
    tries
}

/// As the client itself.
async fn as_itself(
    server: &mut Server,
    (file, asked): (&OauthFile, &[String]),
    (id, secret): (&str, &str),
) -> Result<StoredCredentials, OauthError> {
    let config = ClientCredentialsConfig::ClientSecret {
        client_id: id.to_owned(),
        client_secret: secret.to_owned(),
        scopes: asked.to_vec(),
        resource: Some(file.resource.clone()),
    };
    let keep = InMemoryCredentialStore::new();
    server.manager.set_credential_store(keep.clone());
    server
        .manager
        .validate_client_credentials_metadata(&config)?;
    server.manager.configure_client_credentials(&config)?;
    let exchanging = server.manager.exchange_client_credentials(&config).await;
    exchanging.map_err(|error| server.way.why(error))?;
    keep.load().await?.ok_or(OauthError::Form)
}

/// For a person, by a statement of this gateway's own (RFC 8693). No library at hand speaks it.
async fn exchanged(
    server: &Server,
    (file, asked): (&OauthFile, &[String]),
    (id, secret): (&str, &str),
    (stated, now): (&str, Timestamp),
) -> Result<StoredCredentials, OauthError> {
    let mut form = reqwest::Url::parse("form:").map_err(|_| OauthError::Form)?;
    {
        let mut pairs = form.query_pairs_mut();
        pairs.append_pair("grant_type", TOKEN_EXCHANGE);
        pairs.append_pair("subject_token", stated);
        pairs.append_pair("subject_token_type", JWT);
        pairs.append_pair("requested_token_type", ACCESS_TOKEN);
        pairs.append_pair("resource", &file.resource);
        if !asked.is_empty() {
            pairs.append_pair("scope", &asked.join(" "));
        }
        if !in_header(server) {
            pairs.append_pair("client_id", id);
            pairs.append_pair("client_secret", secret);
        }
    }
    let mut request = http::Request::post(&server.metadata.token_endpoint)
        .header("content-type", "application/x-www-form-urlencoded")
        .header("accept", "application/json");
    if in_header(server) {
        let plain = STANDARD.encode(format!("{}:{}", escaped(id), escaped(secret)));
        request = request.header("authorization", format!("Basic {plain}"));
    }
    let body = form.query().unwrap_or_default().as_bytes().to_vec();
    let request = request.body(body).map_err(|_| OauthError::Form)?;
    let answer = server.way.send(request).await?;
    if !answer.status().is_success() {
        let said = serde_json::from_slice::<Value>(answer.body()).unwrap_or_default();
        let named = said.get("error").and_then(Value::as_str);
        let mend = "check `client_id`, and that it trusts this gateway's statements about people";
        let word = named.and_then(word);
        return Err(OauthError::Refused { word, mend });
    }
    let response: OAuthTokenResponse =
        serde_json::from_slice(answer.body()).map_err(|_| OauthError::Form)?;
    let now = u64::try_from(now.as_second()).unwrap_or_default();
    let tokens = StoredCredentials::new(id.to_owned(), Some(response), Vec::new(), Some(now));
    Ok(tokens.with_issuer(Some(server.issuer.clone())))
}

/// Whether the client says who it is in a header: where the server takes nothing else.
fn in_header(server: &Server) -> bool {
    let methods = server.metadata.additional_fields.get(METHODS);
    let takes = |method: &str| {
        let methods = methods.and_then(Value::as_array).into_iter().flatten();
        methods.filter_map(Value::as_str).any(|one| one == method)
    };
    methods.is_some() && takes("client_secret_basic") && !takes("client_secret_post")
}

/// As a form writes it: so a name or secret stands in the header (RFC 6749, section 2.3.1).
fn escaped(text: &str) -> String {
    let Ok(mut form) = reqwest::Url::parse("form:") else {
        return String::new();
    };
    form.query_pairs_mut().append_pair("", text);
    let query = form.query().unwrap_or_default();
    query.trim_start_matches('=').to_owned()
}
