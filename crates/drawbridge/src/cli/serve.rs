//! `serve` and `stdio`.

use std::{process::ExitCode, sync::Arc};

use anyhow::Context;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use drawbridge_core::call::{Caller, Door};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::{address, show};
use crate::{
    app::App,
    door::{self, Doors},
    identify::PERSON_HEADER,
    workspace::Workspace,
};

pub(super) async fn run(workspace: &Workspace) -> anyhow::Result<ExitCode> {
    let app = super::start(workspace).await?;
    let address = app.gateway().address.clone();
    let listener = listen(&address).await?;
    show::line(&format!(
        "MCP is at http://{0}/mcp; stop with Ctrl-C\n\
         The console is at http://{0}/; `drawbridge console` lets you in",
        listener.local_addr()?
    ));
    until_told(&app, listener).await?;
    Ok(ExitCode::SUCCESS)
}

/// Listens, or says what to do where that cannot be.
pub(super) async fn listen(address: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| {
        format!(
            "cannot listen on {address}; stop what listens there, or name another `address` that \
             this machine has"
        )
    })
}

/// Serves until Ctrl-C or SIGTERM, then lets running calls end.
pub(super) async fn until_told(app: &Arc<App>, listener: TcpListener) -> anyhow::Result<()> {
    let stop = CancellationToken::new();
    let told_where = address::tell(&app.workspace.state(), listener.local_addr()?)
        .context("cannot write `.drawbridge/address`")?;
    let doors = Doors::new(app, &stop);
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    let told = stop.clone();
    let signal = async move {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminate.recv() => {}
        }
        told.cancel();
    };
    let (served, ()) = tokio::join!(door::serve(listener, doors, stop), signal);
    // The next command trusts the address no more, and starts its own gateway.
    drop(told_where);
    app.close().await;
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
