//! Signing in by the authorization code flow with PKCE: where the browser is sent, and what its code is
//! worth.

use std::borrow::Cow;

use drawbridge_core::{
    answer::{Failure, Status},
    credential::{Admission, Credential, admitted},
    file::ConsoleFile,
    secret::Secret,
};
use oauth2::{
    AuthType, AuthUrl, AuthorizationCode, Client, ClientId, ClientSecret, CsrfToken,
    ExtraTokenFields, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, RequestTokenError, Scope,
    StandardRevocableToken, StandardTokenResponse, TokenUrl,
    basic::{
        BasicErrorResponse, BasicErrorResponseType, BasicRevocationErrorResponse,
        BasicTokenIntrospectionResponse, BasicTokenType,
    },
};
use reqwest::Url;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tracing::warn;

use super::{
    super::{SignInError, bind::Signed, jwt, jwt::Expected, jwt::Head},
    Issuer,
    ask::{Unanswered, checked},
};
use crate::credentials::word;

/// What the issuer says of how browsers sign in.
#[derive(Clone)]
pub(super) struct Endpoints {
    authorization: Option<Url>,
    token: Option<Url>,
    /// Whether it names itself to who comes back (RFC 9207).
    names_itself: bool,
    /// Whether it takes PKCE with S256. Who says nothing of PKCE may take it.
    pkce: bool,
    /// How a client says who it is.
    by: AuthType,
}

/// One browser's sign-in, from when it is sent until it comes back.
#[derive(Serialize, Deserialize)]
pub(in crate::identify) struct Flow {
    pub(in crate::identify) state: String,
    pub(in crate::identify) nonce: String,
    pub(in crate::identify) verifier: String,
    /// Where the browser comes back to.
    pub(in crate::identify) back: String,
}

/// The part of a token endpoint's answer that is asked for.
#[derive(Serialize, Deserialize)]
struct IdToken {
    id_token: Option<String>,
}

impl ExtraTokenFields for IdToken {}

impl std::fmt::Debug for IdToken {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("IdToken(…)")
    }
}

type Console = Client<
    BasicErrorResponse,
    StandardTokenResponse<IdToken, BasicTokenType>,
    BasicTokenIntrospectionResponse,
    StandardRevocableToken,
    BasicRevocationErrorResponse,
>;

impl Endpoints {
    /// An endpoint that may not be asked is as good as none.
    pub(super) fn read(metadata: &Value) -> Self {
        let endpoint = |key: &str| checked(metadata.get(key)?.as_str()?).ok();
        let list = |key: &str| metadata.get(key).and_then(Value::as_array);
        let has = |list: &Vec<Value>, word: &str| list.iter().any(|one| one.as_str() == Some(word));
        let methods = list("token_endpoint_auth_methods_supported");
        // Where it says nothing, the standard says that it is in a header.
        let in_header = methods.is_none_or(|methods| has(methods, "client_secret_basic"));
        let says = "authorization_response_iss_parameter_supported";
        Self {
            authorization: endpoint("authorization_endpoint"),
            token: endpoint("token_endpoint"),
            names_itself: metadata.get(says) == Some(&Value::Bool(true)),
            pkce: list("code_challenge_methods_supported").is_none_or(|list| has(list, "S256")),
            by: if in_header {
                AuthType::BasicAuth
            } else {
                AuthType::RequestBody
            },
        }
    }
}

impl Issuer {
    /// Where a browser is sent to sign in.
    pub(in crate::identify) async fn address(
        &self,
        console: &ConsoleFile,
        flow: &Flow,
    ) -> Result<String, SignInError> {
        let endpoints = self.endpoints().await?;
        if !endpoints.pkce {
            warn!(issuer = %self.oidc.issuer, "the issuer does not take PKCE with S256");
            return Err(SignInError::Form);
        }
        let address = endpoints.authorization.ok_or(SignInError::Form)?;
        let verifier = PkceCodeVerifier::new(flow.verifier.clone());
        let back = RedirectUrl::new(flow.back.clone()).map_err(|_| SignInError::Elsewhere)?;
        let state = flow.state.clone();
        let client = Console::new(ClientId::new(console.client_id.clone()))
            .set_auth_uri(AuthUrl::from_url(address))
            .set_redirect_uri(back);
        let scopes = console.scopes.iter().cloned().map(Scope::new);
        let request = client
            .authorize_url(move || CsrfToken::new(state))
            .set_pkce_challenge(PkceCodeChallenge::from_code_verifier_sha256(&verifier))
            .add_scopes(scopes)
            .add_extra_param("nonce", flow.nonce.clone());
        Ok(request.url().0.into())
    }

    /// Whether who came back comes from here: an issuer that names itself must do so.
    pub(in crate::identify) async fn sent(&self, named: Option<&str>) -> Result<(), SignInError> {
        let must = self.endpoints().await?.names_itself;
        let good = named.map_or(!must, |named| named == self.oidc.issuer);
        good.then_some(()).ok_or(SignInError::OtherIssuer)
    }

    /// Who signed in, by the code that the browser brought.
    pub(in crate::identify) async fn signed_in(
        &self,
        console: &ConsoleFile,
        (flow, code): (&Flow, &str),
        secret: Option<&dyn Credential>,
    ) -> Result<Signed, SignInError> {
        let token = match secret {
            None => match self.exchanged(console, (flow, code), None).await {
                Exchanged::Token(token) => token,
                Exchanged::NotThisClient => Err(SignInError::Client),
                Exchanged::Unanswered => Err(SignInError::Unreachable),
            },
            Some(credential) => {
                let exchanging = |secret| self.admission(console, (flow, code), secret);
                let admitted = admitted(credential, exchanging).await;
                admitted.unwrap_or_else(|failure| match failure.status {
                    Status::Denied => Err(SignInError::Client),
                    Status::Timeout => Err(SignInError::Unreachable),
                    _ => Err(SignInError::ClientSecret(failure.message)),
                })
            }
        }?;
        self.told(&console.client_id, flow, token.expose()).await
    }

    /// How the issuer took the client's secret. A code that it refuses was refused to a client that it
    /// let in.
    async fn admission(
        &self,
        console: &ConsoleFile,
        asked: (&Flow, &str),
        secret: Secret<String>,
    ) -> Admission<Result<Secret<String>, SignInError>> {
        let failure = |status| Failure::new(status, "the issuer gave no token");
        match self.exchanged(console, asked, Some(secret)).await {
            Exchanged::Token(token) => Admission::LetIn(token),
            Exchanged::NotThisClient => Admission::Refused(failure(Status::Denied)),
            Exchanged::Unanswered => Admission::Failed(failure(Status::Timeout)),
        }
    }

    async fn exchanged(
        &self,
        console: &ConsoleFile,
        (flow, code): (&Flow, &str),
        secret: Option<Secret<String>>,
    ) -> Exchanged {
        let endpoints = match self.endpoints().await {
            Ok(endpoints) => endpoints,
            Err(error) => return Exchanged::Token(Err(error)),
        };
        let back = RedirectUrl::new(flow.back.clone());
        let (Some(address), Ok(back)) = (endpoints.token, back) else {
            return Exchanged::Token(Err(SignInError::Form));
        };
        let mut client = Console::new(ClientId::new(console.client_id.clone()))
            .set_token_uri(TokenUrl::from_url(address))
            .set_auth_type(endpoints.by);
        if let Some(secret) = secret {
            client = client.set_client_secret(ClientSecret::new(secret.expose().clone()));
        }
        let exchanged = client
            .exchange_code(AuthorizationCode::new(code.to_owned()))
            .set_pkce_verifier(PkceCodeVerifier::new(flow.verifier.clone()))
            .set_redirect_uri(Cow::Borrowed(&back))
            .request_async(&self.ask)
            .await;
        match exchanged {
            Ok(answer) => {
                let token = answer.extra_fields().id_token.clone();
                Exchanged::Token(token.map(Secret::new).ok_or(SignInError::Form))
            }
            Err(error) => self.not_exchanged(error),
        }
    }

    /// What an issuer says of a code that it takes not. Nothing of that is shown but words of the standard.
    fn not_exchanged(&self, error: RequestTokenError<Unanswered, BasicErrorResponse>) -> Exchanged {
        let issuer = &self.oidc.issuer;
        match error {
            RequestTokenError::ServerResponse(answer) => {
                let said = answer.error().to_string();
                let known = word(&said);
                warn!(%issuer, "the issuer gives no token: {}", known.unwrap_or("no known reason"));
                match answer.error() {
                    BasicErrorResponseType::InvalidClient
                    | BasicErrorResponseType::UnauthorizedClient => Exchanged::NotThisClient,
                    _ => Exchanged::Token(Err(SignInError::Refused(known))),
                }
            }
            RequestTokenError::Request(fault) => {
                warn!(%issuer, "the issuer gives no token: {fault}");
                Exchanged::Unanswered
            }
            RequestTokenError::Parse(..) | RequestTokenError::Other(_) => {
                warn!(%issuer, "the issuer's token endpoint does not answer as the standard says");
                Exchanged::Token(Err(SignInError::Form))
            }
        }
    }

    /// What an ID token says.
    async fn told(&self, client: &str, flow: &Flow, token: &str) -> Result<Signed, SignInError> {
        let head = Head::read(token).filter(|head| !head.is_for_access());
        let head = head.ok_or(SignInError::Token)?;
        let claims = self.claims(&head, token).await?;
        let expected = Expected {
            oidc: &self.oidc,
            audiences: &[client.to_owned()],
            now: self.clock.now(),
        };
        jwt::signed_in(&claims, &expected, (client, &flow.nonce))
    }

    async fn endpoints(&self) -> Result<Endpoints, SignInError> {
        if self.current().is_none() {
            self.look(None).await;
        }
        let fetched = self.current().ok_or(SignInError::Unreachable)?;
        Ok(fetched.endpoints.clone())
    }
}

/// What came of a code.
enum Exchanged {
    /// The issuer took the client at its word.
    Token(Result<Secret<String>, SignInError>),
    /// It did not take the client for the one it says it is.
    NotThisClient,
    /// It did not answer in time, or with more than is taken.
    Unanswered,
}
