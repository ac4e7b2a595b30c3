//! Rewriting a question: what is understood is walked through, every table of the scope becomes its
//! window, and whatever else is in it is refused.

use std::{collections::BTreeSet, ops::ControlFlow};

use sqlparser::ast::{Ident, ObjectName, Query, Value, visit_relations};

use super::{
    super::{dialect::Dialect, part::TableScope, window::Piece},
    Refusal, bounds,
    named::Bound,
    names::Names,
    tables::not_understood,
    text,
};

/// The most tables that a question names, each time it names one.
const MOST_TABLES: usize = 16;
/// Bytes of stack for the deepest question; those that are not used are not taken.
const STACK: usize = 64 << 20;
/// How often texts may be put together: each time doubles them at most.
const MOST_JOINED: usize = 8;

/// A question that reads nothing but windows.
#[derive(Debug, Clone)]
pub(in super::super) struct Rewritten {
    pub(in super::super) piece: Piece,
    /// The tables it reads.
    pub(in super::super) tables: BTreeSet<String>,
}

/// Rewrites a question over these tables, as their caller sees them.
///
/// # Errors
/// Why it cannot be asked, in words that name only what stands in it.
pub(in super::super) fn rewrite(
    dialect: Dialect,
    asked: &str,
    tables: &[TableScope],
) -> Result<Rewritten, Refusal> {
    deep(|| {
        let query = text::parse(dialect, asked)?;
        walked(dialect, query, (tables, &Bound::new()))
    })
}

/// Works where there is room for it. A sum of a thousand numbers is a thousand calls deep, also when
/// it is printed and let go: so deep are only threads that are made for it. What it takes is bounded
/// by `text::statement`.
pub(super) fn deep<T: Send>(
    work: impl FnOnce() -> Result<T, Refusal> + Send,
) -> Result<T, Refusal> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK);
        let working = thread.spawn_scoped(scope, work);
        let working = working.map_err(|_| Refusal::new("too much is asked at this moment"))?;
        working
            .join()
            .unwrap_or_else(|_| Err(not_understood("something in it")))
    })
}

/// Rewrites what was parsed, with these values for its parameters.
pub(super) fn walked(
    dialect: Dialect,
    mut query: Query,
    (tables, bound): (&[TableScope], &Bound),
) -> Result<Rewritten, Refusal> {
    let names = Names::of(dialect, &query, tables);
    let mut walk = Walk {
        dialect,
        names,
        tables,
        bound,
        common: Vec::new(),
        ever_common: BTreeSet::new(),
        marks: Vec::new(),
        windows: BTreeSet::new(),
        read: BTreeSet::new(),
        joined: 0,
        literals: 0,
        grouped: 0,
    };
    walk.query(&mut query)?;
    bounds::made(walk.literals, walk.joined)?;
    walk.only_windows(&query)?;
    walk.printed(&query)
}

/// A walk through a question.
pub(super) struct Walk<'a> {
    pub(super) dialect: Dialect,
    pub(super) names: Names,
    pub(super) tables: &'a [TableScope],
    /// What stands for its parameters.
    bound: &'a Bound,
    /// Common tables (`WITH`) that can be named at this place.
    pub(super) common: Vec<String>,
    ever_common: BTreeSet<String>,
    /// What is put in where the text has a mark.
    marks: Vec<Piece>,
    /// Marks that are windows.
    windows: BTreeSet<String>,
    read: BTreeSet<String>,
    joined: usize,
    /// Bytes of the texts that stand in it.
    literals: usize,
    /// How many of its selections are over groups.
    pub(super) grouped: usize,
}

impl Walk<'_> {
    fn mark(&mut self, piece: Piece) -> String {
        self.marks.push(piece);
        // No name and no text that a caller gives has this sign: `text::is_plain` sees to it.
        format!("${}", self.marks.len())
    }

    /// The mark of a text. The printer of the parser knows nothing of an engine's own quoting.
    pub(super) fn literal(&mut self, value: &str) -> Value {
        self.literals += value.len();
        let piece = Piece::default().text(&self.dialect.text(value));
        Value::Placeholder(self.mark(piece))
    }

    /// The mark of a parameter, by its name with `:` before it.
    pub(super) fn parameter(&mut self, name: &str) -> Result<Value, Refusal> {
        let bound = name.strip_prefix(':').and_then(|name| self.bound.get(name));
        let piece = bound.ok_or_else(|| not_understood("a parameter that is none"))?;
        self.literals += piece.size();
        Ok(Value::Placeholder(self.mark(piece.clone())))
    }

    /// The window of a table, by its mark.
    pub(super) fn window(&mut self, scope: &TableScope) -> Result<ObjectName, Refusal> {
        if self.windows.len() >= MOST_TABLES {
            return Err(Refusal::new(format!(
                "it names more than {MOST_TABLES} tables"
            )));
        }
        let piece = Piece::default().text("(").piece(scope.window());
        // Where nobody's rows are hidden there is nothing to keep conditions from, and they may use
        // the table's indexes.
        let hides = scope.rows.is_some() || scope.group.is_some();
        let fence = if hides { self.dialect.fence() } else { "" };
        let piece = piece.text(fence).text(")");
        let mark = self.mark(piece);
        self.windows.insert(mark.clone());
        self.read.insert(scope.name.clone());
        Ok(ObjectName::from(vec![Ident::new(mark)]))
    }

    /// Remembers a common table, which can be named from here on.
    pub(super) fn add_common(&mut self, name: String) {
        self.ever_common.insert(name.clone());
        self.common.push(name);
    }

    /// Counts that texts are put together.
    pub(super) fn joins(&mut self, times: usize) -> Result<(), Refusal> {
        self.joined += times;
        if self.joined > MOST_JOINED {
            let told = format!("it puts texts together more than {MOST_JOINED} times");
            return Err(Refusal::new(told));
        }
        Ok(())
    }

    // INVARIANT: whatever the walk did, no relation is left that is no window and no common table.
    fn only_windows(&self, query: &Query) -> Result<(), Refusal> {
        let left = visit_relations(query, |name| {
            let ident = match name.0.as_slice() {
                [part] => part.as_ident(),
                _ => None,
            };
            let known = ident.is_some_and(|ident| {
                self.windows.contains(&ident.value)
                    || self.ever_common.contains(&self.dialect.called(ident))
            });
            if known {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        });
        if left.is_break() {
            return Err(Refusal::new(
                "it names a table in a way that is not understood",
            ));
        }
        Ok(())
    }

    /// The text, with its marks replaced.
    fn printed(self, query: &Query) -> Result<Rewritten, Refusal> {
        let printed = query.to_string();
        let odd = ["'", "--", "/*", "\\", ";", "#", "@", "?", ":="];
        if odd.iter().any(|sign| printed.contains(sign)) {
            return Err(Refusal::new("two signs in it would run into each other"));
        }
        let mut piece = Piece::default();
        let mut parts = printed.split('$');
        piece = piece.text(parts.next().unwrap_or_default());
        for part in parts {
            let end = part.find(|letter: char| !letter.is_ascii_digit());
            let (number, rest) = part.split_at(end.unwrap_or(part.len()));
            let number = number
                .parse::<usize>()
                .ok()
                .and_then(|number| number.checked_sub(1));
            let mark = number.and_then(|number| self.marks.get(number));
            let mark = mark.ok_or_else(|| Refusal::new("a sign in it is not understood"))?;
            piece = piece.piece(mark.clone()).text(rest);
        }
        Ok(Rewritten {
            piece,
            tables: self.read,
        })
    }
}
