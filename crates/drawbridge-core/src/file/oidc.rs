//! `oidc` in `drawbridge.yaml`: sign-in by the organisation's identity provider.

use std::{collections::BTreeMap, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::duration::Span;

/// Sign-in by an outside issuer: by its access tokens, and of browsers to the console.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OidcFile {
    /// The issuer, exactly as its tokens name it. `https` unless it is on this machine.
    pub issuer: String,
    /// The audience a token must have. Default: the gateway's address with `/mcp`.
    #[serde(default)]
    pub audience: Option<String>,
    /// How far clocks may differ. Default 60s.
    #[serde(default = "default_skew")]
    pub clock_skew: Span,
    /// Which claim holds what.
    #[serde(default)]
    pub claims: ClaimsFile,
    /// Scopes a token needs, and that clients are told to ask for.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// Lets people sign in to the console in their browser.
    #[serde(default)]
    #[schemars(with = "ConsoleFile")]
    pub console: Option<ConsoleFile>,
}

/// Sign-in of browsers to the console, by the authorization code flow of OpenID Connect with PKCE.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConsoleFile {
    /// The client that the issuer knows the console as.
    ///
    /// The address to register there is the gateway's, with `/sign-in/callback`.
    #[schemars(length(min = 1, max = 500))]
    pub client_id: String,
    /// The credential that holds the client's secret: a name, never the secret. Without it, the
    /// console is a public client.
    #[serde(default)]
    pub client_secret: Option<String>,
    /// What is asked for. Default `[openid, email, profile]`.
    #[serde(default = "default_console_scopes")]
    #[schemars(length(min = 1, max = 50))]
    pub scopes: Vec<String>,
    /// How long somebody stays signed in, from 1m to 30d. Default 12h. Groups and attributes are
    /// those of the sign-in until then.
    #[serde(default = "default_session")]
    pub session: Span,
}

impl ConsoleFile {
    /// The shortest session.
    pub const SHORTEST_SESSION: Duration = Duration::from_secs(60);
    /// The longest session.
    pub const LONGEST_SESSION: Duration = Duration::from_secs(30 * 24 * 3600);
}

/// Which claim of an access token, or of an ID token, holds what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClaimsFile {
    /// The person's id. Default `sub`. Take a claim that people cannot change themselves. `email`
    /// counts only beside `email_verified: true`.
    #[serde(default = "default_person_claim")]
    pub person: String,
    /// The client's id. Default `client_id`, else `azp`.
    #[serde(default = "default_client_claim")]
    pub client: String,
    /// A list of group names. Default `groups`.
    #[serde(default = "default_groups_claim")]
    pub groups: String,
    /// Attribute name to claim name.
    #[serde(default)]
    pub attributes: BTreeMap<String, String>,
}

impl Default for ClaimsFile {
    fn default() -> Self {
        Self {
            person: default_person_claim(),
            client: default_client_claim(),
            groups: default_groups_claim(),
            attributes: BTreeMap::new(),
        }
    }
}

fn default_skew() -> Span {
    Span::new(Duration::from_secs(60))
}

fn default_person_claim() -> String {
    "sub".to_owned()
}

fn default_client_claim() -> String {
    "client_id".to_owned()
}

fn default_groups_claim() -> String {
    "groups".to_owned()
}

fn default_console_scopes() -> Vec<String> {
    ["openid", "email", "profile"].map(str::to_owned).into()
}

fn default_session() -> Span {
    Span::new(Duration::from_secs(12 * 3600))
}
