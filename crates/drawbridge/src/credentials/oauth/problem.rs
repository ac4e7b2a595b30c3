//! Why there is no token. Nothing of it comes from what an authorization server says, but for the few
//! words that the standard knows.

use std::time::Duration;

use drawbridge_core::answer::{Failure, Status};
use rmcp::transport::auth::AuthError;

/// Errors that an authorization server can name, by the standards.
const WORDS: &[&str] = &[
    "access_denied",
    "consent_required",
    "interaction_required",
    "invalid_client",
    "invalid_client_metadata",
    "invalid_grant",
    "invalid_redirect_uri",
    "invalid_request",
    "invalid_scope",
    "invalid_target",
    "login_required",
    "server_error",
    "temporarily_unavailable",
    "unauthorized_client",
    "unsupported_grant_type",
    "unsupported_response_type",
];

/// Why there is no token.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum OauthError {
    #[error(
        "nobody has connected the account of `{0}` yet; whoever may set its secret runs `drawbridge \
         secret connect {0}`"
    )]
    NotConnected(String),
    #[error(
        "the access of `{0}` has ended; whoever may set its secret runs `drawbridge secret connect {0}` \
         again"
    )]
    Ended(String),
    #[error("`{0}` is there for each person's own account, and nobody is named; ask as a person")]
    ForPeople(String),
    #[error(
        "`{0}` is one account for everyone, and cannot be each person's own; write `acts_for: service`, or \
         another grant under `credentials.{0}` in drawbridge.yaml"
    )]
    ForEveryone(String),
    #[error("you have not connected an account of your own yet")]
    NotYours,
    #[error("the access that you gave has ended")]
    YoursEnded,
    #[error(
        "the authorization server has not answered for {} s; check that it runs, and try again",
        .0.as_secs_f32()
    )]
    Slow(Duration),
    #[error(
        "the authorization server cannot be reached; check `resource` and `issuer`, and that it runs"
    )]
    Unreachable,
    #[error(
        "the authorization server answers with the status {0}; look at its own log, and try again"
    )]
    Down(u16),
    #[error("`{0}` is not where tokens may be asked for; it must be reached by https, in public")]
    Unsafe(String),
    #[error(
        "nothing at `{0}` says which authorization server guards it; write `issuer`, or ask who runs it"
    )]
    Unguarded(String),
    #[error(
        "the authorization server calls itself another than it should; check `issuer` and `resource`, and \
         do not go on if nobody changed them"
    )]
    OtherIssuer,
    #[error(
        "what guards the server says that it is for another address than `{0}`; check `resource`"
    )]
    OtherResource(String),
    #[error(
        "the authorization server does not say that it takes PKCE with S256, and without that a code could \
         be stolen; ask who runs it"
    )]
    NoPkce,
    #[error(
        "the authorization server registers no clients by itself; register one there, and write \
         `client_id`"
    )]
    NoRegistration,
    #[error("the authorization server refuses it (`{word}`); {mend}", word = word.unwrap_or("no reason"))]
    Refused {
        word: Option<&'static str>,
        mend: &'static str,
    },
    #[error("the authorization server answers what is no answer of one; ask who runs it")]
    Form,
    #[error("this was not begun here, not by you, or longer than ten minutes ago; begin again")]
    NotBegun,
    #[error("the secret of the client cannot be had: {0}")]
    ClientSecret(String),
    #[error("the statement about the person cannot be signed: {0}; check `.drawbridge/keys`")]
    Unsigned(String),
}

impl OauthError {
    /// What an AI client is told: where it is the person who must do something, that; nothing else.
    pub(crate) fn told(&self, connector: Option<&str>) -> Option<Failure> {
        let connect = || {
            let connector = connector.unwrap_or("CONNECTOR");
            format!("tell the person to run `drawbridge connect {connector}`, and ask again then")
        };
        match self {
            Self::NotYours | Self::YoursEnded => {
                let told = format!("{self}; {}", connect());
                Some(Failure::new(Status::Denied, told))
            }
            Self::Slow(_) => {
                let told = "the authorization server did not give a token in time; try again";
                Some(Failure::new(Status::Timeout, told))
            }
            Self::NotConnected(_) | Self::Ended(_) => {
                let told = "nobody has connected the connector's account, or its access has ended; tell \
                            whoever keeps the connector";
                Some(Failure::new(Status::Unavailable, told))
            }
            _ => None,
        }
    }

    /// How an operation ends that somebody does by hand, who may know why.
    pub(crate) fn failure(self) -> Failure {
        let status = match &self {
            Self::Slow(_) => Status::Timeout,
            Self::Unreachable | Self::Down(_) => Status::Unavailable,
            Self::NotBegun => Status::NotFound,
            _ => Status::Failed,
        };
        Failure::new(status, self.to_string())
    }
}

/// The word of the standard that stands in this, if one does.
pub(crate) fn word(said: &str) -> Option<&'static str> {
    let is_word = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let mut said = said.split(|letter| !is_word(letter));
    said.find_map(|one| WORDS.iter().find(|word| **word == one).copied())
}

impl From<AuthError> for OauthError {
    fn from(error: AuthError) -> Self {
        let again = "check its client and scopes, or connect again";
        match error {
            AuthError::AuthorizationServerMismatch { .. }
            | AuthError::AuthorizationServerMissingIssuer { .. } => Self::OtherIssuer,
            AuthError::PkceUnsupported => Self::NoPkce,
            AuthError::NoAuthorizationSupport => Self::Form,
            AuthError::ProtectedResourceMetadataInvalid { .. } => {
                Self::OtherResource("its own".to_owned())
            }
            AuthError::AuthorizationServersUnavailable { .. } => Self::Unreachable,
            AuthError::DiscoveryRequestFailed { source, .. } => reached(&*source),
            AuthError::TokenRefreshRejected(said)
            | AuthError::TokenRefreshFailed(said)
            | AuthError::TokenExchangeFailed(said)
            | AuthError::ClientCredentialsError(said)
            | AuthError::RegistrationFailed(said)
            | AuthError::AuthorizationFailed(said) => match word(&said) {
                Some(word) => Self::Refused {
                    word: Some(word),
                    mend: again,
                },
                None if said.contains("not supported") => Self::NoRegistration,
                None if said.contains("equest failed") || said.contains("request error") => {
                    Self::Unreachable
                }
                None => Self::Form,
            },
            _ => Self::Form,
        }
    }
}

/// Why it was not reached, where the way there is our own.
fn reached(error: &(dyn std::error::Error + 'static)) -> OauthError {
    let ours = error.downcast_ref::<OauthError>();
    ours.cloned().unwrap_or(OauthError::Unreachable)
}
