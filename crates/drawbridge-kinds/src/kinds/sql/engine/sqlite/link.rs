//! A connection to SQLite: what is bound to it, and what comes out of it.

use async_trait::async_trait;
use drawbridge_core::answer::{Failure, Status};
use serde_json::Value;
use sqlx::{
    AssertSqlSafe, Column as _, Executor, Row as _, SqlSafeStr, Sqlite, SqliteConnection,
    Statement as _, Transaction, TypeInfo, ValueRef,
    query::Query,
    sqlite::{SqliteArguments, SqliteRow},
};

use super::{
    super::{
        super::{
            cell::Cell,
            dialect::Dialect,
            link::{Done, Link},
            part::{APPLIED_TABLE, TableScope},
            query::Outcome,
            shape::{Affinity, Column, MAIN, Place, Shape, Sort, Unfit},
            statement::Statement,
        },
        gather,
    },
    shape, told, values,
    writing::Writing,
};

/// A transaction of SQLite.
pub(super) enum Session {
    /// In which nothing changes.
    Reading(Transaction<'static, Sqlite>),
    Writing(Writing),
}

impl Session {
    fn connection(&mut self) -> &mut SqliteConnection {
        match self {
            Self::Reading(transaction) => transaction,
            Self::Writing(writing) => &mut writing.connection,
        }
    }
}

#[async_trait]
impl Link for Session {
    async fn run(&mut self, statement: Statement) -> Result<Done, Failure> {
        let done = query(statement).execute(self.connection()).await;
        Ok(Done {
            rows: done.map_err(told)?.rows_affected(),
            number: None,
        })
    }

    async fn rows_up_to(
        &mut self,
        statement: Statement,
        bytes: usize,
    ) -> Result<Vec<Vec<Cell>>, Failure> {
        let stream = query(statement).fetch(self.connection());
        gather::rows(stream, cells, bytes).await.map_err(told)
    }

    async fn table_up_to(
        &mut self,
        statement: Statement,
        most: (usize, usize),
    ) -> Result<Outcome, Failure> {
        let (text, bound) = statement.written(Dialect::Sqlite);
        let prepared = self
            .connection()
            .prepare(AssertSqlSafe(text.clone()).into_sql_str())
            .await
            .map_err(told)?;
        let names = prepared.columns().iter();
        let names = names.map(|column| column.name().to_owned()).collect();
        let stream = bound_query(text, bound).fetch(self.connection());
        let outcome = gather::outcome(names, stream, cells, most).await;
        outcome.map_err(told)
    }

    /// One that failed leaves the transaction as it was.
    async fn attempt(
        &mut self,
        statement: Statement,
    ) -> Result<Result<Vec<Vec<Cell>>, Failure>, Failure> {
        Ok(self.rows_up_to(statement, usize::MAX).await)
    }

    fn returns(&self) -> bool {
        true
    }

    async fn examine(&mut self, table: &TableScope) -> Result<Result<Shape, Unfit>, Failure> {
        shape::examine(self, table).await
    }

    async fn typed(
        &mut self,
        column: &Column,
        given: &Value,
    ) -> Result<Result<Cell, String>, Failure> {
        let affinity = match column.sort {
            Sort::Affine(affinity) => affinity,
            _ => Affinity::None,
        };
        Ok(values::typed(column, affinity, given))
    }

    /// SQLite compares by the affinity of the column, so a value can be given either way.
    async fn sought(&mut self, _column: &Column, given: &Cell) -> Result<Option<Cell>, Failure> {
        Ok(Some(given.clone()))
    }

    async fn changes(&mut self) -> Result<i64, Failure> {
        let rows = Statement::new("SELECT total_changes()").rows(self).await?;
        match rows.first().and_then(|row| row.first()) {
            Some(Cell::Integer(count)) => Ok(*count),
            _ => Err(Failure::new(
                Status::Failed,
                "the database does not tell what it changed",
            )),
        }
    }

    async fn applied_table(&mut self) -> Result<Option<Place>, Failure> {
        let rows =
            Statement::new("SELECT 1 FROM main.sqlite_schema WHERE type = 'table' AND name = ")
                .value(&Cell::text(APPLIED_TABLE))
                .rows(self)
                .await?;
        Ok((!rows.is_empty()).then(applied))
    }

    async fn make_applied_table(&mut self) -> Result<Place, Failure> {
        Statement::new(
            "CREATE TABLE IF NOT EXISTS main.drawbridge_applied \
             (key TEXT PRIMARY KEY, at TEXT NOT NULL, receipt TEXT NOT NULL) WITHOUT ROWID",
        )
        .run(self)
        .await?;
        Ok(applied())
    }
}

#[async_trait]
impl super::super::super::link::Transaction for Session {
    async fn commit(self: Box<Self>) -> Result<(), Failure> {
        match *self {
            Self::Writing(writing) => writing.commit().await,
            Self::Reading(_) => Ok(()),
        }
    }

    async fn give_up(self: Box<Self>) {
        if let Self::Writing(writing) = *self {
            writing.give_up().await;
        }
    }
}

fn applied() -> Place {
    Place::new(MAIN, APPLIED_TABLE)
}

fn query(statement: Statement) -> Query<'static, Sqlite, SqliteArguments> {
    let (text, cells) = statement.written(Dialect::Sqlite);
    bound_query(text, cells)
}

fn bound_query(text: String, cells: Vec<Cell>) -> Query<'static, Sqlite, SqliteArguments> {
    let mut query = sqlx::query(AssertSqlSafe(text));
    for cell in cells {
        query = match cell {
            Cell::Null => query.bind(None::<i64>),
            Cell::Integer(number) => query.bind(number),
            Cell::Real(number) => query.bind(number),
            Cell::Bool(yes) => query.bind(yes),
            Cell::Blob(bytes) => query.bind(bytes),
            Cell::Number(text) | Cell::Json(text) => query.bind(text),
            Cell::Text(bytes) => match String::from_utf8(bytes) {
                Ok(text) => query.bind(text),
                Err(error) => query.bind(error.into_bytes()),
            },
        };
    }
    query
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
