//! `connector`: files written from what systems say of themselves, and pinned to it.

mod write;

use std::{path::PathBuf, process::ExitCode, sync::Arc};

use anyhow::Context as _;
use drawbridge_core::{
    call::Power,
    connector::{Context, Kind, Part, Proposal},
    credential::Credential,
    file::{Fault, GatewayFile, WhenStale, read_connector, read_part},
    log::Seal,
};
use drawbridge_kinds::kinds::KINDS;
use serde_json::{Map, Value, json};

use super::show;
use crate::{clock::SystemClock, workspace::Workspace};

#[derive(clap::Subcommand)]
pub(super) enum ConnectorCommand {
    /// Writes a file for a new connector, from what its system says. Example: drawbridge connector add mcp memory -- npx -y @modelcontextprotocol/server-memory
    Add(Box<Add>),
    /// Pins a file to what its system says by now, and shows what changed. Example: drawbridge connector pin memory
    Pin(Pin),
}

/// What a file is written from.
#[derive(clap::Args)]
pub(super) struct Add {
    /// The kind of system.
    kind: String,
    /// The connector's new name.
    name: String,
    /// What it is for.
    #[arg(long, default_value = "to be said: what this is for")]
    task: String,
    /// The label of what it answers.
    #[arg(long, default_value = "confidential")]
    label: String,
    /// Where its system is.
    #[arg(long)]
    url: Option<String>,
    /// The name of the credential that it uses.
    #[arg(long)]
    credential: Option<String>,
    /// The header that its secret goes into as it is. Default: `Authorization`, as a bearer's.
    #[arg(long, value_name = "NAME", requires_all = ["credential", "url"])]
    header: Option<String>,
    /// The variable of its program's environment that its secret goes into.
    #[arg(
        long,
        value_name = "NAME",
        requires = "credential",
        conflicts_with = "url"
    )]
    variable: Option<String>,
    /// A file or folder that its program may read. May stand several times.
    #[arg(long = "read", value_name = "PATH")]
    reads: Vec<PathBuf>,
    /// A file or folder that its program may change. May stand several times.
    #[arg(long = "write", value_name = "PATH")]
    writes: Vec<PathBuf>,
    /// Lets its program use the network.
    #[arg(long)]
    network: bool,
    /// A variable of its program's environment. May stand several times. No secrets.
    #[arg(long = "env", value_name = "NAME=VALUE")]
    environment: Vec<String>,
    /// More of `system`, as one JSON object.
    #[arg(long, value_name = "JSON")]
    system: Option<String>,
    /// The program that is its system, with its arguments.
    #[arg(last = true)]
    command: Vec<String>,
}

/// What is pinned.
#[derive(clap::Args)]
pub(super) struct Pin {
    /// The connector.
    name: String,
    /// Shows what changed, and writes nothing.
    #[arg(long)]
    dry_run: bool,
}

pub(super) async fn run(
    workspace: &Workspace,
    command: ConnectorCommand,
    as_json: bool,
) -> anyhow::Result<ExitCode> {
    let gateway = workspace
        .read()
        .gateway
        .map_err(|errors| anyhow::anyhow!("{errors}"))?;
    match command {
        ConnectorCommand::Add(wanted) => add(workspace, &gateway, &wanted, as_json).await,
        ConnectorCommand::Pin(wanted) => pin(workspace, &gateway, &wanted, as_json).await,
    }
}

pub(super) fn kind_of(word: &str) -> anyhow::Result<&'static dyn Kind> {
    let names: Vec<&str> = KINDS.iter().map(|kind| kind.name()).collect();
    let kind = KINDS.iter().copied().find(|kind| kind.name() == word);
    kind.with_context(|| {
        format!(
            "there is no kind `{word}`; write one of {}",
            names.join(", ")
        )
    })
}

async fn add(
    workspace: &Workspace,
    gateway: &GatewayFile,
    wanted: &Add,
    as_json: bool,
) -> anyhow::Result<ExitCode> {
    let kind = kind_of(&wanted.kind)?;
    let path = workspace
        .folder()
        .join("connectors")
        .join(format!("{}.yaml", wanted.name));
    if path.symlink_metadata().is_ok() {
        anyhow::bail!(
            "`{}` is already there, and nothing is overwritten",
            path.display()
        );
    }
    let system = system(wanted)?;
    let part = part((kind, gateway), &system, &wanted.label)?;
    let proposal = proposed(
        workspace,
        gateway,
        (kind, &wanted.name),
        (&part, wanted.credential.as_deref()),
    )
    .await?;
    let text = file(
        gateway,
        (kind, &wanted.name, &wanted.task),
        wanted.credential.as_deref(),
        (&system, &proposal),
    )?;
    let name = format!("connectors/{}.yaml", wanted.name);
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(&path, text)?;
    let next = format!(
        "Wrote {name}. It can do nothing until it is reviewed. Next:\n  look at the powers and limits in {name}\n  \
         drawbridge check {0}\n  drawbridge approve-revision {0} --reason \"reviewed its tools\"",
        wanted.name
    );
    tell(&proposal, (&name, &next), as_json);
    Ok(ExitCode::SUCCESS)
}

/// The part of a new file, once the kind finds nothing wrong with it.
pub(super) fn part(
    (kind, gateway): (&'static dyn Kind, &GatewayFile),
    system: &Map<String, Value>,
    label: &str,
) -> anyhow::Result<Part> {
    let part = Part {
        system: Value::Object(system.clone()),
        scope: json!({"label": label}),
        stale_after: None,
        when_stale: WhenStale::default(),
        powers: Power::ALL.into_iter().collect(),
    };
    match told(&kind.check(&part, &gateway.labels())) {
        Some(told) => anyhow::bail!("{told}"),
        None => Ok(part),
    }
}

/// The text of a new file. The gateway itself must take it, or nothing is written.
pub(super) fn file(
    gateway: &GatewayFile,
    (kind, name, task): (&'static dyn Kind, &str, &str),
    credential: Option<&str>,
    (system, proposal): (&Map<String, Value>, &Proposal),
) -> anyhow::Result<String> {
    let owner = &gateway.operator;
    let text = write::file(
        (kind.name(), name, task),
        (owner, credential),
        (system, proposal),
    );
    let file = format!("connectors/{name}.yaml");
    match read_connector(&file, name, &text, gateway, KINDS) {
        Ok(_) => Ok(text),
        Err(errors) => {
            anyhow::bail!("what would be written is not in order, and nothing was: {errors}")
        }
    }
}

async fn pin(
    workspace: &Workspace,
    gateway: &GatewayFile,
    wanted: &Pin,
    as_json: bool,
) -> anyhow::Result<ExitCode> {
    let name = format!("connectors/{}.yaml", wanted.name);
    let path = workspace.folder().join(&name);
    let text =
        std::fs::read_to_string(&path).with_context(|| format!("`{name}` cannot be read"))?;
    let (word, part, credential) =
        read_part(&name, &text).map_err(|errors| anyhow::anyhow!("{errors}"))?;
    let kind = kind_of(&word)?;
    let proposal = proposed(
        workspace,
        gateway,
        (kind, &wanted.name),
        (&part, credential.as_deref()),
    )
    .await?;
    let new = write::pinned(&text, &proposal)?;
    let next = if new == text {
        format!("{name} is as its system says.")
    } else if wanted.dry_run {
        format!("Nothing was written. Without `--dry-run`, {name} is pinned to this.")
    } else {
        std::fs::write(&path, &new)?;
        format!(
            "Pinned {name}. What changed waits for review:\n  drawbridge diff {0}\n  drawbridge approve-revision {0} --reason \"…\"",
            wanted.name
        )
    };
    tell(&proposal, (&name, &next), as_json);
    Ok(ExitCode::SUCCESS)
}

/// `system` of a new file.
fn system(wanted: &Add) -> anyhow::Result<Map<String, Value>> {
    let mut system = match &wanted.system {
        Some(more) => serde_json::from_str(more).context("`--system` is no JSON object")?,
        None => Map::new(),
    };
    if let Some(url) = &wanted.url {
        system.insert("url".to_owned(), json!(url));
    }
    if !wanted.command.is_empty() {
        system.insert("command".to_owned(), json!(wanted.command));
    }
    let places = [
        ("header", &wanted.header),
        ("environment", &wanted.variable),
    ];
    for (place, name) in places {
        if let Some(name) = name {
            system.insert("credential_in".to_owned(), json!({place: name}));
        }
    }
    let mut files = Map::new();
    for (key, paths) in [("read", &wanted.reads), ("write", &wanted.writes)] {
        if !paths.is_empty() {
            let paths: Result<Vec<PathBuf>, _> = paths.iter().map(std::path::absolute).collect();
            files.insert(key.to_owned(), json!(paths?));
        }
    }
    if !files.is_empty() {
        system.insert("files".to_owned(), Value::Object(files));
    }
    if wanted.network {
        system.insert("network".to_owned(), json!(true));
    }
    let mut environment = Map::new();
    for pair in &wanted.environment {
        let (name, value) = pair
            .split_once('=')
            .with_context(|| format!("`--env {pair}` has no `=`"))?;
        environment.insert(name.to_owned(), json!(value));
    }
    if !environment.is_empty() {
        system.insert("environment".to_owned(), Value::Object(environment));
    }
    Ok(system)
}

/// Asks the system what it offers. A credential is lent by the gateway's own parts, which are started for it.
async fn proposed(
    workspace: &Workspace,
    gateway: &GatewayFile,
    named: (&'static dyn Kind, &str),
    (part, credential): (&Part, Option<&str>),
) -> anyhow::Result<Proposal> {
    let Some(credential) = credential else {
        return asked(workspace, gateway, named, (part, None)).await;
    };
    let app = super::start(workspace).await?;
    let lent = app.credentials.lend(credential);
    let proposal = asked(workspace, gateway, named, (part, Some(lent))).await;
    app.close().await;
    proposal
}

/// Asks the system what it offers, with this credential.
pub(super) async fn asked(
    workspace: &Workspace,
    gateway: &GatewayFile,
    (kind, name): (&'static dyn Kind, &str),
    (part, credential): (&Part, Option<Arc<dyn Credential>>),
) -> anyhow::Result<Proposal> {
    show::beside(&format!("Asking the system of `{name}` what it offers …"));
    // Beside the folder of the connector itself, which a gateway may be using.
    let state = workspace.state().join("proposals").join(name);
    let context = Context {
        connector: Arc::from(name),
        workspace: workspace.folder().to_owned(),
        state: state.clone(),
        labels: Arc::new(gateway.labels()),
        clock: Arc::new(SystemClock::default()),
        seal: Seal::new(b"what is proposed has no cursors", "proposal"),
        program: std::env::current_exe()?,
        credential,
    };
    let proposal = kind.propose(part, context).await;
    // It is thrown away; a program may have made it its own meanwhile.
    let _ = std::fs::remove_dir_all(&state);
    proposal.map_err(|failure| match &failure.source {
        Some(source) => anyhow::anyhow!("{failure}\n{}", show::visible(&source.to_string())),
        None => anyhow::anyhow!("{failure}"),
    })
}

fn told(faults: &[Fault]) -> Option<String> {
    let told = faults.iter().map(|fault| {
        format!(
            "`{}`: {}; {}",
            fault.pointer.trim_start_matches('/').replace('/', "."),
            fault.rule,
            fault.mend
        )
    });
    let told: Vec<String> = told.collect();
    (!told.is_empty()).then(|| told.join("\n"))
}

fn tell(proposal: &Proposal, (file, next): (&str, &str), as_json: bool) {
    if as_json {
        let data = json!({"file": file, "target": proposal.target, "powers": proposal.powers, "notes": proposal.notes});
        show::line(&show::json(&json!({"status": "ok", "data": data})));
        return;
    }
    show::line(&show::visible(&proposal.target));
    for note in &proposal.notes {
        let note = note
            .lines()
            .map(show::visible)
            .collect::<Vec<_>>()
            .join("\n    ");
        show::line(&format!("- {note}"));
    }
    show::line(next);
}
