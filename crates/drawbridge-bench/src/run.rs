//! One run: the peers take turns, round by round, and so does the bare disk.

use std::{
    cell::RefCell,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context;

use crate::{
    company,
    databases::{self, shop::System},
    decide::{self, Decisions},
    disk,
    load::{self, Measured, Work},
    pages,
    peers::Peer,
    postgres::Postgres,
    report::{self, Cell, Start},
};

/// What to measure, and how.
#[derive(Debug, clap::Args)]
pub(crate) struct Wanted {
    /// The gateway's program.
    #[arg(long)]
    program: PathBuf,
    /// Another build of it, to be measured beside it.
    #[arg(long)]
    against: Option<PathBuf>,
    /// A short form that shows that everything works; its figures say little.
    #[arg(long)]
    quick: bool,
    /// Prints one JSON document.
    #[arg(long)]
    json: bool,
    /// A folder on the disk to measure. Default: the system's folder for temporary files.
    #[arg(long)]
    folder: Option<PathBuf>,
    /// How often each peer has its turn.
    #[arg(long)]
    rounds: Option<u32>,
    /// Measures one part alone.
    #[arg(long)]
    only: Option<Part>,
}

/// A part of what is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    Documents,
    Databases,
    Upstreams,
    Pages,
}

/// How long, how often, how much.
struct Plan {
    rounds: u32,
    window: Duration,
    warm: Duration,
    connections: &'static [usize],
    documents: u64,
    decisions: u32,
}

impl Plan {
    fn new(wanted: &Wanted) -> Self {
        let millis = Duration::from_millis;
        let mut plan = if wanted.quick {
            Self {
                rounds: 1,
                window: millis(300),
                warm: millis(50),
                connections: &[1, 8],
                documents: 100,
                decisions: 20,
            }
        } else {
            Self {
                rounds: 3,
                window: millis(3_000),
                warm: millis(500),
                connections: &[1, 8, 32, 128],
                documents: 10_000,
                decisions: 20_000,
            }
        };
        plan.rounds = wanted.rounds.unwrap_or(plan.rounds);
        plan
    }

    /// The console, of a large organisation.
    fn pages(&self) -> pages::Plan {
        if self.connections.len() > 2 {
            pages::Plan {
                connectors: 1_000,
                records: 100_000,
                looks: 100,
            }
        } else {
            pages::Plan {
                connectors: 20,
                records: 500,
                looks: 3,
            }
        }
    }

    /// Of databases there is more to ask, in shorter windows.
    fn databases(&self) -> databases::Plan {
        let millis = Duration::from_millis;
        databases::Plan {
            rounds: self.rounds,
            window: (self.window / 3).max(millis(200)),
            warm: (self.warm / 2).max(millis(100)),
            connections: if self.connections.len() > 2 {
                &[1, 8, 32]
            } else {
                &[1]
            },
        }
    }
}

/// All that a run found out.
pub(crate) struct Found {
    pub(crate) cells: Vec<Cell>,
    /// What the disk alone takes.
    pub(crate) syncs: Vec<Duration>,
    pub(crate) decisions: Decisions,
    pub(crate) starts: Vec<Start>,
    pub(crate) binary: u64,
    pub(crate) documents: u64,
    /// What could not be measured here, and why.
    pub(crate) missing: Vec<String>,
    pub(crate) databases: databases::Found,
    pub(crate) pages: pages::Found,
}

/// Measures, and prints what it found.
pub(crate) fn run(wanted: &Wanted) -> anyhow::Result<()> {
    let program = wanted
        .program
        .canonicalize()
        .context("there is no such program; build it first")?;
    let disk = match &wanted.folder {
        Some(folder) => tempfile::tempdir_in(folder)?,
        None => tempfile::tempdir()?,
    };
    // The traces of peers are kept where the run ends early.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let found = runtime.block_on(measure((wanted, &program), &Plan::new(wanted), disk.path()))?;
    let failed = report::print(&found, wanted.json);
    anyhow::ensure!(!failed, "calls failed; the table says which");
    Ok(())
}

async fn measure(
    (wanted, program): (&Wanted, &Path),
    plan: &Plan,
    disk: &Path,
) -> anyhow::Result<Found> {
    let mut found = Found {
        cells: Vec::new(),
        syncs: Vec::new(),
        decisions: decisions(plan, disk)?,
        starts: Vec::new(),
        binary: program.metadata()?.len(),
        documents: plan.documents,
        missing: Vec::new(),
        databases: databases::Found::default(),
        pages: pages::Found::default(),
    };
    let postgres = Postgres::start(disk)?;
    if postgres.is_none() {
        found.missing.push("PostgreSQL is not installed".to_owned());
    }
    let measures = |part| wanted.only.is_none_or(|only| only == part);
    if measures(Part::Documents) {
        documents(
            &mut found,
            (wanted, program),
            plan,
            (disk, postgres.as_ref()),
        )
        .await?;
    }
    if measures(Part::Upstreams) {
        upstreams(&mut found, (wanted, program), plan, disk).await?;
    }
    if measures(Part::Pages) {
        found.pages = pages::measure(program, &plan.pages(), disk).await?;
    }
    if measures(Part::Databases) {
        let servers = (disk, postgres.as_ref());
        found.databases = databases::measure(program, &plan.databases(), servers).await?;
        if !found.databases.has(System::MariaDb) {
            found.missing.push("MariaDB is not installed".to_owned());
        }
    }
    Ok(found)
}

async fn documents(
    found: &mut Found,
    (wanted, program): (&Wanted, &Path),
    plan: &Plan,
    (disk, postgres): (&Path, Option<&Postgres>),
) -> anyhow::Result<()> {
    let memory = memory_folder();
    if memory.is_none() {
        found
            .missing
            .push("no /dev/shm: what the disk costs cannot be told from the rest".to_owned());
    }
    let others = Others {
        memory: memory.as_ref().map(tempfile::TempDir::path),
        postgres,
    };
    found.starts = starts((wanted, program), plan, disk).await?;
    let reading = reading((wanted, program), (disk, &others)).await?;
    let small = (reading.as_slice(), plan.connections, Work::Small);
    calls(found, plan, disk, small).await?;
    calls(found, plan, disk, (&reading, &[8], Work::Large)).await?;
    drop(reading);
    let searching = searching((wanted, program), (disk, plan.documents)).await?;
    calls(found, plan, disk, (&searching, &[1, 8], Work::Search)).await?;
    for peer in searching {
        let name = format!("{}, {} documents", peer.name, plan.documents);
        found
            .starts
            .push(Start::memory_of(name, peer.server.memory()?));
    }
    Ok(())
}

/// An MCP server called directly, and through gateways that stand before it.
async fn upstreams(
    found: &mut Found,
    wanted: (&Wanted, &Path),
    plan: &Plan,
    disk: &Path,
) -> anyhow::Result<()> {
    let mut peers = vec![Peer::upstream(disk)?];
    for (name, program) in builds(wanted) {
        if let [upstream, ..] = peers.as_slice() {
            peers.push(Peer::before(name, program, (disk, upstream))?);
        }
    }
    for peer in &peers {
        peer.first_good(Work::Echo).await?;
    }
    calls(found, plan, disk, (&peers, plan.connections, Work::Echo)).await
}

/// What some peers need beside a disk.
struct Others<'a> {
    memory: Option<&'a Path>,
    postgres: Option<&'a Postgres>,
}

fn memory_folder() -> Option<tempfile::TempDir> {
    tempfile::tempdir_in("/dev/shm").ok()
}

fn decisions(plan: &Plan, disk: &Path) -> anyhow::Result<Decisions> {
    let workspace = disk.join("decisions");
    company::write(&workspace, 0, "sqlite")?;
    decide::measure(&workspace, plan.decisions)
}

/// The builds of the gateway: this one, and perhaps another.
fn builds<'a>((wanted, program): (&'a Wanted, &'a Path)) -> Vec<(&'static str, &'a Path)> {
    let mut builds = vec![("drawbridge", program)];
    builds.extend(wanted.against.as_deref().map(|other| ("against", other)));
    builds
}

/// Starts each build several times on a workspace that was there before.
async fn starts(wanted: (&Wanted, &Path), plan: &Plan, disk: &Path) -> anyhow::Result<Vec<Start>> {
    let mut starts = Vec::new();
    for (name, program) in builds(wanted) {
        let workspace = disk.join(format!("start-{name}"));
        company::write(&workspace, 0, "sqlite")?;
        let token = company::open(program, &workspace, &[])?;
        let mut start = Start::of(name.to_owned());
        for _ in 0..plan.rounds {
            let peer = Peer::start(name, program, (workspace.clone(), token.clone()), &[])?;
            start.first(peer.first_good(Work::Small).await?);
            peer.settle().await?;
            start.memory.push(peer.server.memory()?);
        }
        starts.push(start);
    }
    Ok(starts)
}

/// The peers whose `read` is measured, on few documents.
async fn reading(
    wanted: (&Wanted, &Path),
    (disk, others): (&Path, &Others<'_>),
) -> anyhow::Result<Vec<Peer>> {
    let mut peers = vec![Peer::unit(disk)?];
    for (name, program) in builds(wanted) {
        peers.push(Peer::gateway(name, program, (disk, 0), None)?);
        if let Some(memory) = others.memory {
            peers.push(Peer::gateway(
                &format!("{name} in memory"),
                program,
                (memory, 0),
                None,
            )?);
        }
    }
    if let Some(postgres) = others.postgres {
        peers.push(Peer::gateway(
            "drawbridge PostgreSQL",
            wanted.1,
            (disk, 0),
            Some(&postgres.url),
        )?);
    }
    peers.insert(1, Peer::direct(wanted.1, &disk.join("drawbridge"), disk)?);
    for peer in peers.iter().skip(1) {
        peer.settle().await?;
    }
    Ok(peers)
}

/// The peers whose `search` is measured, on many documents.
async fn searching(
    wanted: (&Wanted, &Path),
    (disk, documents): (&Path, u64),
) -> anyhow::Result<Vec<Peer>> {
    let disk = disk.join("many");
    let mut peers = Vec::new();
    for (name, program) in builds(wanted) {
        let peer = Peer::gateway(name, program, (&disk, documents), None)?;
        // One after the other: each syncs with all processors.
        peer.settle().await?;
        peers.push(peer);
    }
    let direct = Peer::direct(wanted.1, &disk.join("drawbridge"), &disk)?;
    direct.settle().await?;
    peers.insert(0, direct);
    Ok(peers)
}

/// Lets the peers take turns in one sort of call.
async fn calls(
    found: &mut Found,
    plan: &Plan,
    disk: &Path,
    (peers, connections, work): (&[Peer], &[usize], Work),
) -> anyhow::Result<()> {
    let first = found.cells.len();
    for connections in connections {
        let cells = peers
            .iter()
            .map(|peer| Cell::new(&peer.name, work, *connections));
        found.cells.extend(cells);
    }
    for round in 0..plan.rounds {
        let turn = usize::try_from(round)?;
        for (level, connections) in connections.iter().enumerate() {
            found.syncs.extend(disk::syncs(disk, plan.window / 4)?);
            for place in 0..peers.len() {
                let place = (place + turn) % peers.len();
                let (Some(peer), Some(cell)) = (
                    peers.get(place),
                    found.cells.get_mut(first + level * peers.len() + place),
                ) else {
                    continue;
                };
                one(peer, cell, (work, *connections), plan).await?;
            }
        }
    }
    Ok(())
}

async fn one(
    peer: &Peer,
    cell: &mut Cell,
    (work, connections): (Work, usize),
    plan: &Plan,
) -> anyhow::Result<()> {
    let work = if peer.name == "unit" {
        Work::Echo
    } else {
        work
    };
    let marks = RefCell::new(Vec::new());
    let before = peer.log_waits().await?;
    let measured: Measured = load::run(
        (&peer.target, work),
        connections,
        (plan.warm, plan.window),
        || {
            marks.borrow_mut().push(peer.server.cpu());
        },
    )
    .await?;
    let after = peer.log_waits().await?;
    let mut marks = marks.into_inner().into_iter();
    let (Some(began), Some(ended)) = (marks.next(), marks.next()) else {
        anyhow::bail!("the window was not marked");
    };
    cell.add(
        measured,
        ended?.saturating_sub(began?),
        peer.server.memory()?,
    );
    cell.waited(before, after);
    Ok(())
}
