//! Rights that an account has or lacks, in words.

use drawbridge_core::connector::Problem;

/// The most excess rights that are told one by one.
const MOST: usize = 40;
/// The most columns that one sentence names.
const NAMED: usize = 8;

/// What an account can do beyond what the file says.
#[derive(Debug, Default)]
pub(super) struct Excess {
    told: Vec<String>,
    more: usize,
}

impl Excess {
    pub(super) fn add(&mut self, told: String) {
        if self.told.len() < MOST {
            self.told.push(told);
        } else {
            self.more += 1;
        }
    }

    /// Columns of a table that is only read, which the file does not show.
    pub(super) fn hidden<'a>(&mut self, table: &str, columns: impl Iterator<Item = &'a str>) {
        let columns: Vec<&str> = columns.collect();
        let Some(named) = columns.get(..NAMED.min(columns.len())) else {
            return;
        };
        if !named.is_empty() {
            let named = named.join(", ");
            self.add(format!(
                "it can read columns of `{table}` that the file hides ({named}): grant `SELECT` on \
                 single columns instead"
            ));
        }
    }

    pub(super) fn told(mut self) -> Vec<String> {
        if self.more > 0 {
            self.told.push(format!("and {} rights more", self.more));
        }
        self.told
    }
}

/// What the file needs of a table, and the account cannot do.
pub(super) fn missing(table: &str, lacks: &[String]) -> Option<Problem> {
    (!lacks.is_empty()).then(|| Problem {
        path: table.to_owned(),
        reason: format!("the connector's account may not {} here", lacks.join(", ")),
        mend: format!(
            "grant it {}, or narrow the table in the file",
            lacks.join(", ")
        ),
    })
}
