//! Putting a client's old settings back.

use std::{
    collections::BTreeSet,
    io::ErrorKind,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::ExitCode,
};

use serde_json::{Map, Value, json};

use super::{
    apply::{self, Record},
    bring, places, settings,
};
use crate::{cli::show, workspace::Workspace};

/// How a file was put back.
enum Back {
    /// Byte for byte.
    Whole,
    /// Its client had changed it since: what it had become is kept here.
    Forced(PathBuf),
    /// Its client had changed it since, and that stays: its servers are there again. What it was is kept here.
    Servers(PathBuf),
}

/// Why a file stays, and whether it is of use to remember what was written there.
struct Stays {
    why: String,
    forget: bool,
}

impl From<String> for Stays {
    fn from(why: String) -> Self {
        Self { why, forget: false }
    }
}

type Told = [(PathBuf, Result<Back, String>)];

pub(super) fn run(
    workspace: &Workspace,
    (files, force): (&[PathBuf], bool),
    as_json: bool,
) -> anyhow::Result<ExitCode> {
    let _alone = apply::alone(workspace)?;
    let mut records = apply::remembered(workspace).map_err(anyhow::Error::msg)?;
    let mut wanted = BTreeSet::new();
    if files.is_empty() {
        wanted.extend(records.iter().map(|record| record.file.clone()));
    }
    for file in files {
        let absolute = std::path::absolute(file)?;
        wanted.insert(absolute.canonicalize().unwrap_or(absolute));
    }
    if wanted.is_empty() {
        anyhow::bail!("`drawbridge import --apply` has written nothing that could be put back");
    }
    let mut told = Vec::new();
    for file in wanted {
        let newest = records.iter().rposition(|record| record.file == file);
        let found = newest.and_then(|index| Some((index, records.get(index)?)));
        let outcome = match found {
            Some((index, record)) => {
                let outcome = back(workspace, record, force);
                if outcome.as_ref().err().is_none_or(|stays| stays.forget) {
                    records.remove(index);
                    apply::remember(workspace, &records).map_err(anyhow::Error::msg)?;
                }
                outcome.map_err(|stays| stays.why)
            }
            None => Err("nothing was written there by `drawbridge import --apply`".to_owned()),
        };
        told.push((file, outcome));
    }
    let failed = told.iter().any(|(_, outcome)| outcome.is_err());
    tell(&told, as_json);
    Ok(if failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

fn tell(told: &Told, as_json: bool) {
    if as_json {
        let all: Vec<Value> = told
            .iter()
            .map(|(file, outcome)| value(file, outcome))
            .collect();
        let status = if told.iter().all(|(_, outcome)| outcome.is_ok()) {
            "ok"
        } else {
            "failed"
        };
        show::line(&show::json(
            &json!({"status": status, "data": {"undone": all}}),
        ));
        return;
    }
    for (file, outcome) in told {
        let file = file.display();
        let line = match outcome {
            Ok(Back::Whole) => format!("`{file}` is as it was before."),
            Ok(Back::Forced(kept)) => format!(
                "`{file}` is as it was before. What it had become is kept as `{}`.",
                kept.display()
            ),
            Ok(Back::Servers(kept)) => format!(
                "`{file}` has its servers again; what else was changed in it since stays. The file as it was before is \
                 kept as `{}`: delete it once all works.",
                kept.display()
            ),
            Err(why) => format!("`{file}` stays: {why}"),
        };
        show::line(&show::visible(&line));
    }
    if told.iter().any(|(_, outcome)| outcome.is_ok()) {
        show::line(
            "Restart the client. The connectors and their sealed secrets stay in the gateway.",
        );
    }
}

fn value(file: &Path, outcome: &Result<Back, String>) -> Value {
    let (how, kept) = match outcome {
        Ok(Back::Whole) => (Some("whole"), None),
        Ok(Back::Forced(kept)) => (Some("whole"), Some(kept)),
        Ok(Back::Servers(kept)) => (Some("servers"), Some(kept)),
        Err(_) => (None, None),
    };
    json!({"settings": file, "put_back": how, "kept": kept, "why": outcome.as_ref().err()})
}

/// Puts a file back: as a whole where nobody changed it since, or that is forced; else its servers.
fn back(workspace: &Workspace, record: &Record, force: bool) -> Result<Back, Stays> {
    let kept = record.kept(workspace)?;
    let old = old(&kept)?;
    if matches!(record.file.symlink_metadata(), Err(error) if error.kind() == ErrorKind::NotFound) {
        apply::replace(&record.file, &old, 0o600)?;
        let _ = std::fs::remove_file(&kept);
        return Ok(Back::Whole);
    }
    let (file, known) = apply::own(&record.file)?;
    if file != record.file {
        let why = format!(
            "it is a link to `{}` by now; put that back by hand",
            file.display()
        );
        return Err(why.into());
    }
    let mode = known.permissions().mode() & 0o777;
    let now = std::fs::read(&file).map_err(|error| format!("it cannot be read: {error}"))?;
    let same = apply::digest(&now) == record.digest;
    if !same && !force {
        let new = servers(workspace, record, (&file, &kept)).map_err(|why| {
            format!(
                "it was changed since, and its servers cannot be put back into it: {why}; `--force` puts the whole old \
                 file back and keeps this one in the gateway's state"
            )
        })?;
        apply::replace(&file, new.as_bytes(), mode)?;
        return Ok(Back::Servers(kept));
    }
    let beside = if same {
        None
    } else {
        Some(apply::keep(workspace, (&file, "after-drawbridge"), &now)?)
    };
    apply::replace(&file, &old, mode)?;
    // It is in its place again.
    let _ = std::fs::remove_file(&kept);
    Ok(beside.map_or(Back::Whole, Back::Forced))
}

/// What was kept of a file.
fn old(kept: &Path) -> Result<Vec<u8>, Stays> {
    std::fs::read(kept).map_err(|error| {
        let forget = error.kind() == ErrorKind::NotFound;
        let kept = kept.display();
        let why = if forget {
            format!("what was kept, `{kept}`, was taken away")
        } else {
            format!("what was kept, `{kept}`, cannot be read: {error}")
        };
        Stays { why, forget }
    })
}

/// The file as it is by now, with the servers of the old one.
fn servers(
    workspace: &Workspace,
    record: &Record,
    (file, kept): (&Path, &Path),
) -> Result<String, String> {
    let (now, old) = (places::text(file)?, places::text(kept)?);
    let folder = std::path::absolute(workspace.folder()).map_err(|error| error.to_string())?;
    let folder = folder.canonicalize().unwrap_or(folder);
    let is_ours = |value: &Value| match &record.entry {
        Some(entry) => is_entry(value, entry),
        None => bring::starts_this(value) && names(value, &folder),
    };
    settings::restored(&now, &old, &record.taken, &is_ours)
}

/// Whether this is the entry that was written. What a client adds to each, such as how it is spoken to, is
/// no difference.
fn is_entry(value: &Value, entry: &Map<String, Value>) -> bool {
    let mut fields = entry.iter();
    fields.all(|(key, written)| value.get(key) == Some(written))
}

/// Whether an entry names this workspace, and not another: each has its own.
fn names(value: &Value, folder: &Path) -> bool {
    let arguments = value.get("args").and_then(Value::as_array);
    let mut words = arguments.into_iter().flatten().filter_map(Value::as_str);
    words.any(|word| Path::new(word) == folder)
}
