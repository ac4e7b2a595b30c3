//! Roots of complete subtrees of the log, so that a proof reads few records.
//!
//! As C2SP's tlog-tiles has them, eight levels of the tree apart: one for 256 records, one for 65,536
//! and so on. They are copies: what is proved with them is checked, and told from the records alone
//! where they are wrong ([`crate::audit::prove`]).

use std::ops::Range;

use drawbridge_core::log::merkle::{Frontier, Hash};
use sqlx::{AnyConnection, Connection, Row};

use super::{Store, StoreError, count, number, reading::extend, records::size};

/// Levels of the tree from one to the next.
const HEIGHT: u32 = 8;
/// How many levels of them are kept: the highest stands for 2^32 records.
const LEVELS: u32 = 4;
/// Tiles of one step.
const MOST: u64 = 16;
/// Tiles that are read at once.
const READ: u64 = 10_000;

/// How many records one tile of a level stands for.
fn width(level: u32) -> u64 {
    1 << (HEIGHT * level)
}

impl Store {
    /// Keeps the roots of some more parts of the log that are complete; whether there may be more.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn tile_some(&self) -> Result<bool, StoreError> {
        let mut reading = self.reading().await?;
        let connection = reading.connection();
        let size = size(&mut *connection).await?;
        for level in 1..=LEVELS {
            let row = sqlx::query(
                "SELECT COALESCE(MAX(number), -1) + 1 AS tiles FROM log_tiles WHERE level = $1",
            )
            .bind(i64::from(level))
            .fetch_one(&mut *connection)
            .await?;
            let (next, complete) = (count(&row, "tiles")?, size / width(level));
            let until = complete.min(next + MOST);
            let mut tiles = Vec::new();
            for tile in next..until {
                let part = tile * width(level)..(tile + 1) * width(level);
                tiles.push((tile, subtree(connection, part, true).await?));
            }
            if !tiles.is_empty() {
                drop(reading);
                self.keep_tiles(level, &tiles).await?;
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn keep_tiles(&self, level: u32, tiles: &[(u64, Hash)]) -> Result<(), StoreError> {
        let mut writer = self.inner.writer.acquire().await?;
        let mut transaction = writer.begin().await?;
        for (tile, root) in tiles {
            // Another gateway may have kept it meanwhile.
            sqlx::query(
                "INSERT INTO log_tiles (level, number, root) VALUES ($1, $2, $3) \
                 ON CONFLICT (level, number) DO NOTHING",
            )
            .bind(i64::from(level))
            .bind(number(*tile)?)
            .bind(root.as_slice())
            .execute(&mut *transaction)
            .await?;
        }
        transaction.commit().await?;
        Ok(())
    }
}

/// The root of the subtree over these records, with the help of tiles or from the records alone.
pub(super) async fn subtree(
    connection: &mut AnyConnection,
    part: Range<u64>,
    by_tiles: bool,
) -> Result<Hash, StoreError> {
    let mut frontier = Frontier::default();
    let mut next = part.start;
    let levels = if by_tiles { LEVELS } else { 0 };
    for level in (1..=levels).rev() {
        let width = width(level);
        // The tile itself is what is asked for when it is made, and is not there then.
        let aligned =
            |next: u64| next.is_multiple_of(width) && (next - part.start).is_multiple_of(width);
        while aligned(next) && next + width <= part.end {
            let (tile, end) = (next / width, part.end / width);
            let roots = tiles(connection, level, tile..end).await?;
            if roots.is_empty() {
                break;
            }
            for root in roots {
                frontier.push_subtree(root, HEIGHT * level);
                next += width;
            }
        }
    }
    extend(connection, &mut frontier, next..part.end).await?;
    Ok(frontier.root())
}

/// The roots of these tiles, as far as they are there one after the other.
async fn tiles(
    connection: &mut AnyConnection,
    level: u32,
    wanted: Range<u64>,
) -> Result<Vec<Hash>, StoreError> {
    let statement = format!(
        "SELECT number, root FROM log_tiles WHERE level = $1 AND number >= $2 AND number < $3 \
         ORDER BY number LIMIT {READ}"
    );
    let rows = sqlx::query(sqlx::AssertSqlSafe(statement))
        .bind(i64::from(level))
        .bind(number(wanted.start)?)
        .bind(number(wanted.end)?)
        .fetch_all(connection)
        .await?;
    let mut roots = Vec::with_capacity(rows.len());
    for (row, tile) in rows.iter().zip(wanted) {
        let root: Vec<u8> = row.try_get("root")?;
        match Hash::try_from(root) {
            Ok(root) if count(row, "number")? == tile => roots.push(root),
            _ => break,
        }
    }
    Ok(roots)
}
