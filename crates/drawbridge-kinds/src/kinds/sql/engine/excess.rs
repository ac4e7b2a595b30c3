//! Rights that an account has or lacks, in words.

use drawbridge_core::connector::Problem;

use super::super::{
    dialect::Dialect,
    part::{Columns, Need},
};

/// The most excess rights that are told one by one.
const MOST: usize = 40;
/// The most columns or rights that one sentence names.
const NAMED: usize = 8;

/// What an account can do beyond what the file says.
#[derive(Debug, Default)]
pub(super) struct Excess {
    told: Vec<String>,
    more: usize,
}

impl Excess {
    /// What it can do, and the statement that takes it away.
    pub(super) fn add(&mut self, what: &str, mend: &str) {
        if self.told.len() < MOST {
            self.told.push(format!("it {what}: `{mend}`"));
        } else {
            self.more += 1;
        }
    }

    pub(super) fn told(mut self) -> Vec<String> {
        if self.more > 0 {
            self.told.push(format!("and {} rights more", self.more));
        }
        self.told
    }
}

/// The first few of many, for a sentence.
pub(super) fn few(all: &[String]) -> String {
    match all.get(..NAMED) {
        Some(first) if all.len() > NAMED => {
            format!("{} and {} more", first.join(", "), all.len() - NAMED)
        }
        _ => all.join(", "),
    }
}

/// What the file needs of a table, and the account cannot do.
pub(super) fn missing(table: &str, lacks: &[String]) -> Option<Problem> {
    (!lacks.is_empty()).then(|| Problem {
        path: table.to_owned(),
        reason: format!("the connector's account may not {} here", lacks.join(", ")),
        mend: format!(
            "grant it {}, as `drawbridge grants` prints it, or narrow the table in the file",
            lacks.join(", ")
        ),
    })
}

/// A right on a table or on one of its columns, as somebody holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Right {
    pub(super) word: String,
    /// None: on the whole table.
    pub(super) column: Option<String>,
    /// Whether it may be handed on.
    pub(super) grantable: bool,
}

/// What of the rights on one table is too much.
#[derive(Debug, Default)]
pub(super) struct TooMuch {
    /// In words, for a sentence.
    pub(super) words: Vec<String>,
    /// What is to be revoked, as it stands in a statement.
    pub(super) revoke: Vec<String>,
    /// What is to be granted instead.
    pub(super) grant: Vec<String>,
    /// What may not be handed on.
    pub(super) keep: Vec<String>,
}

/// Compares rights on one table, held by one, with what is needed of it. `all` are the columns of the
/// table, as far as they can be seen.
pub(super) fn too_much(
    rights: &[Right],
    need: &Need,
    (all, dialect): (&[String], Dialect),
) -> TooMuch {
    let mut found = TooMuch::default();
    let listed = |columns: &[String]| {
        let quoted = columns.iter().map(|column| dialect.quoted(column));
        quoted.collect::<Vec<_>>().join(", ")
    };
    for right in rights {
        let (word, needed) = (&right.word, need.columns(&right.word));
        let one = match &right.column {
            Some(column) => format!("{word} ({})", listed(std::slice::from_ref(column))),
            None => word.clone(),
        };
        let beyond: Vec<String> = match &right.column {
            Some(column) => Some(column)
                .filter(|column| !needed.has(column))
                .cloned()
                .into_iter()
                .collect(),
            None => all
                .iter()
                .filter(|name| !needed.has(name))
                .cloned()
                .collect(),
        };
        if needed.is_none() || !beyond.is_empty() {
            let what = match (&right.column, &needed) {
                // Of a right that is not needed at all it says nothing which columns there are.
                (None, Columns::These(columns)) if !columns.is_empty() => {
                    format!("{word} {}", few(&beyond))
                }
                _ => one.clone(),
            };
            found.words.push(what);
            found.revoke.push(one);
            if let (None, Columns::These(columns)) = (&right.column, &needed)
                && !columns.is_empty()
            {
                found.grant.push(format!("{word} ({})", listed(columns)));
            }
        } else if right.grantable {
            found.keep.push(one);
        }
    }
    found
}
