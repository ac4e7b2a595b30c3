//! A table as the database itself describes it, compared with what the file says of it.

use drawbridge_core::answer::{Failure, Status};

use super::{
    cell::{self, Cell},
    freshness::Clock,
    link::Link,
    part::TableScope,
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

/// What the values of a column are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sort {
    /// What SQLite's affinity makes of them.
    Affine(Affinity),
    Bool,
    Integer {
        least: i64,
        most: i64,
    },
    Real,
    /// A float of single precision.
    Single,
    /// Decimals, in digits.
    Number,
    Text,
    Bytes,
    Json,
    /// Whatever the engine reads out of a text: dates, identifiers, addresses.
    Other,
}

/// A column.
#[derive(Debug, Clone)]
pub(super) struct Column {
    pub(super) name: String,
    /// The type it was declared with, as the engine tells it.
    pub(super) declared: String,
    pub(super) sort: Sort,
    /// Whether it is read and bound as a text: its type has no other form that is exact.
    pub(super) as_text: bool,
    /// The type that a bound value is made one of, where the engine must be told.
    pub(super) cast: Option<String>,
    /// The type with its limits, such as a length, where a value may be beyond them.
    pub(super) limits: Option<String>,
    pub(super) not_null: bool,
    /// Whether the database gives it a value when nobody does.
    pub(super) has_default: bool,
    /// That value, where it is a plain one.
    pub(super) default: Option<Cell>,
    /// Whether the database works it out by itself.
    pub(super) generated: bool,
    /// Whether the database gives it another value when its row is changed and nobody gives it one.
    pub(super) touched: bool,
    /// Whether it is of the primary key.
    pub(super) primary: bool,
}

impl Column {
    /// A column that may be null, and has no default.
    pub(super) fn new(name: String, declared: String, sort: Sort) -> Self {
        Self {
            name,
            declared,
            sort,
            as_text: false,
            cast: None,
            limits: None,
            not_null: false,
            has_default: false,
            default: None,
            generated: false,
            touched: false,
            primary: false,
        }
    }

    /// Whether its values can be times. SQLite has no type of its own for them.
    fn holds_times(&self) -> bool {
        let declared = self.declared.to_ascii_lowercase();
        let times = declared.starts_with("timestamp") || declared.starts_with("date");
        times || matches!(self.sort, Sort::Affine(_))
    }
}

/// The schema of SQLite for the file itself: attached and temporary ones are not reached.
pub(super) const MAIN: &str = "main";
/// The schema of PostgreSQL for tables that name none, and for the table of keys of effects.
pub(super) const PUBLIC: &str = "public";

/// Where a table is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) schema: String,
    pub(super) name: String,
}

impl Place {
    pub(super) fn new(schema: &str, name: &str) -> Self {
        Self {
            schema: schema.to_owned(),
            name: name.to_owned(),
        }
    }
}

/// At which changes of a row something happens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Fires {
    pub(super) on_insert: bool,
    pub(super) on_update: bool,
    pub(super) on_delete: bool,
}

/// A table.
#[derive(Debug, Clone)]
pub(super) struct Shape {
    pub(super) place: Place,
    /// Every column, in the order of the table.
    pub(super) columns: Vec<Column>,
    /// The column that the database numbers when nobody gives it a value.
    pub(super) numbered: Option<String>,
    /// By which word the row's number is reached, where no column is it.
    pub(super) rowid: Option<&'static str>,
    pub(super) triggers: Vec<String>,
    /// When triggers run that may do what nobody can count.
    pub(super) uncounted: Fires,
    /// Whether a deleted row takes others with it, and which columns do so when they change.
    pub(super) cascades: Cascades,
    /// Of when what it shows is.
    pub(super) clock: Clock,
    /// How many seconds times without a zone, of the column that says when a row was changed, are ahead
    /// of UTC.
    pub(super) ahead: i64,
}

/// What foreign keys of other tables do together with a row of this one.
#[derive(Debug, Clone, Default)]
pub(super) struct Cascades {
    /// Whether the engine counts the rows that they change.
    pub(super) counted: bool,
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
    /// A table without triggers, whose rows have no number.
    pub(super) fn new(place: Place, columns: Vec<Column>) -> Self {
        Self {
            place,
            columns,
            numbered: None,
            rowid: None,
            triggers: Vec::new(),
            uncounted: Fires::default(),
            cascades: Cascades::default(),
            clock: Clock::Live,
            ahead: 0,
        }
    }

    /// The table of this scope, if the database has it so.
    pub(super) async fn load(
        connection: &mut dyn Link,
        table: &TableScope,
    ) -> Result<Self, Failure> {
        Ok(connection.examine(table).await??)
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
pub(super) struct Index {
    pub(super) primary: bool,
    pub(super) columns: Vec<String>,
}

/// Unique indexes, from rows with the index, whether it is the primary key's, and a column.
pub(super) fn indexes_of(rows: &[Vec<Cell>]) -> Vec<Index> {
    let mut found: Vec<(String, Index)> = Vec::new();
    for row in rows {
        let (name, column) = (text_at(Some(row), 0), text_at(Some(row), 2));
        match found.last_mut().filter(|(last, _)| *last == name) {
            Some((_, index)) => index.columns.push(column),
            None => found.push((
                name,
                Index {
                    primary: integer_at(Some(row), 1) != 0,
                    columns: vec![column],
                },
            )),
        }
    }
    found.into_iter().map(|(_, index)| index).collect()
}

/// A table of the file that is not in the database.
pub(super) fn no_table(name: &str) -> Unfit {
    let reason = format!("the database has no table `{name}`");
    let mend = "write it as the database does, or take it out of `scope.tables`";
    unfit(&reason, mend)
}

/// What the file says of the table and the database does not.
pub(super) fn misfit(table: &TableScope, columns: &[Column], indexes: &[Index]) -> Option<Unfit> {
    let find = |name: &String| columns.iter().find(|column| column.name == *name);
    let mut named = table.read_columns().into_iter();
    if let Some(name) = named.find(|name| find(name).is_none()) {
        let reason = format!("`{}` has no column `{name}`", table.name);
        return Some(unfit(
            &reason,
            "write it as the database does, or take it out of `fields`, `rows` or `person`",
        ));
    }
    let changed = table.changed.as_ref().map(|changed| &changed.column);
    if let Some(name) = changed.filter(|name| !find(name).is_some_and(Column::holds_times)) {
        let reason = format!("`{name}` holds no times, so it says of no row when it was changed");
        let mend = "name a column of dates with times in `updated_at`, or take it out";
        return Some(unfit(&reason, mend));
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

    /// Equal as long as nobody changed anything that the database does not change by itself
    /// together with the row.
    pub(super) fn lasting(&self, shape: &Shape) -> String {
        let own = self.named(shape);
        let own = own.filter(|(column, _)| !column.generated && !column.touched);
        cell::digest(own.map(|(column, cell)| (column.name.as_str(), cell)))
    }

    /// The cells of the columns that the database changes together with the row.
    pub(super) fn touched(&self, shape: &Shape) -> Vec<(String, Cell)> {
        let own = self.named(shape).filter(|(column, _)| column.touched);
        own.map(|(column, cell)| (column.name.clone(), cell.clone()))
            .collect()
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

pub(super) fn unfit(reason: &str, mend: &str) -> Unfit {
    Unfit {
        reason: reason.to_owned(),
        mend: mend.to_owned(),
    }
}

pub(super) fn text(cell: &Cell) -> String {
    match cell {
        Cell::Text(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        _ => String::new(),
    }
}

pub(super) fn text_at(row: Option<&Vec<Cell>>, at: usize) -> String {
    row.and_then(|row| row.get(at))
        .map(text)
        .unwrap_or_default()
}

pub(super) fn integer_at(row: Option<&Vec<Cell>>, at: usize) -> i64 {
    match row.and_then(|row| row.get(at)) {
        Some(Cell::Integer(number)) => *number,
        Some(Cell::Bool(yes)) => i64::from(*yes),
        _ => 0,
    }
}
