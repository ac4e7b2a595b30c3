//! What is bound to a statement of PostgreSQL, and what comes out of it.

use futures_util::TryStreamExt;
use sqlx::{
    AssertSqlSafe, PgConnection, Row as _, TypeInfo, ValueRef,
    postgres::{PgArguments, PgRow},
    query::Query,
};

use super::super::super::cell::Cell;

/// It is not kept prepared: a table that is altered meanwhile would make a kept one fail.
pub(super) fn of(
    (text, cells): (String, Vec<Cell>),
) -> Query<'static, sqlx::Postgres, PgArguments> {
    let mut query = sqlx::query(AssertSqlSafe(text)).persistent(false);
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
    let mut stream = of(written).fetch(connection);
    let (mut rows, mut size) = (Vec::new(), 0_usize);
    while let Some(row) = stream.try_next().await? {
        let row = cells(&row)?;
        size = size.saturating_add(row.iter().map(Cell::size).sum());
        rows.push(row);
        if size > bytes {
            break;
        }
    }
    Ok(rows)
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
