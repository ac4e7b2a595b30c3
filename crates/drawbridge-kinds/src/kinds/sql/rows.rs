//! Rows, found by their key and changed one at a time.

use drawbridge_core::answer::{Failure, Status};
use serde_json::{Map, Value};
use sqlx::SqliteConnection;

use super::{
    cell::{self, Cell},
    part::TableScope,
    shape::{Row, Shape},
    statement::Statement,
};

/// The most bytes of one row that is read or changed.
pub(super) const MOST_ROW: i64 = 2 << 20;

/// A table, as the file and the database have it.
#[derive(Clone, Copy)]
pub(super) struct Table<'a> {
    pub(super) scope: &'a TableScope,
    pub(super) shape: &'a Shape,
}

impl Table<'_> {
    fn from(self, statement: Statement) -> Statement {
        statement
            .words(" FROM main.")
            .name(&self.scope.name)
            .words(" AS t")
    }

    /// What of it may be seen, instead of the table itself.
    fn behind_window(self, statement: Statement) -> Statement {
        statement
            .words(" FROM (")
            .piece(self.scope.window())
            .words(") AS t")
    }

    fn by_key(self, statement: Statement, key: &[Cell]) -> Statement {
        let pairs = self.scope.key.iter().zip(key);
        statement
            .words(" WHERE ")
            .each(" AND ", pairs, |statement, (name, cell)| {
                statement.column(name).words(" = ").value(cell)
            })
    }

    /// The row of the table itself with this key, if it may be seen.
    fn own_row(self, statement: Statement, key: &[Cell]) -> Statement {
        let statement = self.by_key(statement, key);
        match self.scope.rule() {
            None => statement,
            Some(rule) => statement.words(" AND ").piece(rule),
        }
    }

    /// The bytes of some columns, as an expression. Looked at before they are read.
    fn size(self, statement: Statement, columns: &[&str]) -> Statement {
        statement.each(" + ", columns, |statement, name| {
            statement
                .words("ifnull(octet_length(")
                .column(name)
                .words("), 0)")
        })
    }

    /// The whole row with this key, if there is one.
    pub(super) async fn find(
        self,
        connection: &mut SqliteConnection,
        key: &[Cell],
    ) -> Result<Option<Row>, Failure> {
        let names: Vec<&str> = self
            .shape
            .columns
            .iter()
            .map(|column| column.name.as_str())
            .collect();
        let number = self.shape.rowid;
        let from = |statement| self.own_row(self.from(statement), key);
        let Some(mut cells) = self.one(connection, (&names, number), from).await? else {
            return Ok(None);
        };
        let rowid = match self.shape.rowid.and_then(|_| cells.pop()) {
            Some(Cell::Integer(number)) => Some(number),
            _ => None,
        };
        Ok(Some(Row { cells, rowid }))
    }

    /// The visible fields of the row with this key, if there is one.
    pub(super) async fn find_visible(
        self,
        connection: &mut SqliteConnection,
        key: &[Cell],
    ) -> Result<Option<Vec<Cell>>, Failure> {
        let names: Vec<&str> = self.scope.fields.iter().map(String::as_str).collect();
        let from = |statement| self.by_key(self.behind_window(statement), key);
        self.one(connection, (&names, None), from).await
    }

    async fn one(
        self,
        connection: &mut SqliteConnection,
        (columns, number): (&[&str], Option<&'static str>),
        from: impl Fn(Statement) -> Statement,
    ) -> Result<Option<Vec<Cell>>, Failure> {
        let size = self.size(Statement::new("SELECT "), columns);
        let size = from(size).words(" LIMIT 2");
        let sizes = size.rows(connection).await?;
        match sizes.as_slice() {
            [] => return Ok(None),
            [row] => {
                if matches!(row.first(), Some(Cell::Integer(size)) if *size > MOST_ROW) {
                    let most = MOST_ROW >> 20;
                    let told = format!("the row has more than {most} MiB, and is not read");
                    return Err(Failure::new(Status::Limited, told));
                }
            }
            _ => {
                let told = "several rows have this key; tell whoever keeps the connector";
                return Err(Failure::new(Status::Failed, told));
            }
        }
        let mut select =
            Statement::new("SELECT ").each(", ", columns, |statement, name| statement.column(name));
        if let Some(word) = number {
            select = select.words(", t.").words(word);
        }
        let rows = from(select).words(" LIMIT 1");
        Ok(rows.rows(connection).await?.into_iter().next())
    }

    /// Rows in the order of their keys: the visible fields of each, and whether they are whole.
    /// Of a row with more bytes than `each` only the key is given.
    pub(super) async fn page(
        self,
        connection: &mut SqliteConnection,
        (after, limit): (Option<&[Cell]>, usize),
        (each, all): (usize, usize),
    ) -> Result<Vec<(Vec<Cell>, bool)>, Failure> {
        let fields: Vec<&str> = self.scope.fields.iter().map(String::as_str).collect();
        let most = Cell::Integer(i64::try_from(each).unwrap_or(i64::MAX));
        let fits = |statement: Statement| self.size(statement, &fields).words(" <= ").value(&most);
        let mut select = fits(Statement::new("SELECT "));
        for field in &fields {
            select = select.words(", ");
            select = if self.scope.key.iter().any(|key| key == field) {
                select.column(field)
            } else {
                fits(select.words("CASE WHEN "))
                    .words(" THEN ")
                    .column(field)
                    .words(" END")
            };
        }
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
            select = select
                .each(", ", after, |statement, cell| statement.value(cell))
                .words(")");
        }
        let limit = Cell::Integer(i64::try_from(limit).unwrap_or(i64::MAX));
        let select = keys(select.words(" ORDER BY "))
            .words(" LIMIT ")
            .value(&limit);
        let rows = select.rows_up_to(connection, all).await?;
        let split = |mut row: Vec<Cell>| {
            let whole = !row.is_empty() && row.remove(0) == Cell::Integer(1);
            (row, whole)
        };
        Ok(rows.into_iter().map(split).collect())
    }

    /// Adds a row, and returns its key. The columns' own rules for a conflict do not count: one of
    /// them may be to remove another row without a word.
    pub(super) async fn insert(
        self,
        connection: &mut SqliteConnection,
        set: &[(String, Cell)],
        rowid: Option<i64>,
    ) -> Result<Vec<Cell>, Failure> {
        let number = self.shape.rowid.zip(rowid);
        let mut insert = Statement::new("INSERT OR ABORT INTO main.").name(&self.scope.name);
        if set.is_empty() && number.is_none() {
            insert = insert.words(" DEFAULT VALUES");
        } else {
            insert = insert.words(" (");
            if let Some((word, _)) = number {
                insert = insert
                    .words(word)
                    .words(if set.is_empty() { "" } else { ", " });
            }
            insert = insert
                .each(", ", set, |statement, (name, _)| statement.name(name))
                .words(") VALUES (");
            if let Some((_, rowid)) = number {
                insert = insert.value(&Cell::Integer(rowid));
                insert = insert.words(if set.is_empty() { "" } else { ", " });
            }
            insert = insert
                .each(", ", set, |statement, (_, cell)| statement.value(cell))
                .words(")");
        }
        let insert = insert
            .words(" RETURNING ")
            .each(", ", &self.scope.key, |statement, name| {
                statement.name(name)
            });
        let mut rows = insert.rows(connection).await?;
        match (rows.pop(), rows.is_empty()) {
            (Some(key), true) => Ok(key),
            _ => Err(not_one()),
        }
    }

    /// Changes one row.
    pub(super) async fn update(
        self,
        connection: &mut SqliteConnection,
        key: &[Cell],
        set: &[(String, Cell)],
    ) -> Result<(), Failure> {
        let update = Statement::new("UPDATE OR ABORT main.")
            .name(&self.scope.name)
            .words(" AS t SET ")
            .each(", ", set, |statement, (name, cell)| {
                statement.name(name).words(" = ").value(cell)
            });
        one_row(self.own_row(update, key).run(connection).await?)
    }

    /// Removes one row.
    pub(super) async fn delete(
        self,
        connection: &mut SqliteConnection,
        key: &[Cell],
    ) -> Result<(), Failure> {
        let delete = self.from(Statement::new("DELETE"));
        one_row(self.own_row(delete, key).run(connection).await?)
    }

    /// Whether a row has this number.
    pub(super) async fn has_number(
        self,
        connection: &mut SqliteConnection,
        rowid: i64,
    ) -> Result<bool, Failure> {
        let Some(word) = self.shape.rowid else {
            return Ok(false);
        };
        let select = self
            .from(Statement::new("SELECT 1"))
            .words(" WHERE t.")
            .words(word);
        let rows = select
            .words(" = ")
            .value(&Cell::Integer(rowid))
            .rows(connection)
            .await?;
        Ok(!rows.is_empty())
    }

    /// What people and callers see of a row, without what is masked.
    pub(super) fn image(self, row: &Row) -> Map<String, Value> {
        let fields = self.scope.plain_fields();
        let one = |name: &String| (name.clone(), row.cell(self.shape, name).shown());
        fields.map(one).collect()
    }

    /// The version of a row, as far as it is visible as it is.
    pub(super) fn version(self, row: &Row) -> String {
        let cells: Vec<Cell> = self
            .scope
            .fields
            .iter()
            .map(|name| row.cell(self.shape, name))
            .collect();
        version(self.scope, &cells)
    }
}

/// The version of the visible fields of a row. What is masked does not count: a digest of it could
/// be guessed.
pub(super) fn version(scope: &TableScope, visible: &[Cell]) -> String {
    let named = scope.fields.iter().map(String::as_str).zip(visible);
    cell::digest(named.filter(|(name, _)| !scope.mask.contains_key(*name)))
}

fn one_row(changed: u64) -> Result<(), Failure> {
    if changed == 1 { Ok(()) } else { Err(not_one()) }
}

fn not_one() -> Failure {
    let told = "not exactly one row was changed, so nothing was; tell whoever keeps the connector";
    Failure::new(Status::Failed, told)
}
