//! `credentials` in `drawbridge.yaml`: where the secret behind each name is kept. Never the secret.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::duration::Span;

/// One credential under `credentials`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CredentialFile {
    /// Where its secret is kept: `sealed` (in the gateway's own store, the default), `env:NAME`,
    /// `file:PATH`, `command: [program, argument]`, `vault: {…}`, or `oauth: {…}`. During a rotation
    /// two variables or files, the newest first: `[env:NEW, env:OLD]`.
    #[serde(default)]
    #[schemars(schema_with = "source_schema")]
    pub from: Source,
    /// Who answers for it.
    #[serde(default)]
    pub owner: Option<String>,
    /// Who allowed it to be used.
    #[serde(default)]
    pub approved_by: Option<String>,
}

impl CredentialFile {
    /// What is asked of an authorization server, where its secrets come from one.
    #[must_use]
    pub fn oauth(&self) -> Option<&OauthFile> {
        match &self.from {
            Source::Elsewhere(elsewhere) => elsewhere.oauth.as_ref(),
            Source::Places(_) => None,
        }
    }

    /// Whether a credential can be called this: letters, digits, `.`, `_` and `-`, at most 63, the first
    /// a letter or digit.
    #[must_use]
    pub fn is_name(name: &str) -> bool {
        let letter = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
        name.len() <= 63
            && name.starts_with(|first: char| first.is_ascii_alphanumeric())
            && name.chars().all(letter)
    }
}

/// Where the secret of a credential is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Source {
    /// At one place, or during a rotation at two, the newest first.
    Places(Vec<Reference>),
    /// Somebody else gives it out.
    Elsewhere(Box<Elsewhere>),
}

/// Who else gives a secret out. One of `command`, `vault` and `oauth`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Elsewhere {
    /// A program that prints the secret, by its whole path, and its arguments. No shell reads them,
    /// and the program gets an empty environment. One line break at the end is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<Vec<String>>,
    /// The variables that the program is given from the gateway's own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub environment: Vec<String>,
    /// How long the program may take. Default 10s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Span>,
    /// A server with the key-value interface of HashiCorp Vault, such as OpenBao.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "VaultFile")]
    pub vault: Option<VaultFile>,
    /// An authorization server, which gives out tokens that soon expire.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "OauthFile")]
    pub oauth: Option<OauthFile>,
}

/// What is asked of an authorization server, by OAuth 2.1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OauthFile {
    /// What the tokens are for: the address of the MCP server, as its connector has it. `https` unless
    /// it is on this machine. Where it says which authorization server guards it, that one is asked.
    #[schemars(length(min = 1, max = 500))]
    pub resource: String,
    /// How tokens are got: `authorization_code` (a person agrees in a browser, by `drawbridge secret
    /// connect`, or each person for themselves by `drawbridge connect`), `client_credentials` (the
    /// gateway itself, without anybody), or `token_exchange` (for the person who asks, by a statement
    /// of this gateway that the authorization server trusts).
    pub grant: Grant,
    /// The client that the authorization server knows the gateway as. Without it, the gateway names
    /// its own metadata document where it has a public address and the server takes one, and
    /// registers itself elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 500))]
    pub client_id: Option<String>,
    /// The credential that holds the client's secret: a name, never the secret. It goes to `issuer`,
    /// which must stand beside it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<String>,
    /// What is asked for, and never more, whatever the MCP server wants. Default: what it says that it
    /// needs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    pub scopes: Vec<String>,
    /// The only authorization server that is asked, exactly as it names itself. Default: the one that
    /// the MCP server names. It must be named where the client has a secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// How long it may take to give a token. Default 10s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Span>,
}

impl OauthFile {
    /// Whether a scope may be asked for.
    #[must_use]
    pub fn allows(&self, scope: &str) -> bool {
        self.scopes.is_empty() || self.scopes.iter().any(|one| one == scope)
    }
}

/// How tokens are got from an authorization server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Grant {
    /// A person agrees in a browser.
    AuthorizationCode,
    /// The gateway itself asks.
    ClientCredentials,
    /// The gateway asks for the person, by a statement of its own (RFC 8693).
    TokenExchange,
}

/// One field of one secret in a server with the key-value interface of HashiCorp Vault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VaultFile {
    /// The server: `https://vault.acme.example:8200`. `https` unless it is on this machine.
    pub address: String,
    /// Where the key-value engine is mounted. Default `secret`.
    #[serde(default = "default_mount")]
    pub mount: String,
    /// The secret's path within it.
    #[schemars(length(min = 1, max = 500))]
    pub path: String,
    /// The field that holds it. Default `password`.
    #[serde(default = "default_field")]
    pub field: String,
    /// The token to read it with: `env:NAME`, or `file:PATH` for a file that an agent keeps fresh.
    pub token: Reference,
    /// The version of the engine: 2, the default, keeps versions; 1 does not.
    #[serde(default = "default_engine")]
    #[schemars(range(min = 1, max = 2))]
    pub engine: u8,
    /// The namespace, where the server has some.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// A file with the certificates (PEM) that the server's is signed by, where the system does
    /// not trust them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<String>,
    /// How long it may take. Default 5s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Span>,
}

/// A place where a secret is kept: `sealed`, `env:NAME`, `file:PATH`, `keyring:NAME`.
///
/// What is no such place may be a secret that somebody wrote here by mistake: it is read as nothing,
/// and stands in no error.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Reference(String);

/// A place where a secret is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place<'a> {
    /// The gateway's own store.
    Sealed,
    /// A variable.
    Variable(&'a str),
    /// A file, from the workspace's folder.
    File(&'a str),
    /// A key in the keyring of the operating system.
    Keyring(&'a str),
}

impl Reference {
    /// The place; none where this names none.
    #[must_use]
    pub fn place(&self) -> Option<Place<'_>> {
        let of = |word: &str| self.0.strip_prefix(word);
        if self.0 == SEALED {
            return Some(Place::Sealed);
        }
        if let Some(name) = of("env:") {
            return Self::of_variable(name);
        }
        if let Some(path) = of("file:") {
            return (!path.is_empty()).then_some(Place::File(path));
        }
        of("keyring:")
            .filter(|name| CredentialFile::is_name(name))
            .map(Place::Keyring)
    }

    /// The variable of this name; none where no variable can be called so.
    #[must_use]
    pub fn of_variable(name: &str) -> Option<Place<'_>> {
        let letter = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
        let good = !name.is_empty() && name.chars().all(letter);
        good.then_some(Place::Variable(name))
    }
}

impl Place<'_> {
    /// The place as it is written in the file.
    #[must_use]
    pub fn shown(self) -> String {
        match self {
            Self::Sealed => SEALED.to_owned(),
            Self::Variable(name) => format!("env:{name}"),
            Self::File(path) => format!("file:{path}"),
            Self::Keyring(name) => format!("keyring:{name}"),
        }
    }
}

const SEALED: &str = "sealed";

impl std::fmt::Debug for Reference {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shown = self.place().map(Place::shown);
        formatter.write_str(shown.as_deref().unwrap_or("no place"))
    }
}

impl<'de> Deserialize<'de> for Reference {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Value::deserialize(deserializer).map(|value| Self::of(&value))
    }
}

impl Reference {
    fn of(value: &Value) -> Self {
        let read = Self(value.as_str().unwrap_or_default().to_owned());
        let good = read.place().is_some();
        if good { read } else { Self(String::new()) }
    }
}

impl JsonSchema for Reference {
    fn schema_name() -> Cow<'static, str> {
        "Reference".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        // No type and no pattern: what breaks one would be told with what was written.
        json_schema!({"examples": ["env:NAME", "file:PATH"]})
    }
}

impl Default for Source {
    fn default() -> Self {
        Self::Places(vec![Reference(SEALED.to_owned())])
    }
}

impl<'de> Deserialize<'de> for Source {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        Ok(match &value {
            Value::Object(_) => {
                let elsewhere = serde_json::from_value(value);
                // The schema has said what is wrong with it.
                let wrong = |_| serde::de::Error::custom("`from` has the wrong form");
                Self::Elsewhere(Box::new(elsewhere.map_err(wrong)?))
            }
            Value::Array(places) => Self::Places(places.iter().map(Reference::of).collect()),
            one => Self::Places(vec![Reference::of(one)]),
        })
    }
}

fn source_schema(generator: &mut SchemaGenerator) -> Schema {
    let elsewhere = generator.subschema_for::<Elsewhere>();
    json_schema!({
        "default": SEALED,
        "examples": [SEALED, "env:NAME", "file:PATH"],
        "if": {"type": "object"},
        "then": elsewhere,
    })
}

fn default_mount() -> String {
    "secret".to_owned()
}

fn default_field() -> String {
    "password".to_owned()
}

const fn default_engine() -> u8 {
    2
}
