//! Who is measured side by side: the unit, the direct call, and gateways on several stores.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use anyhow::Context;

use crate::{
    company::{self, OPERATOR},
    load::{self, Target, Work},
    process::Server,
};

/// The variable that tells a gateway where its PostgreSQL is.
const VARIABLE: &str = "DRAWBRIDGE_BENCH_STORE";
/// How long the first sync may take.
const PATIENCE: Duration = Duration::from_secs(600);

/// One that is measured.
pub(crate) struct Peer {
    /// Its name in tables.
    pub(crate) name: String,
    pub(crate) server: Server,
    pub(crate) target: Target,
    /// A gateway's workspace.
    pub(crate) workspace: Option<PathBuf>,
}

impl Peer {
    /// The unit.
    pub(crate) fn unit(traces: &Path) -> anyhow::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("unit");
        Self::bare("unit", command, traces)
    }

    /// A server that a gateway stands before, called directly.
    pub(crate) fn upstream(traces: &Path) -> anyhow::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("unit");
        Self::bare("direct", command, traces)
    }

    /// A gateway before that server, called at the connector's own door.
    pub(crate) fn before(
        name: &str,
        program: &Path,
        (folder, upstream): (&Path, &Self),
    ) -> anyhow::Result<Self> {
        let workspace = folder.join(format!("before-{}", name.replace(' ', "-")));
        company::write_upstream(&workspace, &upstream.target.url)?;
        let token = company::open_all(program, &workspace, (&[company::UPSTREAM], &[]))?;
        let mut peer = Self::start(name, program, (workspace, token), &[])?;
        peer.target.url = format!("{}/{}", peer.target.url, company::UPSTREAM);
        Ok(peer)
    }

    /// The direct call to a workspace's documents.
    pub(crate) fn direct(program: &Path, workspace: &Path, traces: &Path) -> anyhow::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("direct").arg(workspace).arg(program);
        Self::bare("direct", command, traces)
    }

    fn bare(name: &str, command: Command, traces: &Path) -> anyhow::Result<Self> {
        let (server, url) = Server::start(command, &traces.join(name))?;
        Ok(Self {
            name: name.to_owned(),
            server,
            target: Target { url, token: None },
            workspace: None,
        })
    }

    /// A gateway on a workspace of its own with so many documents.
    pub(crate) fn gateway(
        name: &str,
        program: &Path,
        (folder, documents): (&Path, u64),
        postgres: Option<&str>,
    ) -> anyhow::Result<Self> {
        let workspace = folder.join(name.replace(' ', "-"));
        let store = postgres.map_or_else(|| "sqlite".to_owned(), |_| format!("env:{VARIABLE}"));
        company::write(&workspace, documents, &store)?;
        let variables: Vec<(String, String)> = postgres
            .iter()
            .map(|url| (VARIABLE.to_owned(), (*url).to_owned()))
            .collect();
        let token = company::open(program, &workspace, &variables)?;
        Self::start(name, program, (workspace, token), &variables)
    }

    /// Starts a gateway on a workspace that was opened before.
    pub(crate) fn start(
        name: &str,
        program: &Path,
        (workspace, token): (PathBuf, String),
        variables: &[(String, String)],
    ) -> anyhow::Result<Self> {
        let mut command = Command::new(program);
        command.arg("--dir").arg(&workspace).arg("serve");
        command.envs(variables.iter().cloned());
        let (server, line) = Server::start(command, &workspace.join("trace"))?;
        let url = line
            .split([' ', ';'])
            .find(|word| word.starts_with("http://"));
        Ok(Self {
            name: name.to_owned(),
            server,
            target: Target {
                url: url.with_context(|| line.clone())?.to_owned(),
                token: Some(token),
            },
            workspace: Some(workspace),
        })
    }

    /// Waits until a call is answered well: when that was, and how much CPU it took.
    pub(crate) async fn first_good(&self, work: Work) -> anyhow::Result<(Duration, Duration)> {
        loop {
            let answered = load::once(&self.target, work).await;
            let took = self.server.began.elapsed();
            match answered {
                Ok(()) => return Ok((took, self.server.cpu_of_threads()?)),
                Err(error) => anyhow::ensure!(took < PATIENCE, "{}: {error:#}", self.name),
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Waits until the documents are all there: no CPU is used any more.
    pub(crate) async fn settle(&self) -> anyhow::Result<()> {
        self.first_good(Work::Small).await?;
        self.first_good(Work::Search).await?;
        let began = Instant::now();
        let mut calm = 0;
        while calm < 3 {
            let before = self.server.cpu_of_threads()?;
            tokio::time::sleep(Duration::from_millis(400)).await;
            let spent = self.server.cpu_of_threads()?.saturating_sub(before);
            calm = if spent < Duration::from_millis(20) {
                calm + 1
            } else {
                0
            };
            anyhow::ensure!(began.elapsed() < PATIENCE, "{} does not settle", self.name);
        }
        Ok(())
    }

    /// How often a gateway's log was waited for so far, and how long in all; none where its metrics
    /// do not say.
    pub(crate) async fn log_waits(&self) -> anyhow::Result<Option<(f64, f64)>> {
        let Some(workspace) = &self.workspace else {
            return Ok(None);
        };
        let token = fs::read_to_string(company::local_token(workspace))?;
        let text = load::get(&self.target.url, "/metrics", (token.trim(), OPERATOR)).await?;
        let number = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|rest| rest.trim().parse::<f64>().ok())
        };
        let name = "drawbridge_log_wait_seconds";
        Ok(number(&format!("{name}_count")).zip(number(&format!("{name}_sum"))))
    }
}
