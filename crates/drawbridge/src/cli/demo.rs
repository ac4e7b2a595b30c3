//! `demo`: a sample company on this machine, to try with a real AI client.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use drawbridge_core::{call::Caller, log::Recorded};
use rust_embed::RustEmbed;
use serde_json::{Value, json};

use super::{serve, show};
use crate::{
    app::App,
    identify::{COMMAND_LINE, PERSON_HEADER},
    operate::Operation,
    workspace::Workspace,
};

/// The sample company's files, inside the program.
#[derive(RustEmbed)]
#[folder = "../../demo"]
struct Files;

/// Who may try, through which client.
const CALLERS: [(&str, &str); 4] = [
    ("maja@lindqvist.example", "claude"),
    ("erik@lindqvist.example", "claude"),
    ("ingrid@lindqvist.example", "claude"),
    ("maja@lindqvist.example", "reporting-bot"),
];

const QUESTIONS: &str = "Three questions to try:\n\
    - What is the per diem for travel? (everyone; the policy of 2026 counts, the one of 2024 is superseded)\n\
    - What is the refund window for made-to-order furniture? (Maja, in support)\n\
    - What is Project Heron? (Ingrid, who leads HR; for the others it does not exist)";

pub(super) async fn run(
    dir: Option<PathBuf>,
    address: &str,
    json: bool,
) -> anyhow::Result<ExitCode> {
    let keep = dir.is_some();
    let folder = dir.unwrap_or_else(|| {
        std::env::temp_dir().join(format!("drawbridge-demo-{}", uuid::Uuid::now_v7()))
    });
    unpack(&folder)?;
    let app = super::start(&Workspace::new(folder.clone())).await?;
    let listener = serve::listen(address).await?;
    let owner = owner(&app).await?;
    for (name, mounted) in &app.snapshot().connectors {
        if let Some(waiting) = &mounted.waiting {
            let (name, hash) = (name.clone(), waiting.hash.clone());
            operate(
                &app,
                &owner,
                Operation::ApproveRevision {
                    name,
                    hash,
                    reason: "the demo".to_owned(),
                },
            )
            .await?;
        }
    }
    let mut callers = Vec::new();
    for (person, client) in CALLERS {
        let wanted = Operation::NewToken {
            person: Some(person.to_owned()),
            client: Some(client.to_owned()),
            personal: false,
            name: "demo".to_owned(),
            expires_in: "1d".parse().ok(),
        };
        let made = operate(&app, &owner, wanted).await?;
        callers.push(
            json!({"person": person, "client": client, "token": made.answer().data.get("token")}),
        );
    }
    let base = format!("http://{}", listener.local_addr()?);
    let wanted = Operation::SignInLink {
        person: None,
        base: base.clone(),
    };
    let made = operate(&app, &owner, wanted).await?;
    let link = made.answer().data.get("link").and_then(Value::as_str);
    let link = link.unwrap_or_default();
    if json {
        show::line(&json!({"mcp": format!("{base}/mcp"), "api": format!("{base}/api/v1"), "console": link, "callers": callers}).to_string());
    } else {
        explain((&base, link), &callers, (&folder, keep));
    }
    let served = serve::until_told(&app, listener).await;
    if !keep {
        // What is left over lies in the temporary folder.
        let _ = std::fs::remove_dir_all(&folder);
    }
    served.map(|()| ExitCode::SUCCESS)
}

fn unpack(folder: &Path) -> anyhow::Result<()> {
    for name in Files::iter() {
        let path = folder.join(name.as_ref());
        if let (Some(parent), Some(file)) = (path.parent(), Files::get(&name))
            && path.symlink_metadata().is_err()
        {
            std::fs::create_dir_all(parent)?;
            std::fs::write(&path, file.data)?;
        }
    }
    Ok(())
}

async fn owner(app: &App) -> anyhow::Result<Caller> {
    use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
    let mut headers = HeaderMap::new();
    let token = format!("Bearer {}", app.identify.local().expose());
    headers.insert(header::AUTHORIZATION, HeaderValue::from_str(&token)?);
    headers.insert(
        HeaderName::from_static(PERSON_HEADER),
        HeaderValue::from_str(&app.gateway().operator)?,
    );
    let caller = app
        .identify
        .caller(&headers, drawbridge_core::call::Door::Cli, &app.gateway())
        .await?;
    debug_assert_eq!(&*caller.client, COMMAND_LINE);
    Ok(caller)
}

async fn operate(
    app: &Arc<App>,
    caller: &Caller,
    operation: Operation,
) -> anyhow::Result<Recorded> {
    let recorded = app.operate(caller, operation).await?;
    if recorded.answer().status.has_data() {
        Ok(recorded)
    } else {
        anyhow::bail!("{}", recorded.answer().text)
    }
}

fn explain((base, link): (&str, &str), callers: &[Value], (folder, kept): (&Path, bool)) {
    show::line(&format!(
        "Lindqvist & Daughters is at {base}/mcp. Stop with Ctrl-C.\n\
         The console, where Ingrid looks, decides and stops; the link works once, within ten minutes:\n  {link}\n\
         Another one: drawbridge --dir {} console",
        folder.display()
    ));
    if kept {
        show::line(&format!("The files are kept in {}.", folder.display()));
    }
    for caller in callers {
        let text = |name: &str| caller.get(name).and_then(Value::as_str).unwrap_or_default();
        let (person, client, token) = (text("person"), text("client"), text("token"));
        let name = person.split('@').next().unwrap_or_default();
        // Entries of one client must not have the same name.
        let name = match client {
            "claude" => format!("lindqvist-{name}"),
            other => format!("lindqvist-{name}-{other}"),
        };
        let bearer = format!("Bearer {token}");
        let (url, headers) = (format!("{base}/mcp"), json!({"Authorization": bearer}));
        let cursor = json!({"mcpServers": {&name: {"url": url, "headers": headers}}});
        let code = json!({"servers": {&name: {"type": "http", "url": url, "headers": headers}}});
        show::line(&format!(
            "\n{person} through {client}\n  \
             Claude Code: claude mcp add --transport http {name} {base}/mcp --header \"Authorization: {bearer}\"\n  \
             Cursor, ~/.cursor/mcp.json: {cursor}\n  \
             VS Code, .vscode/mcp.json: {code}\n  \
             curl: curl -s {base}/api/v1/tools/handbook_search -H \"Authorization: {bearer}\" \
             -H \"Content-Type: application/json\" -d '{{\"query\":\"per diem\"}}'"
        ));
    }
    show::line(&format!("\n{QUESTIONS}"));
}
