//! `approve-revision`: puts revisions into force, each by a decision of its own.

use std::process::ExitCode;

use serde_json::{Value, json};

use super::{client::Client, show, text};

/// What is put into force.
#[derive(clap::Args)]
pub(super) struct Approve {
    /// The connectors. Each is decided by itself, has its own record, and a line of its own with `--json`.
    #[arg(required = true)]
    names: Vec<String>,
    /// Of one connector: the revision's hash, or the first eight digits. Default: the one that waits,
    /// else the one in force, which is thereby reviewed again.
    #[arg(long)]
    hash: Option<String>,
    /// Why.
    #[arg(long, default_value = "")]
    reason: String,
}

/// Approves one after the other. One that is refused keeps no other from being approved, and the
/// first refusal is the exit code.
pub(super) async fn run(
    client: &Client,
    wanted: &Approve,
    as_json: bool,
) -> anyhow::Result<ExitCode> {
    if wanted.hash.is_some() && wanted.names.len() > 1 {
        anyhow::bail!("`--hash` is of one connector: name just that one");
    }
    let mut code = ExitCode::SUCCESS;
    for name in &wanted.names {
        let one = match approve(client, (name, wanted.hash.as_deref()), &wanted.reason).await {
            Ok(answer) => show::answer(&answer, as_json, text::standing),
            Err(error) => {
                show::error(&format!("{error:#}"));
                ExitCode::from(2)
            }
        };
        if code == ExitCode::SUCCESS {
            code = one;
        }
    }
    Ok(code)
}

async fn approve(
    client: &Client,
    (name, hash): (&str, Option<&str>),
    reason: &str,
) -> anyhow::Result<Value> {
    let hash = match hash {
        Some(hash) => hash.to_owned(),
        None => waiting(client, name).await?,
    };
    let path = format!("/connectors/{name}/revisions/{hash}/approve");
    client.post(&path, &json!({"reason": reason})).await
}

/// The revision that waits, else the one in force, which is thereby reviewed again.
async fn waiting(client: &Client, name: &str) -> anyhow::Result<String> {
    let revisions = client.get(&format!("/connectors/{name}/revisions")).await?;
    let hash = ["/data/waiting/hash", "/data/in_force"]
        .into_iter()
        .find_map(|at| revisions.pointer(at)?.as_str().map(str::to_owned));
    hash.ok_or_else(|| {
        let why = revisions.pointer("/notices/0").and_then(Value::as_str);
        anyhow::anyhow!("{}", why.unwrap_or("there is nothing to approve"))
    })
}
