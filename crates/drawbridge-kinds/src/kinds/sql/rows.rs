//! Rows, found by their key and changed one at a time.

mod page;

use std::borrow::{Borrow, Cow};

use drawbridge_core::answer::{Failure, Status};
use serde_json::{Map, Value};

use super::{
    cell::{self, Cell},
    link::{Done, Link},
    part::TableScope,
    shape::{Column, Row, Shape},
    statement::{Own, Statement},
    window::Piece,
};

pub(super) use page::is_whole;

/// The most bytes of one row that is read or changed.
pub(super) const MOST_ROW: i64 = 2 << 20;

/// A table, as the file and the database have it.
#[derive(Clone, Copy)]
pub(super) struct Table<'a> {
    pub(super) scope: &'a TableScope,
    pub(super) shape: &'a Shape,
}

impl<'a> Table<'a> {
    fn from(self, statement: Statement) -> Statement {
        statement
            .words(" FROM ")
            .table(&self.shape.place)
            .words(" AS t")
    }

    /// What of it may be seen, instead of the table itself.
    pub(super) fn behind_window(self, statement: Statement) -> Statement {
        let shown = statement.words(" FROM (");
        self.piece(shown, self.scope.window()).words(") AS t")
    }

    /// Adds a piece over columns of this table.
    pub(super) fn piece(self, statement: Statement, piece: Piece) -> Statement {
        statement.piece(piece, &[(&self.scope.name, self.shape)])
    }

    /// Adds a value of a column, with the column's type.
    fn value(self, statement: Statement, name: &str, cell: &Cell) -> Statement {
        statement.value_of(self.shape.column(name), cell)
    }

    fn by_key(self, statement: Statement, key: &[Cell]) -> Statement {
        let pairs = self.scope.key.iter().zip(key);
        statement
            .words(" WHERE ")
            .each(" AND ", pairs, |statement, (name, cell)| {
                self.value(statement.column(name).words(" = "), name, cell)
            })
    }

    /// The row of the table itself with this key, if it may be seen.
    fn own_row(self, statement: Statement, key: &[Cell]) -> Statement {
        let statement = self.by_key(statement, key);
        match self.scope.rule() {
            None => statement,
            Some(rule) => self.piece(statement.words(" AND "), rule),
        }
    }

    /// The columns that callers see, in the order of the scope; a masked one is what it shows.
    pub(super) fn visible(self) -> Vec<Cow<'a, Column>> {
        let fields = self.scope.fields.iter();
        let shown = |name: &String| {
            let column = self.shape.column(name)?;
            Some(match self.scope.mask.get(name) {
                None => Cow::Borrowed(column),
                Some(mask) => Cow::Owned(mask.shown(column)),
            })
        };
        fields.filter_map(shown).collect()
    }

    /// A key that somebody gives, as the columns have it; none when no row can have it.
    pub(super) async fn sought(
        self,
        connection: &mut dyn Link,
        given: &[Cell],
    ) -> Result<Option<Vec<Cell>>, Failure> {
        let mut key = Vec::new();
        for (name, cell) in self.scope.key.iter().zip(given) {
            let Some(column) = self.shape.column(name) else {
                return Ok(None);
            };
            match connection.sought(column, cell).await? {
                Some(cell) => key.push(cell),
                None => return Ok(None),
            }
        }
        Ok(Some(key))
    }

    /// The whole row with this key, if there is one.
    pub(super) async fn find(
        self,
        connection: &mut dyn Link,
        key: &[Cell],
    ) -> Result<Option<Row>, Failure> {
        let all: Vec<Cow<'_, Column>> = self.shape.columns.iter().map(Cow::Borrowed).collect();
        let number = self.shape.rowid;
        let from = |statement| self.own_row(self.from(statement), key);
        let Some(mut cells) = one(connection, (&all, number), from).await? else {
            return Ok(None);
        };
        let rowid = match self.shape.rowid.and_then(|_| cells.pop()) {
            Some(Cell::Integer(number)) => Some(number),
            _ => None,
        };
        Ok(Some(Row { cells, rowid }))
    }

    /// The same; nobody else can change it until the transaction ends.
    pub(super) async fn hold(
        self,
        connection: &mut dyn Link,
        key: &[Cell],
    ) -> Result<Option<Row>, Failure> {
        let held = self.from(Statement::new("SELECT 1"));
        let held = self.own_row(held, key).own(Own::Lock);
        held.rows(connection).await?;
        self.find(connection, key).await
    }

    /// The visible fields of the row with this key, if there is one.
    pub(super) async fn find_visible(
        self,
        connection: &mut dyn Link,
        key: &[Cell],
    ) -> Result<Option<Vec<Cell>>, Failure> {
        let visible = self.visible();
        let from = |statement| self.by_key(self.behind_window(statement), key);
        one(connection, (&visible, None), from).await
    }

    /// Adds a row, and returns its key. The columns' own rules for a conflict do not count: one of
    /// them may be to remove another row without a word.
    pub(super) async fn insert(
        self,
        connection: &mut dyn Link,
        set: &[(String, Cell)],
        rowid: Option<i64>,
    ) -> Result<Vec<Cell>, Failure> {
        let number = self.shape.rowid.zip(rowid);
        let mut insert = Statement::new("").own(Own::Insert).table(&self.shape.place);
        if set.is_empty() && number.is_none() {
            insert = insert.own(Own::Defaults);
        } else {
            insert = insert.words(" (");
            if let Some((word, _)) = number {
                insert = insert
                    .words(word)
                    .words(if set.is_empty() { "" } else { ", " });
            }
            insert = insert
                .each(", ", set, |statement, (name, _)| statement.name(name))
                .words(")")
                .own(Own::Numbers)
                .words(" VALUES (");
            if let Some((_, rowid)) = number {
                insert = insert.value(&Cell::Integer(rowid));
                insert = insert.words(if set.is_empty() { "" } else { ", " });
            }
            insert = insert
                .each(", ", set, |statement, (name, cell)| {
                    self.value(statement, name, cell)
                })
                .words(")");
        }
        if !connection.returns() {
            return self.key_of_new(insert.run(connection).await?, set);
        }
        let keys: Vec<&Column> = self.key_columns();
        let insert = insert
            .words(" RETURNING ")
            .each(", ", &keys, |statement, column| statement.returned(column));
        let mut rows = insert.rows(connection).await?;
        match (rows.pop(), rows.is_empty()) {
            (Some(key), true) => Ok(own(&keys, key)),
            _ => Err(not_one()),
        }
    }

    fn key_columns(self) -> Vec<&'a Column> {
        let key = self.scope.key.iter();
        key.filter_map(|name| self.shape.column(name)).collect()
    }

    /// The key of a row that was added, from what was given and the number that the database gave.
    fn key_of_new(self, done: Done, set: &[(String, Cell)]) -> Result<Vec<Cell>, Failure> {
        let one = |name: &String| {
            let given = set.iter().find(|(given, _)| given == name);
            let numbered = self.shape.numbered.as_ref() == Some(name);
            let number = done.number.filter(|_| numbered);
            match (given, number.map(|number| (number, i64::try_from(number)))) {
                (Some((_, cell)), _) => Ok(cell.clone()),
                (None, Some((_, Ok(number)))) => Ok(Cell::Integer(number)),
                (None, Some((number, Err(_)))) => Ok(Cell::Number(number.to_string())),
                (None, None) => {
                    let told = "the database gives the row a key and does not tell which, so \
                                nothing was added; give the key";
                    Err(Failure::invalid(told))
                }
            }
        };
        one_row(done.rows)?;
        self.scope.key.iter().map(one).collect()
    }

    /// Changes one row.
    pub(super) async fn update(
        self,
        connection: &mut dyn Link,
        key: &[Cell],
        set: &[(String, Cell)],
    ) -> Result<(), Failure> {
        let update = Statement::new("")
            .own(Own::Update)
            .table(&self.shape.place)
            .words(" AS t SET ")
            .each(", ", set, |statement, (name, cell)| {
                self.value(statement.name(name).words(" = "), name, cell)
            });
        one_row(self.own_row(update, key).run(connection).await?.rows)
    }

    /// Removes one row.
    pub(super) async fn delete(
        self,
        connection: &mut dyn Link,
        key: &[Cell],
    ) -> Result<(), Failure> {
        let delete = Statement::new("")
            .own(Own::Delete)
            .table(&self.shape.place)
            .words(" AS t");
        one_row(self.own_row(delete, key).run(connection).await?.rows)
    }

    /// Whether a row has this number.
    pub(super) async fn has_number(
        self,
        connection: &mut dyn Link,
        rowid: i64,
    ) -> Result<bool, Failure> {
        let Some(word) = self.shape.rowid else {
            return Ok(false);
        };
        let select = self
            .from(Statement::new("SELECT 1"))
            .words(" WHERE t.")
            .words(word);
        let rows = select
            .words(" = ")
            .value(&Cell::Integer(rowid))
            .rows(connection)
            .await?;
        Ok(!rows.is_empty())
    }

    /// What people and callers see of a row, without what is masked.
    pub(super) fn image(self, row: &Row) -> Map<String, Value> {
        let fields = self.scope.plain_fields();
        let one = |name: &String| (name.clone(), row.cell(self.shape, name).shown());
        fields.map(one).collect()
    }

    /// The version of a row, as far as it is visible as it is.
    pub(super) fn version(self, row: &Row) -> String {
        let cells: Vec<Cell> = self
            .scope
            .fields
            .iter()
            .map(|name| row.cell(self.shape, name))
            .collect();
        version(self.scope, &cells)
    }
}

/// The version of the visible fields of a row. What is masked does not count: a digest of it could
/// be guessed.
pub(super) fn version(scope: &TableScope, visible: &[Cell]) -> String {
    let named = scope.fields.iter().map(String::as_str).zip(visible);
    cell::digest(named.filter(|(name, _)| !scope.mask.contains_key(*name)))
}

/// The one row of which columns are read; none where there is none.
async fn one(
    connection: &mut dyn Link,
    (columns, number): (&[Cow<'_, Column>], Option<&'static str>),
    from: impl Fn(Statement) -> Statement,
) -> Result<Option<Vec<Cell>>, Failure> {
    let size = size(Statement::new("SELECT "), columns);
    let sizes = from(size).words(" LIMIT 2").rows(connection).await?;
    match sizes.as_slice() {
        [] => return Ok(None),
        [row] => {
            if matches!(row.first(), Some(Cell::Integer(size)) if *size > MOST_ROW) {
                let most = MOST_ROW >> 20;
                let told = format!("the row has more than {most} MiB, and is not read");
                return Err(Failure::new(Status::Limited, told));
            }
        }
        _ => {
            let told = "several rows have this key; tell whoever keeps the connector";
            return Err(Failure::new(Status::Failed, told));
        }
    }
    let mut select =
        Statement::new("SELECT ").each(", ", columns, |statement, column| statement.read(column));
    if let Some(word) = number {
        select = select.words(", t.").words(word);
    }
    let rows = from(select).words(" LIMIT 1").rows(connection).await?;
    let row = rows.into_iter().next();
    Ok(row.map(|row| own(columns, row)))
}

/// The bytes of some columns, as an expression.
fn size(statement: Statement, columns: &[Cow<'_, Column>]) -> Statement {
    statement.each(" + ", columns, |statement, column| statement.size(column))
}

/// The values of some columns, each as what it is.
pub(super) fn own<C: Borrow<Column>>(columns: &[C], mut row: Vec<Cell>) -> Vec<Cell> {
    for (cell, column) in row.iter_mut().zip(columns) {
        cell.become_one_of(column.borrow().sort);
    }
    row
}

fn one_row(changed: u64) -> Result<(), Failure> {
    if changed == 1 { Ok(()) } else { Err(not_one()) }
}

fn not_one() -> Failure {
    let told = "not exactly one row was changed, so nothing was; tell whoever keeps the connector";
    Failure::new(Status::Failed, told)
}
