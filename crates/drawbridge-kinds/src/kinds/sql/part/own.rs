//! The part, understood: which file, which tables, which rules.

use std::{collections::BTreeMap, path::PathBuf};

use drawbridge_core::{
    answer::{Failure, Status},
    connector::{Context, LABEL, Part},
    decide::{Resource, View},
};

use super::{
    super::shape::Place,
    Address, Rule, Scope, System, Table, Triggers,
    address::{self, Target},
};
use crate::part::{self, unusable};

/// The part, understood.
#[derive(Debug)]
pub(in super::super) struct Own {
    /// Where the database is; a file by its path as the connector's file has it.
    pub(in super::super) target: Target,
    pub(in super::super) workspace: PathBuf,
    /// The connector's own folder for what it derives.
    pub(in super::super) state: PathBuf,
    /// How this program is started as a confined child.
    pub(in super::super) program: PathBuf,
    pub(in super::super) applied_table: bool,
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
}

impl Own {
    pub(in super::super) fn read(part: &Part, context: &Context) -> Result<Self, Failure> {
        let (system, scope): (System, Scope) = part::read(part)?;
        let target = address::target(&system).map_err(|(rule, _)| unusable(rule))?;
        let target = match target {
            Target::Server(address) => Target::Server(Address {
                ca: address.ca.map(|file| context.workspace.join(file)),
                ..address
            }),
            here @ (Target::File(_) | Target::Reports(_)) => here,
        };
        let mut tables = BTreeMap::new();
        for (name, table) in &scope.tables {
            let label = table.label.as_ref().or(scope.label.as_ref());
            let label = label.ok_or_else(|| unusable(format!("`{name}` has no label")))?;
            let understood = TableScope::of(name, table, label).map_err(unusable)?;
            tables.insert(name.clone(), understood);
        }
        Ok(Self {
            target,
            workspace: context.workspace.clone(),
            state: context.state.clone(),
            program: context.program.clone(),
            applied_table: system.applied_table,
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
    pub(super) fn of(name: &str, table: &Table, label: &str) -> Result<Self, regex::Error> {
        let mut writable = BTreeMap::new();
        for (column, rule) in &table.writable {
            writable.insert(column.clone(), rule.understood()?);
        }
        Ok(Self {
            name: name.to_owned(),
            key: table.key.columns().to_vec(),
            fields: table.fields.clone(),
            writable,
            label: label.to_owned(),
            triggers: table.triggers,
        })
    }

    /// The columns that reading it needs: no other is taken out of a file.
    pub(in super::super) fn columns_needed(&self) -> &[String] {
        &self.fields
    }

    /// Where the table is on a server, whose tables are in this schema unless they say otherwise.
    pub(in super::super) fn place(&self, usual: &str) -> Place {
        match self.name.split_once('.') {
            Some((schema, name)) => Place::new(schema, name),
            None => Place::new(usual, &self.name),
        }
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
