//! What the part says of each path: whether it is in scope, and what is true of its document.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use drawbridge_core::{
    answer::{Failure, Status},
    connector::{Context, LABEL, Part},
    file::Labels,
};
use globset::GlobSet;

use super::{
    super::{change::is_ours, document::Why, extract::Extracted, language::Language},
    HardLinks, Scope, System, globs,
};

use crate::part::{self, unusable};

/// The part, understood.
pub(in super::super) struct Own {
    pub(in super::super) root: PathBuf,
    pub(in super::super) rescan_every: Duration,
    pub(in super::super) hard_links: HardLinks,
    pub(in super::super) scope: Scope,
    include: GlobSet,
    exclude: GlobSet,
    pub(in super::super) writable: GlobSet,
    rules: Vec<GlobSet>,
}

impl Own {
    pub(in super::super) fn read(part: &Part, context: &Context) -> Result<Self, Failure> {
        let (system, scope): (System, Scope) = part::read(part)?;
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
            hard_links: system.hard_links,
            include: globs(&scope.include).map_err(unusable)?,
            exclude: globs(&scope.exclude).map_err(unusable)?,
            writable: globs(&scope.writable).map_err(unusable)?,
            rules: rules.map_err(unusable)?,
            scope,
        })
    }

    /// Whether a path is in scope.
    pub(in super::super) fn contains(&self, path: &str) -> bool {
        self.include.is_match(path) && !self.exclude.is_match(path) && !is_ours(path)
    }

    /// The facets of a document: folder rules first, front matter where they say nothing, and of
    /// several labels the most sensitive.
    pub(in super::super) fn facets(
        &self,
        path: &str,
        extracted: &Extracted,
        labels: &Labels,
    ) -> Result<BTreeMap<String, String>, Why> {
        let mut facets = BTreeMap::<String, String>::new();
        for (rule, globs) in self.scope.folders.iter().zip(&self.rules) {
            if globs.is_match(path) {
                for (name, value) in rule.facets() {
                    if let Some(value) = value {
                        facets.insert(name.to_owned(), value.clone());
                    }
                }
            }
        }
        let mut named = extracted.labels.clone();
        for name in [LABEL, "department", "customer", "project", "status"] {
            let Some(value) = extracted.front.get(name) else {
                continue;
            };
            let value = value
                .as_str()
                .ok_or_else(|| Why::front(format!("its front matter's `{name}` is no text")))?;
            if name == LABEL {
                named.push(value.trim().to_owned());
            } else {
                facets
                    .entry(name.to_owned())
                    .or_insert_with(|| value.to_owned());
            }
        }
        for label in named {
            let rank = labels.rank(&label).ok_or_else(|| {
                Why::label(format!("its label `{label}` is no label of this gateway"))
            })?;
            let floor = facets.get(LABEL).and_then(|floor| labels.rank(floor));
            if floor.is_none_or(|floor| floor < rank) {
                facets.insert(LABEL.to_owned(), label);
            }
        }
        if !facets.contains_key(LABEL) {
            let label = self.scope.label.clone();
            facets.insert(
                LABEL.to_owned(),
                label.ok_or_else(|| Why::label("it names no label, and no rule gives it one"))?,
            );
        }
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        facets.insert("folder".to_owned(), folder.to_owned());
        Ok(facets)
    }

    /// The language of a document: what it says itself, else the last rule that matches, else that
    /// of the whole scope.
    pub(in super::super) fn language(
        &self,
        path: &str,
        front: &BTreeMap<String, serde_json::Value>,
    ) -> Language {
        if let Some(tag) = front.get("language").and_then(serde_json::Value::as_str) {
            return Language::of_tag(tag);
        }
        let mut matching = self.scope.folders.iter().zip(&self.rules).rev();
        matching
            .find_map(|(rule, globs)| rule.language.filter(|_| globs.is_match(path)))
            .unwrap_or(self.scope.language)
    }
}
