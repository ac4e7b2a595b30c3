//! Whether a row that will be is inside what its caller may see. What is left after an effect is
//! looked at again when it is applied; this is so that nobody is asked in vain.

use super::{
    super::{
        cell::Cell,
        link::Link,
        part::Condition,
        shape::{Affinity, Column, Row, Sort},
        statement::Statement,
        window::outside,
    },
    Draft,
};
use drawbridge_core::answer::Failure;

impl Draft<'_> {
    /// Refuses a row that would be outside.
    pub(super) async fn inside(&self, connection: &mut dyn Link, row: &Row) -> Result<(), Failure> {
        let shape = self.table.shape;
        self.ruled(connection, |name| Some(row.cell(shape, name)))
            .await
    }

    /// Refuses a new row that would be outside, as far as its values are known before it is there.
    pub(super) async fn inside_when_new(
        &self,
        connection: &mut dyn Link,
        set: &[(String, Cell)],
    ) -> Result<(), Failure> {
        let shape = self.table.shape;
        let value = |name: &str| {
            if let Some((_, given)) = set.iter().find(|(given, _)| given == name) {
                return Some(given.clone());
            }
            let column = shape.column(name)?;
            if column.generated || shape.numbered.as_deref() == Some(name) {
                return None;
            }
            if column.has_default {
                return column.default.clone();
            }
            Some(Cell::Null)
        };
        self.ruled(connection, value).await
    }

    async fn ruled(
        &self,
        connection: &mut dyn Link,
        value: impl Fn(&str) -> Option<Cell>,
    ) -> Result<(), Failure> {
        let (scope, shape) = (self.table.scope, self.table.shape);
        let Some(rule) = scope.rule() else {
            return Ok(());
        };
        let columns = scope
            .rows
            .as_ref()
            .map(Condition::columns)
            .unwrap_or_default();
        let mut select = Statement::new("SELECT 1 FROM (SELECT 1 AS ").name("(one)");
        for name in columns {
            let Some((cell, column)) = value(name).zip(shape.column(name)) else {
                return Ok(());
            };
            select = typed(select.words(", "), &cell, column)
                .words(" AS ")
                .name(name);
        }
        let select = self.table.piece(select.words(") AS t WHERE "), rule);
        let found = select.rows(connection).await?;
        if found.is_empty() {
            Err(outside())
        } else {
            Ok(())
        }
    }
}

/// A value that is compared as one of its column would be.
fn typed(statement: Statement, cell: &Cell, column: &Column) -> Statement {
    let Sort::Affine(affinity) = column.sort else {
        return statement.value_of(Some(column), cell);
    };
    let cast = match (affinity, cell) {
        (Affinity::Text, Cell::Text(_)) => " AS TEXT)",
        (Affinity::Integer | Affinity::Numeric, Cell::Integer(_) | Cell::Real(_)) => " AS NUMERIC)",
        (Affinity::Real, Cell::Integer(_) | Cell::Real(_)) => " AS REAL)",
        _ => return statement.value(cell),
    };
    statement.words("CAST(").value(cell).words(cast)
}
