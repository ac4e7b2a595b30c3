//! `import`: MCP servers that AI clients are wired to become connectors, and the clients are pointed here.

mod apply;
mod bring;
mod draft;
mod expand;
mod grants;
mod names;
mod places;
mod relay;
mod report;
mod sealer;
mod secrets;
mod server;
mod settings;
mod told;
mod undo;

use std::{
    collections::{BTreeMap, BTreeSet},
    io::IsTerminal,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Context as _;
use drawbridge_core::file::GatewayFile;
use serde_json::Value;

use super::{secret::hidden, show};
use crate::workspace::Workspace;
use bring::{Outcome, State};
use expand::Text;
use grants::Bounds;
use places::{Client, Place};
use settings::Entry;

/// What is imported.
#[derive(clap::Args)]
pub(super) struct Wanted {
    /// Settings files. Default: those that clients have in the home folder and in this one.
    files: Vec<PathBuf>,
    /// Of this client alone.
    #[arg(long, value_enum, conflicts_with = "files")]
    client: Option<Client>,
    /// This server alone. May stand several times.
    #[arg(long = "only", value_name = "NAME")]
    only: Vec<String>,
    /// Shows what would be written, and writes nothing.
    #[arg(long)]
    dry_run: bool,
    /// Points the clients at Drawbridge in the place of what was imported, and keeps their old settings.
    #[arg(long, conflicts_with = "dry_run")]
    apply: bool,
    /// Puts the old settings back.
    #[arg(long, conflicts_with_all = ["apply", "dry_run", "only", "client"])]
    undo: bool,
    /// Puts the whole file back though it was changed since; what it had become is kept too.
    #[arg(long, requires = "undo")]
    force: bool,
}

/// A settings file that was read.
pub(super) struct Settings {
    place: Place,
    text: String,
    entries: Vec<Entry>,
}

/// What a settings file says of its own, and why another cannot be read.
struct Found {
    settings: Vec<Settings>,
    broken: Vec<(Place, String)>,
}

pub(super) async fn run(
    workspace: &Workspace,
    (wanted, person): (Wanted, Option<String>),
    as_json: bool,
) -> anyhow::Result<ExitCode> {
    if wanted.undo {
        return undo::run(workspace, (&wanted.files, wanted.force), as_json);
    }
    let _alone = match wanted.dry_run {
        true => None,
        false => Some(apply::alone(workspace)?),
    };
    let gateway = workspace
        .read()
        .gateway
        .map_err(|errors| anyhow::anyhow!("{errors}"))?;
    let home = home()?;
    let found = found(&wanted, &home)?;
    named(&wanted.only, &found.settings)?;
    let inputs = inputs(&found.settings, &wanted.only).await?;
    let bounds = bounds(workspace, &home)?;
    let mut bring = bring::Bring::new((workspace, &gateway), (bounds, inputs), wanted.dry_run)?;
    let mut outcomes = Vec::new();
    for settings in &found.settings {
        for entry in settings
            .entries
            .iter()
            .filter(|entry| is_wanted(entry, &wanted.only))
        {
            outcomes.push(bring.one(&settings.place, entry, person.as_deref()).await);
        }
    }
    bring.close().await;
    let applied = if wanted.apply {
        applied(workspace, (&gateway, person), (&found.settings, &outcomes))?
    } else {
        Vec::new()
    };
    let failed = !found.broken.is_empty()
        || outcomes
            .iter()
            .any(|outcome| outcome.state == State::LeftOut)
        || applied.iter().any(|one| one.kept.is_err());
    let how = match (wanted.dry_run, wanted.apply) {
        (true, _) => told::How::Dry,
        (false, true) => told::How::Applied,
        (false, false) => told::How::Written,
    };
    told::tell((&found.broken, &outcomes, &applied), how, as_json);
    Ok(if failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

fn is_wanted(entry: &Entry, only: &[String]) -> bool {
    only.is_empty() || only.contains(&entry.name)
}

fn home() -> anyhow::Result<PathBuf> {
    let home = super::variable("HOME").map(|home| PathBuf::from(home.expose()));
    let home = home.filter(|home| home.is_absolute());
    home.context("the variable `HOME` names no home folder; set it")
}

/// What stands where, and what no server is given.
fn bounds(workspace: &Workspace, home: &Path) -> anyhow::Result<Bounds> {
    let path = super::variable("PATH")
        .map(|path| path.expose().clone())
        .unwrap_or_default();
    let folder = std::path::absolute(workspace.folder())?;
    Ok(Bounds {
        home: home.canonicalize().unwrap_or_else(|_| home.to_owned()),
        workspace: folder.canonicalize().unwrap_or(folder),
        search: path
            .split(':')
            .map(PathBuf::from)
            .filter(|folder| folder.is_absolute())
            .collect(),
    })
}

/// The settings that are there, with their servers.
fn found(wanted: &Wanted, home: &Path) -> anyhow::Result<Found> {
    let here = std::env::current_dir()?;
    let places: Vec<Place> = if wanted.files.is_empty() {
        let known = places::known(wanted.client, home, &here);
        known
            .into_iter()
            .filter(|place| place.path.symlink_metadata().is_ok())
            .collect()
    } else {
        let named = wanted
            .files
            .iter()
            .map(|path| Place::named(&here.join(path), home));
        named.collect()
    };
    if places.is_empty() {
        let known = places::known(wanted.client, home, &here);
        let paths: Vec<String> = known
            .iter()
            .map(|place| format!("  {}", place.path.display()))
            .collect();
        anyhow::bail!(
            "no settings of an MCP client are here; name a file, or put it at one of these places:\n{}",
            paths.join("\n")
        );
    }
    let mut found = Found {
        settings: Vec::new(),
        broken: Vec::new(),
    };
    let mut seen = BTreeSet::new();
    for place in places {
        // A link to another of them is no other settings.
        let real = place.path.canonicalize().unwrap_or(place.path.clone());
        if !seen.insert(real) {
            continue;
        }
        let read = places::text(&place.path).and_then(|text| {
            let entries = settings::entries(&text)?;
            Ok((text, entries))
        });
        match read {
            Ok((text, entries)) => {
                show::beside(&show::visible(&format!(
                    "Found {}: servers {}",
                    place.told(),
                    entries.len()
                )));
                found.settings.push(Settings {
                    place,
                    text,
                    entries,
                });
            }
            Err(why) => found.broken.push((place, why)),
        }
    }
    Ok(found)
}

/// Whoever names a server means one that is there.
fn named(only: &[String], settings: &[Settings]) -> anyhow::Result<()> {
    let all: BTreeSet<&str> = settings
        .iter()
        .flat_map(|one| one.entries.iter().map(|entry| entry.name.as_str()))
        .collect();
    match only.iter().find(|name| !all.contains(name.as_str())) {
        Some(name) => {
            let all: Vec<&str> = all.into_iter().collect();
            anyhow::bail!(
                "no server is called `{name}`; there are: {}",
                all.join(", ")
            )
        }
        None => Ok(()),
    }
}

/// What VS Code would ask its person for, asked here. Nobody is asked where nobody is.
async fn inputs(settings: &[Settings], only: &[String]) -> anyhow::Result<BTreeMap<String, Text>> {
    let mut inputs = BTreeMap::new();
    if !std::io::stdin().is_terminal() {
        return Ok(inputs);
    }
    for one in settings {
        let known = settings::inputs(&one.text);
        for entry in one
            .entries
            .iter()
            .filter(|entry| is_wanted(entry, only) && !entry.off)
        {
            let text = entry.value.to_string();
            for id in expand::asks(&text) {
                let input = known.iter().find(|input| input.id == id);
                if let (Some(input), false) = (input, inputs.contains_key(id)) {
                    let asked = show::visible(&format!("{id} of {}", entry.name));
                    let typed = hidden::read(&asked, true).await?;
                    let text = Text {
                        text: typed.expose().clone(),
                        secret: input.password,
                    };
                    inputs.insert(id.to_owned(), text);
                }
            }
        }
    }
    Ok(inputs)
}

/// Points each client whose servers are here now at this gateway.
fn applied(
    workspace: &Workspace,
    (gateway, person): (&GatewayFile, Option<String>),
    (settings, outcomes): (&[Settings], &[Outcome]),
) -> anyhow::Result<Vec<apply::Applied>> {
    let folder = std::path::absolute(workspace.folder())?;
    let folder = folder.canonicalize().unwrap_or(folder);
    let person = person.unwrap_or_else(|| gateway.operator.clone());
    let entry = serde_json::json!({
        "command": std::env::current_exe()?,
        "args": ["--dir", folder, "stdio", "--person", person],
    });
    let Value::Object(entry) = entry else {
        return Ok(Vec::new());
    };
    let mut applied = Vec::new();
    for one in settings {
        let of_it = outcomes.iter().filter(|outcome| outcome.place == one.place);
        let taken: Vec<(Vec<String>, String)> = of_it
            .filter(|outcome| matches!(outcome.state, State::Imported | State::Already))
            .map(|outcome| (outcome.entry.place.clone(), outcome.entry.name.clone()))
            .collect();
        if !taken.is_empty() {
            let kept = apply::apply(workspace, one, &taken, &entry);
            applied.push(apply::Applied {
                place: one.place.clone(),
                kept,
            });
        }
    }
    Ok(applied)
}
