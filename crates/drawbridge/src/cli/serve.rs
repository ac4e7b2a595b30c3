//! `serve`, `stdio`, and what reads the log without a gateway.

use std::{process::ExitCode, sync::Arc};

use anyhow::Context;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use drawbridge_core::call::{Caller, Door};
use serde_json::json;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::show;
use crate::{
    app::App,
    audit, door,
    identify::PERSON_HEADER,
    keys,
    store::{Place, Store},
    workspace::Workspace,
};

pub(super) async fn run(workspace: &Workspace) -> anyhow::Result<ExitCode> {
    let app = super::start(workspace).await?;
    let address = app.gateway().address.clone();
    let listener = TcpListener::bind(&address)
        .await
        .with_context(|| format!("cannot listen on {address}"))?;
    show::line(&format!(
        "MCP is at http://{}/mcp; stop with Ctrl-C",
        listener.local_addr()?
    ));
    until_told(&app, listener).await?;
    Ok(ExitCode::SUCCESS)
}

/// Serves until Ctrl-C or SIGTERM, then lets running calls end.
pub(super) async fn until_told(app: &Arc<App>, listener: TcpListener) -> anyhow::Result<()> {
    let stop = CancellationToken::new();
    let address = app.workspace.state().join("address");
    std::fs::write(&address, listener.local_addr()?.to_string())?;
    let router = door::router(app, &stop);
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    let told = stop.clone();
    let signal = async move {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminate.recv() => {}
        }
        told.cancel();
    };
    let (served, ()) = tokio::join!(door::serve(listener, router, stop), signal);
    app.close().await;
    // The next command finds no address and starts its own gateway.
    let _ = std::fs::remove_file(address);
    Ok(served?)
}

pub(super) async fn stdio(
    workspace: &Workspace,
    person: Option<String>,
    connector: Option<String>,
) -> anyhow::Result<ExitCode> {
    let app = super::start(workspace).await?;
    let caller = local(&app, person).await?;
    let outcome = door::mcp::stdio(app.clone(), caller, connector).await;
    app.close().await;
    outcome.map(|()| ExitCode::SUCCESS)
}

/// The caller over stdio: whoever can start the program on this workspace, for one person.
async fn local(app: &App, person: Option<String>) -> anyhow::Result<Caller> {
    let mut headers = HeaderMap::new();
    let token = format!("Bearer {}", app.identify.local().expose());
    headers.insert(header::AUTHORIZATION, HeaderValue::from_str(&token)?);
    if let Some(person) = person {
        headers.insert(
            HeaderName::from_static(PERSON_HEADER),
            HeaderValue::from_str(&person)?,
        );
    }
    let mut caller = app
        .identify
        .caller(&headers, Door::Stdio, &app.gateway())
        .await?;
    // An AI client is at the other end, not a person at the command line.
    caller.client = Arc::from("stdio");
    caller.door = Door::Stdio;
    Ok(caller)
}

pub(super) async fn verify(workspace: &Workspace, json: bool) -> anyhow::Result<ExitCode> {
    let state = workspace.state();
    let key = std::fs::read_to_string(state.join("keys/log.pub"))
        .context("there is no public key; has the gateway run here?")?;
    let key = drawbridge_core::log::checkpoint::PublicKey::parse(&key)?;
    let named = workspace
        .read()
        .gateway
        .ok()
        .and_then(|file| file.store.strip_prefix("env:").map(str::to_owned));
    let place = match named {
        Some(name) => Place::Postgres(super::variable(&name)?),
        None => Place::Sqlite(state.join("drawbridge.db")),
    };
    let store = Store::open(&place).await?;
    let witness = std::fs::read_to_string(state.join("checkpoint")).ok();
    let outcome = audit::verify(&store, key, witness.as_deref()).await;
    store.close().await;
    let verified = match outcome {
        Ok(verified) => verified,
        Err(error) if json => {
            show::line(&json!({"status": "failed", "notices": [error.to_string()]}).to_string());
            return Ok(ExitCode::FAILURE);
        }
        Err(error) => {
            show::error(&error.to_string());
            return Ok(ExitCode::FAILURE);
        }
    };
    show::line(&if json {
        json!({"status": "ok", "data": verified}).to_string()
    } else {
        format!(
            "verified: {} records, {} checkpoints, root {}",
            verified.records, verified.checkpoints, verified.root
        )
    });
    Ok(ExitCode::SUCCESS)
}

pub(super) fn key(workspace: &Workspace) -> anyhow::Result<ExitCode> {
    let gateway = workspace.read().gateway?;
    let keys = keys::Keys::open(&workspace.state(), &gateway.gateway)?;
    show::line(&keys.signer.public().to_string());
    Ok(ExitCode::SUCCESS)
}
