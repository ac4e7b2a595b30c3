//! Conditions and keys of such a selection. No value makes one of them fail: comparisons of columns
//! with plain values, and a few functions of dates and texts.

use sqlparser::ast::{
    BinaryOperator, Expr, Function, FunctionArgExpr, ObjectName, UnaryOperator, Value,
    visit_expressions_mut,
};

use super::{
    super::{Refusal, rewrite::Walk},
    Dialect, aggregates, function_name, ident,
    read::Reads,
};

/// To what PostgreSQL cuts every sort of date and time.
const CUTS: [&str; 4] = ["year", "quarter", "month", "day"];
/// Functions of MariaDB and MySQL that give nothing where a value is no date.
const PARTS: [&str; 4] = ["date", "month", "quarter", "year"];

fn no_condition() -> Refusal {
    Refusal::new(
        "over a table of which only groups are told, a condition compares columns with plain values: \
         `=`, `<`, `IN`, `BETWEEN`, `LIKE`, `IS NULL`, with `AND`, `OR`, `NOT`; and columns of two \
         tables by `=`",
    )
}

fn no_key(dialect: Dialect) -> Refusal {
    let dated = match dialect {
        Dialect::Sqlite => "strftime('%Y-%m', column)",
        Dialect::Postgres => "date_trunc('month', column)",
        Dialect::MariaDb => "date_format(column, '%Y-%m')",
    };
    Refusal::new(format!(
        "a table of which only groups are told is grouped by columns, `substr(column, 1, 7)` or \
         `{dated}`"
    ))
}

impl Walk<'_> {
    /// A condition over these tables.
    pub(super) fn condition(
        &mut self,
        reads: &Reads<'_>,
        condition: &mut Expr,
    ) -> Result<(), Refusal> {
        match condition {
            Expr::Nested(one)
            | Expr::IsTrue(one)
            | Expr::IsFalse(one)
            | Expr::IsNotTrue(one)
            | Expr::IsNotFalse(one)
            | Expr::UnaryOp {
                op: UnaryOperator::Not,
                expr: one,
            } => self.condition(reads, one),
            Expr::BinaryOp {
                left,
                op: BinaryOperator::And | BinaryOperator::Or,
                right,
            } => {
                self.condition(reads, left)?;
                self.condition(reads, right)
            }
            Expr::BinaryOp { left, op, right } => self.comparison(reads, (left, op, right)),
            Expr::IsNull(one) | Expr::IsNotNull(one) => self.compared(reads, one),
            Expr::InList { expr, list, .. } => {
                self.compared(reads, expr)?;
                list.iter_mut().try_for_each(|one| self.plain_value(one))
            }
            Expr::Between {
                expr, low, high, ..
            } => {
                self.compared(reads, expr)?;
                self.plain_value(low)?;
                self.plain_value(high)
            }
            Expr::Like {
                any: false,
                expr,
                pattern,
                escape_char: None,
                ..
            } => {
                self.compared(reads, expr)?;
                self.by_bytes(expr);
                self.plain_value(pattern)
            }
            Expr::Identifier(_) | Expr::CompoundIdentifier(_) => self.compared(reads, condition),
            Expr::Value(_) => self.plain_value(condition),
            _ => Err(no_condition()),
        }
    }

    fn comparison(
        &mut self,
        reads: &Reads<'_>,
        (left, op, right): (&mut Expr, &BinaryOperator, &mut Expr),
    ) -> Result<(), Refusal> {
        let equal = *op == BinaryOperator::Eq;
        let compares = matches!(
            op,
            BinaryOperator::Gt
                | BinaryOperator::Lt
                | BinaryOperator::GtEq
                | BinaryOperator::LtEq
                | BinaryOperator::NotEq
        );
        let columns = is_column(left) && is_column(right);
        let plain = is_plain(left) || is_plain(right);
        if !(equal && columns || (equal || compares) && plain) {
            return Err(no_condition());
        }
        for side in [left, right] {
            if is_plain(side) {
                self.plain_value(side)?;
            } else {
                self.compared(reads, side)?;
            }
        }
        Ok(())
    }

    /// A column, or what is made of one.
    fn compared(&mut self, reads: &Reads<'_>, expression: &mut Expr) -> Result<(), Refusal> {
        *expression = self.key(reads, expression)?;
        self.with_literals(expression);
        Ok(())
    }

    fn plain_value(&mut self, value: &mut Expr) -> Result<(), Refusal> {
        if !is_plain(value) {
            return Err(no_condition());
        }
        self.expression(value)
    }

    /// PostgreSQL looks for patterns only where texts are compared by their bytes, and would fail as
    /// soon as it comes to another.
    fn by_bytes(&self, text: &mut Expr) {
        if self.dialect == Dialect::Postgres {
            let expr = Box::new(std::mem::replace(text, Expr::value(Value::Null)));
            let collation = ObjectName::from(vec![ident(self.dialect, "C")]);
            *text = Expr::Collate { expr, collation };
        }
    }

    /// What can be grouped by and compared, with its columns by their tables.
    pub(super) fn key(&self, reads: &Reads<'_>, expression: &Expr) -> Result<Expr, Refusal> {
        match expression {
            Expr::Nested(one) => self.key(reads, one),
            Expr::Identifier(name) => {
                let mut name = name.clone();
                self.names.column(self.dialect, &mut name)?;
                reads.find(self.dialect, &name)
            }
            Expr::CompoundIdentifier(parts) => {
                let [table, name] = parts.as_slice() else {
                    return Err(Refusal::new("columns are named without a schema"));
                };
                let (mut table, mut name) = (table.clone(), name.clone());
                self.names.qualifier(self.dialect, &mut table)?;
                self.names.column(self.dialect, &mut name)?;
                reads.find_in(self.dialect, (&table, &name))
            }
            Expr::Substring {
                expr,
                substring_from: Some(from),
                substring_for,
                special,
                shorthand,
            } if is_whole(from) && substring_for.as_deref().is_none_or(is_whole) => {
                Ok(Expr::Substring {
                    expr: Box::new(self.column_of(reads, expr)?),
                    substring_from: Some(from.clone()),
                    substring_for: substring_for.clone(),
                    special: *special,
                    shorthand: *shorthand,
                })
            }
            Expr::Function(function) => self.dated(reads, function),
            _ => Err(no_key(self.dialect)),
        }
    }

    pub(super) fn column_of(&self, reads: &Reads<'_>, column: &Expr) -> Result<Expr, Refusal> {
        if is_column(column) {
            self.key(reads, column)
        } else {
            Err(no_key(self.dialect))
        }
    }

    /// A function that makes a period of a date.
    fn dated(&self, reads: &Reads<'_>, function: &Function) -> Result<Expr, Refusal> {
        let none = || no_key(self.dialect);
        let name = function_name(&function.name).ok_or_else(none)?;
        let arguments = aggregates::arguments(function).ok_or_else(none)?;
        let given: Vec<&Expr> = arguments
            .args
            .iter()
            .filter_map(aggregates::expression)
            .collect();
        let plain = arguments.duplicate_treatment.is_none() && given.len() == arguments.args.len();
        let place = match (self.dialect, name.as_str(), given.as_slice()) {
            (Dialect::Sqlite, "date", [_]) => 0,
            (Dialect::Sqlite, "strftime", [format, _]) if text_of(format).is_some() => 1,
            (Dialect::Postgres, "date_trunc", [unit, _])
                if text_of(unit).is_some_and(|unit| CUTS.contains(&unit)) =>
            {
                1
            }
            (Dialect::MariaDb, part, [_]) if PARTS.contains(&part) => 0,
            (Dialect::MariaDb, "date_format", [_, format]) if text_of(format).is_some() => 0,
            _ => return Err(none()),
        };
        let column = given.get(place).filter(|_| plain).ok_or_else(none)?;
        let column = FunctionArgExpr::Expr(self.column_of(reads, column)?);
        aggregates::with_argument(function, place, column).ok_or_else(none)
    }

    /// Puts marks where texts stand.
    pub(super) fn with_literals(&mut self, expression: &mut Expr) {
        let _ = visit_expressions_mut(expression, |one| {
            if let Expr::Value(value) = one
                && let Value::SingleQuotedString(text) = &mut value.value
            {
                let text = std::mem::take(text);
                value.value = self.literal(&text);
            }
            std::ops::ControlFlow::<()>::Continue(())
        });
    }
}

fn is_column(expression: &Expr) -> bool {
    matches!(
        expression,
        Expr::Identifier(_) | Expr::CompoundIdentifier(_)
    )
}

/// Whether it is a value as it is written.
fn is_plain(expression: &Expr) -> bool {
    match expression {
        Expr::Value(_) | Expr::TypedString(_) => true,
        Expr::UnaryOp {
            op: UnaryOperator::Minus | UnaryOperator::Plus,
            expr,
        } => matches!(&**expr, Expr::Value(value) if matches!(value.value, Value::Number(..))),
        _ => false,
    }
}

fn is_whole(expression: &Expr) -> bool {
    matches!(expression, Expr::Value(value)
        if matches!(&value.value, Value::Number(digits, _) if digits.parse::<u16>().is_ok()))
}

fn text_of(expression: &Expr) -> Option<&str> {
    match expression {
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) => Some(text),
            _ => None,
        },
        _ => None,
    }
}
