//! Expressions: each is understood, or the question refused.

use sqlparser::ast::{
    BinaryOperator, CastKind, CeilFloorKind, DataType, DateTimeField, Expr, Function, FunctionArg,
    FunctionArgExpr, FunctionArguments, Interval, NamedWindowDefinition, NamedWindowExpr,
    UnaryOperator, Value, WindowFrame, WindowFrameBound, WindowSpec, WindowType,
};

use super::{
    super::dialect::Dialect,
    Refusal, bounds, functions,
    names::plain,
    rewrite::Walk,
    tables::{not_understood, single},
};

impl Walk<'_> {
    pub(super) fn all(&mut self, all: &mut [Expr]) -> Result<(), Refusal> {
        all.iter_mut().try_for_each(|one| self.expression(one))
    }

    pub(super) fn expression(&mut self, expression: &mut Expr) -> Result<(), Refusal> {
        match expression {
            Expr::Identifier(ident) => self.names.column(self.dialect, ident),
            Expr::CompoundIdentifier(parts) => match parts.as_mut_slice() {
                [table, column] => {
                    self.names.qualifier(self.dialect, table)?;
                    self.names.column(self.dialect, column)
                }
                _ => Err(Refusal::new("columns are named without a schema")),
            },
            Expr::Value(value) => self.value(&mut value.value),
            Expr::TypedString(typed) if !typed.uses_odbc_syntax => {
                known_type(&typed.data_type)?;
                self.value(&mut typed.value.value)
            }
            Expr::Nested(one)
            | Expr::IsFalse(one)
            | Expr::IsNotFalse(one)
            | Expr::IsTrue(one)
            | Expr::IsNotTrue(one)
            | Expr::IsNull(one)
            | Expr::IsNotNull(one)
            | Expr::IsUnknown(one)
            | Expr::IsNotUnknown(one) => self.expression(one),
            Expr::IsDistinctFrom(left, right) | Expr::IsNotDistinctFrom(left, right) => {
                self.expression(left)?;
                self.expression(right)
            }
            Expr::UnaryOp { op, expr } => match op {
                UnaryOperator::Plus | UnaryOperator::Minus | UnaryOperator::Not => {
                    self.expression(expr)
                }
                _ => Err(not_understood("this sign")),
            },
            Expr::BinaryOp { left, op, right } => {
                self.operator(op)?;
                self.expression(left)?;
                self.expression(right)
            }
            Expr::Subquery(query)
            | Expr::Exists {
                subquery: query, ..
            } => self.query(query),
            Expr::Tuple(all) => self.all(all),
            Expr::Function(function) => self.function(function),
            other => self.compound(other),
        }
    }

    /// Expressions of several parts.
    fn compound(&mut self, expression: &mut Expr) -> Result<(), Refusal> {
        match expression {
            Expr::InList { expr, list, .. } => {
                self.expression(expr)?;
                self.all(list)
            }
            Expr::InSubquery { expr, subquery, .. } => {
                self.expression(expr)?;
                self.query(subquery)
            }
            Expr::Between {
                expr, low, high, ..
            } => {
                self.expression(expr)?;
                self.expression(low)?;
                self.expression(high)
            }
            Expr::Like {
                any: false,
                expr,
                pattern,
                escape_char,
                ..
            }
            | Expr::ILike {
                any: false,
                expr,
                pattern,
                escape_char,
                ..
            } => {
                self.expression(expr)?;
                self.expression(pattern)?;
                self.maybe(escape_char)
            }
            Expr::Case {
                operand,
                conditions,
                else_result,
                ..
            } => {
                self.maybe(operand)?;
                for when in conditions {
                    self.expression(&mut when.condition)?;
                    self.expression(&mut when.result)?;
                }
                self.maybe(else_result)
            }
            other => self.converted(other),
        }
    }

    /// Expressions that make another value of one.
    fn converted(&mut self, expression: &mut Expr) -> Result<(), Refusal> {
        match expression {
            Expr::Cast {
                kind: CastKind::Cast | CastKind::DoubleColon,
                expr,
                data_type,
                format: None,
            } => {
                known_type(data_type)?;
                self.expression(expr)
            }
            Expr::Extract { field, expr, .. } => {
                known_field(field)?;
                self.expression(expr)
            }
            Expr::Ceil {
                expr,
                field: CeilFloorKind::DateTimeField(DateTimeField::NoDateTime),
            }
            | Expr::Floor {
                expr,
                field: CeilFloorKind::DateTimeField(DateTimeField::NoDateTime),
            } => self.expression(expr),
            Expr::Position { expr, r#in } => {
                bounds::short(expr)?;
                self.expression(expr)?;
                self.expression(r#in)
            }
            Expr::Substring {
                expr,
                substring_from,
                substring_for,
                ..
            } => {
                self.expression(expr)?;
                self.maybe(substring_from)?;
                self.maybe(substring_for)
            }
            Expr::Trim {
                trim_what,
                expr,
                trim_characters,
                ..
            } => {
                let characters = trim_characters.as_deref_mut().unwrap_or_default();
                let given = trim_what.as_deref().into_iter();
                given.chain(&*characters).try_for_each(bounds::short)?;
                self.expression(expr)?;
                self.maybe(trim_what)?;
                self.all(characters)
            }
            Expr::Interval(interval) => self.interval(interval),
            _ => Err(not_understood("an expression in it")),
        }
    }

    fn interval(&mut self, interval: &mut Interval) -> Result<(), Refusal> {
        let Interval {
            value,
            leading_field,
            leading_precision: None,
            last_field: None,
            fractional_seconds_precision: None,
        } = interval
        else {
            return Err(not_understood("this interval"));
        };
        leading_field.as_ref().map_or(Ok(()), known_field)?;
        self.expression(value)
    }

    fn maybe(&mut self, expression: &mut Option<Box<Expr>>) -> Result<(), Refusal> {
        expression
            .as_mut()
            .map_or(Ok(()), |expression| self.expression(expression))
    }

    fn value(&mut self, value: &mut Value) -> Result<(), Refusal> {
        match value {
            Value::Number(..) | Value::Boolean(_) | Value::Null => Ok(()),
            Value::SingleQuotedString(text) => {
                let text = std::mem::take(text);
                *value = self.literal(&text);
                Ok(())
            }
            Value::Placeholder(name) => {
                *value = self.parameter(name)?;
                Ok(())
            }
            _ => Err(not_understood("a value that is written so")),
        }
    }

    fn operator(&mut self, operator: &BinaryOperator) -> Result<(), Refusal> {
        match operator {
            BinaryOperator::Plus
            | BinaryOperator::Minus
            | BinaryOperator::Multiply
            | BinaryOperator::Divide
            | BinaryOperator::Modulo
            | BinaryOperator::Gt
            | BinaryOperator::Lt
            | BinaryOperator::GtEq
            | BinaryOperator::LtEq
            | BinaryOperator::Eq
            | BinaryOperator::NotEq
            | BinaryOperator::And
            | BinaryOperator::Or => Ok(()),
            BinaryOperator::Spaceship | BinaryOperator::MyIntegerDivide
                if self.dialect == Dialect::MariaDb =>
            {
                Ok(())
            }
            // MySQL takes it for `OR`, unless it is told otherwise.
            BinaryOperator::StringConcat if self.dialect == Dialect::MariaDb => Err(Refusal::new(
                "`||` is no way to join texts here; write `concat(a, b)`",
            )),
            BinaryOperator::StringConcat => self.joins(1),
            _ => Err(not_understood("this sign")),
        }
    }

    fn function(&mut self, function: &mut Function) -> Result<(), Refusal> {
        let ident = single(&mut function.name)?;
        let name = ident.value.to_ascii_lowercase();
        if ident.quote_style.is_some() || !functions::is_allowed(self.dialect, &name) {
            let told = format!("the function `{}` cannot be used here", ident.value);
            return Err(Refusal::new(told));
        }
        let Function {
            name: _,
            uses_odbc_syntax: false,
            parameters: FunctionArguments::None,
            args,
            within_group,
            filter,
            null_treatment: None,
            over,
        } = function
        else {
            return Err(not_understood("a function that is called so"));
        };
        if !within_group.is_empty() {
            return Err(not_understood("`WITHIN GROUP`"));
        }
        match args {
            FunctionArguments::None if functions::is_bare(&name) => {}
            FunctionArguments::List(list) if list.clauses.is_empty() => {
                if name == "concat" {
                    self.joins(list.args.len())?;
                }
                bounds::needle(&name, &list.args)?;
                let mut arguments = list.args.iter_mut();
                if name == "timestampdiff" {
                    bounds::unit(arguments.next().as_deref())?;
                }
                arguments.try_for_each(|one| self.argument(one))?;
            }
            _ => return Err(not_understood("a function that is called so")),
        }
        self.maybe(filter)?;
        match over {
            None => Ok(()),
            Some(WindowType::NamedWindow(name)) => plain(self.dialect, name),
            Some(WindowType::WindowSpec(spec)) => self.over(spec),
        }
    }

    fn argument(&mut self, argument: &mut FunctionArg) -> Result<(), Refusal> {
        match argument {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expression)) => self.expression(expression),
            FunctionArg::Unnamed(FunctionArgExpr::Wildcard) => Ok(()),
            _ => Err(not_understood("an argument of a function")),
        }
    }

    pub(super) fn named_window(
        &mut self,
        window: &mut NamedWindowDefinition,
    ) -> Result<(), Refusal> {
        let NamedWindowDefinition(name, window) = window;
        plain(self.dialect, name)?;
        match window {
            NamedWindowExpr::NamedWindow(name) => plain(self.dialect, name),
            NamedWindowExpr::WindowSpec(spec) => self.over(spec),
        }
    }

    fn over(&mut self, spec: &mut WindowSpec) -> Result<(), Refusal> {
        if let Some(name) = &mut spec.window_name {
            plain(self.dialect, name)?;
        }
        self.all(&mut spec.partition_by)?;
        self.ordered(&mut spec.order_by)?;
        let Some(WindowFrame {
            units: _,
            start_bound,
            end_bound,
        }) = &mut spec.window_frame
        else {
            return Ok(());
        };
        for bound in std::iter::once(start_bound).chain(end_bound) {
            match bound {
                WindowFrameBound::CurrentRow => {}
                WindowFrameBound::Preceding(many) | WindowFrameBound::Following(many) => {
                    self.maybe(many)?;
                }
            }
        }
        Ok(())
    }
}

/// Types that a value can be made into: none that looks anything up.
fn known_type(data_type: &DataType) -> Result<(), Refusal> {
    match data_type {
        DataType::Text
        | DataType::Varchar(_)
        | DataType::Char(_)
        | DataType::Int(_)
        | DataType::Integer(_)
        | DataType::BigInt(_)
        | DataType::SmallInt(_)
        | DataType::Signed
        | DataType::SignedInteger
        | DataType::Unsigned
        | DataType::UnsignedInteger
        | DataType::Numeric(_)
        | DataType::Decimal(_)
        | DataType::Real
        | DataType::Float(_)
        | DataType::Double(_)
        | DataType::DoublePrecision
        | DataType::Bool
        | DataType::Boolean
        | DataType::Date
        | DataType::Time(..)
        | DataType::Datetime(_)
        | DataType::Timestamp(..) => short(data_type),
        _ => Err(not_understood("this type")),
    }
}

/// A type does not say how long its values are made: `char(100000000)` fills them up.
fn short(data_type: &DataType) -> Result<(), Refusal> {
    match data_type
        .to_string()
        .chars()
        .filter(char::is_ascii_digit)
        .count()
    {
        0..=4 => Ok(()),
        _ => Err(not_understood("a type with such a length")),
    }
}

fn known_field(field: &DateTimeField) -> Result<(), Refusal> {
    match field {
        DateTimeField::Year
        | DateTimeField::Quarter
        | DateTimeField::Month
        | DateTimeField::Week(None)
        | DateTimeField::Day
        | DateTimeField::Dow
        | DateTimeField::Doy
        | DateTimeField::Isodow
        | DateTimeField::Isoyear
        | DateTimeField::Epoch
        | DateTimeField::Hour
        | DateTimeField::Minute
        | DateTimeField::Second => Ok(()),
        _ => Err(not_understood("this part of a date")),
    }
}
