//! Statements of the file's own: the same questions, with parameters; and changes, which become the
//! question for the rows that they would change, and for the values that these would get.

mod guards;

use std::collections::{BTreeMap, BTreeSet};

use drawbridge_core::call::Power;
use sqlparser::ast::{
    Assignment, AssignmentTarget, Delete, Expr, FromTable, Ident, Insert, ObjectName, Query,
    SelectItem, SetExpr, Statement, TableFactor, TableObject, TableWithJoins, Update, Value,
};

use guards::Over;

use super::{
    super::{dialect::Dialect, part::TableScope, window::Piece},
    Refusal,
    names::{self, in_scope, plain, qualified, unknown},
    rewrite::{Rewritten, deep, walked},
    tables::{not_understood, single},
    text,
};

/// What stands in a statement for its parameters, by their names.
pub(in super::super) type Bound = BTreeMap<String, Piece>;

/// What a statement does.
#[derive(Debug)]
pub(in super::super) enum Meaning {
    /// It answers with rows.
    Answer(Rewritten),
    /// It changes a table: the rows, and the values, that this question finds.
    Change {
        table: String,
        manner: Manner,
        rows: Rewritten,
    },
}

/// How a statement changes its table.
#[derive(Debug)]
pub(in super::super) enum Manner {
    /// Each row that is found is added: these columns of it.
    Insert(Vec<String>),
    /// Of each row that is found by its key, these columns are set to the values after the key.
    Update(Vec<String>),
    /// Each row that is found by its key is removed.
    Delete,
}

impl Meaning {
    /// Whether this is what a power is for.
    pub(in super::super) fn fits(&self, power: Power) -> bool {
        match self {
            Self::Answer(_) => matches!(power, Power::Read | Power::Search),
            Self::Change { manner, .. } => power == manner.power(),
        }
    }

    pub(in super::super) fn does(&self) -> &'static str {
        match self {
            Self::Answer(_) => "only reads",
            Self::Change { manner, .. } => match manner {
                Manner::Insert(_) => "adds rows",
                Manner::Update(_) => "changes rows",
                Manner::Delete => "removes rows",
            },
        }
    }

    /// The powers that it can be declared with.
    pub(in super::super) fn powers(&self) -> String {
        match self {
            Self::Answer(_) => "`read` or `search`".to_owned(),
            Self::Change { manner, .. } => format!("`{}`", manner.power()),
        }
    }
}

impl Manner {
    fn power(&self) -> Power {
        match self {
            Self::Insert(_) => Power::Write,
            Self::Update(_) => Power::Update,
            Self::Delete => Power::Delete,
        }
    }

    /// What of it the table's rules forbid whatever the values are: the column, and why.
    pub(in super::super) fn forbidden(
        &self,
        table: &TableScope,
    ) -> Option<(Option<&str>, &'static str)> {
        if table.writable.is_empty() {
            return Some((None, "of which nothing can be written"));
        }
        let (columns, new) = match self {
            Self::Insert(columns) => (columns, true),
            Self::Update(columns) => (columns, false),
            Self::Delete => return None,
        };
        columns.iter().find_map(|column| {
            let fixed = table.key.contains(column);
            match table.writable.get(column) {
                None => Some((Some(column.as_str()), "which cannot be written")),
                Some(rule) if !new && (fixed || rule.once) => {
                    Some((Some(column.as_str()), "which is given with a new row only"))
                }
                Some(_) => None,
            }
        })
    }
}

/// What a statement does with these values, for somebody who sees the tables like this.
///
/// # Errors
/// Why it cannot be used.
pub(in super::super) fn understood(
    dialect: Dialect,
    (text, bound): (&str, &Bound),
    tables: &[TableScope],
) -> Result<Meaning, Refusal> {
    let reading = Reading {
        dialect,
        bound,
        tables,
    };
    deep(|| match text::statement(dialect, text, true)? {
        Statement::Query(query) => Ok(Meaning::Answer(reading.walked(*query)?)),
        Statement::Insert(insert) => reading.insert(insert),
        Statement::Update(update) => reading.update(update),
        Statement::Delete(delete) => reading.delete(delete),
        _ => Err(not_understood("this kind of statement")),
    })
}

/// Where the rows of an `INSERT` come from.
enum Source {
    Row(Vec<Expr>),
    Query(Box<Query>),
}

struct Reading<'a> {
    dialect: Dialect,
    bound: &'a Bound,
    tables: &'a [TableScope],
}

impl Reading<'_> {
    fn walked(&self, query: Query) -> Result<Rewritten, Refusal> {
        walked(self.dialect, query, (self.tables, self.bound))
    }

    /// The same, of the question that a change goes by.
    fn changing(&self, query: Query, over: Over) -> Result<Rewritten, Refusal> {
        guards::look(&query, (self.dialect, self.tables), over)?;
        self.walked(query)
    }

    /// Whatever stands in it beside what a plain one has is refused: it must be equal to one that
    /// was made with nothing else.
    fn insert(&self, insert: Insert) -> Result<Meaning, Refusal> {
        let Statement::Insert(mut plain) = self.example("INSERT INTO a (b) SELECT 1")? else {
            return Err(not_understood("this `INSERT`"));
        };
        plain.table = insert.table.clone();
        plain.columns.clone_from(&insert.columns);
        plain.source.clone_from(&insert.source);
        if plain != insert {
            return Err(not_understood("a clause of the `INSERT`"));
        }
        let (TableObject::TableName(table), Some(source)) = (insert.table, insert.source) else {
            return Err(not_understood("where the `INSERT` adds to"));
        };
        let scope = self.scope(&table)?;
        let columns = insert.columns.into_iter();
        let columns = columns.map(|column| self.column(scope, column));
        let columns = distinct(columns.collect::<Result<_, _>>()?)?;
        if columns.is_empty() {
            return Err(Refusal::new("name the columns that the `INSERT` fills"));
        }
        let count = match source.body.as_ref() {
            SetExpr::Select(select) if !guards::is_starred(select) => select.projection.len(),
            _ => columns.len(),
        };
        let query = match self.values(*source)? {
            Source::Query(_) if count != columns.len() => return Err(other_number()),
            Source::Query(query) => *query,
            Source::Row(row) if row.len() == columns.len() => {
                self.selecting(row, (Vec::new(), None))?
            }
            Source::Row(_) => return Err(other_number()),
        };
        Ok(Meaning::Change {
            table: scope.name.clone(),
            manner: Manner::Insert(columns),
            rows: self.changing(query, Over::Anything)?,
        })
    }

    /// What is added: the one row of `VALUES`, or what a query finds.
    fn values(&self, mut source: Query) -> Result<Source, Refusal> {
        if !matches!(*source.body, SetExpr::Values(_)) {
            return Ok(Source::Query(Box::new(source)));
        }
        let plain = self.selecting(vec![Expr::value(Value::Null)], (Vec::new(), None))?;
        let body = std::mem::replace(&mut source.body, plain.body.clone());
        if source != plain {
            return Err(not_understood("a clause after `VALUES`"));
        }
        match *body {
            SetExpr::Values(mut values) if values.rows.len() == 1 => {
                let row = values.rows.pop().map(|row| row.content);
                Ok(Source::Row(row.unwrap_or_default()))
            }
            _ => Err(Refusal::new("write one row of `VALUES`, or a `SELECT`")),
        }
    }

    fn update(&self, update: Update) -> Result<Meaning, Refusal> {
        let Statement::Update(mut plain) = self.example("UPDATE a SET b = 1 WHERE c")? else {
            return Err(not_understood("this `UPDATE`"));
        };
        plain.table = update.table.clone();
        plain.assignments.clone_from(&update.assignments);
        plain.selection.clone_from(&update.selection);
        if plain != update {
            return Err(not_understood("a clause of the `UPDATE`"));
        }
        let scope = self.changed(&update.table)?;
        let mut set = Vec::new();
        for Assignment { target, value } in update.assignments {
            let AssignmentTarget::ColumnName(column) = target else {
                return Err(not_understood("several columns in brackets"));
            };
            set.push((self.column(scope, column)?, value));
        }
        guards::in_turn(self.dialect, &set)?;
        let (columns, values): (_, Vec<Expr>) = set.into_iter().unzip();
        let chosen = self.key(scope).into_iter().chain(values).collect();
        let query = self.selecting(chosen, (vec![update.table], update.selection))?;
        Ok(Meaning::Change {
            table: scope.name.clone(),
            manner: Manner::Update(distinct(columns)?),
            rows: self.changing(query, Over::Rows)?,
        })
    }

    fn delete(&self, delete: Delete) -> Result<Meaning, Refusal> {
        let Statement::Delete(mut plain) = self.example("DELETE FROM a WHERE b")? else {
            return Err(not_understood("this `DELETE`"));
        };
        plain.from = delete.from.clone();
        plain.selection.clone_from(&delete.selection);
        if plain != delete {
            return Err(not_understood("a clause of the `DELETE`"));
        }
        let FromTable::WithFromKeyword(from) = delete.from else {
            return Err(not_understood("a `DELETE` without `FROM`"));
        };
        let [table] = from.as_slice() else {
            return Err(not_understood("a `DELETE` from several tables"));
        };
        let scope = self.changed(table)?;
        let query = self.selecting(self.key(scope), (from, delete.selection))?;
        Ok(Meaning::Change {
            table: scope.name.clone(),
            manner: Manner::Delete,
            rows: self.changing(query, Over::Rows)?,
        })
    }

    fn example(&self, text: &str) -> Result<Statement, Refusal> {
        text::statement(self.dialect, text, false)
    }

    /// A `SELECT` of these, made of a plain one.
    fn selecting(
        &self,
        chosen: Vec<Expr>,
        (from, selection): (Vec<TableWithJoins>, Option<Expr>),
    ) -> Result<Query, Refusal> {
        if !from.is_empty() && selection.is_none() {
            let told = "say with `WHERE` which rows it changes";
            return Err(Refusal::new(told));
        }
        let mut query = match self.example("SELECT 1")? {
            Statement::Query(query) => *query,
            _ => return Err(not_understood("this statement")),
        };
        if let SetExpr::Select(select) = query.body.as_mut() {
            select.projection = chosen.into_iter().map(SelectItem::UnnamedExpr).collect();
            select.from = from;
            select.selection = selection;
        }
        Ok(query)
    }

    /// The table that a statement changes: one, and nothing joined to it.
    fn changed(&self, table: &TableWithJoins) -> Result<&TableScope, Refusal> {
        match (&table.relation, table.joins.as_slice()) {
            (TableFactor::Table { name, alias, .. }, [])
                if alias.iter().all(|alias| alias.columns.is_empty()) =>
            {
                self.scope(name)
            }
            _ => Err(not_understood("a change of more than one table")),
        }
    }

    fn scope(&self, name: &ObjectName) -> Result<&TableScope, Refusal> {
        let (before, ident) = qualified(self.dialect, name)?;
        in_scope(self.dialect, self.tables, (before.as_ref(), &ident))
    }

    /// The columns of a key, in their order.
    fn key(&self, scope: &TableScope) -> Vec<Expr> {
        let quote = match self.dialect {
            Dialect::Sqlite | Dialect::Postgres => '"',
            Dialect::MariaDb => '`',
        };
        let named = |name: &String| Expr::Identifier(Ident::with_quote(quote, name));
        scope.key.iter().map(named).collect()
    }

    fn column(&self, scope: &TableScope, mut name: ObjectName) -> Result<String, Refusal> {
        let ident = single(&mut name)?;
        plain(self.dialect, ident)?;
        let mut fields = scope.fields.iter();
        let field = fields.find(|field| names::is_column(self.dialect, ident, field));
        field.cloned().ok_or_else(|| unknown("column", ident))
    }
}

fn other_number() -> Refusal {
    Refusal::new("it has another number of values than of columns")
}

fn distinct(columns: Vec<String>) -> Result<Vec<String>, Refusal> {
    let mut seen = BTreeSet::new();
    match columns.iter().find(|column| !seen.insert(*column)) {
        None => Ok(columns),
        Some(twice) => Err(Refusal::new(format!("it sets `{twice}` twice"))),
    }
}
