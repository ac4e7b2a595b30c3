//! How the engines write the same thing: names, texts, and the few words in which they differ.

/// Whose SQL is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(
    not(test),
    expect(dead_code, reason = "only SQLite files can be opened so far")
)]
pub(super) enum Dialect {
    Sqlite,
    Postgres,
    /// MariaDB, too.
    Mysql,
}

impl Dialect {
    /// A name of the database's own schema, quoted.
    pub(super) fn name(self, name: &str) -> String {
        let quote = match self {
            Self::Sqlite | Self::Postgres => '"',
            Self::Mysql => '`',
        };
        let mut quoted = String::with_capacity(name.len() + 2);
        quoted.push(quote);
        for letter in name.chars() {
            if letter == quote {
                quoted.push(quote);
            }
            quoted.push(letter);
        }
        quoted.push(quote);
        quoted
    }

    /// A table of the scope.
    pub(super) fn table(self, name: &str) -> String {
        match self {
            Self::Sqlite => format!("main.{}", self.name(name)),
            Self::Postgres | Self::Mysql => self.name(name),
        }
    }

    /// A text as a literal. PostgreSQL takes a backslash for itself (`standard_conforming_strings`);
    /// MySQL takes it for the start of an escape.
    pub(super) fn text(self, text: &str) -> String {
        let doubled = text.replace('\'', "''");
        let escaped = match self {
            Self::Sqlite | Self::Postgres => doubled,
            Self::Mysql => doubled.replace('\\', "\\\\"),
        };
        format!("'{escaped}'")
    }

    /// A value as text.
    pub(super) fn as_text(self, expression: &str) -> String {
        match self {
            Self::Sqlite | Self::Postgres => format!("CAST({expression} AS TEXT)"),
            Self::Mysql => format!("CAST({expression} AS CHAR)"),
        }
    }

    /// Where a text begins in another, from 1; 0 where it does not.
    pub(super) fn place(self, needle: &str, hay: &str) -> String {
        match self {
            Self::Sqlite => format!("instr({hay}, {needle})"),
            Self::Postgres => format!("strpos({hay}, {needle})"),
            Self::Mysql => format!("locate({needle}, {hay})"),
        }
    }

    /// Several texts as one.
    pub(super) fn joined(self, parts: &[&str]) -> String {
        match self {
            Self::Sqlite | Self::Postgres => format!("({})", parts.join(" || ")),
            Self::Mysql => format!("concat({})", parts.join(", ")),
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
            Self::Mysql => " LIMIT 18446744073709551615",
        }
    }
}
