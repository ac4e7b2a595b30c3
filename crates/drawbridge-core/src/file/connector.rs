//! A connector file: the eight areas of the connector checklist as its eight sections.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    fmt,
    str::FromStr,
    sync::Arc,
};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{approval::Approval, duration::Span, gateway::Limits};
use crate::{
    call::{Action, Caller, Person, Power},
    connector::{Kind, Part},
};

/// A connector: `connectors/NAME.yaml`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConnectorFile {
    /// The connector's name: the file's name without `.yaml`. Tools are named after it.
    #[schemars(regex(pattern = r"^[a-z][a-z0-9-]{0,31}$"), extend("examples" = ["handbook", "crm-eu"]))]
    pub connector: String,
    /// 1 Purpose: what it is for, and who answers for it.
    pub purpose: Purpose,
    /// 2 Scope: which system.
    pub system: System,
    /// 2 Scope: how much of it. The kind says which keys.
    #[serde(default)]
    pub scope: Map<String, Value>,
    /// 3 Access level: the powers it may have at most.
    pub access: Vec<Power>,
    /// 4 Identity: the account it acts as in the system.
    pub identity: Identity,
    /// 5 Permissions: who may use which power on which part. Nothing is granted by default.
    pub permissions: Vec<Permission>,
    /// 6 Logging: what is recorded of each call.
    #[serde(default)]
    pub logging: Logging,
    /// 7 Approval: which effects a person must approve. An effect that no rule names asks the
    /// owner.
    #[serde(default)]
    pub approval: Vec<Approval>,
    /// 8 Recovery: how it is undone and stopped.
    #[serde(default)]
    pub recovery: Recovery,
}

/// What a connector is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Purpose {
    /// One sentence that says which work it serves.
    #[schemars(length(min = 1, max = 500))]
    pub task: String,
    /// The person who answers for it.
    #[schemars(length(min = 1, max = 200))]
    pub owner: String,
    /// How often it must be reviewed. Without it, the checklist is amber.
    #[serde(default)]
    pub review_every: Option<Span>,
}

/// The system a connector reaches. The kind adds keys of its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct System {
    /// Which sort of system.
    pub kind: String,
    /// How old data may be before it is called stale.
    #[serde(default)]
    pub stale_after: Option<Span>,
    /// What happens then: the answer says so, or is refused. Default `warn`.
    #[serde(default)]
    pub when_stale: WhenStale,
    /// How much may happen. What is left out comes from `drawbridge.yaml`.
    #[serde(default)]
    pub limits: Limits,
    /// The kind's own keys.
    #[serde(flatten)]
    pub own: Map<String, Value>,
}

/// What happens when data is older than `stale_after`.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum WhenStale {
    /// The answer says so.
    #[default]
    Warn,
    /// There is no answer but the status `stale`.
    Refuse,
}

/// The account a connector acts as.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// What the target calls the account.
    pub account: String,
    /// A name in the credential store; never the secret itself.
    #[serde(default)]
    pub credential: Option<String>,
    /// Whether it acts as itself (`service`) or on behalf of the person (`person`), where its kind can
    /// tell the target who that is: then `system` says how. Default `service`.
    #[serde(default)]
    pub acts_for: ActsFor,
    /// Who allowed this account to be used.
    #[serde(default)]
    pub approved_by: Option<String>,
    /// How often the credential must be replaced.
    #[serde(default)]
    pub rotate_every: Option<Span>,
}

/// On whose behalf a connector acts in its target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ActsFor {
    /// As one account for everyone.
    #[default]
    Service,
    /// As the person, where the target can be told who that is.
    Person,
}

/// One grant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Permission {
    /// Any of these.
    #[schemars(length(min = 1))]
    pub who: Vec<Who>,
    /// May use these powers.
    #[schemars(length(min = 1))]
    pub may: Vec<Power>,
    /// On this part only: a facet of the kind, and the values it must have, all facets at once.
    #[serde(default)]
    pub only: BTreeMap<String, Only>,
}

/// The values a facet must have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Only {
    /// This value; `*` stands for anything; `person.department` for the caller's own.
    One(String),
    /// Any of these.
    Any(Vec<String>),
    /// For `label`: this one or a less sensitive one.
    UpTo {
        /// The most sensitive label included.
        up_to: String,
    },
}

impl Only {
    /// The values one by one, unless it is a bound on the label.
    #[must_use]
    pub fn values(&self) -> &[String] {
        match self {
            Self::One(value) => std::slice::from_ref(value),
            Self::Any(values) => values,
            Self::UpTo { .. } => &[],
        }
    }
}

/// Whom a rule is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Who {
    /// `everyone`: any person who is signed in.
    Everyone,
    /// `anonymous`: callers without a token, where `drawbridge.yaml` lets them in.
    Anonymous,
    /// `group:NAME`: members of a group.
    Group(String),
    /// `client:NAME`: whoever asks through this AI client or workflow.
    Client(String),
    /// `person:ID`, or the id alone where it has an `@`.
    Person(String),
}

impl Who {
    /// Whether the caller is meant.
    #[must_use]
    pub fn is(&self, caller: &Caller) -> bool {
        match self {
            Self::Client(name) => *name == *caller.client,
            Self::Everyone | Self::Anonymous | Self::Group(_) | Self::Person(_) => {
                self.is_person(&caller.person)
            }
        }
    }

    /// Whether the person is meant, by whichever client.
    #[must_use]
    pub fn is_person(&self, person: &Person) -> bool {
        match self {
            Self::Everyone => !person.is_anonymous(),
            Self::Anonymous => person.is_anonymous(),
            Self::Group(name) => person.groups.contains(name),
            Self::Person(id) => person.id == *id,
            Self::Client(_) => false,
        }
    }
}

impl FromStr for Who {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            None if text == "everyone" => Ok(Self::Everyone),
            None if text == Person::ANONYMOUS => Ok(Self::Anonymous),
            None if text.contains('@') => Ok(Self::Person(text.to_owned())),
            Some(("group", name)) if !name.is_empty() => Ok(Self::Group(name.to_owned())),
            Some(("client", name)) if !name.is_empty() => Ok(Self::Client(name.to_owned())),
            Some(("person", id)) if !id.is_empty() => Ok(Self::Person(id.to_owned())),
            _ => Err(format!(
                "`{text}` names nobody; write `group:NAME`, `client:NAME`, `person:ID`, an e-mail \
                 address, `everyone` or `anonymous`"
            )),
        }
    }
}

impl fmt::Display for Who {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Everyone => formatter.write_str("everyone"),
            Self::Anonymous => formatter.write_str(Person::ANONYMOUS),
            Self::Group(name) => write!(formatter, "group:{name}"),
            Self::Client(name) => write!(formatter, "client:{name}"),
            Self::Person(id) => write!(formatter, "person:{id}"),
        }
    }
}

impl TryFrom<String> for Who {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Who> for String {
    fn from(who: Who) -> Self {
        who.to_string()
    }
}

impl JsonSchema for Who {
    fn schema_name() -> Cow<'static, str> {
        "Who".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": "^(everyone|anonymous|group:.+|client:.+|person:.+|[^:]+@[^:]+)$",
            "description": "`group:NAME`, `client:NAME`, `person:ID`, an e-mail address, \
                            `everyone` or `anonymous`",
        })
    }
}

/// What is recorded of each call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Logging {
    /// How long records must be kept. Without it, the checklist is amber.
    #[serde(default)]
    pub keep: Option<Span>,
    /// How much of a call's content is kept. Default `summary`.
    #[serde(default)]
    pub content: Content,
}

impl Default for Logging {
    fn default() -> Self {
        Self {
            keep: None,
            content: Content::Summary,
        }
    }
}

/// How much of a call's content its record keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Content {
    /// Counts, sizes and keyed digests only.
    Digest,
    /// Also which resources were returned.
    #[default]
    Summary,
    /// Also the arguments and the data.
    Full,
}

/// How a connector is undone and stopped.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Recovery {
    /// How long before-images are kept.
    #[serde(default)]
    pub undo: Option<Span>,
    /// Who, besides the owner, may stop and start it.
    #[serde(default)]
    pub pause: Vec<Who>,
}

impl ConnectorFile {
    /// The kind's own part.
    #[must_use]
    pub fn part(&self) -> Part {
        Part {
            system: Value::Object(self.system.own.clone()),
            scope: Value::Object(self.scope.clone()),
            stale_after: self.system.stale_after.map(Span::duration),
            when_stale: self.system.when_stale,
            powers: self.powers(),
        }
    }

    /// What a connector of this file offers: the actions of its kind, as far as `access` goes.
    #[must_use]
    pub fn actions(&self, kind: &dyn Kind) -> Arc<[Arc<Action>]> {
        let actions = kind.actions(&self.part()).into_iter();
        let granted = actions.filter(|action| self.access.contains(&action.power));
        granted.map(Arc::new).collect()
    }

    fn powers(&self) -> BTreeSet<Power> {
        let mut powers: BTreeSet<Power> = self.access.iter().copied().collect();
        if self.recovery.undo.is_some() {
            // What adds is taken back by removing, and the other way round.
            for (one, other) in [(Power::Write, Power::Delete), (Power::Delete, Power::Write)] {
                if self.access.contains(&one) {
                    powers.insert(other);
                }
            }
        }
        powers
    }
}
