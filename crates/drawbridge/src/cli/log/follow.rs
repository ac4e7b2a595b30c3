//! `log --follow`: records as they come, also over a restart of the gateway.

use std::{process::ExitCode, time::Duration};

use serde_json::Value;

use super::{Query, line, path};
use crate::{
    cli::{client::Client, show},
    workspace::Workspace,
};

/// Records that are shown before those that come.
const BEFORE: u32 = 10;
/// How long a gateway that is gone is given to come back.
const AGAIN: Duration = Duration::from_millis(500);

pub(super) async fn run(
    workspace: &Workspace,
    (query, limit): (Query, Option<u32>),
    json: bool,
) -> anyhow::Result<ExitCode> {
    let mut client = Client::connect(workspace, None).await?;
    let mut newest = query.clone();
    newest.push(("limit", limit.unwrap_or(BEFORE).to_string()));
    let answer = client.get(&path("/records", &newest)).await?;
    let records = answer.pointer("/data/records").and_then(Value::as_array);
    let Some(records) = records else {
        client.close().await;
        return Ok(show::answer(&answer, json, super::lines));
    };
    let mut last = None;
    for record in records.iter().rev() {
        last = tell(record, json).or(last);
    }
    loop {
        tokio::select! {
            ended = follow(&client, &query, &mut last, json) => {
                // The gateway went away, or started anew with another address.
                if let Err(cause) = ended {
                    tracing::warn!("the gateway does not answer, and is asked again: {cause:#}");
                }
            }
            stopped = tokio::signal::ctrl_c() => {
                stopped?;
                client.close().await;
                return Ok(ExitCode::SUCCESS);
            }
        }
        client.close().await;
        tokio::time::sleep(AGAIN).await;
        client = Client::connect(workspace, None).await?;
    }
}

/// Shows what comes until the connection ends.
async fn follow(
    client: &Client,
    query: &Query,
    last: &mut Option<u64>,
    json: bool,
) -> anyhow::Result<()> {
    let mut query = query.clone();
    query.extend(last.map(|last| ("after", last.to_string())));
    let mut answer = client.stream(&path("/records/follow", &query)).await?;
    anyhow::ensure!(answer.status().is_success(), "{}", answer.text().await?);
    let mut rest = Vec::new();
    while let Some(chunk) = answer.chunk().await? {
        rest.extend_from_slice(&chunk);
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let event: Vec<u8> = rest.drain(..=end).collect();
            let data = event.strip_prefix(b"data: ");
            if let Some(record) = data.and_then(|data| serde_json::from_slice(data).ok()) {
                *last = tell(&record, json).or(*last);
            }
        }
    }
    Ok(())
}

/// Shows a record; its place.
fn tell(record: &Value, json: bool) -> Option<u64> {
    show::line(&if json {
        show::json(record)
    } else {
        line(record)
    });
    record.get("place").and_then(Value::as_u64)
}
