//! What a statement that changes something may not hold. It decides which rows are changed, and to
//! what, so it must mean the same to everybody, and today what it meant yesterday.

use std::ops::ControlFlow;

use sqlparser::ast::{
    Expr, Function, Ident, ObjectName, Query, Select, SelectItem, Visit, Visitor,
    visit_expressions, visit_relations,
};

use super::super::{
    super::{dialect::Dialect, part::TableScope},
    Refusal,
    names::{in_scope, is_column, qualified},
    tables::not_understood,
};

/// Functions that tell the time: a plan would be another each time that it is looked at.
const CLOCKS: [&str; 9] = [
    "current_time",
    "current_timestamp",
    "localtime",
    "localtimestamp",
    "now",
    "sysdate",
    "curtime",
    "utc_timestamp",
    "unix_timestamp",
];
/// SQLite's, which tell it where they are given nothing, or `'now'`.
const DATES: [&str; 6] = [
    "date",
    "datetime",
    "julianday",
    "strftime",
    "time",
    "unixepoch",
];
/// Functions of many rows.
const AGGREGATES: [&str; 5] = ["avg", "count", "max", "min", "sum"];

/// How a statement comes to its rows.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Over {
    /// The rows of one table, each by itself: an `UPDATE` or a `DELETE`.
    Rows,
    /// Whatever a query of its own finds: an `INSERT`.
    Anything,
}

/// Refuses a question that a change must not go by.
pub(super) fn look(
    query: &Query,
    (dialect, tables): (Dialect, &[TableScope]),
    over: Over,
) -> Result<(), Refusal> {
    let mut read = Vec::new();
    let _ = visit_relations(query, |name| {
        let known = qualified(dialect, name)
            .and_then(|(before, ident)| in_scope(dialect, tables, (before.as_ref(), &ident)));
        read.extend(known);
        ControlFlow::<()>::Continue(())
    });
    let mut guard = Guard {
        dialect,
        read,
        tables,
        over,
        depth: 0,
    };
    match query.visit(&mut guard) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(refusal) => Err(refusal),
    }
}

/// Refuses a value that is worked out of another one that the same statement sets: MariaDB takes the
/// new value there, and standard SQL the old one.
pub(super) fn in_turn(dialect: Dialect, set: &[(String, Expr)]) -> Result<(), Refusal> {
    if dialect != Dialect::MariaDb {
        return Ok(());
    }
    for (index, (_, value)) in set.iter().enumerate() {
        let before = set.iter().take(index).map(|(name, _)| name);
        for name in before {
            let named = visit_expressions(value, |one| match last(one) {
                Some(ident) if is_column(dialect, ident, name) => ControlFlow::Break(()),
                _ => ControlFlow::Continue(()),
            });
            if named.is_break() {
                return Err(Refusal::new(format!(
                    "MariaDB would take the new value of `{name}` there; set it after the others"
                )));
            }
        }
    }
    Ok(())
}

/// The column that an expression is.
fn last(expression: &Expr) -> Option<&Ident> {
    match expression {
        Expr::Identifier(ident) => Some(ident),
        Expr::CompoundIdentifier(parts) => parts.last(),
        _ => None,
    }
}

/// Whether a selection has columns that it does not name.
pub(super) fn is_starred(select: &Select) -> bool {
    select.projection.iter().any(|item| {
        matches!(
            item,
            SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..)
        )
    })
}

struct Guard<'a> {
    dialect: Dialect,
    tables: &'a [TableScope],
    /// Those of them that it reads.
    read: Vec<&'a TableScope>,
    over: Over,
    /// How many queries are around what is looked at.
    depth: usize,
}

impl Guard<'_> {
    fn column(&self, expression: &Expr) -> Result<(), Refusal> {
        let Some(ident) = last(expression) else {
            return Ok(());
        };
        let masked = self.read.iter().find(|table| {
            let mut names = table.mask.keys();
            names.any(|name| is_column(self.dialect, ident, name))
        });
        if let Some(table) = masked {
            return Err(Refusal::new(format!(
                "`{}` of `{}` is masked, so a change cannot go by it",
                ident.value, table.name
            )));
        }
        // Of a column that the inner tables do not have, the outer ones' would be taken.
        if self.depth > 1 && matches!(expression, Expr::Identifier(_)) {
            return Err(Refusal::new(format!(
                "in a query within the statement, write its table before `{}`, with a point",
                ident.value
            )));
        }
        Ok(())
    }

    fn function(&self, function: &Function) -> Result<(), Refusal> {
        let name = function.name.to_string().to_ascii_lowercase();
        let dated = || {
            let text = function.to_string().to_ascii_lowercase();
            text.contains("'now'") || text.ends_with("()")
        };
        let clock = CLOCKS.contains(&name.as_str());
        if clock || self.dialect == Dialect::Sqlite && DATES.contains(&name.as_str()) && dated() {
            return Err(Refusal::new(format!(
                "`{name}` tells another time whenever the plan is looked at; let the database set \
                 it, by a default or a trigger"
            )));
        }
        let many = function.over.is_some() || AGGREGATES.contains(&name.as_str());
        if self.depth == 1 && self.over == Over::Rows && many {
            return Err(not_understood("a function of many rows"));
        }
        Ok(())
    }

    /// Who sees fewer rows must not be able to do more.
    fn relation(&self, name: &ObjectName) -> Result<(), Refusal> {
        let own = self.over == Over::Rows && self.depth == 1;
        let (before, ident) = qualified(self.dialect, name)?;
        match in_scope(self.dialect, self.tables, (before.as_ref(), &ident)) {
            Ok(scope) if scope.rows.is_some() && !own => Err(Refusal::new(format!(
                "not everybody sees the same rows of `{}`, so what is changed cannot go by them",
                scope.name
            ))),
            _ => Ok(()),
        }
    }
}

impl Visitor for Guard<'_> {
    type Break = Refusal;

    fn pre_visit_query(&mut self, _: &Query) -> ControlFlow<Refusal> {
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &Query) -> ControlFlow<Refusal> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<Refusal> {
        if is_starred(select) {
            return ControlFlow::Break(Refusal::new("name the columns instead of `*`"));
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, name: &ObjectName) -> ControlFlow<Refusal> {
        held(self.relation(name))
    }

    fn pre_visit_expr(&mut self, expression: &Expr) -> ControlFlow<Refusal> {
        held(match expression {
            Expr::Function(function) => self.function(function),
            other => self.column(other),
        })
    }
}

fn held(looked: Result<(), Refusal>) -> ControlFlow<Refusal> {
    match looked {
        Ok(()) => ControlFlow::Continue(()),
        Err(refusal) => ControlFlow::Break(refusal),
    }
}
