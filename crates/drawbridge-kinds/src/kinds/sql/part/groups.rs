//! Tables whose rows are of people, of whom only groups are told.

use drawbridge_core::file::{Change, Direction, Fault};

use super::{Scope, Table, bad_name};

/// The fewest that a file can have a group be.
const FEWEST: u32 = 2;

/// Who is told of together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Group {
    /// The fewest people of a group that is told.
    pub(in super::super) least: u32,
    /// The column that tells people apart.
    pub(in super::super) person: String,
}

impl Group {
    pub(super) fn of(name: &str, table: &Table) -> Result<Option<Self>, String> {
        let Some(least) = table.min_group else {
            return Ok(None);
        };
        let person =
            person(table).ok_or_else(|| format!("nothing tells the people of `{name}` apart"))?;
        Ok(Some(Self {
            least: least.max(FEWEST),
            person: person.clone(),
        }))
    }
}

/// The column that names a person: by default the key, where it is one column.
fn person(table: &Table) -> Option<&String> {
    match (&table.person, table.key.columns()) {
        (Some(person), _) => Some(person),
        (None, [key]) => Some(key),
        (None, _) => None,
    }
}

pub(super) fn faults(at: &str, (name, table): (&str, &Table), scope: &Scope) -> Vec<Fault> {
    let mut faults = Vec::new();
    if let Some(person) = &table.person {
        let at = format!("{at}/person");
        faults.extend(bad_name(&at, person));
        if table.min_group.is_none() {
            let rule =
                "it says who is a person where nothing says how many of them are told together";
            faults.push(Fault::new(at, rule, "add `min_group`, or take it out"));
        }
    }
    if table.min_group.is_none() {
        return faults;
    }
    let at_group = format!("{at}/min_group");
    if person(table).is_none() {
        let rule =
            format!("the key of `{name}` has several columns, so nothing tells people apart");
        let mend = "name the column that does in `person`";
        faults.push(Fault::new(at_group.as_str(), rule, mend));
    }
    if !scope.query {
        let rule = format!("of `{name}` only `query` tells anything, and free questions are off");
        let mend = "add `query: true` to `scope`, or take `min_group` out";
        faults.push(Fault::new(at_group, rule, mend));
    }
    if !table.writable.is_empty() {
        let rule = format!(
            "rows of `{name}` are never given one by one, so no plan could show what it changes"
        );
        let mend = "take it out, or take `min_group` out";
        faults.push(Fault::new(format!("{at}/writable"), rule, mend));
    }
    faults
}

/// What a changed part tells more or less of people.
pub(super) fn compare(at: &str, (old, new): (&Table, &Table), changes: &mut Vec<Change>) {
    use Direction::{Narrows, Widens};
    let (direction, sentence) = match (old.min_group, new.min_group) {
        (None, None) => return,
        (Some(_), None) => (Widens, "its rows are given one by one".to_owned()),
        (None, Some(least)) => (
            Narrows,
            format!("only groups of at least {least} people are told of it"),
        ),
        (Some(before), Some(least)) if person(old) == person(new) => {
            let direction = match least.cmp(&before) {
                std::cmp::Ordering::Equal => return,
                std::cmp::Ordering::Less => Widens,
                std::cmp::Ordering::Greater => Narrows,
            };
            let sentence =
                format!("groups of at least {least} people are told instead of {before}");
            (direction, sentence)
        }
        (Some(_), Some(_)) => (
            Widens,
            "its people are told apart by another column".to_owned(),
        ),
    };
    changes.push(Change::new(format!("{at}/min_group"), direction, sentence));
}
