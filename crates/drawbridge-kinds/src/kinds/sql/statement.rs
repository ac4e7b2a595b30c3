//! A statement: names are quoted, values are bound, and nothing else comes into its text. What an
//! engine calls things is decided when it is written out for that engine.

use drawbridge_core::answer::Failure;

use super::{
    cell::Cell,
    dialect::Dialect,
    link::{Done, Link},
    query::Outcome,
    shape::{Column, Place, Shape, Sort},
    window::{Beside, Piece, Segment},
};

/// A statement that is being written.
#[derive(Debug, Clone)]
pub(super) struct Statement {
    parts: Vec<Part>,
}

/// A piece of a statement.
#[derive(Debug, Clone)]
pub(super) enum Part {
    /// Words of this program.
    Words(&'static str),
    /// A name of the database's own schema.
    Name(String),
    /// A table, by its whole name.
    Table(Place),
    /// A bound value; of the type that a column has.
    Value { cell: Cell, cast: Option<String> },
    /// A column of the table `t`, as it is read.
    Read { name: String, as_text: bool },
    /// A column of the row that is added, as it is read.
    Returned { name: String, as_text: bool },
    /// The bytes of a column of the table `t`.
    Size { name: String, as_text: bool },
    /// A type, as the engine itself writes it.
    Type(String),
    /// Words of this program that were written for this engine.
    Text(String),
    /// What each engine has words of its own for.
    Own(Own),
}

/// What each engine has words of its own for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Own {
    /// `INSERT`, refusing to make room by removing other rows.
    Insert,
    /// `UPDATE`, the same.
    Update,
    /// `DELETE` of rows of the table `t`.
    Delete,
    /// A new row with the table's defaults only.
    Defaults,
    /// Keeps the rows that are read from others, until the transaction ends.
    Lock,
    /// Values for columns that the database numbers by itself are taken as they are.
    Numbers,
}

impl Statement {
    pub(super) fn new(text: &'static str) -> Self {
        Self {
            parts: vec![Part::Words(text)],
        }
    }

    fn part(mut self, part: Part) -> Self {
        self.parts.push(part);
        self
    }

    /// Adds words of this program.
    pub(super) fn words(self, words: &'static str) -> Self {
        self.part(Part::Words(words))
    }

    /// Adds what each engine has words of its own for.
    pub(super) fn own(self, own: Own) -> Self {
        self.part(Part::Own(own))
    }

    /// Adds a name of the database's own schema.
    pub(super) fn name(self, name: &str) -> Self {
        self.part(Part::Name(name.to_owned()))
    }

    /// Adds a table, by its whole name.
    pub(super) fn table(self, place: &Place) -> Self {
        self.part(Part::Table(place.clone()))
    }

    /// Adds a column of the one table, which is called `t`. Bare, SQLite would take the name of a
    /// column that is not there for a text.
    pub(super) fn column(self, name: &str) -> Self {
        self.words("t.").name(name)
    }

    /// Adds a column of the table `t` as it is read: exactly, and in a form that can be put back.
    pub(super) fn read(self, column: &Column) -> Self {
        let (name, as_text) = (column.name.clone(), column.as_text);
        self.part(Part::Read { name, as_text })
    }

    /// Adds a column of a row that is being added, as it is read.
    pub(super) fn returned(self, column: &Column) -> Self {
        let (name, as_text) = (column.name.clone(), column.as_text);
        self.part(Part::Returned { name, as_text })
    }

    /// Adds the bytes of a column of the table `t`, looked at before it is read.
    pub(super) fn size(self, column: &Column) -> Self {
        if matches!(
            column.sort,
            Sort::Bool | Sort::Integer { .. } | Sort::Real | Sort::Single
        ) {
            return self.words("8");
        }
        let (name, as_text) = (column.name.clone(), column.as_text);
        self.part(Part::Size { name, as_text })
    }

    /// Adds a type, as the engine itself writes it.
    pub(super) fn a_type(self, name: &str) -> Self {
        self.part(Part::Type(name.to_owned()))
    }

    /// Adds a value, which is bound.
    pub(super) fn value(self, cell: &Cell) -> Self {
        let (cell, cast) = (cell.clone(), None);
        self.part(Part::Value { cell, cast })
    }

    /// Adds a value of a column, which is bound and has the column's type.
    pub(super) fn value_of(self, column: Option<&Column>, cell: &Cell) -> Self {
        let cast = column.and_then(|column| column.cast.clone());
        let cell = cell.clone();
        self.part(Part::Value { cell, cast })
    }

    /// Adds a piece that was written for this engine, over columns of these tables.
    pub(super) fn piece(self, piece: Piece, shapes: &[(&str, &Shape)]) -> Self {
        piece
            .0
            .into_iter()
            .fold(self, |statement, segment| match segment {
                Segment::Text(text) => statement.part(Part::Text(text)),
                Segment::Value(cell, beside) => {
                    let cast = beside.and_then(|Beside { table, column }| {
                        let shape = shapes.iter().find(|(name, _)| *name == table)?.1;
                        shape.column(&column)?.cast.clone()
                    });
                    statement.part(Part::Value { cell, cast })
                }
            })
    }

    /// Adds items with a separator between them.
    pub(super) fn each<T>(
        mut self,
        separator: &'static str,
        items: impl IntoIterator<Item = T>,
        add: impl Fn(Self, T) -> Self,
    ) -> Self {
        for (index, item) in items.into_iter().enumerate() {
            if index > 0 {
                self = self.words(separator);
            }
            self = add(self, item);
        }
        self
    }

    /// Its text, and what is bound to it.
    pub(super) fn written(self, dialect: Dialect) -> (String, Vec<Cell>) {
        let (mut text, mut cells) = (String::new(), Vec::new());
        for part in self.parts {
            dialect.write(part, (&mut text, &mut cells));
        }
        (text, cells)
    }

    /// Runs it, and tells how many rows it changed.
    pub(super) async fn run(self, connection: &mut dyn Link) -> Result<Done, Failure> {
        connection.run(self).await
    }

    /// Runs it to its end, and returns its rows.
    pub(super) async fn rows(self, connection: &mut dyn Link) -> Result<Vec<Vec<Cell>>, Failure> {
        connection.rows_up_to(self, usize::MAX).await
    }

    /// Returns its rows, which are of the engine's own catalogs.
    pub(super) async fn of_catalog(
        self,
        connection: &mut dyn Link,
    ) -> Result<Vec<Vec<Cell>>, Failure> {
        connection.catalog(self).await
    }

    /// Returns its rows until they have so many bytes: the last one goes over.
    pub(super) async fn rows_up_to(
        self,
        connection: &mut dyn Link,
        bytes: usize,
    ) -> Result<Vec<Vec<Cell>>, Failure> {
        connection.rows_up_to(self, bytes).await
    }

    /// Runs a question of a caller's own, until it has so many rows or bytes.
    pub(super) async fn table_up_to(
        self,
        connection: &mut dyn Link,
        most: (usize, usize),
    ) -> Result<Outcome, Failure> {
        connection.table_up_to(self, most).await
    }
}
