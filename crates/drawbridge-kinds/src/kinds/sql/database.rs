//! The database: what its tables are, rows by their keys, and one transaction for one effect.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

use drawbridge_core::answer::{Failure, Status};
use sqlx::{
    AssertSqlSafe, Row, SqliteConnection, SqlitePool,
    sqlite::{SqliteConnectOptions, SqlitePoolOptions, SqliteSynchronous},
};

use super::{
    cell::{Affinity, Cell},
    part::{Scope, Table},
};

/// Connections for reading.
const READERS: u32 = 4;
/// How long a lock of somebody else is waited for.
const BUSY: Duration = Duration::from_secs(5);

/// A row, whole: every column of the table, in its order.
pub(super) type Cells = Vec<Cell>;

/// A table as it really is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Facts {
    /// Every column that can be written back, in order, with how it takes values.
    pub(super) columns: Vec<(String, Affinity)>,
}

impl Facts {
    /// Where a column stands.
    pub(super) fn place(&self, column: &str) -> Option<usize> {
        self.columns.iter().position(|(name, _)| name == column)
    }
}

/// The database of one connector.
pub(super) struct Database {
    file: PathBuf,
    pub(super) readers: SqlitePool,
    pub(super) writer: SqlitePool,
}

impl Database {
    /// Opens a database that is there.
    pub(super) async fn open(file: &Path) -> Result<Self, Failure> {
        let options = SqliteConnectOptions::new()
            .filename(file)
            .create_if_missing(false)
            .foreign_keys(true)
            .busy_timeout(BUSY);
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS)
            .acquire_timeout(BUSY)
            // Nothing is changed by what is read; but what a killed writer left in its journal must be
            // taken back before anybody can read, and who opens for reading only cannot do that.
            .connect_with(options.clone().pragma("query_only", "on"))
            .await
            .map_err(|error| {
                let told = format!(
                    "its database `{}` cannot be opened; make it or mend `system.url`",
                    file.file_name().unwrap_or_default().to_string_lossy()
                );
                Failure::new(Status::Unavailable, told).with_source(error)
            })?;
        let writer = SqlitePoolOptions::new()
            .max_connections(1)
            .acquire_timeout(BUSY)
            .connect_lazy_with(options.synchronous(SqliteSynchronous::Full));
        Ok(Self {
            file: file.to_owned(),
            readers,
            writer,
        })
    }

    /// Whether the file is still there: who holds it open would not notice.
    ///
    /// # Errors
    /// [`Status::Unavailable`].
    pub(super) async fn reach(&self) -> Result<(), Failure> {
        let there = tokio::fs::metadata(&self.file).await;
        there.map(|_| ()).map_err(|error| {
            let told = "its database is gone; whoever keeps it brings it back";
            Failure::new(Status::Unavailable, told).with_source(error)
        })
    }

    pub(super) async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

/// The tables of the scope as they are; of those that cannot be used, why and the mend.
pub(super) async fn facts(
    connection: &mut SqliteConnection,
    scope: &Scope,
) -> Result<(BTreeMap<String, Facts>, Vec<(String, String)>), Failure> {
    let (mut facts, mut amiss) = (BTreeMap::new(), Vec::new());
    for (name, table) in &scope.tables {
        let columns = columns(connection, name).await?;
        if columns.is_empty() {
            amiss.push((
                name.clone(),
                "there is no such table in the database".to_owned(),
            ));
            continue;
        }
        let known = Facts { columns };
        let mut fields = table.fields.iter().chain([&table.key]);
        if let Some(missing) = fields.find(|field| known.place(field).is_none()) {
            amiss.push((name.clone(), format!("it has no column `{missing}`")));
            continue;
        }
        if !is_unique(connection, name, &table.key).await? {
            let why = format!("`{}` is not unique, so it names no row", table.key);
            amiss.push((name.clone(), why));
            continue;
        }
        facts.insert(name.clone(), known);
    }
    Ok((facts, amiss))
}

async fn columns(
    connection: &mut SqliteConnection,
    table: &str,
) -> Result<Vec<(String, Affinity)>, Failure> {
    let rows = sqlx::query("SELECT name, type FROM pragma_table_info(?) ORDER BY cid")
        .bind(table)
        .fetch_all(connection)
        .await
        .map_err(down)?;
    rows.iter()
        .map(|row| {
            let declared: String = row.try_get("type")?;
            Ok((row.try_get("name")?, Affinity::of(&declared)))
        })
        .collect::<Result<_, sqlx::Error>>()
        .map_err(down)
}

/// Whether a column alone names a row: the primary key, or a unique index over it alone.
async fn is_unique(
    connection: &mut SqliteConnection,
    table: &str,
    column: &str,
) -> Result<bool, Failure> {
    let row = sqlx::query(
        "SELECT (SELECT COUNT(*) FROM pragma_table_info(?1) WHERE pk > 0) = 1 \
           AND EXISTS (SELECT 1 FROM pragma_table_info(?1) WHERE pk = 1 AND name = ?2) \
         OR EXISTS (SELECT 1 FROM pragma_index_list(?1) AS list \
           WHERE list.\"unique\" = 1 AND list.partial = 0 \
             AND (SELECT COUNT(*) FROM pragma_index_info(list.name)) = 1 \
             AND EXISTS (SELECT 1 FROM pragma_index_info(list.name) AS info WHERE info.name = ?2)) \
         AS is_unique",
    )
    .bind(table)
    .bind(column)
    .fetch_one(connection)
    .await
    .map_err(down)?;
    row.try_get::<bool, _>("is_unique").map_err(down)
}

/// The row with a key, whole.
pub(super) async fn row(
    connection: &mut SqliteConnection,
    (name, table, facts): (&str, &Table, &Facts),
    key: &Cell,
) -> Result<Option<Cells>, Failure> {
    let statement = format!(
        "SELECT {} FROM {} WHERE {} = ? LIMIT 2",
        list(facts),
        quoted(name),
        quoted(&table.key)
    );
    let query = key.bind(sqlx::query(AssertSqlSafe(statement)));
    let rows = query.fetch_all(connection).await.map_err(down)?;
    match rows.as_slice() {
        [] => Ok(None),
        [row] => cells(row, facts).map(Some),
        _ => Err(Failure::invalid("`key`: it names more than one row")),
    }
}

/// Rows in the order of their keys, after one.
pub(super) async fn rows(
    connection: &mut SqliteConnection,
    (name, table, facts): (&str, &Table, &Facts),
    (after, limit): (Option<&Cell>, usize),
) -> Result<Vec<Cells>, Failure> {
    let key = quoted(&table.key);
    let later = if after.is_some() {
        format!(" WHERE {key} > ?")
    } else {
        String::new()
    };
    let statement = format!(
        "SELECT {} FROM {}{later} ORDER BY {key} LIMIT {limit}",
        list(facts),
        quoted(name)
    );
    let query = sqlx::query(AssertSqlSafe(statement));
    let query = match after {
        Some(after) => after.bind(query),
        None => query,
    };
    let rows = query.fetch_all(connection).await.map_err(down)?;
    rows.iter().map(|row| cells(row, facts)).collect()
}

fn cells(row: &sqlx::sqlite::SqliteRow, facts: &Facts) -> Result<Cells, Failure> {
    (0..facts.columns.len())
        .map(|index| Cell::of(row, index))
        .collect::<Result<_, _>>()
        .map_err(down)
}

fn list(facts: &Facts) -> String {
    let names: Vec<String> = facts.columns.iter().map(|(name, _)| quoted(name)).collect();
    names.join(", ")
}

/// A name as SQLite reads it as a name, whatever is in it.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A statement that failed, so that nothing came of it.
pub(super) fn down(error: sqlx::Error) -> Failure {
    let told = match &error {
        sqlx::Error::Database(database) => match code(&**database) {
            5 | 6 => "its database is locked by somebody else; try again in a moment".to_owned(),
            8 | 14 => {
                "its database cannot be written by the gateway's account; its owner gives it \
                       the right, or takes the power out of `access`"
                    .to_owned()
            }
            10 => "its database cannot be read or written: the disk fails".to_owned(),
            13 => "the disk is full; whoever keeps it makes room".to_owned(),
            19 => {
                let told = format!("the database refuses it: {}", database.message());
                return Failure::invalid(told);
            }
            _ => "its database fails at the moment".to_owned(),
        },
        sqlx::Error::PoolTimedOut => "its database is busy; try again in a moment".to_owned(),
        _ => "its database fails at the moment".to_owned(),
    };
    Failure::new(Status::Unavailable, told).with_source(error)
}

/// SQLite's primary result code.
fn code(error: &dyn sqlx::error::DatabaseError) -> u32 {
    let code = error.code().and_then(|code| code.parse::<u32>().ok());
    code.unwrap_or_default() & 0xff
}
