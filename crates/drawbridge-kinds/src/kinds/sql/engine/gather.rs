//! Rows of an engine, taken until there are enough.

use futures_util::{Stream, TryStreamExt};

use super::super::{cell::Cell, query::Outcome};

type Row = Result<Vec<Cell>, sqlx::Error>;

/// Rows, until they have so many bytes: the last one goes over.
pub(super) async fn rows<R: Send>(
    mut stream: impl Stream<Item = Result<R, sqlx::Error>> + Send + Unpin,
    cells: fn(&R) -> Row,
    bytes: usize,
) -> Result<Vec<Vec<Cell>>, sqlx::Error> {
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

/// What comes out of a question with these columns, until it has so many rows or bytes.
pub(super) async fn outcome<R: Send>(
    columns: Vec<String>,
    mut stream: impl Stream<Item = Result<R, sqlx::Error>> + Send + Unpin,
    cells: impl Fn(&R) -> Row + Send,
    most: (usize, usize),
) -> Result<Outcome, sqlx::Error> {
    let mut outcome = Outcome::new(columns);
    while let Some(row) = stream.try_next().await? {
        let row = cells(&row)?;
        if !outcome.takes(row, most) {
            outcome.unread = stream.try_next().await?.is_some();
            break;
        }
    }
    Ok(outcome)
}
