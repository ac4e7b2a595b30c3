//! Columns that say when a row was changed.

use std::time::Duration;

use drawbridge_core::file::{Change, Direction, Fault, Span};

use super::Table;

/// The column that says when a row was changed, and how long ago that may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Changed {
    pub(in super::super) column: String,
    pub(in super::super) stale_after: Option<Duration>,
}

impl Changed {
    pub(super) fn of(table: &Table) -> Option<Self> {
        table.updated_at.as_ref().map(|column| Self {
            column: column.clone(),
            stale_after: table.stale_after.map(Span::duration),
        })
    }
}

pub(super) fn faults(at: &str, table: &Table) -> Vec<Fault> {
    let Some(column) = &table.updated_at else {
        let rule = "nothing says when a row of it was changed";
        let mend = "name the column that does in `updated_at`, or take it out";
        let at = format!("{at}/stale_after");
        let judged = table.stale_after.map(|_| Fault::new(at, rule, mend));
        return judged.into_iter().collect();
    };
    let at = format!("{at}/updated_at");
    let (rule, mend) = if table.min_group.is_some() {
        (
            "when a row was changed would be told of single people".to_owned(),
            "take it out, or take `min_group` out",
        )
    } else if !table.fields.contains(column) {
        (
            format!("`{column}` cannot be read, and every answer would tell it"),
            "add it to `fields`, or take it out",
        )
    } else if table.mask.contains_key(column) {
        (
            format!("`{column}` is masked, and every answer would tell it"),
            "take it out, or out of `mask`",
        )
    } else {
        return Vec::new();
    };
    vec![Fault::new(at, rule, mend)]
}

/// What a changed part says more or less of how old rows are.
pub(super) fn compare(at: &str, (old, new): (&Table, &Table), changes: &mut Vec<Change>) {
    use Direction::{Narrows, Widens};
    let told = match (&old.updated_at, &new.updated_at) {
        (None, None) => None,
        (old, new) if old == new => None,
        (None, Some(_)) => Some((Narrows, "answers say when its rows were changed")),
        (Some(_), None) => Some((Widens, "answers no longer say when its rows were changed")),
        (Some(_), Some(_)) => Some((Widens, "another column says when its rows were changed")),
    };
    if let Some((direction, sentence)) = told {
        changes.push(Change::new(format!("{at}/updated_at"), direction, sentence));
    }
    let judged = match (old.stale_after, new.stale_after) {
        (old, new) if old == new => return,
        (Some(_), None) => (Widens, "its rows may be of any age"),
        (Some(old), Some(new)) if new > old => (Widens, "its rows may be older"),
        _ => (Narrows, "its rows may be less old"),
    };
    let (direction, sentence) = judged;
    changes.push(Change::new(
        format!("{at}/stale_after"),
        direction,
        sentence,
    ));
}
