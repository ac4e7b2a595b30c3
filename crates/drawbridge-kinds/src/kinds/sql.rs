//! `sql`: tables of a database, row by row. SQLite at first.

mod actions;
mod apply;
mod cell;
mod change;
mod database;
mod fetch;
mod part;
mod planned;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use drawbridge_core::{
    answer::{Failure, Found, Status},
    call::{Action, Call, Power},
    connector::{
        Connector, Context, Facet, Health, Inspection, Kind, LABEL, Part, Problem, Schema,
    },
    decide::{Resource, View},
    file::{Change, Fault, Labels},
    log::Key,
    plan::{Plan, Receipt, Settled},
};
use sha2::{Digest, Sha256};
use sqlx::{Sqlite, pool::PoolConnection};
use tokio::sync::Mutex;
use tokio_util::task::TaskTracker;

use database::{Cells, Database, Facts, down};
use part::{Scope, Table};

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

#[async_trait]
impl Kind for Sql {
    fn name(&self) -> &'static str {
        "sql"
    }

    fn summary(&self) -> &'static str {
        "Tables of a SQLite database: rows read and changed by their keys"
    }

    fn powers(&self) -> &'static [Power] {
        &[Power::Read, Power::Write, Power::Update, Power::Delete]
    }

    fn schema(&self) -> Schema {
        part::schema()
    }

    fn facets(&self) -> &'static [Facet] {
        FACETS
    }

    fn actions(&self, _: &Part) -> Vec<Action> {
        actions::all()
    }

    fn check(&self, part: &Part, labels: &Labels) -> Vec<Fault> {
        part::check(part, labels)
    }

    fn compare(&self, old: &Part, new: &Part, labels: &Labels) -> Vec<Change> {
        part::compare(old, new, labels)
    }

    async fn open(&self, part: &Part, context: Context) -> Result<Arc<dyn Connector>, Failure> {
        let wrong = || Failure::new(Status::Unavailable, "its file cannot be used");
        let (system, scope) = part::read(part).ok_or_else(wrong)?;
        let database = Database::open(&system.file(&context.workspace)).await?;
        let mut connection = database.readers.acquire().await.map_err(down)?;
        let (facts, amiss) = database::facts(&mut connection, &scope).await?;
        drop(connection);
        Ok(Arc::new(Bridge(Arc::new(Inner {
            database,
            tables: Tables {
                scope,
                facts,
                applied_table: system.applied_table,
            },
            amiss,
            context,
            writing: Mutex::new(()),
            tasks: TaskTracker::new(),
        }))))
    }
}

/// The tables of the scope, as they were when the connector was opened.
struct Tables {
    scope: Scope,
    facts: BTreeMap<String, Facts>,
    applied_table: bool,
}

/// A table that a caller may see.
struct Seen<'a> {
    name: &'a str,
    table: &'a Table,
    facts: &'a Facts,
    label: &'a str,
}

impl Tables {
    /// A table of the scope, for the connector itself.
    fn known(&self, name: &str) -> Result<Seen<'_>, Failure> {
        let found = self.scope.tables.get_key_value(name);
        let found = found.and_then(|(name, table)| {
            let label = table.label.as_deref().or(self.scope.label.as_deref())?;
            Some(Seen {
                name,
                table,
                facts: self.facts.get(name)?,
                label,
            })
        });
        found.ok_or_else(|| no_table(name))
    }

    /// A table that the view admits; one that it hides is as though it were not there.
    fn seen(&self, name: &str, view: &View) -> Result<Seen<'_>, Failure> {
        match self.known(name) {
            Ok(seen) if view.admits(&seen.resource()) => Ok(seen),
            Ok(_) | Err(_) => Err(no_table(name)),
        }
    }
}

fn no_table(name: &str) -> Failure {
    let name: String = name.chars().take(100).collect();
    Failure::not_found(format!(
        "there is no table `{name}` that you may see; `describe` lists those that you may"
    ))
}

impl Seen<'_> {
    fn resource(&self) -> Resource {
        Resource(BTreeMap::from([
            (LABEL, self.label.to_owned()),
            ("table", self.name.to_owned()),
        ]))
    }

    /// The version of a row, by every column of it.
    fn version(&self, cells: &Cells) -> String {
        let text = serde_json::to_vec(cells).unwrap_or_default();
        let digest = hex::encode(Sha256::digest(text));
        digest.chars().take(16).collect()
    }
}

fn conflict(why: &str) -> Failure {
    Failure::new(Status::Conflict, why)
}

struct Inner {
    database: Database,
    tables: Tables,
    /// Tables of the scope that cannot be used, and why.
    amiss: Vec<(String, String)>,
    context: Context,
    /// Held while something is changed: who looks what came of it waits.
    writing: Mutex<()>,
    tasks: TaskTracker,
}

struct Bridge(Arc<Inner>);

#[async_trait]
impl Connector for Bridge {
    async fn fetch(&self, call: &Call, view: &View) -> Result<Found, Failure> {
        let inner = &self.0;
        let mut connection = inner.reader().await?;
        fetch::to(
            &inner.tables,
            &mut connection,
            (call, view),
            inner.context.clock.now(),
        )
        .await
    }

    async fn plan(&self, call: &Call, view: &View) -> Result<Plan, Failure> {
        let inner = &self.0;
        let mut connection = inner.reader().await?;
        planned::plan(&inner.tables, &mut connection, (call, view)).await
    }

    /// In a task of its own, so that a call that is cut off does not leave half a commit behind.
    async fn apply(&self, plan: &Plan, key: &Key) -> Result<Receipt, Failure> {
        let (inner, plan, key) = (self.0.clone(), plan.clone(), key.id().to_owned());
        let work = async move {
            let _alone = inner.writing.lock().await;
            let mut connection = inner.writer().await?;
            apply::apply(&inner.tables, &mut connection, (&plan, &key)).await
        };
        let done = self.0.tasks.spawn(work).await;
        done.unwrap_or_else(|broke| {
            let told = "it broke while it was being done";
            Err(Failure::new(Status::Unknown, told).with_source(broke))
        })
    }

    async fn settle(&self, plan: &Plan, key: &Key) -> Settled {
        let inner = &self.0;
        let _alone = inner.writing.lock().await;
        let settled = async {
            let mut connection = inner.writer().await?;
            apply::settle(&inner.tables, &mut connection, (plan, key.id())).await
        };
        settled
            .await
            .unwrap_or_else(|failure| Settled::Unknown(failure.message))
    }

    async fn undo(&self, plan: &Plan, receipt: &Receipt) -> Result<Plan, Failure> {
        let inner = &self.0;
        let mut connection = inner.reader().await?;
        planned::undo(&inner.tables, &mut connection, (plan, receipt)).await
    }

    async fn inspect(&self) -> Inspection {
        let inner = &self.0;
        let reached = async {
            let mut connection = inner.reader().await?;
            database::facts(&mut connection, &inner.tables.scope).await
        };
        let (health, summary, amiss) = match reached.await {
            Ok((facts, amiss)) if facts == inner.tables.facts => {
                let health = if amiss.is_empty() {
                    Health::Ready
                } else {
                    Health::Degraded
                };
                (health, format!("{} tables", facts.len()), amiss)
            }
            Ok((_, amiss)) => (
                Health::Degraded,
                "its tables changed since it was opened; pause and resume it".to_owned(),
                amiss,
            ),
            Err(failure) => (Health::Down, failure.message, inner.amiss.clone()),
        };
        let problems: Vec<Problem> = amiss
            .into_iter()
            .map(|(path, reason)| Problem {
                path,
                reason,
                mend: "mend `scope.tables`, or the database".to_owned(),
            })
            .collect();
        Inspection {
            health,
            summary,
            synced: Some(inner.context.clock.now()),
            progress: None,
            resources: inner.tables.facts.len() as u64,
            problem_count: problems.len() as u64,
            problems,
            excess: Vec::new(),
        }
    }

    async fn close(&self) {
        self.0.tasks.close();
        self.0.tasks.wait().await;
        self.0.database.close().await;
    }
}

impl Inner {
    async fn reader(&self) -> Result<PoolConnection<Sqlite>, Failure> {
        self.database.reach().await?;
        self.database.readers.acquire().await.map_err(down)
    }

    async fn writer(&self) -> Result<PoolConnection<Sqlite>, Failure> {
        self.database.reach().await?;
        self.database.writer.acquire().await.map_err(down)
    }
}
