//! Several rows at once, each up to a size.

use std::borrow::Cow;

use drawbridge_core::answer::Failure;

use super::{
    super::{cell::Cell, link::Link, shape::Column, statement::Statement},
    Table, own, size,
};

impl Table<'_> {
    /// Whether a row has at most so many bytes, and its columns if so; else its key only.
    pub(in super::super) fn fitting(
        self,
        statement: Statement,
        (fields, each): (&[Cow<'_, Column>], usize),
    ) -> Statement {
        let most = Cell::Integer(i64::try_from(each).unwrap_or(i64::MAX));
        let fits = |statement: Statement| size(statement, fields).words(" <= ").value(&most);
        let mut select = fits(statement);
        for field in fields {
            select = select.words(", ");
            select = if self.scope.key.contains(&field.name) {
                select.read(field)
            } else {
                fits(select.words("CASE WHEN "))
                    .words(" THEN ")
                    .read(field)
                    .words(" END")
            };
        }
        select
    }

    /// Rows in the order of their keys: the visible fields of each, and whether they are whole.
    /// Of a row with more bytes than `each` only the key is given.
    pub(in super::super) async fn page(
        self,
        connection: &mut dyn Link,
        (after, limit): (Option<&[Cell]>, usize),
        (each, all): (usize, usize),
    ) -> Result<Vec<(Vec<Cell>, bool)>, Failure> {
        let fields = self.visible();
        let select = self.fitting(Statement::new("SELECT "), (&fields, each));
        let keys = |statement: Statement| {
            statement.each(", ", &self.scope.key, |statement, name| {
                statement.column(name)
            })
        };
        let mut select = self.behind_window(select).words(" WHERE ").each(
            " AND ",
            &self.scope.key,
            |statement, name| statement.column(name).words(" IS NOT NULL"),
        );
        if let Some(after) = after {
            select = keys(select.words(" AND (")).words(") > (");
            let pairs = self.scope.key.iter().zip(after);
            select = select
                .each(", ", pairs, |statement, (name, cell)| {
                    self.value(statement, name, cell)
                })
                .words(")");
        }
        let limit = Cell::Integer(i64::try_from(limit).unwrap_or(i64::MAX));
        let select = keys(select.words(" ORDER BY "))
            .words(" LIMIT ")
            .value(&limit);
        let rows = select.rows_up_to(connection, all).await?;
        let split = |mut row: Vec<Cell>| {
            let first = (!row.is_empty()).then(|| row.remove(0));
            (own(&fields, row), is_whole(first.as_ref()))
        };
        Ok(rows.into_iter().map(split).collect())
    }
}

/// What [`Table::fitting`] says first.
pub(in super::super) fn is_whole(first: Option<&Cell>) -> bool {
    matches!(first, Some(Cell::Integer(1) | Cell::Bool(true)))
}
