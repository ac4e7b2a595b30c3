//! Section 7, Approval: gates. The first that matches a plan says who decides on it.

use std::{borrow::Cow, collections::BTreeMap, str::FromStr};

use jiff::{civil::Time, civil::Weekday};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{connector::Who, duration::Span, gateway::Rate};
use crate::call::Power;

/// One gate. The first whose `when` matches decides; an effect that matches none asks the owner.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Approval {
    /// Which plans it is about.
    pub when: When,
    /// People who are asked: any of them may decide.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ask: Vec<Who>,
    /// How many of them must say yes. Default 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 20))]
    pub quorum: Option<u32>,
    /// Lets it through without asking, as often as `limit` says; then `ask` is asked, or the owner.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub auto: bool,
    /// How often `auto` lets it through.
    #[serde(default)]
    pub limit: EffectLimits,
    /// Refuses it, with this reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 500))]
    pub deny: Option<String>,
    /// How long the question stands. Default 24h.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Span>,
    /// Who is asked too when nobody decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub escalate: Option<Escalate>,
    /// Whether the person a call is made for may approve it themselves, as in a firm of one.
    /// Default false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub self_approval: bool,
}

/// Who is asked too, and after how long.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Escalate {
    /// After how long without a decision.
    pub after: Span,
    /// Who.
    #[schemars(length(min = 1))]
    pub to: Vec<Who>,
}

/// Which plans a gate is about: everything that is named must hold. What is said of targets must
/// hold of one of them for `ask` and `deny`, and of all of them for `auto`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct When {
    /// One of these powers.
    pub power: Several<Power>,
    /// One of these actions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<Several<String>>,
    /// Asked by one of these: people, groups or clients.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub who: Vec<Who>,
    /// A field that becomes one of these values: `{status: closed}`; `*` stands for any value.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub set: BTreeMap<String, Several<Value>>,
    /// One of these fields changes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<String>,
    /// A number within bounds after the change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<Amount>,
    /// At certain times.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hours: Option<Hours>,
    /// The first time that this person has this action done: `true`; any later time: `false`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_use: Option<bool>,
    /// More than so many targets in one plan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub targets_over: Option<u32>,
    /// After more than so many effects of this person, such as `20/h`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effects_over: Option<Rate>,
    /// A facet of the kind, such as `folder` or `table`, and `label`.
    #[serde(flatten)]
    pub facets: BTreeMap<String, Match>,
}

/// One value or several: any of them will do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Several<T> {
    /// Any of these.
    Any(Vec<T>),
    /// This one.
    One(T),
}

impl<T> Several<T> {
    /// The values one by one.
    pub fn values(&self) -> &[T] {
        match self {
            Self::One(value) => std::slice::from_ref(value),
            Self::Any(values) => values,
        }
    }
}

/// What a facet of a target must be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Match {
    /// This value; `*` stands for anything but `/`, `**` for anything.
    One(String),
    /// Any of these.
    Any(Vec<String>),
    /// For `label`: this one or a more sensitive one.
    AtLeast {
        /// The least sensitive label included.
        at_least: String,
    },
}

/// A number after the change, within bounds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Amount {
    /// The field that holds the number.
    pub field: String,
    /// More than this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub over: Option<f64>,
    /// This or less.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub up_to: Option<f64>,
}

/// Times of day and days of the week.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Hours {
    /// From this time of day on, such as `18:00`. Default `00:00`.
    #[serde(default = "midnight")]
    pub from: Clock,
    /// Until before this time; earlier than `from` means the next day. Default `00:00`: all day.
    #[serde(default = "midnight")]
    pub to: Clock,
    /// On these days. Default: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub days: Vec<Day>,
    /// The time zone, such as `Europe/Berlin`. Default UTC.
    #[serde(default = "utc")]
    pub zone: String,
}

/// A time of day: `18:00`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Clock(pub Time);

impl TryFrom<String> for Clock {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no time of day; write it like `18:00`");
        let (hour, minute) = text.split_once(':').ok_or_else(wrong)?;
        if hour.len() != 2 || minute.len() != 2 {
            return Err(wrong());
        }
        let number = |digits: &str| i8::from_str(digits).map_err(|_| wrong());
        Time::new(number(hour)?, number(minute)?, 0, 0)
            .map(Self)
            .map_err(|_| wrong())
    }
}

impl From<Clock> for String {
    fn from(clock: Clock) -> Self {
        format!("{:02}:{:02}", clock.0.hour(), clock.0.minute())
    }
}

impl JsonSchema for Clock {
    fn schema_name() -> Cow<'static, str> {
        "Clock".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9]$",
            "examples": ["18:00"],
        })
    }
}

/// A day of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the days of the week")]
pub enum Day {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}

impl Day {
    /// Whether a date falls on it.
    #[must_use]
    pub fn is(self, weekday: Weekday) -> bool {
        let own = match self {
            Self::Mon => Weekday::Monday,
            Self::Tue => Weekday::Tuesday,
            Self::Wed => Weekday::Wednesday,
            Self::Thu => Weekday::Thursday,
            Self::Fri => Weekday::Friday,
            Self::Sat => Weekday::Saturday,
            Self::Sun => Weekday::Sunday,
        };
        own == weekday
    }
}

/// How many effects there may be. Under `system.limits` those count that were let through or wait for
/// a decision; beside `auto`, those that this gate let through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EffectLimits {
    /// Of one person, such as `20/h`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_person: Option<Rate>,
    /// In one task; where no task was opened, of one person through one client within an hour.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub per_task: Option<u32>,
    /// Of the connector in all, such as `100/h`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_connector: Option<Rate>,
}

impl EffectLimits {
    /// Whether nothing is limited.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

fn midnight() -> Clock {
    Clock(Time::midnight())
}

fn utc() -> String {
    "UTC".to_owned()
}

impl Match {
    /// The patterns one by one, unless it is a bound on the label.
    #[must_use]
    pub fn patterns(&self) -> &[String] {
        match self {
            Self::One(pattern) => std::slice::from_ref(pattern),
            Self::Any(patterns) => patterns,
            Self::AtLeast { .. } => &[],
        }
    }
}
