//! The part, understood: which file, which tables, which rules.

use std::{collections::BTreeMap, path::PathBuf};

use drawbridge_core::{
    answer::{Failure, Status},
    connector::{Context, LABEL, Part},
    decide::{Resource, View},
};

use super::{
    super::{dialect::Dialect, window::Given},
    Condition, Mask, Rule, Scope, System, Table, Triggers, condition, file_of,
};

use crate::part::{self, unusable};

/// What the key of masks is made from, together with the gateway's secret.
const MASKED: &[u8] = b"the key of masked values";

/// The part, understood.
#[derive(Debug)]
pub(in super::super) struct Own {
    pub(in super::super) path: PathBuf,
    /// The path as the file has it.
    pub(in super::super) shown: String,
    pub(in super::super) workspace: PathBuf,
    pub(in super::super) applied_table: bool,
    pub(in super::super) query: bool,
    pub(in super::super) tables: BTreeMap<String, TableScope>,
}

/// How much of one table can be reached.
#[derive(Debug, Clone)]
pub(in super::super) struct TableScope {
    pub(in super::super) name: String,
    pub(in super::super) key: Vec<String>,
    pub(in super::super) fields: Vec<String>,
    pub(in super::super) writable: BTreeMap<String, Rule>,
    pub(in super::super) label: String,
    pub(in super::super) triggers: Triggers,
    pub(in super::super) mask: BTreeMap<String, Mask>,
    pub(in super::super) rows: Option<Condition>,
    /// What the rule knows of the caller; nothing until it is told.
    pub(in super::super) given: Given,
    /// A secret of this gateway: masks that are digests are made with it.
    pub(in super::super) hash_key: String,
    pub(in super::super) dialect: Dialect,
}

impl Own {
    pub(in super::super) fn read(part: &Part, context: &Context) -> Result<Self, Failure> {
        let (system, scope): (System, Scope) = part::read(part)?;
        let path = file_of(&system.url).ok_or_else(|| unusable("its URL names no file"))?;
        let mut tables = BTreeMap::new();
        for (name, table) in &scope.tables {
            let label = table.label.as_ref().or(scope.label.as_ref());
            let label = label.ok_or_else(|| unusable(format!("`{name}` has no label")))?;
            let mut understood = TableScope::of(name, table, label).map_err(unusable)?;
            understood.hash_key = context.seal.digest(MASKED);
            tables.insert(name.clone(), understood);
        }
        Ok(Self {
            path: context.workspace.join(path),
            shown: path.to_owned(),
            workspace: context.workspace.clone(),
            applied_table: system.applied_table,
            query: scope.query,
            tables,
        })
    }

    /// The table of this name, if the view admits it. One that is not in scope, and one that is not
    /// even in the database, are answered alike.
    pub(in super::super) fn admitted(
        &self,
        name: &str,
        view: &View,
    ) -> Result<&TableScope, Failure> {
        let table = self.tables.get(name);
        table
            .filter(|table| view.admits(&table.resource()))
            .ok_or_else(|| {
                Failure::not_found(
                    "there is no such table that you may use; `describe` lists those that you may",
                )
            })
    }

    /// The table of this name, for a plan that was made while it was in scope.
    pub(in super::super) fn of_plan(&self, name: &str) -> Result<&TableScope, Failure> {
        self.tables.get(name).ok_or_else(|| {
            let told = format!("`{name}` is no longer in the connector's scope");
            Failure::new(Status::Conflict, told)
        })
    }
}

impl TableScope {
    pub(in super::super) fn of(name: &str, table: &Table, label: &str) -> Result<Self, String> {
        let mut writable = BTreeMap::new();
        for (column, rule) in &table.writable {
            writable.insert(
                column.clone(),
                rule.understood().map_err(|error| error.to_string())?,
            );
        }
        Ok(Self {
            name: name.to_owned(),
            key: table.key.columns().to_vec(),
            fields: table.fields.clone(),
            writable,
            label: label.to_owned(),
            triggers: table.triggers,
            mask: table.mask.clone(),
            rows: table.rows.as_deref().map(condition::read).transpose()?,
            given: Given::new(),
            hash_key: String::new(),
            dialect: Dialect::Sqlite,
        })
    }

    pub(in super::super) fn facets(&self) -> BTreeMap<String, String> {
        let facets = [(LABEL, &self.label), ("table", &self.name)];
        facets
            .map(|(name, value)| (name.to_owned(), value.clone()))
            .into()
    }

    pub(in super::super) fn resource(&self) -> Resource {
        Resource([(LABEL, self.label.clone()), ("table", self.name.clone())].into())
    }
}
