//! `documents`: a folder of documents, searched and read as far as each caller may see.

mod actions;
mod answer;
mod change;
mod document;
pub mod extract;
mod index;
mod language;
mod library;
mod part;
mod passage;
mod source;
mod sync;
mod turns;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use drawbridge_core::{
    answer::{Failure, Found, Status},
    call::{Action, Call, Power},
    connector::{Connector, Context, Facet, Health, Inspection, Kind, LABEL, Part, Schema},
    decide::View,
    exchange::Hears,
    file::{Change, Fault, Labels},
    log::Key,
    plan::{Plan, Receipt, Settled},
};
use sha2::{Digest, Sha256};
use tokio::{sync::Notify, time::Instant};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use answer::NoAnswer;
use library::Library;
use part::Own;
use source::Source;
use sync::Progressing;
use turns::Turns;

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

/// How often an answer is made again whose documents changed while it was made.
const TRIES: usize = 3;

/// How long after opening calls wait for the first listing, so that a program that is started for
/// one question answers it from all that an unchanged or a new folder holds.
const FIRST: Duration = Duration::from_secs(2);

/// A folder that is kept in step with the disk.
struct Folder {
    own: Own,
    part: Part,
    context: Context,
    source: Source,
    library: Library,
    progress: Progressing,
    extractor: extract::Extractor,
    /// Told when the index was made anew, and everything must be read again.
    anew: Notify,
    /// When it was opened.
    opened: Instant,
    /// Set when the first listing after opening is done, whatever is left to read; where nothing was
    /// known before, when all is read.
    first: CancellationToken,
    turns: Turns,
    /// For what changes documents.
    disk: Arc<change::Disk>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Folder {
    /// Waits for the first listing, for at most [`FIRST`] after opening.
    async fn listed_once(&self) {
        // Who does not see it in time is told that documents may be missing.
        let _ = tokio::time::timeout_at(self.opened + FIRST, self.first.cancelled()).await;
    }
}

#[async_trait]
impl Kind for Documents {
    fn holds_documents(&self) -> bool {
        true
    }

    fn reaches(&self) -> &'static [&'static str] {
        &["include", "folders"]
    }

    fn name(&self) -> &'static str {
        "documents"
    }

    fn summary(&self) -> &'static str {
        "A folder of documents: handbooks, policies, mail files, sheets, slides"
    }

    fn powers(&self) -> &'static [Power] {
        &[
            Power::Read,
            Power::Search,
            Power::Draft,
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
        let own = Own::read(part, &context)?;
        let (index, digest) = (context.state.join("index"), digest(part, &own, &context));
        let library = tokio::task::spawn_blocking(move || Library::open(&index, &digest))
            .await
            .map_err(|broke| broken(broke.into()))?
            .map_err(|broken_index| broken(broken_index.into()))?;
        let folder = Arc::new(Folder {
            source: Source::folder(&own.root, own.hard_links),
            extractor: extract::Extractor::new(context.program.clone()),
            disk: Arc::new(change::Disk::new(&own.root)),
            progress: Progressing::kept(library.folder()),
            own,
            part: part.clone(),
            context,
            library,
            anew: Notify::new(),
            opened: Instant::now(),
            first: CancellationToken::new(),
            turns: Turns::new(),
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
        });
        sync::start(&folder);
        Ok(Arc::new(Bridge(folder)))
    }
}

/// What the index depends on beside the files: it is made anew when this changes.
fn digest(part: &Part, own: &Own, context: &Context) -> String {
    let mut hasher = Sha256::new();
    for text in [
        own.root.as_os_str().as_encoded_bytes(),
        format!("{:?}", own.hard_links).as_bytes(),
        part.scope.to_string().as_bytes(),
        context.labels.words().join("\n").as_bytes(),
    ] {
        hasher.update((text.len() as u64).to_be_bytes());
        hasher.update(text);
    }
    hex::encode(hasher.finalize())
}

fn unreachable_source(reason: String) -> Failure {
    let message =
        "its documents cannot be reached at this moment; tell whoever keeps the connector";
    Failure::new(Status::Unavailable, message).with_source(reason)
}

fn broken(source: Box<dyn std::error::Error + Send + Sync>) -> Failure {
    Failure::new(
        Status::Unavailable,
        "its index broke and is made anew; try again shortly",
    )
    .with_source(source)
}

struct Bridge(Arc<Folder>);

#[async_trait]
impl Connector for Bridge {
    /// What an answer shows is compared with the disk before it leaves, so that a document that is
    /// gone, or that somebody marked as more sensitive, is not shown again.
    async fn fetch(&self, call: &Call, view: &View) -> Result<Found, Failure> {
        self.0.listed_once().await;
        for _ in 0..TRIES {
            if self.0.stop.is_cancelled() {
                return Err(Failure::new(
                    Status::Unavailable,
                    "the connector was stopped",
                ));
            }
            let (folder, call, view) = (self.0.clone(), call.clone(), view.clone());
            let attempt = self.0.turns.block(move || {
                folder.source.reach().map_err(unreachable_source)?;
                let answer = answer::to(&folder, &call, &view)?;
                let moved = sync::moved(&folder, &answer.shown);
                Ok::<_, NoAnswer>((answer.found, moved))
            });
            match attempt.await {
                Ok(Ok((found, moved))) if moved.is_empty() => return Ok(found),
                Ok(Ok((_, moved))) => sync::refresh(&self.0, moved).await,
                Ok(Err(NoAnswer::Failure(failure))) => return Err(failure),
                Ok(Err(NoAnswer::Broken(cause))) => {
                    sync::examine(&self.0).await;
                    return Err(broken(cause.into()));
                }
                Err(panic) => {
                    sync::examine(&self.0).await;
                    return Err(broken(panic.into()));
                }
            }
        }
        let changing = "the documents are changing at this moment; try again shortly";
        Err(Failure::new(Status::Unavailable, changing))
    }

    async fn plan(&self, call: &Call, view: &View) -> Result<Plan, Failure> {
        change::plan(&self.0, call, view).await
    }

    async fn apply(
        &self,
        plan: &Plan,
        key: &Key,
        _: Option<&Arc<dyn Hears>>,
    ) -> Result<Receipt, Failure> {
        change::apply(&self.0, plan, key.id()).await
    }

    async fn settle(&self, plan: &Plan, key: &Key) -> Settled {
        change::settle(&self.0, plan, key.id()).await
    }

    async fn undo(&self, plan: &Plan, _: &Receipt) -> Result<Plan, Failure> {
        change::undo(&self.0, plan).await
    }

    async fn inspect(&self) -> Inspection {
        self.0.listed_once().await;
        let (snapshot, standing) = (self.0.library.snapshot(), self.0.progress.now());
        let documents = snapshot.documents.len();
        let mut amiss = standing.problems;
        amiss.extend(self.0.extractor.problem());
        let mut problems = amiss.clone();
        problems.extend(snapshot.problems());
        let problem_count = problems.len();
        problems.truncate(Inspection::MAX_PROBLEMS);
        let (health, summary) = match (standing.listed, amiss.first()) {
            _ if self.0.stop.is_cancelled() => (Health::Down, "it was stopped".to_owned()),
            (_, Some(problem)) => {
                let summary = format!(
                    "{documents} documents; `{}`: {}",
                    problem.path, problem.reason
                );
                (Health::Degraded, summary)
            }
            (false, None) => {
                let summary = format!(
                    "the first sync since it was opened is not complete; {documents} documents so far"
                );
                (Health::Syncing, summary)
            }
            (true, None) => (Health::Ready, format!("{documents} documents")),
        };
        Inspection {
            health,
            summary,
            synced: standing.synced,
            progress: standing.progress,
            resources: documents as u64,
            problem_count: problem_count as u64,
            problems,
            labels: snapshot.labels.clone(),
            excess: Vec::new(),
        }
    }

    async fn close(&self) {
        self.0.stop.cancel();
        self.0.tasks.close();
        self.0.tasks.wait().await;
        self.0.extractor.rest().await;
        let folder = self.0.clone();
        // It must let go of the folder before another connector opens it.
        let _ = tokio::task::spawn_blocking(move || folder.library.close()).await;
    }
}
