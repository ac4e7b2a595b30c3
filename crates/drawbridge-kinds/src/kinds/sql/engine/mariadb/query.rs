//! What is bound to a statement of MariaDB, and what comes out of it.

use futures_util::TryStreamExt;
use sqlx::{
    AssertSqlSafe, MySqlConnection, Row as _, TypeInfo, ValueRef,
    mysql::{MySqlArguments, MySqlRow},
    query::Query,
};

use super::super::super::cell::Cell;

/// It is kept prepared, and the server prepares it anew when a table is altered meanwhile. One that is
/// not kept would be closed by a message of its own, which waits for the network each time.
pub(super) fn of(
    (text, cells): (String, Vec<Cell>),
) -> Query<'static, sqlx::MySql, MySqlArguments> {
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
    connection: &mut MySqlConnection,
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

fn cells(row: &MySqlRow) -> Result<Vec<Cell>, sqlx::Error> {
    let one = |index: usize| {
        let raw = row.try_get_raw(index)?;
        if raw.is_null() {
            return Ok(Cell::Null);
        }
        let class = raw.type_info().name().to_owned();
        Ok(match class.as_str() {
            "BIGINT UNSIGNED" => whole(row.try_get_unchecked(index)?),
            "YEAR" => Cell::Integer(row.try_get_unchecked::<u16, _>(index)?.into()),
            "BOOLEAN" | "TINYINT" | "SMALLINT" | "MEDIUMINT" | "INT" | "BIGINT" => {
                Cell::Integer(row.try_get_unchecked(index)?)
            }
            "TINYINT UNSIGNED" | "SMALLINT UNSIGNED" | "MEDIUMINT UNSIGNED" | "INT UNSIGNED" => {
                Cell::Integer(row.try_get_unchecked::<u32, _>(index)?.into())
            }
            "FLOAT" => Cell::Real(row.try_get_unchecked::<f32, _>(index)?.into()),
            "DOUBLE" => Cell::Real(row.try_get_unchecked(index)?),
            "BINARY" | "VARBINARY" | "TINYBLOB" | "BLOB" | "MEDIUMBLOB" | "LONGBLOB" | "BIT"
            | "GEOMETRY" => Cell::Blob(row.try_get_unchecked(index)?),
            _ => Cell::Text(row.try_get_unchecked(index)?),
        })
    };
    (0..row.len()).map(one).collect()
}

fn whole(number: u64) -> Cell {
    match i64::try_from(number) {
        Ok(number) => Cell::Integer(number),
        Err(_) => Cell::Number(number.to_string()),
    }
}
