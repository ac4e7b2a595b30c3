//! `console`: a link that opens the console in a browser, once.

use std::{process::ExitCode, time::Duration};

use anyhow::Context;
use serde_json::{Value, json};

use super::{client::Client, serve, show, text::Text};
use crate::workspace::Workspace;

/// How often it is looked whether the gateway that starts is there.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Shows a link; where no gateway runs on this workspace, starts one and serves until Ctrl-C.
pub(super) async fn run(
    workspace: &Workspace,
    person: Option<String>,
    json: bool,
) -> anyhow::Result<ExitCode> {
    if Client::is_running(workspace) {
        return tell(workspace, person, (json, link)).await;
    }
    let app = super::start(workspace).await?;
    let listener = serve::listen(&app.gateway().address).await?;
    let told = async {
        while !Client::is_running(workspace) {
            tokio::time::sleep(LOOK_EVERY).await;
        }
        if let Err(error) = tell(workspace, person, (json, serving)).await {
            show::error(&format!("{error:#}"));
        }
        // It goes on serving, also where no link could be made.
        std::future::pending::<()>().await;
    };
    tokio::select! {
        served = serve::until_told(&app, listener) => served?,
        () = told => {}
    }
    Ok(ExitCode::SUCCESS)
}

/// Asks the running gateway for a link.
async fn tell(
    workspace: &Workspace,
    person: Option<String>,
    (json, text): (bool, Text),
) -> anyhow::Result<ExitCode> {
    let client = Client::connect(workspace, person.clone()).await?;
    let answer = client
        .post("/console/links", &json!({"person": person}))
        .await;
    client.close().await;
    let answer = answer.context("no link can be made")?;
    Ok(show::answer(&answer, json, text))
}

/// The link, for people.
pub(super) fn link(answer: &Value) -> String {
    let text = |name: &str| {
        let field = answer.get(name).and_then(Value::as_str);
        field.unwrap_or_default()
    };
    format!(
        "Open this in a browser within ten minutes; it signs in {} and works once:\n  {}",
        text("person"),
        text("link"),
    )
}

fn serving(answer: &Value) -> String {
    format!("{}\nThe gateway runs until Ctrl-C.", link(answer))
}
