//! `init`: a workspace with one read-only connector, from at most three questions.

use std::{
    io::{BufRead, IsTerminal, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use drawbridge_core::file::{FileErrors, read_connector, read_gateway};
use drawbridge_kinds::kinds::KINDS;

use super::show;
use crate::workspace::Workspace;

/// What a workspace is made from.
#[derive(clap::Args)]
pub(super) struct Wanted {
    /// The new folder. Default: this one.
    #[arg(default_value = ".")]
    folder: PathBuf,
    /// The organisation's name: letters, digits, `-`.
    #[arg(long)]
    name: Option<String>,
    /// Your e-mail address.
    #[arg(long)]
    email: Option<String>,
    /// The folder of documents.
    #[arg(long)]
    documents: Option<PathBuf>,
}

pub(super) fn run(wanted: Wanted, json: bool) -> anyhow::Result<ExitCode> {
    let name = asked(
        wanted.name,
        "--name",
        "A short name for your organisation (letters, digits, -)",
        |name| files(name, SOMEBODY, Path::new("/documents")).map(drop),
    )?;
    let email = asked(
        wanted.email,
        "--email",
        "Your e-mail address",
        |email| match email.split_once('@') {
            Some((before, after)) if !before.is_empty() && !after.is_empty() => {
                files(&name, email, Path::new("/documents")).map(drop)
            }
            _ => Err(format!("`{email}` is no e-mail address")),
        },
    )?;
    let documents = asked(
        wanted.documents.map(|path| path.display().to_string()),
        "--documents",
        "The folder of documents to search",
        |folder| {
            if Path::new(folder).is_dir() {
                return Ok(());
            }
            Err(format!(
                "there is no folder `{folder}`; create it first, or name another"
            ))
        },
    )?;
    let documents = std::path::absolute(&documents)?;
    let folder = wanted.folder;
    let (gateway, connector) =
        files(&name, &email, &documents).map_err(|why| anyhow::anyhow!("{why}"))?;
    let files = [
        (folder.join(Workspace::GATEWAY_FILE), gateway),
        (folder.join("connectors/handbook.yaml"), connector),
        (folder.join(".gitignore"), ".drawbridge/\n".to_owned()),
    ];
    // All or nothing: half a workspace would be in the way of the next try.
    for (path, _) in &files {
        free(path)?;
    }
    for (path, text) in &files {
        write(path, text)?;
    }
    if json {
        show::line(&serde_json::json!({"status": "ok", "data": {"folder": folder}}).to_string());
    } else {
        show::line(&format!(
            "Wrote drawbridge.yaml and connectors/handbook.yaml. Next:\n  cd {}\n  drawbridge check\n  \
             drawbridge approve-revision handbook --reason \"first look\"\n  drawbridge serve",
            folder.display()
        ));
    }
    Ok(ExitCode::SUCCESS)
}

/// Who owns the files that a name is tried in.
const SOMEBODY: &str = "you@company.example";

/// An answer that can be used: from a flag, else from whoever is there, who is asked until it can.
fn asked(
    given: Option<String>,
    flag: &str,
    question: &str,
    usable: impl Fn(&str) -> Result<(), String>,
) -> anyhow::Result<String> {
    if let Some(given) = given {
        return match usable(&given) {
            Ok(()) => Ok(given),
            Err(why) => Err(anyhow::anyhow!("`{flag}`: {why}")),
        };
    }
    if !std::io::stdin().is_terminal() {
        anyhow::bail!("`{flag}` is missing, and nobody is there to ask");
    }
    let mut error = std::io::stderr();
    loop {
        write!(error, "{question}: ")?;
        error.flush()?;
        let mut line = String::new();
        if std::io::stdin().lock().read_line(&mut line)? == 0 {
            anyhow::bail!("`{flag}` is missing, and nobody answers");
        }
        match usable(line.trim()) {
            Ok(()) => return Ok(line.trim().to_owned()),
            Err(why) => writeln!(error, "That cannot be used: {why}")?,
        }
    }
}

/// The two files, once the gateway itself would take them.
fn files(name: &str, email: &str, documents: &Path) -> Result<(String, String), String> {
    let told = |errors: FileErrors| match errors.0.first() {
        Some(error) => format!("{}; {}", error.rule, error.mend),
        None => errors.to_string(),
    };
    let (gateway, connector) = (gateway(name, email), connector(email, documents));
    let read = read_gateway(Workspace::GATEWAY_FILE, &gateway).map_err(told)?;
    let file = "connectors/handbook.yaml";
    read_connector(file, "handbook", &connector, &read, KINDS).map_err(told)?;
    Ok((gateway, connector))
}

fn free(path: &Path) -> anyhow::Result<()> {
    if path.symlink_metadata().is_ok() {
        anyhow::bail!(
            "`{}` is already there, and nothing is overwritten",
            path.display()
        );
    }
    Ok(())
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    free(path)?;
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent)?;
    }
    Ok(std::fs::write(path, text)?)
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn gateway(name: &str, email: &str) -> String {
    let (name, email) = (quoted(name), quoted(email));
    format!(
        "# The gateway. `drawbridge schema gateway` prints everything that may stand here.\n\
         gateway: {name}\n\
         # Where AI clients reach it: this machine only.\n\
         address: 127.0.0.1:7300\n\
         # Whom the command line on this machine acts for.\n\
         operator: {email}\n\
         # Everyone who may use it.\n\
         people:\n  {email}: {{groups: [owners]}}\n"
    )
}

fn connector(email: &str, documents: &Path) -> String {
    let (email, folder) = (quoted(email), quoted(&documents.display().to_string()));
    format!(
        "# A connector in eight sections. `drawbridge check` grades each of them.\n\
         connector: handbook\n\
         # 1 Purpose: what it is for, and who answers for it.\n\
         purpose:\n  task: Let AI assistants search our documents\n  owner: {email}\n  review_every: 90d\n\
         # 2 Scope: the system, and how much of it.\n\
         system:\n  kind: documents\n  folder: {folder}\n\
         scope:\n  include: [\"**/*\"]\n  label: internal # for documents that name none\n\
         # 3 Access level: the powers it may have at most.\n\
         access: [read, search]\n\
         # 4 Identity: the account it acts as.\n\
         identity:\n  account: this computer's account\n  approved_by: {email}\n\
         # 5 Permissions: who may use what. Nothing is granted by default.\n\
         permissions:\n  - {{who: [\"group:owners\"], may: [read, search]}}\n\
         # 6 Logging: what is recorded of each call.\n\
         logging: {{keep: 400d, content: summary}}\n\
         # 7 Approval: it changes nothing, so there is nothing to approve.\n\
         approval: []\n\
         # 8 Recovery: who, besides the owner, may stop it.\n\
         recovery: {{pause: [\"group:owners\"]}}\n"
    )
}
