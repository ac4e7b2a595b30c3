//! `check`: every error in every file, and the eight areas of each connector.

use std::{collections::BTreeMap, process::ExitCode, sync::Arc};

use drawbridge_core::{
    call::Action,
    connector::Kind,
    decide::{RuleBook, Ruled},
    file::{ConnectorFile, FileError, GatewayFile, Reader},
};
use drawbridge_kinds::kinds::KINDS;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{client::Client, show as out};
use crate::{
    check::{Area, Beside, Colour, Subject, grade},
    workspace::{Files, Workspace},
};

/// The exit code when an area is red.
const RED: u8 = 1;
/// The exit code when a file has errors.
const BROKEN: u8 = 2;

/// What to check.
#[derive(clap::Args)]
pub(super) struct Wanted {
    /// One connector only.
    name: Option<String>,
    /// Looks at the files alone and asks no gateway.
    #[arg(long)]
    offline: bool,
}

/// A connector with its areas.
#[derive(Serialize, Deserialize)]
struct Graded {
    connector: String,
    #[serde(default)]
    state: Option<String>,
    areas: Vec<Area>,
    /// The revision that waits for review, where there is one.
    #[serde(default)]
    waiting: Option<Waits>,
}

#[derive(Serialize, Deserialize)]
struct Waits {
    hash: String,
    areas: Vec<Area>,
}

pub(super) async fn run(
    workspace: &Workspace,
    (wanted, person): (&Wanted, Option<String>),
    json: bool,
) -> anyhow::Result<ExitCode> {
    let read = Read::of(workspace.read());
    let (errors, mut graded) = (&read.errors, read.graded());
    let mut seen = false;
    // A workspace where no gateway ever ran has no facts, and looking must not make it one.
    if !wanted.offline && workspace.state().is_dir() {
        match from_gateway(workspace, person).await {
            Ok(facts) => {
                seen = true;
                for one in facts {
                    graded.insert(one.connector.clone(), one);
                }
            }
            Err(error) => {
                let why = format!("{error:#}");
                // What is wrong with the files is told with the files.
                if !errors.iter().any(|error| why.contains(&error.rule)) {
                    out::error(&format!("only the files were looked at: {why}"));
                }
            }
        }
    }
    if let Some(name) = &wanted.name {
        graded.retain(|found, _| found == name);
        let broken = format!("connectors/{name}.yaml");
        if graded.is_empty() && !errors.iter().any(|error| error.file == broken) {
            anyhow::bail!("there is no connector `{name}`");
        }
    }
    show(errors, (&graded, seen), json);
    let red = graded
        .values()
        .flat_map(|one| &one.areas)
        .any(|area| area.colour == Colour::Red);
    Ok(match (errors.is_empty(), red) {
        (false, _) => ExitCode::from(BROKEN),
        (true, true) => ExitCode::from(RED),
        (true, false) => ExitCode::SUCCESS,
    })
}

/// A connector file without errors, and what the rules must know of it.
struct Good {
    file: Arc<ConnectorFile>,
    kind: &'static dyn Kind,
    actions: Arc<[Arc<Action>]>,
}

impl Good {
    fn beside(&self) -> Beside<'_> {
        Beside {
            file: &self.file,
            actions: &self.actions,
        }
    }
}

/// All files, understood as far as they are in order.
pub(super) struct Read {
    errors: Vec<FileError>,
    gateway: Option<GatewayFile>,
    good: Vec<Good>,
    rules: Option<RuleBook>,
}

impl Read {
    /// Understands files.
    pub(super) fn of(files: Files) -> Self {
        let mut read = Self {
            errors: files.unreadable,
            gateway: None,
            good: Vec::new(),
            rules: None,
        };
        let gateway = match files.gateway {
            Ok(gateway) => gateway,
            Err(found) => {
                read.errors.extend(found.0);
                return read;
            }
        };
        let (reader, mut whole) = (Reader::new(KINDS), true);
        for (name, text) in &files.connectors {
            match reader.read((&text.name, name), &text.text, &gateway) {
                Ok(found) => read.good.push(good(found)),
                Err(found) => {
                    whole = false;
                    read.errors.extend(found.0);
                }
            }
        }
        let ruled: Vec<Ruled<'_>> = read
            .good
            .iter()
            .map(|one| Ruled {
                file: &one.file,
                kind: one.kind,
                actions: &one.actions,
            })
            .collect();
        // Without every connector, policies would be told wrong for the tools that are missing.
        let policies = match files.policies {
            Ok(policies) if whole => policies,
            Ok(_) => Vec::new(),
            Err(found) => {
                read.errors.extend(found.0);
                Vec::new()
            }
        };
        match RuleBook::build(&gateway, &ruled, &policies) {
            Ok(rules) => read.rules = Some(rules),
            // The schema does not depend on the policies that are wrong.
            Err(found) => {
                read.errors.extend(found.0);
                read.rules = RuleBook::build(&gateway, &ruled, &[]).ok();
            }
        }
        read.gateway = Some(gateway);
        read
    }

    /// What is wrong with the files.
    pub(super) fn errors(&self) -> impl Iterator<Item = &FileError> {
        self.errors.iter()
    }

    /// A connector whose file is in order.
    pub(super) fn connector(&self, name: &str) -> Option<(&ConnectorFile, &'static dyn Kind)> {
        let one = self.good.iter().find(|one| one.file.connector == name)?;
        Some((&one.file, one.kind))
    }

    /// The Cedar schema against which policies are checked.
    pub(super) fn policy_schema(&self) -> anyhow::Result<&str> {
        self.rules.as_ref().map(RuleBook::schema).ok_or_else(|| {
            anyhow::anyhow!(
                "the schema is made from the files, and these are wrong; `drawbridge check` says how"
            )
        })
    }

    fn graded(&self) -> BTreeMap<String, Graded> {
        let all: BTreeMap<&str, Beside<'_>> = self
            .good
            .iter()
            .map(|one| (one.file.connector.as_str(), one.beside()))
            .collect();
        let gateway = self.gateway.iter();
        gateway
            .flat_map(|gateway| all.iter().map(move |one| (gateway, one)))
            .map(|(gateway, (name, one))| {
                let subject = Subject {
                    file: one.file,
                    actions: one.actions,
                    gateway,
                    all: &all,
                    facts: None,
                };
                let graded = Graded {
                    connector: (*name).to_owned(),
                    state: None,
                    areas: grade(&subject),
                    waiting: None,
                };
                ((*name).to_owned(), graded)
            })
            .collect()
    }
}

fn good((file, kind): (ConnectorFile, &'static dyn Kind)) -> Good {
    Good {
        actions: file.actions(kind),
        file: Arc::new(file),
        kind,
    }
}

/// Asks the gateway, which knows the facts.
async fn from_gateway(
    workspace: &Workspace,
    person: Option<String>,
) -> anyhow::Result<Vec<Graded>> {
    let client = Client::connect(workspace, person).await?;
    let answer = client.get("/check").await;
    client.close().await;
    let answer = answer?;
    match answer.pointer("/data/connectors") {
        Some(connectors) => Ok(serde_json::from_value(connectors.clone())?),
        None => anyhow::bail!(
            "{}",
            answer
                .pointer("/notices/0")
                .and_then(Value::as_str)
                .unwrap_or("the gateway does not answer")
        ),
    }
}

fn show(errors: &[FileError], (graded, seen): (&BTreeMap<String, Graded>, bool), json: bool) {
    if json {
        let connectors: Vec<&Graded> = graded.values().collect();
        let status = if errors.is_empty() { "ok" } else { "invalid" };
        let data = json!({"facts": seen, "errors": errors, "connectors": connectors});
        return out::line(&json!({"status": status, "data": data}).to_string());
    }
    for error in errors {
        out::error(&error.to_string());
    }
    for one in graded.values() {
        let state = one.state.as_deref().unwrap_or("by its file alone");
        out::line(&format!("{} ({state})", one.connector));
        one.areas.iter().for_each(line);
        if let Some(waits) = &one.waiting {
            let hash = waits.hash.get(..12).unwrap_or(&waits.hash);
            out::line(&format!(
                "{}, revision {hash} that waits for review",
                one.connector
            ));
            waits.areas.iter().for_each(line);
        }
    }
    if !seen && errors.is_empty() {
        out::line("No gateway has run here: what only facts can tell was not looked at.");
    }
}

fn line(area: &Area) {
    for (index, finding) in area.findings.iter().enumerate() {
        let worst = index == 0;
        if !worst && finding.colour == Colour::Green {
            continue;
        }
        let name = if worst { area.name.as_str() } else { "" };
        let mend = if finding.mend.is_empty() {
            String::new()
        } else {
            format!("; {}", finding.mend)
        };
        out::line(&format!(
            "  {:<6} {name:<12} {}{mend}",
            finding.colour.word(),
            finding.sentence
        ));
    }
    for fact in &area.unseen {
        out::line(&format!("  {:<6} {:<12} not seen: {fact}", "", ""));
    }
}
