//! `log accept`: goes on with the log that is in the store, though another was seen before.

use std::process::ExitCode;

use anyhow::Context;
use drawbridge_core::log::{Record, checkpoint::PublicKey};
use serde_json::json;

use crate::{
    audit,
    cli::{client::Client, show, start},
    store::LogState,
    workspace::Workspace,
};

/// A log that does not verify by itself is not accepted: it would be signed for from now on. The
/// checkpoint that was seen is kept beside, and what was lost is on the log.
pub(super) async fn run(
    workspace: &Workspace,
    reason: &str,
    json: bool,
) -> anyhow::Result<ExitCode> {
    anyhow::ensure!(
        !reason.trim().is_empty(),
        "say why, for those who look at it later"
    );
    anyhow::ensure!(
        !Client::is_running(workspace),
        "stop the gateway first: it goes on refusing what it has not seen"
    );
    let state = workspace.state();
    let file = state.join("checkpoint");
    let seen = std::fs::read_to_string(&file)
        .context("there is no checkpoint beside the store, so nothing is refused")?;
    let key = std::fs::read_to_string(state.join("keys/log.pub"))?;
    let app = start(workspace).await?;
    let outcome = async {
        let LogState::Down(why) = app.journal.opened().await else {
            anyhow::bail!("the store holds the log that was seen; there is nothing to accept");
        };
        let found = audit::verify(&app.store, PublicKey::parse(&key)?, None)
            .await
            .context("a log that is not whole is not accepted; put a whole copy back")?;
        anyhow::Ok((found, why))
    }
    .await;
    app.close().await;
    let (found, why) = outcome?;
    let kept = state.join(format!("checkpoint.of-{}", found.records));
    std::fs::rename(&file, &kept).context("cannot put the checkpoint aside")?;
    let app = start(workspace).await?;
    let arguments = json!({"reason": reason, "why": &*why, "seen": seen, "found": found});
    let target = (Record::GATEWAY, "accept_log");
    let recorded = audit::own_act(&app.way, target, &arguments, reason.to_owned()).await;
    app.close().await;
    if let Err(cause) = recorded {
        std::fs::rename(&kept, &file)?;
        anyhow::bail!("{cause}: {:?}", cause.source);
    }
    let kept = kept.display().to_string();
    show::line(&if json {
        show::json(&json!({"status": "ok", "data": {"records": found.records, "kept": kept}}))
    } else {
        format!(
            "the log of {} records goes on; the checkpoint that was seen is kept in {kept}",
            found.records
        )
    });
    Ok(ExitCode::SUCCESS)
}
