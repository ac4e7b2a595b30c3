//! The kind's part of the connector file.

mod compare;
mod faults;
mod left_out;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    time::Duration,
};

use drawbridge_core::{
    answer::Failure, call::Power, connector::Part, exchange::Asking, file::Span,
};
use regex::Regex;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    arguments::whole,
    definition::{Definition, Named},
};
pub(super) use compare::compare;
pub use faults::is_secret;
pub(super) use faults::{check, is_variable};
pub(super) use left_out::{Mask, ResultRule};

/// `system`: exactly one of `command` and `url`.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct System {
    /// The program that is the server, with its arguments: started by the gateway, spoken to over
    /// stdio.
    #[serde(default)]
    pub(super) command: Vec<String>,
    /// Where the server is, over Streamable HTTP.
    #[serde(default)]
    pub(super) url: Option<String>,
    /// The program's working directory, from the folder of `drawbridge.yaml`. Default: a folder of its
    /// own that is thrown away with the gateway's state.
    #[serde(default)]
    pub(super) folder: Option<PathBuf>,
    /// The program's environment: these variables, `PATH`, `HOME` and `TMPDIR`, and no others.
    #[serde(default)]
    pub(super) environment: BTreeMap<String, String>,
    /// What the program may open, beside what every program needs. Default: nothing.
    #[serde(default)]
    pub(super) files: Files,
    /// Whether the program may use the network. Default: no.
    #[serde(default)]
    pub(super) network: bool,
    /// What the program may use up.
    #[serde(default)]
    pub(super) most: Most,
    /// Headers of every request. No secrets: those are `identity.credential`.
    #[serde(default)]
    pub(super) headers: BTreeMap<String, String>,
    /// Where the secret of `identity.credential` goes. Default with `url`: the header
    /// `Authorization`, after the word `Bearer`. With `command` there is no default.
    #[serde(default)]
    pub(super) credential_in: Option<CredentialIn>,
    /// After how long without a call the program is stopped, or the connection closed; the next call
    /// starts it again. Default 10m.
    #[serde(default = "ten_minutes")]
    pub(super) idle: Span,
}

/// What a program may open.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Files {
    /// Files and folders it may read and run, from the folder of `drawbridge.yaml`.
    #[serde(default)]
    pub(super) read: Vec<PathBuf>,
    /// Files and folders it may read and change.
    #[serde(default)]
    pub(super) write: Vec<PathBuf>,
}

/// What a program may use up.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Most {
    /// Memory that it writes to, in MiB, each of its processes for itself. Default 1024.
    pub(super) memory_mib: u64,
    /// Processes and threads of its account. Root's are not counted by Linux. Default 512.
    pub(super) processes: u64,
    /// Open files, each of its processes for itself. Default 512.
    pub(super) open_files: u64,
    /// Time on a processor, each of its processes for itself; it is started again after. Default 1h.
    pub(super) processor_time: Span,
}

impl Default for Most {
    fn default() -> Self {
        Self {
            memory_mib: 1_024,
            processes: 512,
            open_files: 512,
            processor_time: Span::new(Duration::from_secs(3_600)),
        }
    }
}

/// Where the secret goes.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub(super) enum CredentialIn {
    /// Into this header, as it is.
    Header(String),
    /// Into this variable of the program's environment.
    Environment(String),
    /// Into these variables of the program's environment: the secret has a line `NAME=value` for each.
    Variables(Vec<String>),
}

fn ten_minutes() -> Span {
    Span::new(Duration::from_secs(600))
}

/// `scope`.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Scope {
    /// The label of whatever the server answers, where a tool or resource names none.
    pub(super) label: String,
    /// Whether what it answers is written by people one trusts. Default: no, and every answer says so.
    #[serde(default)]
    pub(super) trusted: bool,
    /// The tools that are offered, by the server's names. What is not named is not offered.
    #[serde(default)]
    pub(super) tools: BTreeMap<String, ToolScope>,
    /// The resources that can be read, by their addresses. Default: none. Where some are named, others are left
    /// out of answers of tools and of prompts, too.
    #[serde(default)]
    pub(super) resources: Vec<ResourceScope>,
    /// The prompts that can be read. Default: none.
    #[serde(default)]
    pub(super) prompts: Vec<String>,
    /// What the server may ask of whoever calls it, before it answers a read or a search: `form` and `page`
    /// of the person, who sees which connector asks; `sampling` and `roots` of the AI application.
    /// Default: nothing.
    #[serde(default)]
    pub(super) asks: BTreeSet<Asking>,
    /// Whether the server may suggest values for arguments of its prompts and of templates of resources.
    /// Default: no.
    #[serde(default)]
    pub(super) completion: bool,
    /// What the server said of its tools and prompts when they were reviewed: written by
    /// `drawbridge connector add` and `drawbridge connector pin`. AI clients are shown this, and a
    /// tool of which the server says anything else is withheld.
    #[serde(default)]
    pub(super) pinned: Pinned,
}

/// What was reviewed.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Pinned {
    /// Tools by their names.
    #[serde(default)]
    pub(super) tools: BTreeMap<String, Definition>,
    /// Prompts by their names.
    #[serde(default)]
    pub(super) prompts: BTreeMap<String, Definition>,
}

/// One tool.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ToolScope {
    /// What it can do.
    pub(super) power: Power,
    /// The label of its answers. Default: that of the whole scope.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) label: Option<String>,
    /// What its arguments may be.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) arguments: BTreeMap<String, ArgumentRule>,
    /// What becomes of its answers.
    #[serde(default, skip_serializing_if = "ResultRule::is_nothing")]
    pub(super) result: ResultRule,
    /// A tool of the power `read` that shows what is there before: what the plan says of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) preview: Option<Other>,
    /// The tool that takes it back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) undo: Option<Other>,
}

/// What an argument may be.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ArgumentRule {
    /// It is always this, and nobody is asked for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) fixed: Option<Value>,
    /// It is always this of whoever asks: `person.id`, or an attribute such as `person.region`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) from: Option<String>,
    /// It is never given.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) hidden: bool,
    /// One of these.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) values: Vec<Value>,
    /// A text that this regular expression matches from its start to its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) pattern: Option<String>,
    /// A number of at least this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) min: Option<f64>,
    /// A number of at most this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) max: Option<f64>,
    /// A text of at most so many characters, or a list of at most so many things.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) max_length: Option<u64>,
    /// A path at or beneath this absolute folder, without `..` and links resolved by the server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) under: Option<String>,
}

/// Another tool, and what it is called with.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Other {
    /// Its name; it must be among `tools`.
    pub(super) tool: String,
    /// Its arguments, and where each comes from.
    #[serde(default)]
    pub(super) arguments: BTreeMap<String, Origin>,
}

/// Where an argument of another tool comes from.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub(super) enum Origin {
    /// This argument of the call.
    Argument(String),
    /// This place in what the preview showed, as a JSON pointer; `text` is its text.
    Before(String),
    /// This place in what the call answered, as a JSON pointer; `text` is its text.
    Result(String),
    /// This value.
    Value(Value),
}

/// Some resources.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ResourceScope {
    /// Their addresses: `*` is anything but `/`, `**` anything. What follows `?` or `#` is let in only where
    /// a pattern has such a part.
    pub(super) uri: String,
    /// Their label. Default: that of the whole scope.
    #[serde(default)]
    pub(super) label: Option<String>,
}

/// The part as the connector uses it.
pub(super) struct Own {
    pub(super) system: System,
    pub(super) scope: Scope,
    pub(super) resources: super::resources::Patterns,
    prepared: BTreeMap<String, Prepared>,
}

/// What of a tool is worked out once.
pub(super) struct Prepared {
    /// The patterns of its arguments.
    pub(super) patterns: BTreeMap<String, Regex>,
    /// What checks its structured answers.
    pub(super) output: Option<jsonschema::Validator>,
}

impl Prepared {
    fn of(tool: &Tool<'_>) -> Result<Self, Failure> {
        let rules = tool.scope.arguments.iter();
        let patterns =
            rules.filter_map(|(name, rule)| Some((name.clone(), rule.pattern.as_ref()?)));
        let patterns = patterns.map(|(name, pattern)| Ok((name, whole(pattern)?)));
        let patterns: Result<_, regex::Error> = patterns.collect();
        let output = tool.definition.output().map(jsonschema::draft202012::new);
        Ok(Self {
            patterns: patterns.map_err(crate::part::unusable)?,
            output: output.transpose().map_err(crate::part::unusable)?,
        })
    }
}

impl Own {
    /// Reads a part that was checked.
    pub(super) fn read(part: &Part) -> Result<Self, Failure> {
        let (system, scope) = crate::part::read::<System, Scope>(part)?;
        let resources = super::resources::Patterns::new(&scope).map_err(crate::part::unusable)?;
        let offered = scope.offered();
        let prepared = offered.map(|tool| Ok((tool.name.to_owned(), Prepared::of(&tool)?)));
        let prepared = prepared.collect::<Result<_, Failure>>()?;
        Ok(Self {
            system,
            scope,
            resources,
            prepared,
        })
    }

    /// A tool that is offered.
    pub(super) fn tool<'a>(&'a self, name: &'a str) -> Option<Tool<'a>> {
        let prepared = self.prepared.get(name);
        self.scope.tool(name).map(|tool| Tool { prepared, ..tool })
    }
}

impl Scope {
    /// A tool that is offered, if it was reviewed.
    pub(super) fn tool<'a>(&'a self, name: &'a str) -> Option<Tool<'a>> {
        let (name, scope) = self.tools.get_key_value(name)?;
        Some(Tool {
            name,
            scope,
            definition: self.pinned.tools.get(name)?,
            label: scope.label.as_deref().unwrap_or(&self.label),
            prepared: None,
        })
    }

    /// Every tool that is offered, in the order of their names.
    pub(super) fn offered(&self) -> impl Iterator<Item = Tool<'_>> {
        self.tools.keys().filter_map(|name| self.tool(name))
    }

    /// What was reviewed, with the names.
    pub(super) fn reviewed(&self) -> impl Iterator<Item = Named<'_>> {
        let tools = self.pinned.tools.iter().map(Named::tool);
        tools.chain(self.pinned.prompts.iter().map(Named::prompt))
    }
}

/// A tool that is offered.
#[derive(Clone, Copy)]
pub(super) struct Tool<'a> {
    pub(super) name: &'a str,
    pub(super) scope: &'a ToolScope,
    pub(super) definition: &'a Definition,
    pub(super) label: &'a str,
    /// None where it is only looked at.
    pub(super) prepared: Option<&'a Prepared>,
}
