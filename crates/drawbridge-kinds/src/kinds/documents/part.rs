//! The kind's part of the connector file.

mod compare;
mod rules;

use std::time::Duration;

use drawbridge_core::{
    connector::{LABEL, Part},
    file::{Fault, Labels, Span},
};
use globset::{Glob, GlobBuilder, GlobSet, GlobSetBuilder};
use schemars::JsonSchema;
use serde::Deserialize;

use super::language::Language;
pub(super) use compare::compare;
pub(super) use rules::Own;

/// `system`.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct System {
    /// The folder, from the folder of `drawbridge.yaml`.
    pub(super) folder: String,
    /// How often the whole folder is listed again. Default 5m.
    #[serde(default = "five_minutes")]
    pub(super) rescan_every: Span,
    /// Files with a second name, which may be outside the folder. Default `refuse`.
    #[serde(default)]
    pub(super) hard_links: HardLinks,
}

/// What becomes of files with a second name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum HardLinks {
    /// They are not read, and the reason is told.
    #[default]
    Refuse,
    /// They are read like others.
    Allow,
}

/// `scope`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Scope {
    /// Globs of paths that are in. Default: all.
    #[serde(default = "everything")]
    pub(super) include: Vec<String>,
    /// Globs of paths that may be written, of those that are in. Default: none.
    #[serde(default)]
    pub(super) writable: Vec<String>,
    /// Globs of paths that are out.
    #[serde(default)]
    pub(super) exclude: Vec<String>,
    /// The language of documents that name none, for word forms: an ISO 639-1 code, or `other`.
    /// Default `en`.
    #[serde(default)]
    pub(super) language: Language,
    /// The label of documents that name none. Without it they are invisible.
    #[serde(default)]
    pub(super) label: Option<String>,
    /// What is true of all documents below a path.
    #[serde(default)]
    pub(super) folders: Vec<Rule>,
    /// Documents that another one supersedes. Default `hide`.
    #[serde(default)]
    pub(super) superseded: Shown,
    /// Documents with the status `draft`. Default `hide`.
    #[serde(default)]
    pub(super) drafts: Shown,
}

/// Whether documents of a sort are offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Shown {
    /// They are not there.
    #[default]
    Hide,
    /// They are like others.
    Show,
}

/// What is true of all documents below a path.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Rule {
    /// A glob, such as `hr/**`.
    pub(super) path: String,
    /// At least this label: a document may name a more sensitive one, never a less sensitive.
    #[serde(default)]
    pub(super) label: Option<String>,
    /// Their department, whatever they say themselves.
    #[serde(default)]
    pub(super) department: Option<String>,
    /// Their customer.
    #[serde(default)]
    pub(super) customer: Option<String>,
    /// Their project.
    #[serde(default)]
    pub(super) project: Option<String>,
    /// Their language, where they name none.
    #[serde(default)]
    pub(super) language: Option<Language>,
}

impl Rule {
    fn gives_nothing(&self) -> bool {
        self.facets().iter().all(|(_, value)| value.is_none())
    }

    fn facets(&self) -> [(&'static str, &Option<String>); 4] {
        [
            (LABEL, &self.label),
            ("department", &self.department),
            ("customer", &self.customer),
            ("project", &self.project),
        ]
    }
}

pub(super) fn check(part: &Part, labels: &Labels) -> Vec<Fault> {
    let Ok(scope) = serde_json::from_value::<Scope>(part.scope.clone()) else {
        return Vec::new();
    };
    let mut faults = Vec::new();
    let label = |at: String, word: &Option<String>, faults: &mut Vec<Fault>| {
        if let Some(word) = word
            && labels.rank(word).is_none()
        {
            faults.push(labels.unknown(&at, word));
        }
    };
    label("/scope/label".to_owned(), &scope.label, &mut faults);
    for (index, rule) in scope.folders.iter().enumerate() {
        label(
            format!("/scope/folders/{index}/label"),
            &rule.label,
            &mut faults,
        );
        faults.extend(bad_glob(
            &format!("/scope/folders/{index}/path"),
            &rule.path,
        ));
    }
    for (name, globs) in [
        ("include", &scope.include),
        ("exclude", &scope.exclude),
        ("writable", &scope.writable),
    ] {
        for (index, text) in globs.iter().enumerate() {
            faults.extend(bad_glob(&format!("/scope/{name}/{index}"), text));
        }
    }
    faults
}

fn bad_glob(at: &str, text: &str) -> Option<Fault> {
    let error = glob(text).err()?;
    Some(Fault::new(
        at,
        format!("`{text}` is no glob: {error}"),
        "write it like `hr/**` or `**/*.md`",
    ))
}

fn glob(text: &str) -> Result<Glob, globset::Error> {
    GlobBuilder::new(text).literal_separator(true).build()
}

fn globs(texts: &[String]) -> Result<GlobSet, globset::Error> {
    let mut set = GlobSetBuilder::new();
    for text in texts {
        set.add(glob(text)?);
    }
    set.build()
}

fn five_minutes() -> Span {
    Span::new(Duration::from_secs(300))
}

fn everything() -> Vec<String> {
    vec!["**/*".to_owned()]
}
