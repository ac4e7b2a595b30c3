//! What is bound to a statement of MariaDB, and what comes out of it.

use sqlx::{
    AssertSqlSafe, Column as _, Executor, MySqlConnection, Row as _, SqlSafeStr, Statement as _,
    Type, TypeInfo, ValueRef,
    mysql::{MySqlArguments, MySqlRow},
    query::Query,
};

use super::super::{
    super::{cell::Cell, query::Outcome},
    gather,
};

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
    gather::rows(of(written).fetch(connection), cells, bytes).await
}

/// What comes out of a question, whose columns may be of any type.
pub(super) async fn table(
    connection: &mut MySqlConnection,
    (text, bound): (String, Vec<Cell>),
    most: (usize, usize),
) -> Result<Outcome, sqlx::Error> {
    let asked = AssertSqlSafe(text.clone()).into_sql_str();
    let prepared = connection.prepare(asked).await?;
    let names = prepared.columns().iter();
    let names = names.map(|column| column.name().to_owned()).collect();
    gather::outcome(names, of((text, bound)).fetch(connection), cells, most).await
}

fn cells(row: &MySqlRow) -> Result<Vec<Cell>, sqlx::Error> {
    let one = |index: usize| {
        let raw = row.try_get_raw(index)?;
        if raw.is_null() {
            return Ok(Cell::Null);
        }
        let class = raw.type_info().name().to_owned();
        // By the name of their type, texts that are compared by their bytes are bytes.
        let is_text = <str as Type<sqlx::MySql>>::compatible(&raw.type_info());
        Ok(match class.as_str() {
            "BIGINT UNSIGNED" => whole(row.try_get_unchecked(index)?),
            "YEAR" => Cell::Integer(row.try_get_unchecked::<u16, _>(index)?.into()),
            "BOOLEAN" | "TINYINT" | "SMALLINT" | "MEDIUMINT" | "INT" | "BIGINT" => {
                Cell::Integer(row.try_get_unchecked(index)?)
            }
            "TINYINT UNSIGNED" | "SMALLINT UNSIGNED" | "MEDIUMINT UNSIGNED" | "INT UNSIGNED" => {
                Cell::Integer(row.try_get_unchecked::<u32, _>(index)?.into())
            }
            "DATE" | "DATETIME" | "TIMESTAMP" => date(&bytes(row, index)?, &class),
            "TIME" => time(&bytes(row, index)?),
            "DECIMAL" => Cell::Number(row.try_get_unchecked(index)?),
            "FLOAT" => Cell::Real(row.try_get_unchecked::<f32, _>(index)?.into()),
            "DOUBLE" => Cell::Real(row.try_get_unchecked(index)?),
            "BINARY" | "VARBINARY" | "TINYBLOB" | "BLOB" | "MEDIUMBLOB" | "LONGBLOB" | "BIT"
            | "GEOMETRY"
                if !is_text =>
            {
                Cell::Blob(row.try_get_unchecked(index)?)
            }
            _ => Cell::Text(row.try_get_unchecked(index)?),
        })
    };
    (0..row.len()).map(one).collect()
}

fn bytes(row: &MySqlRow, index: usize) -> Result<Vec<u8>, sqlx::Error> {
    row.try_get_unchecked(index)
}

fn whole(number: u64) -> Cell {
    match i64::try_from(number) {
        Ok(number) => Cell::Integer(number),
        Err(_) => Cell::Number(number.to_string()),
    }
}

/// A date as the protocol sends it: its length; year, month, day; hour, minute, second; millionths.
/// What is zero at its end is left out. See "Binary Protocol Value" in MySQL's internals manual.
fn date(sent: &[u8], class: &str) -> Cell {
    let at = |index: usize| sent.get(index).copied().unwrap_or_default();
    let year = u16::from_le_bytes([at(1), at(2)]);
    let day = format!("{year:04}-{:02}-{:02}", at(3), at(4));
    if class == "DATE" {
        return Cell::text(&day);
    }
    let clock = format!("{:02}:{:02}:{:02}", at(5), at(6), at(7));
    let millionths = u32::from_le_bytes([at(8), at(9), at(10), at(11)]);
    Cell::text(&format!("{day} {clock}{}", fraction(millionths)))
}

/// A time as the protocol sends it: its length; whether it is negative; days; hour, minute, second;
/// millionths.
fn time(sent: &[u8]) -> Cell {
    let at = |index: usize| sent.get(index).copied().unwrap_or_default();
    let sign = if at(1) == 1 { "-" } else { "" };
    let days = u32::from_le_bytes([at(2), at(3), at(4), at(5)]);
    let hours = u64::from(days) * 24 + u64::from(at(6));
    let millionths = u32::from_le_bytes([at(9), at(10), at(11), at(12)]);
    let clock = format!("{sign}{hours:02}:{:02}:{:02}", at(7), at(8));
    Cell::text(&format!("{clock}{}", fraction(millionths)))
}

fn fraction(millionths: u32) -> String {
    match millionths {
        0 => String::new(),
        _ => format!(".{millionths:06}"),
    }
}
