//! What is worked out over groups: each aggregate and key in it becomes the column of the groups that
//! it is.

use std::ops::ControlFlow;

use sqlparser::ast::{Expr, Query, VisitMut, VisitorMut};

use super::{
    super::{Refusal, rewrite::Walk},
    Groups,
};

impl Walk<'_> {
    /// An expression, as it is over the groups.
    pub(super) fn over_groups(
        &self,
        groups: &mut Groups<'_>,
        mut expression: Expr,
    ) -> Result<Expr, Refusal> {
        let mut replace = Replace {
            walk: self,
            groups,
            deep: 0,
        };
        match expression.visit(&mut replace) {
            ControlFlow::Continue(()) => Ok(expression),
            ControlFlow::Break(refusal) => Err(refusal),
        }
    }
}

struct Replace<'w, 'a, 'g, 'b> {
    walk: &'w Walk<'a>,
    groups: &'g mut Groups<'b>,
    /// How many sub-queries around: their names are their own.
    deep: usize,
}

impl Replace<'_, '_, '_, '_> {
    /// What stands in its place, if something else does.
    fn instead(&mut self, expression: &Expr) -> Result<Option<Expr>, Refusal> {
        let (walk, dialect) = (self.walk, self.walk.dialect);
        match expression {
            Expr::CompoundIdentifier(parts) if parts.first() == Some(&self.groups.called) => {
                return Ok(None);
            }
            Expr::Function(function) if function.over.is_some() => {
                return Err(Refusal::new(
                    "a window function over a table of which only groups are told: ask for the groups in \
                     a sub-query, and for it outside",
                ));
            }
            Expr::Function(function) => {
                if let Some(aggregate) = walk.aggregate(&self.groups.reads, function)? {
                    return Ok(Some(self.aggregate(aggregate)));
                }
            }
            Expr::Identifier(name) if !self.groups.reads.has(dialect, name) => {
                if let Some((_, over)) = walk.called_so(&self.groups.named, name) {
                    return Ok(Some(over.clone()));
                }
                walk.key(&self.groups.reads, expression)?;
            }
            _ => {}
        }
        let key = match (expression, walk.key(&self.groups.reads, expression)) {
            (Expr::Identifier(_) | Expr::CompoundIdentifier(_), key) => {
                let key = key?;
                let place = self.groups.keys.iter().position(|one| *one == key);
                Some(place.ok_or_else(|| not_grouped(expression))?)
            }
            (_, Ok(key)) => self.groups.keys.iter().position(|one| *one == key),
            (_, Err(_)) => None,
        };
        Ok(key.map(|place| self.groups.column(dialect, place)))
    }

    fn aggregate(&mut self, aggregate: Expr) -> Expr {
        let groups = &mut *self.groups;
        let known = groups.aggregates.iter().position(|one| *one == aggregate);
        let place = known.unwrap_or_else(|| {
            groups.aggregates.push(aggregate);
            groups.aggregates.len() - 1
        });
        groups.column(self.walk.dialect, groups.keys.len() + place)
    }
}

fn not_grouped(column: &Expr) -> Refusal {
    Refusal::new(format!(
        "`{}` would be of single rows: group by it, or take `count`, `sum` or `avg` of it",
        column.to_string().replace(['`', '"'], "")
    ))
}

impl VisitorMut for Replace<'_, '_, '_, '_> {
    type Break = Refusal;

    fn pre_visit_query(&mut self, _query: &mut Query) -> ControlFlow<Refusal> {
        self.deep += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _query: &mut Query) -> ControlFlow<Refusal> {
        self.deep -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expression: &mut Expr) -> ControlFlow<Refusal> {
        if self.deep > 0 {
            return ControlFlow::Continue(());
        }
        match self.instead(expression) {
            Ok(None) => ControlFlow::Continue(()),
            Ok(Some(other)) => {
                *expression = other;
                ControlFlow::Continue(())
            }
            Err(refusal) => ControlFlow::Break(refusal),
        }
    }
}
