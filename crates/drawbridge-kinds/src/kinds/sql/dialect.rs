//! How each engine writes what the kind says.

use super::{
    cell::Cell,
    shape::Place,
    statement::{Own, Part},
};

/// Whose words a statement is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    Sqlite,
    Postgres,
    MariaDb,
}

impl Dialect {
    /// Whether an `INSERT` can return the key of its row.
    pub(super) fn returns(self) -> bool {
        match self {
            Self::Sqlite | Self::Postgres => true,
            // MariaDB can, MySQL cannot: both tell the number that they gave a row.
            Self::MariaDb => false,
        }
    }

    /// Whether an account sees nothing at all of tables and columns on which it has no right.
    pub(super) fn hides(self) -> bool {
        match self {
            Self::Sqlite | Self::Postgres => false,
            Self::MariaDb => true,
        }
    }

    /// What is in the table for keys of effects.
    pub(super) fn applied_columns(self) -> &'static str {
        match self {
            Self::Sqlite | Self::Postgres => {
                " (key text PRIMARY KEY, at text NOT NULL, receipt text NOT NULL)"
            }
            Self::MariaDb => {
                " (`key` VARCHAR(200) CHARACTER SET ascii COLLATE ascii_bin PRIMARY KEY, \
                 at VARCHAR(60) NOT NULL, receipt LONGTEXT CHARACTER SET utf8mb4 NOT NULL) \
                 ENGINE = InnoDB"
            }
        }
    }

    /// Adds a part to a statement's text, and what is bound to it.
    pub(super) fn write(self, part: Part, (text, cells): (&mut String, &mut Vec<Cell>)) {
        match part {
            Part::Words(words) => text.push_str(words),
            Part::Type(name) => text.push_str(&name),
            Part::Name(name) => text.push_str(&self.quoted(&name)),
            Part::Table(place) => text.push_str(&self.table(&place)),
            Part::Text(piece) => text.push_str(&piece),
            Part::Value { cell, cast } => self.value(cell, cast.as_deref(), (text, cells)),
            Part::Read { name, as_text } => {
                let column = format!("t.{}", self.quoted(&name));
                text.push_str(&self.read(&column, as_text));
            }
            Part::Returned { name, as_text } => {
                text.push_str(&self.read(&self.quoted(&name), as_text));
            }
            Part::Size { name, as_text } => {
                let column = format!("t.{}", self.quoted(&name));
                text.push_str(&self.size(&column, as_text));
            }
            Part::Own(own) => text.push_str(self.own(own)),
        }
    }

    /// A name of the database's own schema.
    pub(super) fn quoted(self, name: &str) -> String {
        match self {
            Self::Sqlite | Self::Postgres => format!("\"{}\"", name.replace('"', "\"\"")),
            Self::MariaDb => format!("`{}`", name.replace('`', "``")),
        }
    }

    fn value(self, cell: Cell, cast: Option<&str>, (text, cells): (&mut String, &mut Vec<Cell>)) {
        let odd = matches!(&cell, Cell::Text(bytes) if std::str::from_utf8(bytes).is_err());
        let place = match (&cell, self) {
            (Cell::Null, _) => "NULL".to_owned(),
            // The driver binds texts that are UTF-8 only; a cast of bytes leaves them as they are.
            (_, Self::Sqlite) if odd => "CAST(? AS TEXT)".to_owned(),
            (_, Self::Sqlite | Self::MariaDb) => "?".to_owned(),
            (_, Self::Postgres) => format!("${}", cells.len() + 1),
        };
        match cast {
            Some(cast) => text.push_str(&format!("CAST({place} AS {cast})")),
            None => text.push_str(&place),
        }
        if cell != Cell::Null {
            cells.push(cell);
        }
    }

    fn read(self, column: &str, as_text: bool) -> String {
        match self {
            Self::Postgres if as_text => format!("CAST({column} AS text)"),
            Self::MariaDb if as_text => format!("CAST({column} AS CHAR)"),
            Self::Sqlite | Self::Postgres | Self::MariaDb => column.to_owned(),
        }
    }

    fn size(self, column: &str, as_text: bool) -> String {
        match self {
            Self::Postgres => {
                let column = self.read(column, as_text);
                format!("coalesce(octet_length({column})::int8, 0)")
            }
            Self::Sqlite | Self::MariaDb => format!("ifnull(octet_length({column}), 0)"),
        }
    }

    fn own(self, own: Own) -> &'static str {
        match (self, own) {
            (Self::Sqlite, Own::Insert) => "INSERT OR ABORT INTO ",
            (Self::Sqlite, Own::Update) => "UPDATE OR ABORT ",
            (Self::Postgres | Self::MariaDb, Own::Insert) => "INSERT INTO ",
            (Self::Postgres | Self::MariaDb, Own::Update) => "UPDATE ",
            (Self::Sqlite | Self::Postgres, Own::Delete) => "DELETE FROM ",
            (Self::MariaDb, Own::Delete) => "DELETE t FROM ",
            (Self::Sqlite | Self::Postgres, Own::Defaults) => " DEFAULT VALUES",
            (Self::MariaDb, Own::Defaults) => " () VALUES ()",
            (Self::Postgres, Own::Numbers) => " OVERRIDING SYSTEM VALUE",
            (Self::Sqlite | Self::MariaDb, Own::Numbers) | (Self::Sqlite, Own::Lock) => "",
            (Self::Postgres | Self::MariaDb, Own::Lock) => " FOR UPDATE",
        }
    }

    /// A table, by its whole name.
    pub(super) fn table(self, place: &Place) -> String {
        format!(
            "{}.{}",
            self.quoted(&place.schema),
            self.quoted(&place.name)
        )
    }

    /// A text as a literal. PostgreSQL takes a backslash for itself (`standard_conforming_strings`);
    /// MySQL takes it for the start of an escape.
    pub(super) fn text(self, text: &str) -> String {
        let doubled = text.replace('\'', "''");
        let escaped = match self {
            Self::Sqlite | Self::Postgres => doubled,
            Self::MariaDb => doubled.replace('\\', "\\\\"),
        };
        format!("'{escaped}'")
    }

    /// A value as text.
    pub(super) fn as_text(self, expression: &str) -> String {
        match self {
            Self::Sqlite | Self::Postgres => format!("CAST({expression} AS TEXT)"),
            Self::MariaDb => format!("CAST({expression} AS CHAR)"),
        }
    }

    /// Where a text begins in another, from 1; 0 where it does not.
    pub(super) fn place(self, needle: &str, hay: &str) -> String {
        match self {
            Self::Sqlite => format!("instr({hay}, {needle})"),
            Self::Postgres => format!("strpos({hay}, {needle})"),
            Self::MariaDb => format!("locate({needle}, {hay})"),
        }
    }

    /// Several texts as one.
    pub(super) fn joined(self, parts: &[&str]) -> String {
        match self {
            Self::Sqlite | Self::Postgres => format!("({})", parts.join(" || ")),
            Self::MariaDb => format!("concat({})", parts.join(", ")),
        }
    }

    /// What makes the engine finish a derived table before it looks at conditions from outside: a
    /// condition that fails on some rows would else be tried on hidden ones, and its error tell of
    /// them. SQLite does not push conditions into a table with `LIMIT`, nor MySQL; PostgreSQL not
    /// into one with `OFFSET`.
    pub(super) fn fence(self) -> &'static str {
        match self {
            Self::Sqlite => " LIMIT -1",
            Self::Postgres => " OFFSET 0",
            Self::MariaDb => " LIMIT 18446744073709551615",
        }
    }
}
