//! `log verify`: offline, read-only, with nothing but the public key.

use std::{fs::File, io::BufReader, path::PathBuf, process::ExitCode};

use anyhow::Context;
use drawbridge_core::log::{Verified, checkpoint::PublicKey};
use serde_json::json;

use crate::{
    audit::{self, AuditError, Proof},
    cli::{in_variable, show},
    store::{Place, Store},
    workspace::Workspace,
};

#[derive(clap::Args)]
pub(super) struct Wanted {
    /// The public key, or a file with it. Default: the workspace's own.
    #[arg(long)]
    key: Option<String>,
    /// A checkpoint kept elsewhere. Default: the one beside the store, or beside the export.
    #[arg(long)]
    checkpoint: Option<PathBuf>,
    /// A SQLite file, or `env:NAME` for a variable with a `postgres://` URL, to verify instead of
    /// the workspace's store.
    #[arg(long, conflicts_with_all = ["file", "proof"])]
    store: Option<String>,
    /// A whole export (jsonl) to verify, instead of the store.
    #[arg(long, conflicts_with = "proof")]
    file: Option<PathBuf>,
    /// A proof of one record (`log prove`) to verify, instead of the store.
    #[arg(long)]
    proof: Option<PathBuf>,
}

pub(super) async fn run(
    workspace: Option<&Workspace>,
    wanted: Wanted,
    json: bool,
) -> anyhow::Result<ExitCode> {
    let key = key(workspace, wanted.key.as_deref())?;
    if let Some(file) = &wanted.proof {
        return proof(file, &key, json);
    }
    let outcome = match &wanted.file {
        Some(file) => export(file, wanted.checkpoint.as_ref(), key),
        None => stored(workspace, &wanted, key).await?,
    };
    Ok(match outcome {
        Ok(verified) => {
            tell(&verified, &wanted, json);
            ExitCode::SUCCESS
        }
        Err(error) => refuse(&error, json),
    })
}

fn key(workspace: Option<&Workspace>, given: Option<&str>) -> anyhow::Result<PublicKey> {
    let text = match given {
        Some(given) if PublicKey::parse(given).is_ok() => given.to_owned(),
        Some(file) => std::fs::read_to_string(file)
            .with_context(|| format!("`{file}` is neither a public key nor a file with one"))?,
        None => workspace
            .and_then(|here| std::fs::read_to_string(here.state().join("keys/log.pub")).ok())
            .context("there is no public key here; give it by --key")?,
    };
    Ok(PublicKey::parse(&text)?)
}

async fn stored(
    workspace: Option<&Workspace>,
    wanted: &Wanted,
    key: PublicKey,
) -> anyhow::Result<Result<Verified, AuditError>> {
    // Read before the store, of which a running gateway may meanwhile be further.
    let witness = match (&wanted.checkpoint, workspace) {
        (Some(file), _) => {
            let note = std::fs::read_to_string(file);
            Some(note.with_context(|| format!("cannot read `{}`", file.display()))?)
        }
        (None, Some(here)) if wanted.store.is_none() => {
            std::fs::read_to_string(here.state().join("checkpoint")).ok()
        }
        (None, _) => None,
    };
    let store = Store::look(&place(workspace, wanted.store.as_deref())?).await?;
    let outcome = audit::verify(&store, key, witness.as_deref()).await;
    store.close().await;
    Ok(outcome)
}

fn place(workspace: Option<&Workspace>, given: Option<&str>) -> anyhow::Result<Place> {
    let named = |store: &str| store.strip_prefix("env:").map(str::to_owned);
    let own = |here: &Workspace| here.read().gateway.ok().and_then(|file| named(&file.store));
    match (given, workspace) {
        (Some(given), _) => match named(given) {
            Some(name) => Ok(Place::Postgres(in_variable(&name)?)),
            None => Ok(Place::Sqlite(PathBuf::from(given))),
        },
        (None, Some(here)) => match own(here) {
            Some(name) => Ok(Place::Postgres(in_variable(&name)?)),
            None => Ok(Place::Sqlite(here.state().join("drawbridge.db"))),
        },
        (None, None) => anyhow::bail!(
            "there is no workspace here; say what to verify by --store, --file or --proof"
        ),
    }
}

fn export(
    file: &PathBuf,
    checkpoint: Option<&PathBuf>,
    key: PublicKey,
) -> Result<Verified, AuditError> {
    let beside = || {
        let mut beside = file.clone().into_os_string();
        beside.push(".checkpoint");
        PathBuf::from(beside)
    };
    let note = std::fs::read_to_string(checkpoint.cloned().unwrap_or_else(beside))?;
    audit::verify_export(BufReader::new(File::open(file)?), key, &note)
}

fn proof(file: &PathBuf, key: &PublicKey, json: bool) -> anyhow::Result<ExitCode> {
    let text = std::fs::read(file).with_context(|| format!("cannot read `{}`", file.display()))?;
    let answer: serde_json::Value = serde_json::from_slice(&text).context("this is no proof")?;
    let proof = answer.get("data").unwrap_or(&answer);
    let proof: Proof = serde_json::from_value(proof.clone()).context("this is no proof")?;
    let Some(record) = proof.record(key) else {
        return Ok(refuse(
            &"the proof does not hold: this record is not on the log that this key signs for",
            json,
        ));
    };
    show::line(&if json {
        show::json(&json!({"status": "ok", "data": record}))
    } else {
        let record = json!(record);
        format!("proved: {}", super::line(&record))
    });
    Ok(ExitCode::SUCCESS)
}

fn refuse(error: &dyn std::fmt::Display, json: bool) -> ExitCode {
    if json {
        show::line(&show::json(
            &json!({"status": "failed", "notices": [error.to_string()]}),
        ));
    } else {
        show::error(&error.to_string());
    }
    ExitCode::FAILURE
}

fn tell(verified: &Verified, wanted: &Wanted, json: bool) {
    if json {
        show::line(&show::json(&json!({"status": "ok", "data": verified})));
        return;
    }
    let witness = match verified.witness {
        Some(size) if wanted.checkpoint.is_some() => {
            format!("a checkpoint of {size} records kept elsewhere agrees")
        }
        Some(size) => format!(
            "the checkpoint of {size} records beside it agrees; one kept elsewhere, given by \
             --checkpoint, would also show that both were put back together"
        ),
        None => "no checkpoint was given, so a cut end would not be noticed".to_owned(),
    };
    show::line(&format!(
        "verified: {} records, {} checkpoints, root {}; {witness}",
        verified.records, verified.checkpoints, verified.root
    ));
}
