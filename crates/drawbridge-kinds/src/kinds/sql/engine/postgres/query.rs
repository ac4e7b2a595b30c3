//! What is bound to a statement of PostgreSQL, and what comes out of it.

use sqlx::{
    AssertSqlSafe, Column as _, Connection, Executor, PgConnection, Row as _, SqlSafeStr,
    Statement as _, TypeInfo, ValueRef,
    postgres::{PgArguments, PgColumn, PgRow},
    query::Query,
};

use super::super::{
    super::{cell::Cell, query::Outcome, shape::Sort},
    gather,
};

/// Types that are read as they are sent.
const PLAIN: [&str; 10] = [
    "BOOL", "INT2", "INT4", "INT8", "FLOAT8", "BYTEA", "TEXT", "VARCHAR", "CHAR", "NAME",
];

/// It is not kept prepared: a table that is altered meanwhile would make a kept one fail.
pub(super) fn of(written: (String, Vec<Cell>)) -> Query<'static, sqlx::Postgres, PgArguments> {
    kept(written).persistent(false)
}

fn kept((text, cells): (String, Vec<Cell>)) -> Query<'static, sqlx::Postgres, PgArguments> {
    let mut query = sqlx::query(AssertSqlSafe(text));
    for cell in cells {
        query = match cell {
            Cell::Null => query.bind(None::<String>),
            Cell::Bool(yes) => query.bind(yes),
            Cell::Integer(number) => query.bind(number),
            Cell::Real(number) => query.bind(number),
            Cell::Number(text) | Cell::Json(text) => query.bind(text),
            Cell::Text(bytes) => query.bind(String::from_utf8_lossy(&bytes).into_owned()),
            Cell::Blob(bytes) => query.bind(bytes),
        };
    }
    query
}

/// Rows, until they have so many bytes: the last one goes over.
pub(super) async fn rows(
    connection: &mut PgConnection,
    written: (String, Vec<Cell>),
    bytes: usize,
) -> Result<Vec<Vec<Cell>>, sqlx::Error> {
    gather::rows(of(written).fetch(connection), cells, bytes).await
}

/// Rows of the server's own catalogs. To work out anew how they are found takes longer than to find
/// them, so these statements are kept.
pub(super) async fn catalog(
    connection: &mut PgConnection,
    written: (String, Vec<Cell>),
) -> Result<Vec<Vec<Cell>>, sqlx::Error> {
    gather::rows(kept(written).fetch(connection), cells, usize::MAX).await
}

/// What comes out of a question, whose columns may be of any type: those with no other form that is
/// exact are read as texts.
pub(super) async fn table(
    connection: &mut PgConnection,
    (text, bound): (String, Vec<Cell>),
    most: (usize, usize),
) -> Result<Outcome, sqlx::Error> {
    let asked = AssertSqlSafe(text.clone()).into_sql_str();
    let prepared = connection.prepare(asked).await?;
    // A table that is altered meanwhile would make a kept one lie about its columns.
    connection.clear_cached_statements().await?;
    let named = |column: &PgColumn| {
        let class = column.type_info().name().to_owned();
        (column.name().to_owned(), class)
    };
    let columns: Vec<(String, String)> = prepared.columns().iter().map(named).collect();
    let (mut read, mut called) = (Vec::new(), Vec::new());
    for (index, (_, class)) in columns.iter().enumerate() {
        let name = format!("c{index}");
        read.push(if PLAIN.contains(&class.as_str()) {
            format!("q.{name}")
        } else {
            format!("CAST(q.{name} AS text)")
        });
        called.push(name);
    }
    // INVARIANT: a derived table is read in its own order when nothing outside it orders or joins.
    let (read, called) = (read.join(", "), called.join(", "));
    let limit = i64::try_from(most.0).unwrap_or(i64::MAX).saturating_add(1);
    let text = format!("SELECT {read} FROM ({text}) AS q ({called}) LIMIT {limit}");
    let (names, classes): (Vec<String>, Vec<String>) = columns.into_iter().unzip();
    let exact = |row: &PgRow| {
        let mut row = cells(row)?;
        for (cell, class) in row.iter_mut().zip(&classes) {
            match class.as_str() {
                "NUMERIC" | "FLOAT4" => cell.become_one_of(Sort::Number),
                "JSON" | "JSONB" => cell.become_one_of(Sort::Json),
                _ => {}
            }
        }
        Ok(row)
    };
    gather::outcome(names, of((text, bound)).fetch(connection), exact, most).await
}

fn cells(row: &PgRow) -> Result<Vec<Cell>, sqlx::Error> {
    let one = |index: usize| {
        let raw = row.try_get_raw(index)?;
        if raw.is_null() {
            return Ok(Cell::Null);
        }
        let class = raw.type_info().name().to_owned();
        drop(raw);
        Ok(match class.as_str() {
            "BOOL" => Cell::Bool(row.try_get_unchecked(index)?),
            "INT2" => Cell::Integer(row.try_get_unchecked::<i16, _>(index)?.into()),
            "INT4" => Cell::Integer(row.try_get_unchecked::<i32, _>(index)?.into()),
            "INT8" => Cell::Integer(row.try_get_unchecked(index)?),
            "FLOAT8" => Cell::Real(row.try_get_unchecked(index)?),
            "BYTEA" => Cell::Blob(row.try_get_unchecked(index)?),
            _ => Cell::text(&row.try_get_unchecked::<String, _>(index)?),
        })
    };
    (0..row.len()).map(one).collect()
}
