//! What a changed part widens, apart from what it narrows. What cannot be told widens.

use drawbridge_core::{
    connector::Part,
    file::{Change, Direction, Labels},
};

use super::{
    super::dialect::Dialect, Mask, Scope, System, Table, Target, Tls, Triggers, address, condition,
    escaped, groups, own::TableScope, times,
};
use crate::part;
use Direction::{Narrows, Widens};

/// How `new` differs from `old`.
pub(in super::super) fn compare(old: &Part, new: &Part, labels: &Labels) -> Vec<Change> {
    part::compare((old, new), system, |old, new, changes| {
        scope(old, new, labels, changes);
    })
}

fn system(old: &System, new: &System, changes: &mut Vec<Change>) {
    if old.url != new.url {
        let sentence = format!("it reaches `{}` instead of `{}`", new.url, old.url);
        changes.push(Change::new("/system/url", Widens, sentence));
    }
    protection(old, new, changes);
    let sentence = match (old.applied_table, new.applied_table) {
        (false, true) => "it makes a table of its own in the database, for the keys of effects",
        (true, false) => "it no longer keeps the keys of effects in the database",
        (true, true) | (false, false) => return,
    };
    changes.push(Change::new("/system/applied_table", Widens, sentence));
}

/// What protects the connection. Another authority is another one to trust, so it widens.
fn protection(old: &System, new: &System, changes: &mut Vec<Change>) {
    if old.ca != new.ca {
        let sentence = "others vouch for the server";
        changes.push(Change::new("/system/ca", Widens, sentence));
    }
    let of = |system: &System| match address::target(system) {
        Ok(Target::Server(address)) => Some(address.tls),
        Ok(Target::File(_) | Target::Reports(_)) | Err(_) => None,
    };
    let (Some(was), Some(is)) = (of(old), of(new)) else {
        return;
    };
    let rank = |tls| match tls {
        Tls::Off => 0,
        Tls::Encrypt => 1,
        Tls::Verify => 2,
    };
    let (direction, sentence) = match rank(is).cmp(&rank(was)) {
        std::cmp::Ordering::Less => (Widens, "the connection to the server is protected less"),
        std::cmp::Ordering::Greater => (Narrows, "the connection to the server is protected more"),
        std::cmp::Ordering::Equal => return,
    };
    changes.push(Change::new("/system/tls", direction, sentence));
}

fn scope(old: &Scope, new: &Scope, labels: &Labels, changes: &mut Vec<Change>) {
    let query = match (old.query, new.query) {
        (false, true) => Some((Widens, "free questions can be asked")),
        (true, false) => Some((Narrows, "free questions can no longer be asked")),
        (true, true) | (false, false) => None,
    };
    if let Some((direction, sentence)) = query {
        changes.push(Change::new("/scope/query", direction, sentence));
    }
    for (name, table) in &new.tables {
        let at = format!("/scope/tables/{}", escaped(name));
        let label = |scope: &Scope, table: &Table| table.label.clone().or(scope.label.clone());
        match old.tables.get(name) {
            None => changes.push(Change::new(at, Widens, format!("it reaches `{name}`"))),
            Some(before) => {
                let labels = (label(old, before), label(new, table), labels);
                relabelled(&at, name, labels, changes);
                fields(&at, (before, table), changes);
                masks(&at, (before, table), changes);
                changes.extend(rows(&at, (before, table)));
                groups::compare(&at, (before, table), changes);
                times::compare(&at, (before, table), changes);
                writable(&at, name, (before, table), changes);
            }
        }
    }
    let gone = old
        .tables
        .keys()
        .filter(|name| !new.tables.contains_key(*name));
    for name in gone {
        let sentence = format!("it no longer reaches `{name}`");
        changes.push(Change::new("/scope/tables", Narrows, sentence));
    }
}

fn relabelled(
    at: &str,
    name: &str,
    (old, new, labels): (Option<String>, Option<String>, &Labels),
    changes: &mut Vec<Change>,
) {
    if old == new {
        return;
    }
    let rank = |label: &Option<String>| label.as_ref().and_then(|word| labels.rank(word));
    let raised = rank(&old).is_some() && rank(&new) > rank(&old);
    let word = |label: &Option<String>| label.clone().unwrap_or_else(|| "nothing".to_owned());
    let sentence = format!("`{name}` is {} instead of {}", word(&new), word(&old));
    let direction = if raised { Narrows } else { Widens };
    changes.push(Change::new(format!("{at}/label"), direction, sentence));
}

fn fields(at: &str, (old, new): (&Table, &Table), changes: &mut Vec<Change>) {
    if old.key != new.key {
        let sentence = "its rows are named by another key";
        changes.push(Change::new(format!("{at}/key"), Widens, sentence));
    }
    for field in new.fields.iter().filter(|name| !old.fields.contains(name)) {
        let sentence = format!("`{field}` can be read");
        changes.push(Change::new(format!("{at}/fields"), Widens, sentence));
    }
    for field in old.fields.iter().filter(|name| !new.fields.contains(name)) {
        let sentence = format!("`{field}` can no longer be read");
        changes.push(Change::new(format!("{at}/fields"), Narrows, sentence));
    }
}

fn masks(at: &str, (old, new): (&Table, &Table), changes: &mut Vec<Change>) {
    for field in new.fields.iter().filter(|name| old.fields.contains(name)) {
        let (direction, sentence) = match (old.mask.get(field), new.mask.get(field)) {
            (old, new) if old == new => continue,
            (_, None) => (Widens, format!("`{field}` is shown as it is")),
            (Some(_), Some(mask)) if *mask != Mask::Full => (
                Widens,
                format!("`{field}` is masked otherwise: `{}`", mask.word()),
            ),
            (_, Some(mask)) => (Narrows, format!("`{field}` is masked: `{}`", mask.word())),
        };
        let at = format!("{at}/mask/{}", escaped(field));
        changes.push(Change::new(at, direction, sentence));
    }
}

fn rows(at: &str, (old, new): (&Table, &Table)) -> Option<Change> {
    let read = |table: &Table| table.rows.as_deref().map(condition::read).transpose();
    let (direction, sentence) = match (read(old), read(new)) {
        (Ok(old), Ok(new)) if old == new => return None,
        (_, Ok(None)) => (Widens, "all its rows can be reached"),
        (Ok(None), Ok(Some(_))) => (Narrows, "only some of its rows can be reached"),
        (Ok(Some(old)), Ok(Some(new))) if new.is_within(&old) => {
            (Narrows, "fewer of its rows can be reached")
        }
        _ => (Widens, "other rows can be reached"),
    };
    Some(Change::new(format!("{at}/rows"), direction, sentence))
}

fn writable(at: &str, name: &str, (old, new): (&Table, &Table), changes: &mut Vec<Change>) {
    for (column, rule) in &new.writable {
        let at = format!("{at}/writable/{}", escaped(column));
        match old.writable.get(column) {
            Some(before) if before == rule => {}
            None => {
                let sentence = format!("`{column}` can be written");
                changes.push(Change::new(at, Widens, sentence));
            }
            Some(_) => {
                let direction = changed_rule(name, column, (old, new));
                let sentence = format!("other values can be written to `{column}`");
                changes.push(Change::new(at, direction, sentence));
            }
        }
    }
    let gone = old.writable.keys();
    for column in gone.filter(|column| !new.writable.contains_key(*column)) {
        let sentence = format!("`{column}` can no longer be written");
        changes.push(Change::new(format!("{at}/writable"), Narrows, sentence));
    }
    let triggers = match (old.triggers, new.triggers) {
        (Triggers::Refuse, Triggers::Allow) => {
            Some((Widens, "the database's triggers may change more"))
        }
        (Triggers::Allow, Triggers::Refuse) => {
            Some((Narrows, "the database's triggers may not change more"))
        }
        (Triggers::Refuse, Triggers::Refuse) | (Triggers::Allow, Triggers::Allow) => None,
    };
    if let Some((direction, sentence)) = triggers {
        changes.push(Change::new(format!("{at}/triggers"), direction, sentence));
    }
}

/// Which way a rule goes that is another than before.
fn changed_rule(name: &str, column: &str, (old, new): (&Table, &Table)) -> Direction {
    let of = |table: &Table| TableScope::of((name, table), "", (Dialect::Sqlite, "")).ok();
    let (Some(old), Some(new)) = (of(old), of(new)) else {
        return Widens;
    };
    match (old.writable.get(column), new.writable.get(column)) {
        (Some(old), Some(new)) if new.is_within(old) => Narrows,
        _ => Widens,
    }
}
