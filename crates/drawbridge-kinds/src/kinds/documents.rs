//! `documents`: a folder of documents, searched and read as far as each caller may see.

mod actions;
mod corpus;
pub mod extract;
mod part;
mod search;
mod sync;

use std::sync::Arc;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use drawbridge_core::{
    answer::{Failure, Found},
    call::{Action, Call, Power},
    connector::{Connector, Context, Facet, Health, Inspection, Kind, LABEL, Part, Schema},
    decide::View,
    file::{Change, Direction, Fault, Labels},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use corpus::Corpus;
use part::Own;

/// The kind.
pub struct Documents;

/// What permissions can narrow by.
static FACETS: &[Facet] = &[
    Facet {
        name: LABEL,
        meaning: "how sensitive it is",
    },
    Facet {
        name: "folder",
        meaning: "the folder it is in, from the root; empty at the root",
    },
    Facet {
        name: "department",
        meaning: "the department it belongs to",
    },
    Facet {
        name: "customer",
        meaning: "the customer it is about",
    },
    Facet {
        name: "project",
        meaning: "the project it is about",
    },
    Facet {
        name: "status",
        meaning: "draft, final, or what the front matter says",
    },
    Facet {
        name: "format",
        meaning: "its file format",
    },
];

/// A folder that is kept in step with the disk.
struct Folder {
    own: Own,
    part: Part,
    context: Context,
    corpus: ArcSwap<Corpus>,
    extractor: extract::Extractor,
    stop: CancellationToken,
    tasks: TaskTracker,
}

#[async_trait]
impl Kind for Documents {
    fn name(&self) -> &'static str {
        "documents"
    }

    fn summary(&self) -> &'static str {
        "A folder of documents: handbooks, policies, mail files, sheets, slides"
    }

    fn powers(&self) -> &'static [Power] {
        &[Power::Read, Power::Search]
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

    fn compare(&self, old: &Part, new: &Part) -> Vec<Change> {
        let mut changes = Vec::new();
        if old.system != new.system {
            changes.push(Change::new(
                "/system",
                Direction::Widens,
                "it reaches another folder",
            ));
        }
        if old.scope != new.scope {
            changes.push(Change::new(
                "/scope",
                Direction::Widens,
                "its scope changed",
            ));
        }
        changes
    }

    async fn open(&self, part: &Part, context: Context) -> Result<Arc<dyn Connector>, Failure> {
        let own = Own::read(part, &context)?;
        let folder = Arc::new(Folder {
            extractor: extract::Extractor::new(context.program.clone()),
            own,
            part: part.clone(),
            context,
            corpus: ArcSwap::from_pointee(Corpus::default()),
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
        });
        sync::start(&folder);
        Ok(Arc::new(Bridge(folder)))
    }
}

struct Bridge(Arc<Folder>);

#[async_trait]
impl Connector for Bridge {
    async fn fetch(&self, call: &Call, view: &View) -> Result<Found, Failure> {
        let folder = &self.0;
        if let Some(path) = call
            .arguments
            .get("path")
            .and_then(serde_json::Value::as_str)
        {
            sync::refresh(folder, path).await;
        }
        let (folder, call, view) = (folder.clone(), call.clone(), view.clone());
        tokio::task::spawn_blocking(move || search::fetch(&folder, &call, &view))
            .await
            .map_err(|error| {
                Failure::new(drawbridge_core::answer::Status::Failed, "the search broke")
                    .with_source(error)
            })?
    }

    async fn inspect(&self) -> Inspection {
        let corpus = self.0.corpus.load();
        let complete = corpus.complete;
        let problems = corpus.problems();
        Inspection {
            health: match (corpus.synced, complete) {
                (None, _) => Health::Syncing,
                (Some(_), true) => Health::Ready,
                (Some(_), false) => Health::Degraded,
            },
            summary: match corpus.synced {
                None => "the first sync is not complete".to_owned(),
                Some(_) if complete => format!("{} documents", corpus.documents.len()),
                Some(_) => "the last listing was incomplete; nothing was removed".to_owned(),
            },
            synced: corpus.synced,
            progress: corpus.progress,
            resources: corpus.documents.len() as u64,
            problem_count: problems.len() as u64,
            problems: problems
                .into_iter()
                .take(Inspection::MAX_PROBLEMS)
                .collect(),
            excess: Vec::new(),
        }
    }

    async fn close(&self) {
        self.0.stop.cancel();
        self.0.tasks.close();
        self.0.tasks.wait().await;
        self.0.extractor.close().await;
    }
}
