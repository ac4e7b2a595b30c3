//! A table as the database itself describes it, compared with what the file says of it.

use drawbridge_core::answer::{Failure, Status};
use sqlx::SqliteConnection;

use super::{
    cell::{self, Cell},
    part::{Condition, TableScope},
    statement::Statement,
};

/// What becomes of a value that is put into a column; see "Type Affinity" in SQLite's manual.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Affinity {
    Text,
    Numeric,
    Integer,
    Real,
    /// It stays as it is.
    None,
}

/// A column.
#[derive(Debug, Clone)]
pub(super) struct Column {
    pub(super) name: String,
    /// The type it was declared with, in capitals.
    pub(super) declared: String,
    pub(super) affinity: Affinity,
    pub(super) not_null: bool,
    /// SQL of its default.
    pub(super) default: Option<String>,
    /// Whether the database works it out by itself.
    pub(super) generated: bool,
    primary: bool,
}

/// A table.
#[derive(Debug, Clone)]
pub(super) struct Shape {
    /// Every column, in the order of the table.
    pub(super) columns: Vec<Column>,
    /// The column that is the row's number, and is given by the database when nobody gives it.
    pub(super) numbered: Option<String>,
    /// By which word the row's number is reached, where no column is it.
    pub(super) rowid: Option<&'static str>,
    pub(super) triggers: Vec<String>,
    /// Whether a deleted row takes others with it, and which columns do so when they change.
    pub(super) cascades: Cascades,
}

/// What foreign keys of other tables do together with a row of this one.
#[derive(Debug, Clone, Default)]
pub(super) struct Cascades {
    pub(super) on_delete: bool,
    pub(super) on_update: Vec<String>,
}

/// Why a table that the file names cannot be used, and how to mend that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unfit {
    pub(super) reason: String,
    pub(super) mend: String,
}

impl From<Unfit> for Failure {
    fn from(unfit: Unfit) -> Self {
        let told = "the table cannot be used as the connector's file has it; tell whoever keeps the connector";
        Failure::new(Status::Unavailable, told).with_source(unfit.reason)
    }
}

impl Shape {
    /// The table of this scope, if the database has it so.
    pub(super) async fn load(
        connection: &mut SqliteConnection,
        table: &TableScope,
    ) -> Result<Self, Failure> {
        Ok(Self::examine(connection, table).await??)
    }

    /// The same; of a table that does not fit it is told why.
    pub(super) async fn examine(
        connection: &mut SqliteConnection,
        table: &TableScope,
    ) -> Result<Result<Self, Unfit>, Failure> {
        let encoding = Statement::new("PRAGMA encoding").rows(connection).await?;
        if text_at(encoding.first(), 0) != "UTF-8" {
            return Ok(Err(unfit(
                "the database keeps its texts as UTF-16",
                "only databases with UTF-8 can be reached: make it anew with `PRAGMA encoding`",
            )));
        }
        let name = Cell::text(&table.name);
        let sort = Statement::new(
            "SELECT type, wr, strict FROM pragma_table_list WHERE schema = 'main' AND name = ",
        )
        .value(&name)
        .rows(connection)
        .await?;
        match text_at(sort.first(), 0).as_str() {
            "table" => {}
            "" => {
                let reason = format!("the database has no table `{}`", table.name);
                return Ok(Err(unfit(
                    &reason,
                    "write it as the database does, or take it out of `scope.tables`",
                )));
            }
            other => {
                let reason = format!("`{}` is a {other} table, or a view", table.name);
                return Ok(Err(unfit(&reason, "only ordinary tables can be reached")));
            }
        }
        let without_rowid = integer_at(sort.first(), 1) != 0;
        let strict = integer_at(sort.first(), 2) != 0;
        let columns = columns(connection, &name, strict).await?;
        let indexes = indexes(connection, &name).await?;
        if let Some(unfit) = misfit(table, &columns, &indexes) {
            return Ok(Err(unfit));
        }
        let numbered = numbered(&columns, &indexes, without_rowid);
        let free = |word: &&str| {
            !columns
                .iter()
                .any(|column| column.name.eq_ignore_ascii_case(word))
        };
        let rowid = ["rowid", "_rowid_", "oid"].into_iter().find(free);
        Ok(Ok(Self {
            rowid: rowid.filter(|_| !without_rowid && numbered.is_none()),
            numbered,
            triggers: triggers(connection, &name).await?,
            cascades: cascades(connection, &name).await?,
            columns,
        }))
    }

    pub(super) fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// The columns that are kept in the row itself.
    pub(super) fn stored(&self) -> impl Iterator<Item = &Column> {
        self.columns.iter().filter(|column| !column.generated)
    }
}

/// A unique index: whether it is that of the primary key, and its columns.
struct Index {
    primary: bool,
    columns: Vec<String>,
}

async fn columns(
    connection: &mut SqliteConnection,
    table: &Cell,
    strict: bool,
) -> Result<Vec<Column>, Failure> {
    let rows = Statement::new(
        "SELECT name, type, \"notnull\", dflt_value, pk, hidden FROM pragma_table_xinfo(",
    )
    .value(table)
    .words(", 'main') ORDER BY cid")
    .rows(connection)
    .await?;
    let column = |row: &Vec<Cell>| {
        let declared = text_at(Some(row), 1).to_ascii_uppercase();
        Column {
            name: text_at(Some(row), 0),
            affinity: Affinity::of(&declared, strict),
            not_null: integer_at(Some(row), 2) != 0,
            default: row.get(3).filter(|cell| **cell != Cell::Null).map(text),
            primary: integer_at(Some(row), 4) != 0,
            generated: integer_at(Some(row), 5) != 0,
            declared,
        }
    };
    Ok(rows.iter().map(column).collect())
}

async fn indexes(connection: &mut SqliteConnection, table: &Cell) -> Result<Vec<Index>, Failure> {
    let rows = Statement::new("SELECT l.name, l.origin, i.name FROM pragma_index_list(")
        .value(table)
        .words(
            ", 'main') AS l, pragma_index_info(l.name, 'main') AS i \
         WHERE l.\"unique\" AND NOT l.partial ORDER BY l.seq, i.seqno",
        )
        .rows(connection)
        .await?;
    let mut found: Vec<(String, Index)> = Vec::new();
    for row in &rows {
        let (name, origin, column) = (
            text_at(Some(row), 0),
            text_at(Some(row), 1),
            text_at(Some(row), 2),
        );
        match found.last_mut().filter(|(last, _)| *last == name) {
            Some((_, index)) => index.columns.push(column),
            None => found.push((
                name,
                Index {
                    primary: origin == "pk",
                    columns: vec![column],
                },
            )),
        }
    }
    Ok(found.into_iter().map(|(_, index)| index).collect())
}

/// What the file says of the table and the database does not.
fn misfit(table: &TableScope, columns: &[Column], indexes: &[Index]) -> Option<Unfit> {
    let find = |name: &String| columns.iter().find(|column| column.name == *name);
    let ruled = table
        .rows
        .iter()
        .flat_map(Condition::columns)
        .map(str::to_owned);
    let mut named = table.fields.iter().cloned().chain(ruled);
    if let Some(name) = named.find(|name| find(name).is_none()) {
        let reason = format!("`{}` has no column `{name}`", table.name);
        return Some(unfit(
            &reason,
            "write it as the database does, or take it out of `fields` or `rows`",
        ));
    }
    let worked_out = |name: &&String| find(name).is_some_and(|column| column.generated);
    if let Some(name) = table.writable.keys().chain(&table.key).find(worked_out) {
        let reason = format!("`{name}` is worked out by the database, and nobody can write it");
        return Some(unfit(&reason, "take it out of `writable` and of the key"));
    }
    let same = |of: &[String]| {
        of.len() == table.key.len() && of.iter().all(|name| table.key.contains(name))
    };
    let primary: Vec<String> = columns
        .iter()
        .filter(|column| column.primary)
        .map(|column| column.name.clone())
        .collect();
    let unique = same(&primary) || indexes.iter().any(|index| same(&index.columns));
    (!unique).then(|| {
        let reason = format!("several rows can have the same {}", table.key.join(", "));
        unfit(
            &reason,
            "name the primary key, or columns with a unique index, in `key`",
        )
    })
}

/// The column that is the row's number: a primary key declared as `INTEGER` that needs no index.
fn numbered(columns: &[Column], indexes: &[Index], without_rowid: bool) -> Option<String> {
    let mut primary = columns.iter().filter(|column| column.primary);
    let (first, second) = (primary.next()?, primary.next());
    let own_index = indexes.iter().any(|index| index.primary);
    let is = second.is_none() && first.declared == "INTEGER" && !without_rowid && !own_index;
    is.then(|| first.name.clone())
}

async fn triggers(connection: &mut SqliteConnection, table: &Cell) -> Result<Vec<String>, Failure> {
    let rows = Statement::new(
        "SELECT name FROM main.sqlite_schema WHERE type = 'trigger' AND tbl_name COLLATE NOCASE = ",
    )
    .value(table)
    .words(" ORDER BY name")
    .rows(connection)
    .await?;
    Ok(rows.iter().map(|row| text_at(Some(row), 0)).collect())
}

async fn cascades(connection: &mut SqliteConnection, table: &Cell) -> Result<Cascades, Failure> {
    let rows = Statement::new(
        "SELECT f.on_delete, f.on_update, f.\"to\" FROM main.sqlite_schema AS m, \
         pragma_foreign_key_list(m.name, 'main') AS f \
         WHERE m.type = 'table' AND f.\"table\" COLLATE NOCASE = ",
    )
    .value(table)
    .rows(connection)
    .await?;
    let spreads = |row: &[Cell], at| {
        let action = row.get(at).map(text).unwrap_or_default();
        ["CASCADE", "SET NULL", "SET DEFAULT"].contains(&action.as_str())
    };
    let on_update = rows.iter().filter(|row| spreads(row, 1));
    Ok(Cascades {
        on_delete: rows.iter().any(|row| spreads(row, 0)),
        on_update: on_update.map(|row| text_at(Some(row), 2)).collect(),
    })
}

impl Affinity {
    fn of(declared: &str, strict: bool) -> Self {
        let has = |words: &[&str]| words.iter().any(|word| declared.contains(word));
        match () {
            () if has(&["INT"]) => Self::Integer,
            () if has(&["CHAR", "CLOB", "TEXT"]) => Self::Text,
            () if has(&["BLOB"]) || declared.is_empty() => Self::None,
            () if strict && declared == "ANY" => Self::None,
            () if has(&["REAL", "FLOA", "DOUB"]) => Self::Real,
            () => Self::Numeric,
        }
    }
}

/// A row with its whole content, in the order of the shape's columns.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) cells: Vec<Cell>,
    pub(super) rowid: Option<i64>,
}

impl Row {
    /// Its cells with their columns.
    pub(super) fn named<'a>(
        &'a self,
        shape: &'a Shape,
    ) -> impl Iterator<Item = (&'a Column, &'a Cell)> {
        shape.columns.iter().zip(&self.cells)
    }

    pub(super) fn cell(&self, shape: &Shape, name: &str) -> Cell {
        let mut named = self.named(shape);
        let found = named.find(|(column, _)| column.name == name);
        found.map_or(Cell::Null, |(_, cell)| cell.clone())
    }

    /// What is stored, without what the database works out.
    pub(super) fn stored<'a>(
        &'a self,
        shape: &'a Shape,
    ) -> impl Iterator<Item = (&'a str, &'a Cell)> {
        let own = self.named(shape).filter(|(column, _)| !column.generated);
        own.map(|(column, cell)| (column.name.as_str(), cell))
    }

    /// Equal as long as nobody changed anything of the row, visible or not.
    pub(super) fn whole(&self, shape: &Shape) -> String {
        cell::digest(self.stored(shape))
    }

    /// Its key.
    pub(super) fn key(&self, shape: &Shape, table: &TableScope) -> Vec<Cell> {
        table
            .key
            .iter()
            .map(|name| self.cell(shape, name))
            .collect()
    }

    /// The row with other values in some columns.
    pub(super) fn with(&self, shape: &Shape, set: &[(String, Cell)]) -> Self {
        let new = |(column, cell): (&Column, &Cell)| {
            let given = set.iter().find(|(name, _)| *name == column.name);
            given.map_or_else(|| cell.clone(), |(_, given)| given.clone())
        };
        Self {
            cells: self.named(shape).map(new).collect(),
            rowid: self.rowid,
        }
    }
}

fn unfit(reason: &str, mend: &str) -> Unfit {
    Unfit {
        reason: reason.to_owned(),
        mend: mend.to_owned(),
    }
}

fn text(cell: &Cell) -> String {
    match cell {
        Cell::Text(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Cell::Null | Cell::Integer(_) | Cell::Real(_) | Cell::Blob(_) => String::new(),
    }
}

fn text_at(row: Option<&Vec<Cell>>, at: usize) -> String {
    row.and_then(|row| row.get(at))
        .map(text)
        .unwrap_or_default()
}

fn integer_at(row: Option<&Vec<Cell>>, at: usize) -> i64 {
    match row.and_then(|row| row.get(at)) {
        Some(Cell::Integer(number)) => *number,
        _ => 0,
    }
}
