//! `schema`: what may stand in each of the files, for editors and for those who write policies.

use std::{path::PathBuf, process::ExitCode};

use clap::ValueEnum;
use drawbridge_core::file::{connector_schema, gateway_schema};
use drawbridge_kinds::kinds::KINDS;
use serde_json::json;

use super::{check::Read, show, workspace};

/// Which file.
#[derive(Clone, Copy, ValueEnum)]
pub(super) enum File {
    /// connectors/NAME.yaml, as JSON Schema.
    Connector,
    /// drawbridge.yaml, as JSON Schema.
    Gateway,
    /// policies/*.cedar, as the Cedar schema of this workspace's tools, facets and attributes.
    Policies,
}

pub(super) fn run(file: File, dir: Option<PathBuf>, as_json: bool) -> anyhow::Result<ExitCode> {
    let text = match file {
        File::Connector => serde_json::to_string_pretty(&connector_schema(KINDS))?,
        File::Gateway => serde_json::to_string_pretty(&gateway_schema())?,
        File::Policies => {
            let read = Read::of(workspace(dir)?.read());
            let schema = read.policy_schema()?;
            if as_json {
                json!({"status": "ok", "data": {"cedar": schema}}).to_string()
            } else {
                schema.trim_end().to_owned()
            }
        }
    };
    show::line(&text);
    Ok(ExitCode::SUCCESS)
}
