//! The part, understood: which file, which tables, which rules.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Deref,
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use drawbridge_core::{
    answer::{Failure, Status},
    call::Power,
    connector::{Context, LABEL, Part},
    decide::{Resource, View},
    file::WhenStale,
    secret::Secret,
};

use super::{
    super::{dialect::Dialect, shape::Place, window::Given},
    Address, Changed, Condition, Group, Mask, Need, Rule, Scope, System, Table, Triggers,
    address::{self, Target},
    condition,
};
use crate::part::{self, unusable};

/// What the key of masks is made from, together with the gateway's secret.
const MASKED: &[u8] = b"the key of masked values";

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
    pub(in super::super) query: bool,
    pub(in super::super) tables: BTreeMap<String, TableScope>,
    /// What the file lets it do at most.
    pub(in super::super) powers: BTreeSet<Power>,
    /// How old data may be, where it has a clock.
    pub(in super::super) stale_after: Option<Duration>,
    pub(in super::super) when_stale: WhenStale,
}

/// How much of one table can be reached, as one caller sees it.
#[derive(Debug, Clone)]
pub(in super::super) struct TableScope {
    scoped: Arc<Scoped>,
    /// What the rule knows of the caller; nothing until it is told.
    pub(in super::super) given: Given,
}

impl Deref for TableScope {
    type Target = Scoped;

    fn deref(&self) -> &Scoped {
        &self.scoped
    }
}

/// The same, whoever calls.
#[derive(Debug)]
pub(in super::super) struct Scoped {
    pub(in super::super) name: String,
    pub(in super::super) key: Vec<String>,
    pub(in super::super) fields: Vec<String>,
    pub(in super::super) writable: BTreeMap<String, Rule>,
    pub(in super::super) label: String,
    pub(in super::super) triggers: Triggers,
    pub(in super::super) mask: BTreeMap<String, Mask>,
    pub(in super::super) rows: Option<Condition>,
    /// Of a table whose rows are of people: only groups of them are told.
    pub(in super::super) group: Option<Group>,
    /// What says when a row was changed.
    pub(in super::super) changed: Option<Changed>,
    /// A secret of this gateway: masks that are digests are made with it.
    pub(in super::super) hash_key: Secret<String>,
    pub(in super::super) dialect: Dialect,
    pub(in super::super) place: Place,
}

impl Own {
    /// Without a context it says what it needs, and nothing can be opened with it.
    pub(in super::super) fn read(part: &Part, context: Option<&Context>) -> Result<Self, Failure> {
        let path = |of: fn(&Context) -> &PathBuf| context.map(of).cloned().unwrap_or_default();
        let workspace = path(|context| &context.workspace);
        let key = context.map(|context| context.seal.digest(MASKED));
        let key = Secret::new(key.unwrap_or_default());
        let (system, scope): (System, Scope) = part::read(part)?;
        let target = address::target(&system).map_err(|(rule, _)| unusable(rule))?;
        let target = match target {
            Target::Server(address) => Target::Server(Address {
                ca: address.ca.map(|file| workspace.join(file)),
                ..address
            }),
            here @ (Target::File(_) | Target::Reports(_)) => here,
        };
        let home = target.home();
        let mut tables = BTreeMap::new();
        for (name, table) in &scope.tables {
            let label = table.label.as_ref().or(scope.label.as_ref());
            let label = label.ok_or_else(|| unusable(format!("`{name}` has no label")))?;
            let mut scoped = Scoped::of((name, table), label, home).map_err(unusable)?;
            scoped.hash_key = key.clone();
            tables.insert(name.clone(), TableScope::new(scoped));
        }
        Ok(Self {
            target,
            workspace,
            state: path(|context| &context.state),
            program: path(|context| &context.program),
            applied_table: system.applied_table,
            query: scope.query,
            tables,
            powers: part.powers.clone(),
            stale_after: part.stale_after,
            when_stale: part.when_stale,
        })
    }

    /// What it needs to do with a table.
    pub(in super::super) fn need(&self, scope: &TableScope) -> Need {
        Need::of(scope, &self.powers)
    }

    /// Whether it changes anything in the database.
    pub(in super::super) fn changes(&self) -> bool {
        let mut tables = self.tables.values();
        tables.any(|scope| self.need(scope).changes())
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
        let scope = self.tables.get(name).ok_or_else(|| {
            let told = format!("`{name}` is no longer in the connector's scope");
            Failure::new(Status::Conflict, told)
        })?;
        scope.shows_rows()?;
        Ok(scope)
    }
}

impl TableScope {
    fn new(scoped: Scoped) -> Self {
        Self {
            scoped: Arc::new(scoped),
            given: Given::new(),
        }
    }

    pub(in super::super) fn of(
        table: (&str, &Table),
        label: &str,
        home: (Dialect, &str),
    ) -> Result<Self, String> {
        Scoped::of(table, label, home).map(Self::new)
    }

    /// The table as it is seen with these values of a caller.
    pub(in super::super) fn with_given(&self, given: Given) -> Self {
        Self {
            scoped: self.scoped.clone(),
            given,
        }
    }
}

impl Scoped {
    fn of(
        (name, table): (&str, &Table),
        label: &str,
        (dialect, home): (Dialect, &str),
    ) -> Result<Self, String> {
        let place = match (dialect, name.split_once('.')) {
            (Dialect::Postgres | Dialect::MariaDb, Some((schema, name))) => {
                Place::new(schema, name)
            }
            _ => Place::new(home, name),
        };
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
            group: Group::of(name, table)?,
            changed: Changed::of(table),
            hash_key: Secret::new(String::new()),
            dialect,
            place,
        })
    }

    /// Refuses to give single rows, where only groups of people are told.
    pub(in super::super) fn shows_rows(&self) -> Result<(), Failure> {
        let Some(group) = &self.group else {
            return Ok(());
        };
        let told = format!(
            "rows of `{}` are not given one by one; ask about groups of at least {} people with `query`",
            self.name, group.least
        );
        Err(Failure::new(Status::Denied, told))
    }

    /// The columns that are read for its callers: what is shown, what the row rule goes by, and what
    /// people are told apart by.
    pub(in super::super) fn read_columns(&self) -> Vec<String> {
        let mut columns = self.fields.clone();
        let ruled = self.rows.iter().flat_map(Condition::columns);
        let person = self.group.iter().map(|group| group.person.as_str());
        for name in ruled.into_iter().chain(person) {
            if !columns.iter().any(|column| column == name) {
                columns.push(name.to_owned());
            }
        }
        columns
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
