//! The kind's part of the connector file.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use drawbridge_core::{
    answer::{Failure, Status},
    connector::{Context, LABEL, Part, Schema},
    file::{Fault, Labels, Span},
};
use globset::{Glob, GlobBuilder, GlobSet, GlobSetBuilder};
use schemars::JsonSchema;
use serde::Deserialize;

/// `system`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct System {
    /// The folder, from the folder of `drawbridge.yaml`.
    pub(super) folder: String,
    /// How often the whole folder is listed again. Default 5m.
    #[serde(default = "five_minutes")]
    pub(super) rescan_every: Span,
}

/// `scope`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Scope {
    /// Globs of paths that are in. Default: all.
    #[serde(default = "everything")]
    pub(super) include: Vec<String>,
    /// Globs of paths that are out.
    #[serde(default)]
    pub(super) exclude: Vec<String>,
    /// The language of the documents, for word forms. Default `en`.
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

/// A language of documents.
#[derive(Debug, Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Language {
    /// English.
    #[default]
    En,
    /// German.
    De,
    /// French.
    Fr,
    /// Spanish.
    Es,
    /// Swedish.
    Sv,
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
#[derive(Debug, Clone, Deserialize, JsonSchema)]
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
}

impl Rule {
    fn facets(&self) -> [(&'static str, &Option<String>); 4] {
        [
            (LABEL, &self.label),
            ("department", &self.department),
            ("customer", &self.customer),
            ("project", &self.project),
        ]
    }
}

/// The part, understood.
pub(super) struct Own {
    pub(super) root: PathBuf,
    pub(super) rescan_every: Duration,
    pub(super) scope: Scope,
    include: GlobSet,
    exclude: GlobSet,
    rules: Vec<GlobSet>,
}

pub(super) fn schema() -> Schema {
    Schema {
        system: inlined::<System>(),
        scope: inlined::<Scope>(),
    }
}

/// A schema without `$defs`, so that it can stand inside another.
fn inlined<T: JsonSchema>() -> serde_json::Value {
    let settings = schemars::generate::SchemaSettings::draft2020_12().with(|settings| {
        settings.inline_subschemas = true;
    });
    settings.into_generator().into_root_schema_for::<T>().into()
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
            faults.push(Fault::new(
                at,
                format!("`{word}` is no label of this gateway"),
                format!("write one of {}", labels.words().join(", ")),
            ));
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
    for (name, globs) in [("include", &scope.include), ("exclude", &scope.exclude)] {
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

impl Own {
    pub(super) fn read(part: &Part, context: &Context) -> Result<Self, Failure> {
        let wrong = |error: &dyn std::fmt::Display| {
            Failure::new(
                Status::Unavailable,
                format!("its file cannot be used: {error}"),
            )
        };
        let system: System =
            serde_json::from_value(part.system.clone()).map_err(|error| wrong(&error))?;
        let scope: Scope =
            serde_json::from_value(part.scope.clone()).map_err(|error| wrong(&error))?;
        let root = context
            .workspace
            .join(&system.folder)
            .canonicalize()
            .map_err(|error| {
                let message = format!(
                    "its folder `{}` cannot be opened; create it or mend `system.folder`",
                    system.folder
                );
                Failure::new(Status::Unavailable, message).with_source(error)
            })?;
        let rules: Result<Vec<GlobSet>, _> = scope
            .folders
            .iter()
            .map(|rule| globs(std::slice::from_ref(&rule.path)))
            .collect();
        Ok(Self {
            root,
            rescan_every: system.rescan_every.duration(),
            include: globs(&scope.include).map_err(|error| wrong(&error))?,
            exclude: globs(&scope.exclude).map_err(|error| wrong(&error))?,
            rules: rules.map_err(|error| wrong(&error))?,
            scope,
        })
    }

    /// Whether a path is in scope.
    pub(super) fn contains(&self, path: &str) -> bool {
        self.include.is_match(path) && !self.exclude.is_match(path)
    }

    /// The facets of a document: folder rules first, front matter where they say nothing, and of
    /// two labels the more sensitive.
    pub(super) fn facets(
        &self,
        path: &str,
        front: &BTreeMap<String, serde_json::Value>,
        labels: &Labels,
    ) -> Result<BTreeMap<&'static str, String>, String> {
        let mut facets = BTreeMap::new();
        for (rule, globs) in self.scope.folders.iter().zip(&self.rules) {
            if globs.is_match(path) {
                for (name, value) in rule.facets() {
                    if let Some(value) = value {
                        facets.insert(name, value.clone());
                    }
                }
            }
        }
        for name in [LABEL, "department", "customer", "project", "status"] {
            let Some(value) = front.get(name) else {
                continue;
            };
            let value = value
                .as_str()
                .ok_or_else(|| format!("its front matter's `{name}` is no text"))?;
            if name == LABEL {
                let rank = labels
                    .rank(value)
                    .ok_or_else(|| format!("its label `{value}` is no label of this gateway"))?;
                if facets
                    .get(LABEL)
                    .and_then(|rule| labels.rank(rule))
                    .is_none_or(|floor| floor < rank)
                {
                    facets.insert(LABEL, value.to_owned());
                }
            } else {
                facets.entry(name).or_insert_with(|| value.to_owned());
            }
        }
        if !facets.contains_key(LABEL) {
            let label = self.scope.label.clone();
            facets.insert(
                LABEL,
                label.ok_or("it names no label, and no rule gives it one; set `scope.label`")?,
            );
        }
        facets.insert(
            "folder",
            path.rsplit_once('/')
                .map_or("", |(folder, _)| folder)
                .to_owned(),
        );
        Ok(facets)
    }
}

fn five_minutes() -> Span {
    Span::new(Duration::from_secs(300))
}

fn everything() -> Vec<String> {
    vec!["**/*".to_owned()]
}
