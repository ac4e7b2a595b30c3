//! `drawbridge.yaml`: the gateway's address, store, people, sign-in, labels and limits.

use std::{borrow::Cow, collections::BTreeMap, fmt, str::FromStr, time::Duration};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::{
    approval::EffectLimits,
    connector::Who,
    credentials::{CredentialFile, Reference},
    duration::Span,
    notifications::Notifications,
    oidc::OidcFile,
};

/// The gateway: `drawbridge.yaml`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GatewayFile {
    /// The name of the organisation or gateway: it appears in the audit log's checkpoints.
    #[schemars(regex(pattern = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$"), extend("examples" = ["acme", "acme-eu.example"]))]
    pub gateway: String,
    /// Where the doors listen: host and port. Default `127.0.0.1:7300`, this machine only.
    #[serde(default = "default_address")]
    pub address: String,
    /// The address clients use, when it is not `http://` and `address`: `https://ai.acme.example`.
    #[serde(default)]
    pub public_url: Option<String>,
    /// Further host names under which clients may call, without port.
    #[serde(default)]
    pub hosts: Vec<String>,
    /// Where records, tokens and states are kept: `sqlite` (in `.drawbridge`, the default), or
    /// `env:NAME` for a variable that holds a `postgres://` URL.
    #[serde(default = "default_store")]
    pub store: String,
    /// Whom the command line on this machine acts for: somebody under `people`.
    pub operator: String,
    /// Sensitivity words, the least sensitive first. Default public, internal, confidential,
    /// restricted.
    #[serde(default)]
    pub labels: Vec<String>,
    /// Everyone the gateway knows by itself, by e-mail address or other id.
    pub people: BTreeMap<String, PersonFile>,
    /// Who may run the gateway. The operator is always an owner.
    #[serde(default)]
    pub roles: Roles,
    /// Sign-in by the organisation's identity provider.
    #[serde(default)]
    #[schemars(with = "OidcFile")]
    pub oidc: Option<OidcFile>,
    /// Lets callers in without a token, as the person `anonymous`. They get only what a permission
    /// gives to `anonymous`. Default false.
    #[serde(default)]
    pub anonymous: bool,
    /// How long a connector goes on after its review date has passed, before it is paused.
    /// Default 30d.
    #[serde(default = "default_grace")]
    pub review_grace: Span,
    /// Limits for every connector that sets none of its own.
    #[serde(default)]
    pub limits: Limits,
    /// How people are told that something waits for them.
    #[serde(default)]
    pub notifications: Notifications,
    /// Where the secrets are kept that connectors prove their identity with, by name. A name that
    /// does not stand here is looked for among the sealed ones (`drawbridge secret set`).
    #[serde(default)]
    pub credentials: BTreeMap<String, CredentialFile>,
    /// The key that secrets are sealed with, of 32 random bytes, plain or in base64: `file:PATH`,
    /// `env:NAME` or `keyring:NAME`. Default: a file that is made in `.drawbridge/keys`.
    #[serde(default)]
    pub sealing_key: Option<Reference>,
}

/// One person under `people`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PersonFile {
    /// The name to show.
    #[serde(default)]
    pub name: Option<String>,
    /// Where e-mail reaches them. Default: the id, where it is an address.
    #[serde(default)]
    pub email: Option<String>,
    /// The `sub` by which the organisation's sign-in knows them. Without it, no token of the sign-in
    /// speaks for them: nobody becomes one of these people by a claim that happens to be equal.
    #[serde(default)]
    pub subject: Option<String>,
    /// Groups, without `group:`.
    #[serde(default)]
    pub groups: Vec<String>,
    /// Attributes that permissions and policies can use, such as `department: sales`.
    #[serde(default)]
    pub attributes: BTreeMap<String, String>,
}

/// Who may do what with the gateway itself.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Roles {
    /// May do everything below, make tokens for others, and retire connectors.
    #[serde(default)]
    pub owner: Vec<Who>,
    /// May approve revisions.
    #[serde(default)]
    pub reviewer: Vec<Who>,
    /// May read everyone's records, without content.
    #[serde(default)]
    pub auditor: Vec<Who>,
}

/// How much may happen. A connector's own `system.limits` override these one by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Calls of one person. Default 600/min.
    #[serde(default)]
    pub per_person: Option<Rate>,
    /// Calls of one client. Default 3000/min.
    #[serde(default)]
    pub per_client: Option<Rate>,
    /// Calls of the connector in all. Default 30000/min.
    #[serde(default)]
    pub per_connector: Option<Rate>,
    /// Calls of the connector at the same time. Default 64.
    #[serde(default)]
    #[schemars(range(min = 1, max = 10_000))]
    pub concurrent: Option<u32>,
    /// How long a call may take. Default 30s.
    #[serde(default)]
    pub timeout: Option<Span>,
    /// The largest answer, in bytes of its text and of its data. Default 1000000.
    #[serde(default)]
    #[schemars(range(min = 1_000, max = 100_000_000))]
    pub answer_bytes: Option<usize>,
    /// Effects. Default 60/h for one person, 1000/h in all.
    #[serde(default)]
    pub effects: EffectLimits,
    /// The most targets of one plan. Default 100.
    #[serde(default)]
    #[schemars(range(min = 1, max = 10_000))]
    pub targets: Option<u32>,
}

impl Limits {
    /// These limits, and `fallback` where they say nothing.
    #[must_use]
    pub fn or(self, fallback: Self) -> Self {
        Self {
            per_person: self.per_person.or(fallback.per_person),
            per_client: self.per_client.or(fallback.per_client),
            per_connector: self.per_connector.or(fallback.per_connector),
            concurrent: self.concurrent.or(fallback.concurrent),
            timeout: self.timeout.or(fallback.timeout),
            answer_bytes: self.answer_bytes.or(fallback.answer_bytes),
            effects: EffectLimits {
                per_person: self.effects.per_person.or(fallback.effects.per_person),
                per_task: self.effects.per_task.or(fallback.effects.per_task),
                per_connector: self
                    .effects
                    .per_connector
                    .or(fallback.effects.per_connector),
            },
            targets: self.targets.or(fallback.targets),
        }
    }

    /// The limits of a gateway whose file names none.
    #[must_use]
    pub fn defaults() -> Self {
        let per_minute = |count| {
            Some(Rate {
                count,
                per: Duration::from_secs(60),
            })
        };
        let per_hour = |count| Rate {
            count,
            per: Duration::from_secs(3_600),
        };
        Self {
            per_person: per_minute(600),
            per_client: per_minute(3_000),
            per_connector: per_minute(30_000),
            concurrent: Some(64),
            timeout: Some(Span::new(Duration::from_secs(30))),
            answer_bytes: Some(1_000_000),
            effects: EffectLimits {
                per_person: Some(per_hour(60)),
                per_task: None,
                per_connector: Some(per_hour(1_000)),
            },
            targets: Some(100),
        }
    }
}

impl GatewayFile {
    /// The address that people and clients use.
    #[must_use]
    pub fn own_address(&self) -> String {
        self.public_url.as_ref().map_or_else(
            || format!("http://{}", self.address),
            |url| url.trim_end_matches('/').to_owned(),
        )
    }
}

/// So many in so long: `60/min`, `20/h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Rate {
    /// How many; at least one.
    pub count: u32,
    /// In how long.
    pub per: Duration,
}

/// The periods of a rate.
const PERIODS: [(&str, u64); 4] = [("s", 1), ("min", 60), ("h", 3_600), ("d", 86_400)];

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no rate; write it like `60/min` or `20/h`");
        let (count, per) = text.split_once('/').ok_or_else(wrong)?;
        let count: u32 = count.parse().map_err(|_| wrong())?;
        let (_, seconds) = PERIODS
            .iter()
            .find(|(name, _)| *name == per)
            .ok_or_else(wrong)?;
        if count == 0 {
            return Err(wrong());
        }
        Ok(Self {
            count,
            per: Duration::from_secs(*seconds),
        })
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.per.as_secs();
        let name = PERIODS
            .iter()
            .find(|(_, length)| *length == seconds)
            .map_or("s", |(name, _)| name);
        write!(formatter, "{}/{name}", self.count)
    }
}

impl TryFrom<String> for Rate {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Rate> for String {
    fn from(rate: Rate) -> Self {
        rate.to_string()
    }
}

impl JsonSchema for Rate {
    fn schema_name() -> Cow<'static, str> {
        "Rate".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": "^[1-9][0-9]{0,8}/(s|min|h|d)$",
            "examples": ["60/min", "20/h"],
        })
    }
}

fn default_address() -> String {
    "127.0.0.1:7300".to_owned()
}

fn default_store() -> String {
    "sqlite".to_owned()
}

fn default_grace() -> Span {
    Span::new(Duration::from_secs(30 * 24 * 3600))
}
