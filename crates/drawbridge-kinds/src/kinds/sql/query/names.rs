//! Names of a question: those of visible columns, and those that it gives itself. Whatever else it
//! names is unknown, and told so alike whether it is hidden or not there.

use std::{collections::BTreeSet, ops::ControlFlow};

use sqlparser::ast::{
    Ident, ObjectName, ObjectNamePart, Query, Select, SelectItem, TableAlias, TableFactor, Visit,
    Visitor,
};

use super::{
    super::{dialect::Dialect, part::TableScope},
    Refusal,
    rewrite::Walk,
    tables::not_understood,
    text,
};

/// The names of a question.
#[derive(Debug, Default)]
pub(super) struct Names {
    columns: BTreeSet<String>,
    tables: BTreeSet<String>,
}

/// Words that PostgreSQL takes for something of its own wherever they stand without quotes.
const OWN_WORDS: [&str; 8] = [
    "user",
    "session_user",
    "system_user",
    "current_user",
    "current_role",
    "current_catalog",
    "current_schema",
    "none",
];

impl Dialect {
    /// A name as the engine compares it.
    pub(super) fn folded(self, ident: &Ident) -> String {
        match (self, ident.quote_style) {
            (Self::Postgres, Some(_)) => ident.value.clone(),
            (Self::Postgres, None) | (Self::Sqlite | Self::MariaDb, _) => {
                ident.value.to_ascii_lowercase()
            }
        }
    }

    /// The name of a common table as the engine compares it: MySQL may tell small and capital letters
    /// apart there.
    pub(super) fn called(self, ident: &Ident) -> String {
        match self {
            Self::MariaDb => ident.value.clone(),
            Self::Sqlite | Self::Postgres => self.folded(ident),
        }
    }

    /// A name of the scope as the engine compares it.
    pub(super) fn scoped(self, name: &str) -> String {
        match self {
            Self::Postgres => name.to_owned(),
            Self::Sqlite | Self::MariaDb => name.to_ascii_lowercase(),
        }
    }

    /// Whether a table is meant. MySQL's tables are told apart by capital letters, or not: the same
    /// letters are right either way.
    pub(super) fn is_table(self, ident: &Ident, name: &str) -> bool {
        match self {
            Self::MariaDb => ident.value == name,
            Self::Sqlite | Self::Postgres => self.folded(ident) == self.scoped(name),
        }
    }
}

/// Takes a name, and has it written in quotes: an engine could take it for a word of its own, where
/// the parser took it for a name.
///
/// # Errors
/// When it is quoted in a way of another engine, or has signs in it.
pub(super) fn plain(dialect: Dialect, ident: &mut Ident) -> Result<(), Refusal> {
    let quote = match dialect {
        Dialect::Sqlite => matches!(ident.quote_style, None | Some('"' | '`' | '[')),
        Dialect::Postgres => matches!(ident.quote_style, None | Some('"')),
        Dialect::MariaDb => matches!(ident.quote_style, None | Some('`')),
    };
    if !quote || !text::is_name(&ident.value) {
        return Err(Refusal::new(
            "a name in it is written in a way that cannot be used here",
        ));
    }
    let quote = match dialect {
        Dialect::Postgres => {
            ident.value = dialect.folded(ident);
            '"'
        }
        // In double quotes, SQLite takes a name that is not there for a text.
        Dialect::Sqlite | Dialect::MariaDb => '`',
    };
    ident.quote_style = Some(quote);
    Ok(())
}

impl Names {
    /// The names of a question over these tables.
    pub(super) fn of(dialect: Dialect, query: &Query, tables: &[TableScope]) -> Self {
        let mut names = Self::default();
        for table in tables {
            // Of a table in another schema, the question calls it by its last word.
            let called = match (dialect, table.name.rsplit_once('.')) {
                (Dialect::Postgres | Dialect::MariaDb, Some((_, name))) => name,
                _ => table.name.as_str(),
            };
            names.tables.insert(dialect.scoped(called));
            let columns = table.fields.iter();
            names
                .columns
                .extend(columns.map(|name| dialect.scoped(name)));
        }
        let mut given = Given {
            dialect,
            names: &mut names,
        };
        let _ = query.visit(&mut given);
        names
    }

    pub(super) fn column(&self, dialect: Dialect, ident: &mut Ident) -> Result<(), Refusal> {
        let bare = ident.quote_style.is_none();
        plain(dialect, ident)?;
        let folded = dialect.folded(ident);
        let own = bare && OWN_WORDS.contains(&folded.as_str());
        if self.columns.contains(&folded) && !own {
            return Ok(());
        }
        Err(unknown("column", ident))
    }

    /// The name of a table or an alias before a column.
    pub(super) fn qualifier(&self, dialect: Dialect, ident: &mut Ident) -> Result<(), Refusal> {
        plain(dialect, ident)?;
        if self.tables.contains(&dialect.folded(ident)) {
            return Ok(());
        }
        Err(unknown("table", ident))
    }

    pub(super) fn has_column(&self, name: &str) -> bool {
        self.columns.contains(name)
    }

    /// Adds a table that this program puts in, and its columns.
    pub(super) fn add(&mut self, table: &str, columns: impl IntoIterator<Item = String>) {
        self.tables.insert(table.to_owned());
        self.columns.extend(columns);
    }
}

impl<'a> Walk<'a> {
    /// What a name in `FROM` means: a table of the scope, or else a common table.
    ///
    /// # Errors
    /// When it means neither.
    pub(super) fn meant(
        &self,
        name: &ObjectName,
    ) -> Result<(Ident, Option<&'a TableScope>), Refusal> {
        let (before, ident) = self.qualified(name)?;
        if before.is_none() && self.common.contains(&self.dialect.called(&ident)) {
            return Ok((ident, None));
        }
        let mut scopes = self.tables.iter();
        let scope = scopes.find(|scope| match (&before, scope.name.split_once('.')) {
            (None, None) => self.dialect.is_table(&ident, &scope.name),
            (Some(before), Some((schema, name))) => {
                self.dialect.is_table(before, schema) && self.dialect.is_table(&ident, name)
            }
            (None, Some(_)) | (Some(_), None) => false,
        });
        let scope = scope.ok_or_else(|| unknown("table", &ident))?;
        Ok((ident, Some(scope)))
    }

    /// The name of a table, and that of its schema if there is one before it.
    fn qualified(&self, name: &ObjectName) -> Result<(Option<Ident>, Ident), Refusal> {
        let ident = |part: &ObjectNamePart| {
            let ident = part.as_ident().ok_or_else(|| not_understood("a name"))?;
            let mut ident = ident.clone();
            plain(self.dialect, &mut ident)?;
            Ok(ident)
        };
        match name.0.as_slice() {
            [name] => Ok((None, ident(name)?)),
            [schema, name] => Ok((Some(ident(schema)?), ident(name)?)),
            _ => Err(not_understood("a name of three words")),
        }
    }
}

pub(super) fn unknown(what: &str, ident: &Ident) -> Refusal {
    let name = &ident.value;
    Refusal::new(format!(
        "there is no {what} `{name}` that you may use; `describe` lists those that you may"
    ))
}

/// Gathers the names that a question gives itself.
struct Given<'a> {
    dialect: Dialect,
    names: &'a mut Names,
}

impl Given<'_> {
    fn alias(&mut self, alias: &TableAlias) {
        self.names.tables.insert(self.dialect.folded(&alias.name));
        let columns = alias.columns.iter();
        let folded = columns.map(|column| self.dialect.folded(&column.name));
        self.names.columns.extend(folded);
    }
}

impl Visitor for Given<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        for cte in query.with.iter().flat_map(|with| &with.cte_tables) {
            self.alias(&cte.alias);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<()> {
        for item in &select.projection {
            if let SelectItem::ExprWithAlias { alias, .. } = item {
                self.names.columns.insert(self.dialect.folded(alias));
            }
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        if let TableFactor::Table {
            alias: Some(alias), ..
        }
        | TableFactor::Derived {
            alias: Some(alias), ..
        } = factor
        {
            self.alias(alias);
        }
        ControlFlow::Continue(())
    }
}
