//! `connect`: agreeing in a browser to what a connector may do elsewhere. The browser comes back to this
//! command, on this machine, and to nobody else's.

use std::{sync::Arc, time::Duration};

use anyhow::Context;
use axum::{
    Router,
    extract::State,
    http::{StatusCode, Uri, header},
    response::{IntoResponse, Response},
    routing::get,
};
use drawbridge_core::secret::Secret;
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::mpsc};
use tokio_util::sync::CancellationToken;

use super::{client::Client, show};
use crate::door;

/// How long somebody may take to agree.
const AGREE_WITHIN: Duration = Duration::from_secs(600);

#[derive(clap::Args)]
pub(super) struct Connect {
    /// The connector, or for `secret connect` the credential.
    pub(super) name: String,
    /// The port of this machine that the browser comes back to, where the authorization server knows
    /// only one. Default: a free one.
    #[arg(long, default_value_t = 0)]
    port: u16,
}

#[derive(clap::Args)]
pub(super) struct Disconnect {
    /// The connector.
    name: String,
    /// Why, for those who look at it later.
    #[arg(long, default_value = "")]
    reason: String,
}

/// Where one's own account at a connector is in the API. A name that is none would be another address.
pub(super) fn own(name: &str) -> anyhow::Result<String> {
    let letter = |letter: char| letter.is_ascii_alphanumeric() || "_-".contains(letter);
    if !name.is_empty() && name.chars().all(letter) {
        return Ok(format!("/connectors/{name}"));
    }
    anyhow::bail!("there is no connector `{name}`; look at `drawbridge connectors`")
}

/// Connects the account at this address of the API.
pub(super) async fn run(client: &Client, at: &str, wanted: &Connect) -> anyhow::Result<Value> {
    client.keeps_secrets()?;
    let listener = TcpListener::bind(("127.0.0.1", wanted.port)).await;
    let listener = listener.with_context(|| {
        format!(
            "the port {} of this machine is taken; choose another, or leave out `--port`",
            wanted.port
        )
    })?;
    let port = listener.local_addr()?.port();
    let begun = client
        .post(&format!("{at}/connect"), &json!({"port": port}))
        .await?;
    let Some(address) = begun.pointer("/data/url").and_then(Value::as_str) else {
        return Ok(begun);
    };
    show::beside(&format!(
        "Open this address in a browser on this machine, and agree there:\n\n{}\n\nWaiting for it to come back …",
        show::visible(address)
    ));
    let came_back = tokio::select! {
        came_back = wait(listener, (address, port)) => came_back?,
        () = tokio::time::sleep(AGREE_WITHIN) => {
            anyhow::bail!("nobody has agreed for ten minutes; begin again")
        }
    };
    let address = json!({"address": came_back.expose()});
    client.post(&format!("{at}/connected"), &address).await
}

/// Disconnects one's own account at a connector.
pub(super) async fn end(client: &Client, wanted: &Disconnect) -> anyhow::Result<Value> {
    let reason = json!({"reason": wanted.reason});
    let at = own(&wanted.name)?;
    client.post(&format!("{at}/disconnect"), &reason).await
}

struct Waiting {
    state: Option<String>,
    port: u16,
    came: mpsc::Sender<Secret<String>>,
}

/// The address that the browser comes back to.
async fn wait(
    listener: TcpListener,
    (address, port): (&str, u16),
) -> anyhow::Result<Secret<String>> {
    let (came, mut comes) = mpsc::channel(1);
    let waiting = Waiting {
        state: parameter(address, "state"),
        port,
        came,
    };
    let router = Router::new()
        .route("/callback", get(back))
        .with_state(Arc::new(waiting));
    let stop = CancellationToken::new();
    let serving = door::serve(listener, router, stop.clone());
    tokio::pin!(serving);
    let came_back = tokio::select! {
        served = &mut serving => { served?; None }
        came_back = comes.recv() => came_back,
    };
    // The browser is answered before this ends.
    stop.cancel();
    serving.await?;
    came_back.context("this command stopped listening; begin again")
}

async fn back(State(waiting): State<Arc<Waiting>>, uri: Uri) -> Response {
    let address = format!("http://127.0.0.1:{}{uri}", waiting.port);
    // What somebody else sends here, or an older page, is not what is waited for.
    let same = waiting.state.is_some() && parameter(&address, "state") == waiting.state;
    let (code, told) = if !same {
        (
            StatusCode::BAD_REQUEST,
            "This is not what Drawbridge waits for.",
        )
    } else if waiting.came.try_send(Secret::new(address)).is_ok() {
        (
            StatusCode::OK,
            "You can close this page, and go back to the command line.",
        )
    } else {
        (StatusCode::CONFLICT, "This came before.")
    };
    let headers = [
        (header::CONTENT_TYPE, "text/plain; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    (code, headers, told).into_response()
}

fn parameter(address: &str, name: &str) -> Option<String> {
    let url = reqwest::Url::parse(address).ok()?;
    let mut pairs = url.query_pairs();
    let found = pairs.find(|(key, _)| key == name);
    found.map(|(_, value)| value.into_owned())
}
