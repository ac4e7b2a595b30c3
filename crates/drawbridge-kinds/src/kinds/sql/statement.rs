//! A statement: names are quoted, values are bound, and nothing else comes into its text.

use drawbridge_core::answer::Failure;
use futures_util::TryStreamExt;
use sqlx::{
    AssertSqlSafe, Column as _, Executor, Row as _, SqlSafeStr, Sqlite, SqliteConnection,
    Statement as _, TypeInfo, ValueRef, query::Query, sqlite::SqliteArguments, sqlite::SqliteRow,
};

use super::{
    base::told,
    cell::Cell,
    query::Outcome,
    window::{Piece, Segment},
};

/// A statement that is being written.
#[derive(Debug, Clone)]
pub(super) struct Statement {
    text: String,
    cells: Vec<Cell>,
}

impl Statement {
    pub(super) fn new(text: &'static str) -> Self {
        Self {
            text: text.to_owned(),
            cells: Vec::new(),
        }
    }

    /// Adds words of this program.
    pub(super) fn words(mut self, words: &'static str) -> Self {
        self.text.push_str(words);
        self
    }

    /// Adds a name of the database's own schema.
    pub(super) fn name(mut self, name: &str) -> Self {
        self.text.push('"');
        self.text.push_str(&name.replace('"', "\"\""));
        self.text.push('"');
        self
    }

    /// Adds a column of the one table, which is called `t`. Bare, SQLite would take the name of a
    /// column that is not there for a text.
    pub(super) fn column(self, name: &str) -> Self {
        self.words("t.").name(name)
    }

    /// Adds a value, which is bound.
    pub(super) fn value(mut self, cell: &Cell) -> Self {
        let odd = matches!(cell, Cell::Text(bytes) if std::str::from_utf8(bytes).is_err());
        // The driver binds texts that are UTF-8 only; a cast of bytes to text leaves them as they are.
        self.text
            .push_str(if odd { "CAST(? AS TEXT)" } else { "?" });
        self.cells.push(cell.clone());
        self
    }

    /// Adds a piece that was written for this engine.
    pub(super) fn piece(self, piece: Piece) -> Self {
        piece
            .0
            .into_iter()
            .fold(self, |mut statement, segment| match segment {
                Segment::Text(text) => {
                    statement.text.push_str(&text);
                    statement
                }
                Segment::Value(cell, _) => statement.value(&cell),
            })
    }

    /// Adds items with a separator between them.
    pub(super) fn each<T>(
        mut self,
        separator: &'static str,
        items: impl IntoIterator<Item = T>,
        add: impl Fn(Self, T) -> Self,
    ) -> Self {
        for (index, item) in items.into_iter().enumerate() {
            if index > 0 {
                self = self.words(separator);
            }
            self = add(self, item);
        }
        self
    }

    fn query(self) -> Query<'static, Sqlite, SqliteArguments> {
        let mut query = sqlx::query(AssertSqlSafe(self.text));
        for cell in self.cells {
            query = match cell {
                Cell::Null => query.bind(None::<i64>),
                Cell::Integer(number) => query.bind(number),
                Cell::Real(number) => query.bind(number),
                Cell::Blob(bytes) => query.bind(bytes),
                Cell::Text(bytes) => match String::from_utf8(bytes) {
                    Ok(text) => query.bind(text),
                    Err(error) => query.bind(error.into_bytes()),
                },
            };
        }
        query
    }

    /// Runs it, and tells how many rows it changed.
    pub(super) async fn run(self, connection: &mut SqliteConnection) -> Result<u64, Failure> {
        let done = self.query().execute(connection).await;
        Ok(done.map_err(told)?.rows_affected())
    }

    /// Runs it to its end, and returns its rows.
    pub(super) async fn rows(
        self,
        connection: &mut SqliteConnection,
    ) -> Result<Vec<Vec<Cell>>, Failure> {
        self.rows_up_to(connection, usize::MAX).await
    }

    /// Returns its rows until they have so many bytes: the last one goes over.
    pub(super) async fn rows_up_to(
        self,
        connection: &mut SqliteConnection,
        bytes: usize,
    ) -> Result<Vec<Vec<Cell>>, Failure> {
        let mut stream = self.query().fetch(connection);
        let (mut rows, mut size) = (Vec::new(), 0_usize);
        while let Some(row) = stream.try_next().await.map_err(told)? {
            let row = cells(&row).map_err(told)?;
            size = size.saturating_add(row.iter().map(Cell::size).sum());
            rows.push(row);
            if size > bytes {
                break;
            }
        }
        Ok(rows)
    }
}

impl Statement {
    /// Runs a question of a caller's own, until it has so many rows or bytes.
    pub(super) async fn table_up_to(
        self,
        connection: &mut SqliteConnection,
        (most, bytes): (usize, usize),
    ) -> Result<Outcome, Failure> {
        let text = AssertSqlSafe(self.text.clone()).into_sql_str();
        let prepared = connection.prepare(text).await.map_err(told)?;
        let columns = prepared.columns().iter();
        let columns = columns.map(|column| column.name().to_owned()).collect();
        let mut stream = self.query().fetch(connection);
        let (mut rows, mut size, mut cut) = (Vec::new(), 0_usize, false);
        while let Some(row) = stream.try_next().await.map_err(told)? {
            let row = cells(&row).map_err(told)?;
            size = size.saturating_add(row.iter().map(Cell::size).sum());
            cut = rows.len() >= most || size > bytes;
            if cut {
                break;
            }
            rows.push(row);
        }
        Ok(Outcome { columns, rows, cut })
    }
}

fn cells(row: &SqliteRow) -> Result<Vec<Cell>, sqlx::Error> {
    let one = |index: usize| {
        let raw = row.try_get_raw(index)?;
        if raw.is_null() {
            return Ok(Cell::Null);
        }
        // Of a value that is not null, the driver tells the class in which it is stored.
        let class = raw.type_info().name().to_owned();
        drop(raw);
        Ok(match class.as_str() {
            "INTEGER" => Cell::Integer(row.try_get_unchecked(index)?),
            "REAL" => Cell::Real(row.try_get_unchecked(index)?),
            "TEXT" => Cell::Text(row.try_get_unchecked(index)?),
            _ => Cell::Blob(row.try_get_unchecked(index)?),
        })
    };
    (0..row.len()).map(one).collect()
}
