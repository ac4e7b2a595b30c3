//! `ORDER BY` and `LIMIT`.

use sqlparser::ast::{
    Expr, LimitClause, Offset, OrderBy, OrderByExpr, OrderByKind, OrderByOptions, OrderBySort,
    Value,
};

use super::{Refusal, rewrite::Walk, tables::not_understood};

impl Walk<'_> {
    pub(super) fn order_by(&mut self, order: &mut OrderBy) -> Result<(), Refusal> {
        match (&mut order.kind, &order.interpolate) {
            (OrderByKind::Expressions(by), None) => self.ordered(by),
            _ => Err(not_understood("this `ORDER BY`")),
        }
    }

    pub(super) fn ordered(&mut self, by: &mut [OrderByExpr]) -> Result<(), Refusal> {
        for one in by {
            let OrderByExpr {
                expr,
                options:
                    OrderByOptions {
                        sort: None | Some(OrderBySort::Asc | OrderBySort::Desc),
                        nulls_first: _,
                    },
                with_fill: None,
            } = one
            else {
                return Err(not_understood("this `ORDER BY`"));
            };
            no_place(expr)?;
            self.expression(expr)?;
        }
        Ok(())
    }

    pub(super) fn limit(&mut self, limit: &mut LimitClause) -> Result<(), Refusal> {
        let numbers = match limit {
            LimitClause::LimitOffset {
                limit,
                offset,
                limit_by,
            } if limit_by.is_empty() => {
                let offset = offset.as_mut().map(|Offset { value, .. }| value);
                limit.iter_mut().chain(offset).collect()
            }
            LimitClause::OffsetCommaLimit { offset, limit } => vec![offset, limit],
            LimitClause::LimitOffset { .. } => return Err(not_understood("`LIMIT BY`")),
        };
        for number in numbers {
            let plain = matches!(
                number,
                Expr::Value(value) if matches!(value.value, Value::Number(..) | Value::Placeholder(_))
            );
            if !plain {
                return Err(Refusal::new("`LIMIT` and `OFFSET` take a number"));
            }
            self.expression(number)?;
        }
        Ok(())
    }
}

/// Refuses a parameter by itself: an engine may take its number for the place of a column.
pub(super) fn no_place(expression: &Expr) -> Result<(), Refusal> {
    match expression {
        Expr::Value(value) if matches!(value.value, Value::Placeholder(_)) => Err(not_understood(
            "a parameter as what rows are ordered or grouped by",
        )),
        _ => Ok(()),
    }
}
