//! What a connector needs to do with a table, from what its file says of it.

use std::collections::BTreeSet;

use drawbridge_core::call::Power;

use super::TableScope;

/// Which columns of a table a right must be for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) enum Columns {
    /// Every one, also those that the file hides.
    Every,
    /// These; of none, the right is not needed.
    These(Vec<String>),
}

impl Columns {
    pub(in super::super) fn has(&self, column: &str) -> bool {
        match self {
            Self::Every => true,
            Self::These(columns) => columns.iter().any(|one| one == column),
        }
    }

    pub(in super::super) fn is_none(&self) -> bool {
        *self == Self::These(Vec::new())
    }
}

/// What a connector needs to do with a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Need {
    pub(in super::super) select: Columns,
    pub(in super::super) insert: Columns,
    pub(in super::super) update: Columns,
    pub(in super::super) delete: bool,
}

impl Need {
    /// Nothing.
    pub(in super::super) fn none() -> Self {
        let none = || Columns::These(Vec::new());
        Self {
            select: none(),
            insert: none(),
            update: none(),
            delete: false,
        }
    }

    /// What a file with these powers needs of a table.
    pub(super) fn of(scope: &TableScope, powers: &BTreeSet<Power>) -> Self {
        let can = |power| !scope.writable.is_empty() && powers.contains(&power);
        let [write, update, delete] = [Power::Write, Power::Update, Power::Delete].map(can);
        let writable = |new: bool| {
            let columns = scope.writable.iter();
            let columns = columns.filter(|(_, rule)| new || !rule.once);
            columns.map(|(name, _)| name.clone()).collect::<Vec<_>>()
        };
        let mut need = Self::none();
        // Whole rows are read before a change: what is not shown must stay as it is, too.
        need.select = if write || update || delete {
            Columns::Every
        } else {
            Columns::These(scope.read_columns())
        };
        if write {
            // A deleted row is put back whole.
            need.insert = if delete {
                Columns::Every
            } else {
                Columns::These(writable(true))
            };
        }
        if update {
            need.update = Columns::These(writable(false));
        }
        if delete && need.update.is_none() {
            // Servers let only those lock a row who can change something of it.
            need.update = Columns::These(writable(true).into_iter().take(1).collect());
        }
        need.delete = delete;
        need
    }

    /// Whether it changes anything.
    pub(in super::super) fn changes(&self) -> bool {
        self.delete || !self.insert.is_none() || !self.update.is_none()
    }

    /// For which columns a right is needed, by its word in SQL.
    pub(in super::super) fn columns(&self, word: &str) -> Columns {
        match word {
            "SELECT" => self.select.clone(),
            "INSERT" => self.insert.clone(),
            "UPDATE" => self.update.clone(),
            "DELETE" if self.delete => Columns::Every,
            _ => Columns::These(Vec::new()),
        }
    }
}
