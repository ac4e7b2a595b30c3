//! `grants`: what the account of a connector must be given in its system, from the connector's file.

use std::process::ExitCode;

use serde_json::json;

use super::{check::Read, show};
use crate::workspace::Workspace;

/// Of which connector.
#[derive(clap::Args)]
pub(super) struct Wanted {
    /// The connector.
    name: String,
}

pub(super) fn run(
    workspace: &Workspace,
    wanted: &Wanted,
    as_json: bool,
) -> anyhow::Result<ExitCode> {
    let name = &wanted.name;
    let read = Read::of(workspace.read());
    let Some((file, kind)) = read.connector(name) else {
        let broken = read.errors().next().is_some();
        read.errors()
            .for_each(|error| show::error(&error.to_string()));
        let why = if broken {
            "; what is wrong with the files comes first"
        } else {
            ""
        };
        anyhow::bail!("there is no connector `{name}`{why}");
    };
    let script = kind.grants(&file.part())?;
    if as_json {
        let data = json!({"connector": name, "kind": kind.name(), "script": script});
        show::line(&show::json(&json!({"status": "ok", "data": data})));
    } else if let Some(script) = script {
        show::line(&show::visible(&script));
    } else {
        let told = "there is nothing to grant: what counts is what the account that runs the gateway may do";
        show::beside(&format!("`{name}` is of kind `{}`; {told}", kind.name()));
    }
    Ok(ExitCode::SUCCESS)
}
