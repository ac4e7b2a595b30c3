//! Queries, selections, and what they read from.

use sqlparser::ast::{
    Cte, Distinct, Expr, GroupByExpr, Ident, Join, JoinConstraint, JoinOperator, ObjectName,
    ObjectNamePart, Query, Select, SelectFlavor, SelectItem, SelectItemQualifiedWildcardKind,
    SetExpr, SetQuantifier, TableAlias, TableFactor, TableWithJoins, Value,
    WildcardAdditionalOptions,
};

use super::{Refusal, groups, names::plain, order::no_place, rewrite::Walk};

/// The most columns that a question selects, each time it selects.
const MOST_COLUMNS: usize = 100;

/// A query that holds what is not understood.
pub(super) fn not_understood(what: &str) -> Refusal {
    Refusal::new(format!("{what} cannot be used here"))
}

impl Walk<'_> {
    pub(super) fn query(&mut self, query: &mut Query) -> Result<(), Refusal> {
        let Query {
            with,
            body,
            order_by,
            limit_clause,
            fetch: None,
            locks,
            for_clause: None,
            settings: None,
            format_clause: None,
            pipe_operators,
        } = query
        else {
            return Err(not_understood("a clause at the end of it"));
        };
        if !locks.is_empty() || !pipe_operators.is_empty() {
            return Err(not_understood("a lock"));
        }
        let outer = self.common.len();
        if let Some(with) = with {
            if with.recursive {
                return Err(not_understood("`RECURSIVE`"));
            }
            for cte in &mut with.cte_tables {
                self.common_table(cte)?;
            }
        }
        self.ordered_body(body, order_by.as_mut())?;
        if let Some(limit) = limit_clause {
            self.limit(limit)?;
        }
        self.common.truncate(outer);
        Ok(())
    }

    fn common_table(&mut self, cte: &mut Cte) -> Result<(), Refusal> {
        if cte.from.is_some() || cte.materialized.is_some() {
            return Err(not_understood("a hint at a `WITH`"));
        }
        self.named(&mut cte.alias)?;
        let name = self.dialect.called(&cte.alias.name);
        let tables = self.tables.iter();
        let lower = cte.alias.name.value.to_lowercase();
        let taken = tables
            .map(|table| table.name.to_lowercase())
            .any(|table| table == lower);
        let again = self
            .common
            .iter()
            .any(|other| other.to_lowercase() == lower);
        if taken || again {
            let told = format!("`{}` would be the name of two tables", cte.alias.name.value);
            return Err(Refusal::new(told));
        }
        // Its own name is not known inside it: what it reads is never itself.
        self.query(&mut cte.query)?;
        self.add_common(name);
        Ok(())
    }

    pub(super) fn body(&mut self, body: &mut SetExpr) -> Result<(), Refusal> {
        match body {
            SetExpr::Select(select) => self.select(select),
            SetExpr::Query(query) => self.query(query),
            SetExpr::SetOperation {
                left,
                set_quantifier,
                right,
                ..
            } => {
                match set_quantifier {
                    SetQuantifier::All | SetQuantifier::Distinct | SetQuantifier::None => {}
                    _ => return Err(not_understood("`BY NAME`")),
                }
                self.body(left)?;
                self.body(right)
            }
            SetExpr::Values(values) => {
                for row in &mut values.rows {
                    self.all(&mut row.content)?;
                }
                Ok(())
            }
            _ => Err(not_understood("what is not a `SELECT`")),
        }
    }

    fn select(&mut self, select: &mut Select) -> Result<(), Refusal> {
        if self.reads_people(select) {
            return self.grouped(select, None);
        }
        self.plain_select(select)?;
        match &mut select.distinct {
            None | Some(Distinct::All | Distinct::Distinct) => {}
            Some(Distinct::On(on)) => self.all(on)?,
        }
        for from in &mut select.from {
            self.from(from)?;
        }
        for (index, item) in select.projection.iter_mut().enumerate() {
            self.item(item, index + 1)?;
        }
        if let Some(selection) = &mut select.selection {
            self.expression(selection)?;
        }
        match &mut select.group_by {
            GroupByExpr::Expressions(by, modifiers) if modifiers.is_empty() => {
                by.iter().try_for_each(no_place)?;
                self.all(by)?;
            }
            _ => return Err(not_understood("this `GROUP BY`")),
        }
        if let Some(having) = &mut select.having {
            self.expression(having)?;
        }
        for window in &mut select.named_window {
            self.named_window(window)?;
        }
        Ok(())
    }

    /// Refuses every clause that is not walked through.
    pub(super) fn plain_select(&self, select: &Select) -> Result<(), Refusal> {
        let Select {
            select_token: _,
            optimizer_hints,
            distinct: _,
            select_modifiers: None,
            top: None,
            top_before_distinct: _,
            projection: _,
            exclude: None,
            into: None,
            from: _,
            lateral_views,
            prewhere: None,
            selection: _,
            connect_by,
            group_by: _,
            cluster_by,
            distribute_by,
            sort_by,
            having: _,
            named_window: _,
            qualify: None,
            window_before_qualify: _,
            value_table_mode: None,
            flavor: SelectFlavor::Standard,
        } = select
        else {
            return Err(not_understood("a clause of a `SELECT`"));
        };
        let empty = optimizer_hints.is_empty()
            && lateral_views.is_empty()
            && connect_by.is_empty()
            && cluster_by.is_empty()
            && distribute_by.is_empty()
            && sort_by.is_empty();
        if !empty {
            return Err(not_understood("a clause of a `SELECT`"));
        }
        if select.projection.len() > MOST_COLUMNS {
            let told = format!("it selects more than {MOST_COLUMNS} columns");
            return Err(Refusal::new(told));
        }
        Ok(())
    }

    pub(super) fn item(&mut self, item: &mut SelectItem, number: usize) -> Result<(), Refusal> {
        match item {
            SelectItem::UnnamedExpr(expression) => {
                let name = self.name_of(expression, number);
                self.expression(expression)?;
                // Without a name an engine calls it by its text, in which the windows stand.
                if let Some(name) = name {
                    let expr = std::mem::replace(expression, Expr::value(Value::Null));
                    let alias = Ident::new(name);
                    *item = SelectItem::ExprWithAlias { expr, alias };
                }
                Ok(())
            }
            SelectItem::ExprWithAlias { expr, alias } => {
                plain(self.dialect, alias)?;
                self.expression(expr)
            }
            SelectItem::Wildcard(options) => no_options(options),
            SelectItem::QualifiedWildcard(
                SelectItemQualifiedWildcardKind::ObjectName(name),
                options,
            ) => {
                no_options(options)?;
                self.names.qualifier(self.dialect, single(name)?)
            }
            SelectItem::ExprWithAliases { .. } | SelectItem::QualifiedWildcard(..) => {
                Err(not_understood("what is selected"))
            }
        }
    }

    /// What a column is called that has no name of its own.
    pub(super) fn name_of(&self, expression: &Expr, number: usize) -> Option<String> {
        let numbered = || (number..).map(|number| format!("column{number}"));
        let free = |name: &String| !self.names.has_column(name);
        match expression {
            Expr::Identifier(_) | Expr::CompoundIdentifier(_) => None,
            Expr::Function(function) => {
                let name = function.name.to_string().to_ascii_lowercase();
                let name = format!("{name}_{number}");
                Some(name).filter(free).or_else(|| numbered().find(free))
            }
            _ => numbered().find(free),
        }
    }

    fn from(&mut self, from: &mut TableWithJoins) -> Result<(), Refusal> {
        self.factor(&mut from.relation)?;
        for join in &mut from.joins {
            self.join(join)?;
        }
        Ok(())
    }

    fn join(&mut self, join: &mut Join) -> Result<(), Refusal> {
        if join.global {
            return Err(not_understood("this join"));
        }
        self.factor(&mut join.relation)?;
        let constraint = match &mut join.join_operator {
            JoinOperator::Join(constraint)
            | JoinOperator::Inner(constraint)
            | JoinOperator::Left(constraint)
            | JoinOperator::LeftOuter(constraint)
            | JoinOperator::Right(constraint)
            | JoinOperator::RightOuter(constraint)
            | JoinOperator::FullOuter(constraint)
            | JoinOperator::CrossJoin(constraint) => constraint,
            _ => return Err(not_understood("this join")),
        };
        match constraint {
            JoinConstraint::On(on) => self.expression(on),
            JoinConstraint::Using(columns) => {
                for column in columns {
                    self.names.column(self.dialect, single(column)?)?;
                }
                Ok(())
            }
            JoinConstraint::Natural | JoinConstraint::None => Ok(()),
        }
    }

    fn factor(&mut self, factor: &mut TableFactor) -> Result<(), Refusal> {
        if let Some((name, alias)) = plain_table(factor) {
            return self.table(name, alias);
        }
        match factor {
            TableFactor::Derived {
                lateral: _,
                subquery,
                alias,
                sample: None,
            } => {
                if let Some(alias) = alias {
                    self.alias(alias)?;
                }
                self.query(subquery)
            }
            TableFactor::NestedJoin {
                table_with_joins,
                alias: None,
            } => self.from(table_with_joins),
            _ => Err(not_understood("what is read from")),
        }
    }

    /// A common table stays; a table of the scope becomes its window.
    fn table(
        &mut self,
        name: &mut ObjectName,
        alias: &mut Option<TableAlias>,
    ) -> Result<(), Refusal> {
        let (ident, scope) = self.meant(name)?;
        if let Some(alias) = alias {
            self.alias(alias)?;
        }
        let Some(scope) = scope else {
            *name = ObjectName::from(vec![ident]);
            return Ok(());
        };
        // INVARIANT: the rows of such a table are read by `groups` only.
        if let Some(group) = &scope.group {
            return Err(groups::one_by_one(&scope.name, group.least));
        }
        *name = self.window(scope)?;
        let called = || TableAlias {
            explicit: true,
            name: ident.clone(),
            columns: Vec::new(),
            at: None,
        };
        alias.get_or_insert_with(called);
        Ok(())
    }

    /// An alias after what it is for. Without `AS`, what stands before it could be taken for a word.
    pub(super) fn alias(&self, alias: &mut TableAlias) -> Result<(), Refusal> {
        alias.explicit = true;
        self.named(alias)
    }

    fn named(&self, alias: &mut TableAlias) -> Result<(), Refusal> {
        plain(self.dialect, &mut alias.name)?;
        for column in &mut alias.columns {
            plain(self.dialect, &mut column.name)?;
            if column.data_type.is_some() {
                return Err(not_understood("a type at an alias"));
            }
        }
        match alias.at {
            None => Ok(()),
            Some(_) => Err(not_understood("`AT`")),
        }
    }
}

/// A table that is named, with its alias, and with nothing else.
pub(super) fn plain_table(
    factor: &mut TableFactor,
) -> Option<(&mut ObjectName, &mut Option<TableAlias>)> {
    match factor {
        TableFactor::Table {
            name,
            alias,
            args: None,
            with_hints,
            version: None,
            with_ordinality: false,
            partitions,
            json_path: None,
            sample: None,
            index_hints,
        } if with_hints.is_empty() && partitions.is_empty() && index_hints.is_empty() => {
            Some((name, alias))
        }
        _ => None,
    }
}

/// A name without another before it.
pub(super) fn single(name: &mut ObjectName) -> Result<&mut Ident, Refusal> {
    match name.0.as_mut_slice() {
        [ObjectNamePart::Identifier(ident)] => Ok(ident),
        _ => Err(not_understood("a name with another before it")),
    }
}

fn no_options(options: &WildcardAdditionalOptions) -> Result<(), Refusal> {
    match options {
        WildcardAdditionalOptions {
            wildcard_token: _,
            opt_ilike: None,
            opt_exclude: None,
            opt_except: None,
            opt_replace: None,
            opt_rename: None,
            opt_alias: None,
        } => Ok(()),
        _ => Err(not_understood("an option of `*`")),
    }
}
