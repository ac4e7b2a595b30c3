//! `notifications` in `drawbridge.yaml`: how people are told that something waits for them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How people are told that something waits for them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Notifications {
    /// By e-mail, to those who are asked.
    #[serde(default)]
    pub email: Option<EmailFile>,
    /// By a signed request to these addresses (Standard Webhooks), for chat and paging systems.
    #[serde(default)]
    #[schemars(length(max = 10))]
    pub webhooks: Vec<WebhookFile>,
}

/// The mail server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EmailFile {
    /// Host and port, such as `smtp.acme.example:587`.
    pub server: String,
    /// The sender's address.
    pub from: String,
    /// How the connection is protected. Default `starttls`.
    #[serde(default)]
    pub security: Security,
    /// The account at the mail server, where it asks for one.
    #[serde(default)]
    pub user: Option<String>,
    /// Its password: `env:NAME` for a variable that holds it.
    #[serde(default)]
    pub password: Option<String>,
}

/// How the connection to a mail server is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Security {
    /// In the open at first, then TLS: nothing is sent before.
    #[default]
    Starttls,
    /// TLS from the beginning.
    Tls,
    /// Not at all: only to a server on this machine.
    None,
}

/// An address that is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WebhookFile {
    /// Where to; `https` unless it is on this machine.
    pub url: String,
    /// The secret it is signed with: `env:NAME` for a variable that holds `whsec_` and base64.
    pub secret: String,
}
