//! Selections that read a table of which only groups of people are told.
//!
//! Such a `SELECT` becomes two. The one inside reads the tables, groups, and lets out only groups of
//! enough different people; the engine finishes it before it looks at anything else. The one outside
//! works out the rest of what is asked (`HAVING`, arithmetic, order) over what came out. Inside stands
//! nothing that fails on some values and not on others: whether a question fails would tell of a
//! single person.

mod aggregates;
mod conditions;
mod read;
mod replace;

use sqlparser::ast::{
    Distinct, Expr, GroupByExpr, Ident, LimitClause, ObjectName, ObjectNamePart, Offset,
    OffsetRows, OrderBy, OrderByKind, Query, Select, SelectItem, SetExpr, TableAlias, TableFactor,
    TableWithJoins, Value,
};

use super::{
    super::{dialect::Dialect, window::PERSON},
    Refusal,
    names::plain,
    rewrite::Walk,
    tables::not_understood,
};
use read::Reads;

/// The largest number of rows that SQLite takes.
const ALL_ROWS: &str = "9223372036854775807";

/// What such a selection is made of, while it is made.
pub(super) struct Groups<'a> {
    reads: Reads<'a>,
    /// What it groups by.
    keys: Vec<Expr>,
    /// Its aggregates.
    aggregates: Vec<Expr>,
    /// What its columns are called, and what they are over the groups.
    named: Vec<(Ident, Expr)>,
    /// What the groups are called outside.
    called: Ident,
}

impl Groups<'_> {
    /// A column of the groups: the keys come first.
    fn column(&self, dialect: Dialect, number: usize) -> Expr {
        let column = ident(dialect, &output(number));
        Expr::CompoundIdentifier(vec![self.called.clone(), column])
    }
}

/// What a column of the groups is called.
fn output(number: usize) -> String {
    format!("group {}", number + 1)
}

/// A name of this program, as the engine reads it.
fn ident(dialect: Dialect, name: &str) -> Ident {
    let quote = match dialect {
        Dialect::Postgres => '"',
        Dialect::Sqlite | Dialect::MariaDb => '`',
    };
    Ident::with_quote(quote, name)
}

fn number(number: &str) -> Expr {
    Expr::value(Value::Number(number.to_owned(), false))
}

/// The refusal of a table of people where its rows would be read one by one.
pub(super) fn one_by_one(name: &str, least: u32) -> Refusal {
    Refusal::new(format!(
        "of `{name}` only groups of at least {least} people are told, and they are asked for by a \
         `SELECT` that names the table itself after `FROM`"
    ))
}

impl Walk<'_> {
    /// A body, and the order of what comes out of it.
    pub(super) fn ordered_body(
        &mut self,
        body: &mut SetExpr,
        mut order: Option<&mut OrderBy>,
    ) -> Result<(), Refusal> {
        match body {
            SetExpr::Select(select) if self.reads_people(select) => {
                self.grouped(select, order.as_deref_mut())?;
            }
            _ => self.body(body)?,
        }
        order.map_or(Ok(()), |order| self.order_by(order))
    }

    /// Whether a selection reads a table of which only groups are told.
    pub(super) fn reads_people(&self, select: &Select) -> bool {
        select.from.iter().any(|from| self.names_people(from))
    }

    fn names_people(&self, from: &TableWithJoins) -> bool {
        let joined = from.joins.iter().map(|join| &join.relation);
        let mut factors = std::iter::once(&from.relation).chain(joined);
        factors.any(|factor| match factor {
            TableFactor::Table { name, .. } => match self.meant(name) {
                Ok((_, Some(scope))) => scope.group.is_some(),
                Ok((_, None)) | Err(_) => false,
            },
            TableFactor::NestedJoin {
                table_with_joins, ..
            } => self.names_people(table_with_joins),
            _ => false,
        })
    }

    /// Makes two selections of one that reads such a table.
    pub(super) fn grouped(
        &mut self,
        select: &mut Select,
        order: Option<&mut OrderBy>,
    ) -> Result<(), Refusal> {
        self.plain_select(select)?;
        let on = matches!(select.distinct, Some(Distinct::On(_)));
        if on || !select.named_window.is_empty() {
            let what = "`DISTINCT ON` or `WINDOW` over a table of which only groups are told";
            return Err(not_understood(what));
        }
        self.grouped += 1;
        let called = format!("groups {}", self.grouped);
        let mut groups = Groups {
            reads: self.reads(&mut select.from)?,
            keys: Vec::new(),
            aggregates: Vec::new(),
            named: Vec::new(),
            called: ident(self.dialect, &called),
        };
        if let Some(selection) = &mut select.selection {
            self.condition(&groups.reads, selection)?;
            groups.reads.equate(selection, None);
        }
        let columns = self.called_columns(&mut select.projection)?;
        self.keys(&mut groups, &select.group_by, &columns)?;
        for (name, expression) in columns {
            let over = self.over_groups(&mut groups, expression)?;
            groups.named.push((name, over));
        }
        let having = select.having.take();
        let having = having.map(|having| self.over_groups(&mut groups, having));
        let having = having.transpose()?;
        if let Some(order) = order {
            self.order_groups(&mut groups, order)?;
        }
        if groups.keys.is_empty() && groups.aggregates.is_empty() {
            return Err(Refusal::new(
                "of a table of which only groups are told, ask for `count`, `sum` or `avg`, or group it",
            ));
        }
        let outputs = groups.keys.len() + groups.aggregates.len();
        self.names.add(&called, (0..outputs).map(output));
        select.projection = groups
            .named
            .iter()
            .map(|(alias, expr)| SelectItem::ExprWithAlias {
                expr: expr.clone(),
                alias: alias.clone(),
            })
            .collect();
        self.put_inside(select, groups)?;
        select.selection = having;
        for (index, item) in select.projection.iter_mut().enumerate() {
            self.item(item, index + 1)?;
        }
        match &mut select.selection {
            Some(having) => self.expression(having),
            None => Ok(()),
        }
    }

    /// What is selected, each with a name.
    fn called_columns(
        &self,
        projection: &mut Vec<SelectItem>,
    ) -> Result<Vec<(Ident, Expr)>, Refusal> {
        let mut columns = Vec::new();
        for (index, item) in std::mem::take(projection).into_iter().enumerate() {
            let (mut alias, expr) = match item {
                SelectItem::ExprWithAlias { expr, alias } => (alias, expr),
                SelectItem::UnnamedExpr(expr) => {
                    let own = match &expr {
                        Expr::Identifier(ident) => Some(ident.clone()),
                        Expr::CompoundIdentifier(parts) => parts.last().cloned(),
                        _ => self.name_of(&expr, index + 1).map(Ident::new),
                    };
                    (own.ok_or_else(|| not_understood("what is selected"))?, expr)
                }
                _ => {
                    let what = "`*` over a table of which only groups are told";
                    return Err(not_understood(what));
                }
            };
            plain(self.dialect, &mut alias)?;
            columns.push((alias, expr));
        }
        Ok(columns)
    }

    /// What it groups by: columns, or what is selected, by its place or its name.
    fn keys(
        &mut self,
        groups: &mut Groups<'_>,
        by: &GroupByExpr,
        columns: &[(Ident, Expr)],
    ) -> Result<(), Refusal> {
        let GroupByExpr::Expressions(by, modifiers) = by else {
            return Err(not_understood("this `GROUP BY`"));
        };
        if !modifiers.is_empty() {
            return Err(not_understood("this `GROUP BY`"));
        }
        for one in by {
            let selected = match one {
                Expr::Value(value) => match &value.value {
                    Value::Number(place, _) => {
                        let place = place.parse::<usize>().ok();
                        let place = place.and_then(|place| place.checked_sub(1));
                        place.and_then(|place| columns.get(place))
                    }
                    _ => None,
                },
                Expr::Identifier(name) if !groups.reads.has(self.dialect, name) => {
                    self.called_so(columns, name)
                }
                _ => None,
            };
            let key = selected.map_or(one, |(_, expression)| expression);
            let key = self.key(&groups.reads, key)?;
            if !groups.keys.contains(&key) {
                groups.keys.push(key);
            }
        }
        Ok(())
    }

    /// The column of this name, among what is selected.
    fn called_so<'b>(
        &self,
        columns: &'b [(Ident, Expr)],
        name: &Ident,
    ) -> Option<&'b (Ident, Expr)> {
        let name = self.dialect.folded(name);
        let mut columns = columns.iter();
        columns.find(|(alias, _)| self.dialect.folded(alias) == name)
    }

    /// What it is ordered by: columns by their name or place, or anything over the groups.
    fn order_groups(
        &mut self,
        groups: &mut Groups<'_>,
        order: &mut OrderBy,
    ) -> Result<(), Refusal> {
        let OrderByKind::Expressions(by) = &mut order.kind else {
            return Ok(());
        };
        for one in by {
            let stays = match &one.expr {
                Expr::Value(_) => true,
                Expr::Identifier(name) => self.called_so(&groups.named, name).is_some(),
                _ => false,
            };
            if !stays {
                let expression = std::mem::replace(&mut one.expr, Expr::value(Value::Null));
                one.expr = self.over_groups(groups, expression)?;
            }
        }
        Ok(())
    }

    /// Moves what reads the tables into a selection of its own.
    fn put_inside(&mut self, select: &mut Select, groups: Groups<'_>) -> Result<(), Refusal> {
        let mut inside = select.clone();
        inside.distinct = None;
        let places = (1..=groups.keys.len()).map(|place| number(&place.to_string()));
        inside.group_by = GroupByExpr::Expressions(places.collect(), Vec::new());
        let mut projection = Vec::new();
        let outputs = groups.keys.into_iter().chain(groups.aggregates);
        for (index, mut expr) in outputs.enumerate() {
            self.with_literals(&mut expr);
            let alias = ident(self.dialect, &output(index));
            projection.push(SelectItem::ExprWithAlias { expr, alias });
        }
        inside.projection = projection;
        inside.having = groups.reads.enough(self.dialect);
        let body = Box::new(SetExpr::Select(Box::new(inside)));
        let subquery = Box::new(finished_first(self.dialect, body));
        select.group_by = GroupByExpr::Expressions(Vec::new(), Vec::new());
        select.from = vec![TableWithJoins {
            relation: TableFactor::Derived {
                lateral: false,
                subquery,
                alias: Some(TableAlias {
                    explicit: true,
                    name: groups.called,
                    columns: Vec::new(),
                    at: None,
                }),
                sample: None,
            },
            joins: Vec::new(),
        }];
        Ok(())
    }
}

/// A query that the engine finishes before it looks at conditions from outside; see
/// [`Dialect::fence`].
fn finished_first(dialect: Dialect, body: Box<SetExpr>) -> Query {
    let (limit, offset) = match dialect {
        Dialect::Sqlite | Dialect::MariaDb => (Some(number(ALL_ROWS)), None),
        Dialect::Postgres => {
            let rows = OffsetRows::None;
            let value = number("0");
            (None, Some(Offset { value, rows }))
        }
    };
    Query {
        with: None,
        body,
        order_by: None,
        limit_clause: Some(LimitClause::LimitOffset {
            limit,
            offset,
            limit_by: Vec::new(),
        }),
        fetch: None,
        locks: Vec::new(),
        for_clause: None,
        settings: None,
        format_clause: None,
        pipe_operators: Vec::new(),
    }
}

/// The name of a function, in small letters.
fn function_name(name: &ObjectName) -> Option<String> {
    match name.0.as_slice() {
        [ObjectNamePart::Identifier(ident)] if ident.quote_style.is_none() => {
            Some(ident.value.to_ascii_lowercase())
        }
        _ => None,
    }
}
