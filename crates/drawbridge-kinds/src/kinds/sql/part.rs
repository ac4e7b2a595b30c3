//! The kind's part of the connector file.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use drawbridge_core::{
    connector::{Part, Schema},
    file::{Change, Direction, Fault, Labels},
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

/// `system`.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct System {
    /// The database: `sqlite:` and a file that is there, from the folder of `drawbridge.yaml`.
    #[schemars(regex(pattern = r"^sqlite:[^?]+$"), extend("examples" = ["sqlite:crm.db"]))]
    pub(super) url: String,
    /// Whether the table `drawbridge_applied` may be made and kept in the database: by it, it is
    /// known for certain after a crash what was done. Default false.
    #[serde(default)]
    pub(super) applied_table: bool,
}

impl System {
    /// The database's file.
    pub(super) fn file(&self, workspace: &Path) -> PathBuf {
        let path = self.url.strip_prefix("sqlite:").unwrap_or(&self.url);
        workspace.join(path)
    }
}

/// `scope`.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Scope {
    /// The tables that are reached, by name. Others are not there.
    #[schemars(length(min = 1))]
    pub(super) tables: BTreeMap<String, Table>,
    /// The label of tables that name none.
    #[serde(default)]
    pub(super) label: Option<String>,
}

/// One table.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Table {
    /// The column by which a row is named. It must be unique.
    pub(super) key: String,
    /// The columns that are seen. Others are not there.
    #[schemars(length(min = 1))]
    pub(super) fields: Vec<String>,
    /// The columns that can be written, of those that are seen, and with which values.
    #[serde(default)]
    pub(super) writable: BTreeMap<String, Allowed>,
    /// How sensitive its rows are.
    #[serde(default)]
    pub(super) label: Option<String>,
}

/// Values that may be written.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(super) enum Allowed {
    /// One of these.
    Values(Vec<Value>),
    /// Within bounds; `{}` for any.
    Bounds(Bounds),
}

/// Bounds of a value.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Bounds {
    /// A number of at least this.
    #[serde(default)]
    min: Option<f64>,
    /// A number of at most this.
    #[serde(default)]
    max: Option<f64>,
    /// A text of at most so many characters.
    #[serde(default)]
    max_length: Option<usize>,
    /// Whether it may be empty (NULL). Default false.
    #[serde(default)]
    null: bool,
}

impl Allowed {
    /// Why a value may not be written.
    pub(super) fn refuses(&self, value: &Value) -> Option<String> {
        match self {
            Self::Values(values) if values.contains(value) => None,
            Self::Values(values) => {
                let values: Vec<String> = values.iter().map(Value::to_string).collect();
                Some(format!("it must be one of {}", values.join(", ")))
            }
            Self::Bounds(bounds) => bounds.refuses(value),
        }
    }
}

impl Bounds {
    fn refuses(&self, value: &Value) -> Option<String> {
        if value.is_null() {
            return (!self.null).then(|| "it must not be null".to_owned());
        }
        if self.min.is_some() || self.max.is_some() {
            let Some(number) = value.as_f64() else {
                return Some("it must be a number".to_owned());
            };
            if let Some(min) = self.min.filter(|min| number < *min) {
                return Some(format!("it must be at least {min}"));
            }
            if let Some(max) = self.max.filter(|max| number > *max) {
                return Some(format!("it must be at most {max}"));
            }
        }
        let most = self.max_length?;
        match value.as_str() {
            Some(text) if text.chars().count() <= most => None,
            Some(_) => Some(format!("it must have at most {most} characters")),
            None => Some("it must be a text".to_owned()),
        }
    }
}

pub(super) fn schema() -> Schema {
    Schema {
        system: inlined::<System>(),
        scope: inlined::<Scope>(),
    }
}

/// A schema without `$defs`, so that it can stand inside another.
fn inlined<T: JsonSchema>() -> Value {
    let settings = schemars::generate::SchemaSettings::draft2020_12().with(|settings| {
        settings.inline_subschemas = true;
    });
    settings.into_generator().into_root_schema_for::<T>().into()
}

/// The part, understood; none where its schema is broken, which is told by itself.
pub(super) fn read(part: &Part) -> Option<(System, Scope)> {
    let system = serde_json::from_value(part.system.clone()).ok()?;
    Some((system, serde_json::from_value(part.scope.clone()).ok()?))
}

pub(super) fn check(part: &Part, labels: &Labels) -> Vec<Fault> {
    let Some((_, scope)) = read(part) else {
        return Vec::new();
    };
    let mut faults = Vec::new();
    if let Some(label) = &scope.label
        && labels.rank(label).is_none()
    {
        faults.push(labels.unknown("/scope/label", label));
    }
    for (name, table) in &scope.tables {
        let at = format!(
            "/scope/tables/{}",
            name.replace('~', "~0").replace('/', "~1")
        );
        match &table.label {
            Some(label) if labels.rank(label).is_none() => {
                faults.push(labels.unknown(&format!("{at}/label"), label));
            }
            None if scope.label.is_none() => faults.push(Fault::new(
                &at,
                "nobody knows how sensitive the table is, so nobody would see it",
                "add `label`, here or under `scope`",
            )),
            _ => {}
        }
        if !table.fields.contains(&table.key) {
            let mend = format!("add `{}` to `fields`", table.key);
            faults.push(Fault::new(
                format!("{at}/fields"),
                "the key is not seen",
                mend,
            ));
        }
        for field in table.writable.keys() {
            if !table.fields.contains(field) {
                let rule = format!("`{field}` can be written and not seen");
                let mend = format!("add `{field}` to `fields`, or take it out of `writable`");
                faults.push(Fault::new(format!("{at}/writable/{field}"), rule, mend));
            }
        }
    }
    faults
}

/// How `new` differs from `old`. What cannot be told widens.
pub(super) fn compare(old: &Part, new: &Part, labels: &Labels) -> Vec<Change> {
    let mut changes = Vec::new();
    let (Some((old_system, old_scope)), Some((new_system, new_scope))) = (read(old), read(new))
    else {
        if old != new {
            changes.push(Change::new(
                "/scope",
                Direction::Widens,
                "its scope changed",
            ));
        }
        return changes;
    };
    if old_system != new_system {
        let sentence = "it reaches another database, or in another way";
        changes.push(Change::new("/system/url", Direction::Widens, sentence));
    }
    for (name, table) in &new_scope.tables {
        let label = |scope: &Scope, table: &Table| table.label.clone().or(scope.label.clone());
        match old_scope.tables.get(name) {
            None => changes.push(Change::new(
                format!("/scope/tables/{name}"),
                Direction::Widens,
                format!("it reaches the table `{name}`"),
            )),
            Some(before) => {
                let labels_of = (label(&old_scope, before), label(&new_scope, table));
                changes.extend(table_changes(name, (before, table), labels_of, labels));
            }
        }
    }
    for name in old_scope.tables.keys() {
        if !new_scope.tables.contains_key(name) {
            changes.push(Change::new(
                "/scope/tables",
                Direction::Narrows,
                format!("it no longer reaches the table `{name}`"),
            ));
        }
    }
    changes
}

fn table_changes(
    name: &str,
    (old, new): (&Table, &Table),
    (old_label, new_label): (Option<String>, Option<String>),
    labels: &Labels,
) -> Vec<Change> {
    let at = format!("/scope/tables/{name}");
    let mut changes = Vec::new();
    let mut change = |place: &str, direction, sentence: String| {
        changes.push(Change::new(format!("{at}/{place}"), direction, sentence));
    };
    if old.key != new.key {
        change(
            "key",
            Direction::Widens,
            format!("rows of `{name}` are named by another column"),
        );
    }
    for field in new
        .fields
        .iter()
        .filter(|field| !old.fields.contains(field))
    {
        change(
            "fields",
            Direction::Widens,
            format!("`{name}.{field}` is seen"),
        );
    }
    for field in old
        .fields
        .iter()
        .filter(|field| !new.fields.contains(field))
    {
        change(
            "fields",
            Direction::Narrows,
            format!("`{name}.{field}` is seen no longer"),
        );
    }
    for (field, allowed) in &new.writable {
        if old.writable.get(field) != Some(allowed) {
            change(
                "writable",
                Direction::Widens,
                format!("other values of `{name}.{field}` can be written"),
            );
        }
    }
    for field in old
        .writable
        .keys()
        .filter(|field| !new.writable.contains_key(*field))
    {
        change(
            "writable",
            Direction::Narrows,
            format!("`{name}.{field}` can be written no longer"),
        );
    }
    changes.extend(label_change(name, (&old_label, &new_label), labels));
    changes
}

fn label_change(
    name: &str,
    (old, new): (&Option<String>, &Option<String>),
    labels: &Labels,
) -> Option<Change> {
    let rank = |label: &Option<String>| label.as_deref().and_then(|label| labels.rank(label));
    let direction = if rank(new) > rank(old) {
        Direction::Narrows
    } else {
        Direction::Widens
    };
    let sentence = format!("`{name}` has another label");
    (old != new).then(|| Change::new(format!("/scope/tables/{name}/label"), direction, sentence))
}
