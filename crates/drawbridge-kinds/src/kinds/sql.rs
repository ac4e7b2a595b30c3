//! `sql`: tables of a database, searched, read and changed, as far as the file says: SQLite files,
//! PostgreSQL, MariaDB and MySQL; and exports in a folder, which are only read.

mod actions;
mod apply;
mod arguments;
mod base;
mod cell;
mod dialect;
mod engine;
mod fetch;
mod freshness;
mod grants;
mod inspect;
mod link;
mod named;
mod part;
mod plan;
mod query;
mod rows;
mod search;
mod shape;
mod statement;
#[cfg(test)]
mod tests;
mod values;
mod window;
mod words;
mod work;

use std::{future::Future, sync::Arc, time::Duration};

use async_trait::async_trait;
use drawbridge_core::{
    answer::{Failure, Found, Status},
    call::{Action, Call, Power},
    connector::{Connector, Context, Facet, ForPerson, Inspection, Kind, LABEL, Part, Schema},
    decide::View,
    exchange::Hears,
    file::{Change, Fault, Labels},
    log::Key,
    plan::{Plan, Receipt, Settled},
};

pub use engine::child;

use base::{Base, READ_WITHIN, Reading};
use part::{Own, Scope};
pub use query::rewritten;
use window::Given;

/// The kind.
pub(super) struct Sql;

/// What permissions can narrow by.
static FACETS: &[Facet] = &[
    Facet {
        name: LABEL,
        meaning: "how sensitive it is",
    },
    Facet {
        name: "table",
        meaning: "the table it is in",
    },
];

/// How long closing waits for what still reads.
const CLOSE_WITHIN: Duration = Duration::from_secs(5);

/// A database, and what of it can be reached.
struct Database {
    own: Own,
    base: Base,
    context: Context,
}

impl Database {
    /// Begins to read, as whoever this is known of.
    async fn read(&self, given: &Given) -> Result<Reading, Failure> {
        self.base.read(&self.own.acting(given)?).await
    }
}

#[async_trait]
impl Kind for Sql {
    fn reaches(&self) -> &'static [&'static str] {
        &["tables"]
    }

    fn name(&self) -> &'static str {
        "sql"
    }

    fn summary(&self) -> &'static str {
        "Tables of a database, searched, read and changed: SQLite, PostgreSQL, MariaDB and MySQL, and exports in a folder"
    }

    fn powers(&self) -> &'static [Power] {
        &[
            Power::Read,
            Power::Search,
            Power::Write,
            Power::Update,
            Power::Delete,
        ]
    }

    fn schema(&self) -> Schema {
        crate::part::schema::<part::System, part::Scope>()
    }

    fn facets(&self) -> &'static [Facet] {
        FACETS
    }

    fn actions(&self, part: &Part) -> Vec<Action> {
        let scope = serde_json::from_value::<Scope>(part.scope.clone());
        let Ok(scope) = scope else {
            return actions::all(false);
        };
        let tables = scope.tables.values();
        let mut all = actions::all(tables.into_iter().any(|table| !table.writable.is_empty()));
        if let Some(standard) = &scope.standard {
            all.retain(|action| standard.iter().any(|name| *name == action.name));
        }
        all.extend(scope.query.then(actions::query));
        all.extend(scope.actions.iter().map(named::action));
        all
    }

    fn check(&self, part: &Part, labels: &Labels) -> Vec<Fault> {
        part::check(part, labels)
    }

    fn compare(&self, old: &Part, new: &Part, labels: &Labels) -> Vec<Change> {
        part::compare(old, new, labels)
    }

    fn acts_for_person(&self, part: &Part) -> ForPerson {
        part::acts_for_person(part)
    }

    fn grants(&self, part: &Part) -> Result<Option<String>, Failure> {
        let own = Own::read(part, None)?;
        Ok(Some(grants::script(&own)))
    }

    async fn open(&self, part: &Part, context: Context) -> Result<Arc<dyn Connector>, Failure> {
        let own = Own::read(part, Some(&context))?;
        let base = Base::new(&own, context.credential.clone());
        let database = Database { own, base, context };
        // A table that does not fit is told by `inspect`; a database that is not there, at once.
        within(database.base.reach()).await?;
        Ok(Arc::new(Bridge(database)))
    }
}

/// Ends a read that takes too long, also one that waits for its turn.
async fn within<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let done = tokio::time::timeout(READ_WITHIN, work).await;
    done.unwrap_or_else(|_| {
        let told = "the database took too long; ask for less, or try again later";
        Err(Failure::new(Status::Timeout, told))
    })
}

struct Bridge(Database);

#[async_trait]
impl Connector for Bridge {
    async fn fetch(&self, call: &Call, view: &View) -> Result<Found, Failure> {
        let found = within(fetch::fetch(&self.0, call, view)).await?;
        freshness::told(&self.0, found)
    }

    async fn plan(&self, call: &Call, view: &View) -> Result<Plan, Failure> {
        within(plan::plan(&self.0, call, view)).await
    }

    async fn apply(
        &self,
        plan: &Plan,
        key: &Key,
        _: Option<&Arc<dyn Hears>>,
    ) -> Result<Receipt, Failure> {
        apply::apply(&self.0, plan, key.id()).await
    }

    async fn settle(&self, plan: &Plan, key: &Key) -> Settled {
        apply::settle(&self.0, plan, key.id()).await
    }

    async fn undo(&self, plan: &Plan, receipt: &Receipt) -> Result<Plan, Failure> {
        within(plan::undo(&self.0, plan, receipt)).await
    }

    async fn inspect(&self) -> Inspection {
        inspect::inspect(&self.0).await
    }

    async fn close(&self) {
        let _ = tokio::time::timeout(CLOSE_WITHIN, self.0.base.close()).await;
    }
}
