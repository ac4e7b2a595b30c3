//! The kind's part of the connector file.

mod address;
mod compare;
mod condition;
mod groups;
mod mask;
mod need;
mod own;
mod reports;
mod rule;
mod times;
mod views;

use std::collections::{BTreeMap, BTreeSet};

use drawbridge_core::{
    connector::Part,
    file::{Fault, Labels, Span},
};
use schemars::JsonSchema;
use serde::Deserialize;

pub(super) use address::{Address, Brand, Target, Tls, is_here};
pub(super) use compare::compare;
pub(super) use condition::{Condition, Operand};
pub(super) use groups::Group;
pub(super) use mask::Mask;
pub(super) use need::{Columns, Need};
pub(super) use own::{Own, TableScope};
pub(super) use rule::Rule;
use rule::RuleText;
pub(super) use times::Changed;

/// The table in which effects leave their key, where the file allows it.
pub(super) const APPLIED_TABLE: &str = "drawbridge_applied";

/// Schemas and databases that hold what the servers themselves keep.
const SYSTEM: [&str; 4] = ["information_schema", "mysql", "performance_schema", "sys"];

/// `system`.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct System {
    /// `sqlite:` and the path of the database's file, from the folder of `drawbridge.yaml`, which
    /// must be there; `reports:` and the path of a folder with exports, which are only read; or
    /// `postgres://account@host/database`, or `mariadb://account@host/database` for MariaDB and
    /// MySQL. A URL holds no password and no options.
    #[schemars(extend("examples" = ["sqlite:crm.db", "reports:exports", "postgres://crm@db.acme.example/crm"]))]
    pub(super) url: String,
    /// How the connection to a server is protected. Default `verify`; `off` for a server on this
    /// machine, where alone it is allowed.
    #[serde(default)]
    pub(super) tls: Option<Tls>,
    /// A file with the certificates of those who may vouch for the server besides the authorities
    /// that browsers trust, from the folder of `drawbridge.yaml`.
    #[serde(default)]
    pub(super) ca: Option<String>,
    /// Whether the database may have a table `drawbridge_applied`, made by the first effect, in
    /// which every effect leaves its key: then what came of an effect is known after any crash.
    /// Default `false`: it is told by comparing rows, and of rows with a generated key not at all.
    #[serde(default)]
    pub(super) applied_table: bool,
}

/// `scope`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Scope {
    /// The tables that can be reached, by their names in the database. No other is visible. On a
    /// server, one in a schema other than `public` (with MariaDB, in another database) is named
    /// with it: `sales.orders`. In a folder of reports, a table `invoices` is the file
    /// `invoices.csv`, `invoices.jsonl`, `invoices.xlsx` (its first sheet) or `invoices.parquet`;
    /// or all such files in the folder `invoices`, added together.
    #[schemars(extend("minProperties" = 1))]
    pub(super) tables: BTreeMap<String, Table>,
    /// The label of tables that name none.
    #[serde(default)]
    pub(super) label: Option<String>,
    /// Whether free questions may be asked: one `SELECT` in the database's own words, in which every
    /// table is what its caller may see of it. Default `false`.
    #[serde(default)]
    pub(super) query: bool,
}

/// How much of a table can be reached.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Table {
    /// The column, or the columns, that name a row: the primary key, or unique.
    pub(super) key: Key,
    /// The columns that can be read, the key among them. No other is visible.
    #[schemars(length(min = 1))]
    pub(super) fields: Vec<String>,
    /// What is shown of a column instead of its value. Not for the key, and not for columns that
    /// can be written.
    #[serde(default)]
    pub(super) mask: BTreeMap<String, Mask>,
    /// Which rows can be reached, as a condition over the table's columns, also over ones that
    /// cannot be read: comparisons, `AND`, `OR`, `NOT`, `IN`, `BETWEEN`, `LIKE` and `IS NULL`, with
    /// `:person.id`, `:person.` and an attribute, and `:client`. Who lacks the attribute reaches no
    /// row. Rows outside are as though they were not there, and no effect leaves one outside.
    #[serde(default)]
    #[schemars(length(min = 1, max = 2000), extend("examples" = ["region = :person.region"]))]
    pub(super) rows: Option<String>,
    /// The fewest people of whom anything is told: single rows are given to nobody, and `query` answers
    /// only with counts, sums and averages over groups of at least so many different people. Needs
    /// `query: true`, and the table cannot be written.
    #[serde(default)]
    #[schemars(range(min = 2, max = 1000))]
    pub(super) min_group: Option<u32>,
    /// The column that tells people apart, for `min_group`; it need not be one of `fields`. Default:
    /// the key, where it is one column.
    #[serde(default)]
    pub(super) person: Option<String>,
    /// The column that says when a row was changed, one of `fields`: answers with single rows say it of
    /// each. One without a zone is taken for UTC; whole numbers count seconds or thousandths since 1970.
    /// Not with `min_group`.
    #[serde(default)]
    pub(super) updated_at: Option<String>,
    /// After how long a row is stale by its `updated_at`; `when_stale` of `system` says what then.
    /// Default: never, for a row that nobody had to change is not old.
    #[serde(default)]
    pub(super) stale_after: Option<Span>,
    /// The columns that can be written, and which values. A table without any cannot be changed,
    /// and its rows cannot be deleted.
    #[serde(default)]
    pub(super) writable: BTreeMap<String, RuleText>,
    /// How sensitive its rows are.
    #[serde(default)]
    pub(super) label: Option<String>,
    /// Whether triggers and foreign keys may change other rows together with an effect. Default
    /// `refuse`: an effect that would do so is taken back.
    #[serde(default)]
    pub(super) triggers: Triggers,
}

/// The columns of a key.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(super) enum Key {
    /// One column.
    One(String),
    /// Several, in this order.
    Many(#[schemars(length(min = 1, max = 8))] Vec<String>),
}

impl Key {
    fn columns(&self) -> &[String] {
        match self {
            Self::One(column) => std::slice::from_ref(column),
            Self::Many(columns) => columns,
        }
    }
}

/// What the database itself may do together with an effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Triggers {
    /// An effect that changes more than its own rows is taken back.
    #[default]
    Refuse,
    /// Triggers may change more. An undo restores the effect's own rows only.
    Allow,
}

pub(super) fn check(part: &Part, labels: &Labels) -> Vec<Fault> {
    let mut faults = Vec::new();
    let system = serde_json::from_value::<System>(part.system.clone()).ok();
    faults.extend(system.iter().flat_map(address::faults));
    let in_file = |system: &System| !matches!(address::target(system), Ok(Target::Server(_)));
    let hashes = !system.as_ref().is_some_and(in_file);
    let Ok(scope) = serde_json::from_value::<Scope>(part.scope.clone()) else {
        return faults;
    };
    faults.extend(bad_label("/scope/label", scope.label.as_ref(), labels));
    let mut names = BTreeSet::new();
    for (name, table) in &scope.tables {
        let at = format!("/scope/tables/{}", escaped(name));
        faults.extend(bad_table_name(&at, name, &mut names));
        faults.extend(bad_label(
            &format!("{at}/label"),
            table.label.as_ref(),
            labels,
        ));
        if table.label.is_none() && scope.label.is_none() {
            faults.push(Fault::new(
                at.as_str(),
                format!("nothing says how sensitive `{name}` is"),
                format!("add `label`, one of {}", labels.words().join(", ")),
            ));
        }
        faults.extend(bad_columns(&at, table));
        faults.extend(views::faults(&at, table, hashes));
        faults.extend(groups::faults(&at, (name, table), &scope));
        faults.extend(times::faults(&at, table));
    }
    if part
        .system
        .get("url")
        .and_then(|url| url.as_str())
        .is_some_and(address::is_reports)
    {
        faults.extend(reports::faults(part, &scope));
    }
    faults
}

fn bad_label(at: &str, label: Option<&String>, labels: &Labels) -> Option<Fault> {
    let word = label?;
    labels
        .rank(word)
        .is_none()
        .then(|| labels.unknown(at, word))
}

fn bad_table_name(at: &str, name: &str, names: &mut BTreeSet<String>) -> Option<Fault> {
    let lower = name.to_ascii_lowercase();
    let (schema, bare) = lower.split_once('.').unwrap_or(("", &lower));
    let own = lower.starts_with("sqlite_") || bare == APPLIED_TABLE || lower == APPLIED_TABLE;
    let own = own || SYSTEM.contains(&schema) || schema.starts_with("pg_");
    if let Some(fault) = bad_name(at, name) {
        return Some(fault);
    }
    if own {
        return Some(Fault::new(
            at,
            format!("`{name}` is a table of the database or of Drawbridge itself"),
            "take it out",
        ));
    }
    (!names.insert(lower)).then(|| {
        Fault::new(
            at,
            format!("`{name}` stands there twice, written otherwise"),
            "write each table once, as the database writes it",
        )
    })
}

fn bad_name(at: &str, name: &str) -> Option<Fault> {
    (name.is_empty() || name.chars().any(char::is_control)).then(|| {
        Fault::new(
            at,
            "this is no name of a table or column",
            "write it as the database does",
        )
    })
}

fn bad_columns(at: &str, table: &Table) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut seen = BTreeSet::new();
    for (index, field) in table.fields.iter().enumerate() {
        let at = format!("{at}/fields/{index}");
        faults.extend(bad_name(&at, field));
        if !seen.insert(field.to_ascii_lowercase()) {
            let rule = format!("`{field}` stands there twice");
            faults.push(Fault::new(at, rule, "write each column once"));
        }
    }
    let mut own = BTreeSet::new();
    for column in table.key.columns() {
        let at = format!("{at}/key");
        if !table.fields.contains(column) {
            let rule = format!("the key `{column}` cannot be read");
            faults.push(Fault::new(at, rule, "add it to `fields`"));
        } else if !own.insert(column) {
            let rule = format!("`{column}` stands there twice");
            faults.push(Fault::new(at, rule, "write each column once"));
        }
    }
    if table.key.columns().is_empty() {
        let rule = "a row has no name without a key";
        faults.push(Fault::new(format!("{at}/key"), rule, "name a column"));
    }
    for (name, rule) in &table.writable {
        let at = format!("{at}/writable/{}", escaped(name));
        if !table.fields.contains(name) {
            let rule = format!("`{name}` can be written and not read, so no plan could show it");
            faults.push(Fault::new(at.as_str(), rule, "add it to `fields`"));
        }
        faults.extend(rule.faults(&at));
    }
    faults
}

/// A key of an object inside a JSON pointer.
fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests;
