//! The command line: for the one who keeps the workspace.

mod address;
mod approvals;
mod approve;
mod ask;
mod check;
mod client;
mod connect;
mod connector;
mod console;
mod demo;
mod grants;
mod import;
mod init;
mod log;
mod schema;
mod secret;
mod serve;
mod show;
mod text;
mod token;

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};
use drawbridge_core::secret::Secret;
use rustix::process::{Resource, Rlimit, setrlimit};
use serde_json::{Value, json};

use crate::{app::App, telemetry, workspace::Workspace};
use ask::{Stand, pairs, standing};
use client::Client;

/// The controlled bridge between AI and the systems people work in.
#[derive(Parser)]
#[command(name = "drawbridge", version, about)]
struct Line {
    /// The folder with drawbridge.yaml. Default: the nearest one upward.
    #[arg(long, global = true)]
    dir: Option<PathBuf>,
    /// Prints one JSON document instead of text.
    #[arg(long, global = true)]
    json: bool,
    /// For whom to act. Default: the operator in drawbridge.yaml.
    #[arg(long, global = true)]
    person: Option<String>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs the gateway. Example: drawbridge serve
    Serve,
    /// Opens the console: a link that signs you in, once. Example: drawbridge console --person ann@acme.example
    Console,
    /// Runs a sample company to try. Example: drawbridge demo
    Demo {
        /// Another address. Default: a free port on this machine.
        #[arg(long, default_value = "127.0.0.1:0")]
        address: String,
    },
    /// Speaks MCP on stdin and stdout, for desktop clients. Example: drawbridge stdio --person ann@acme.example
    Stdio {
        /// Offers this connector alone, with bare tool names.
        #[arg(long)]
        connector: Option<String>,
    },
    /// Writes a workspace. Example: drawbridge init acme --email ann@acme.example --documents ./handbook
    Init(init::Wanted),
    /// Checks all files, and grades each connector in eight areas. Example: drawbridge check handbook
    Check(check::Wanted),
    /// Prints what to grant to a connector's account in its system, and no more. Example: drawbridge grants crm
    Grants(grants::Wanted),
    /// Writes connector files from what systems say of themselves. Example: drawbridge connector pin memory
    Connector {
        #[command(subcommand)]
        command: connector::ConnectorCommand,
    },
    /// Takes the MCP servers of AI clients behind the bridge. Example: drawbridge import --client cursor --dry-run
    Import(import::Wanted),
    /// Prints what may stand in a file. Example: drawbridge schema policies
    Schema {
        /// Of which file.
        #[arg(value_enum, default_value = "connector")]
        file: schema::File,
    },
    /// Lists the tools. Example: drawbridge tools --person ann@acme.example
    Tools,
    /// Calls a tool. Example: drawbridge call handbook_search query="travel expenses"
    Call {
        /// The tool.
        tool: String,
        /// Its arguments as key=value, or one JSON object.
        arguments: Vec<String>,
    },
    /// What waits for a decision, and deciding. Example: drawbridge approvals approve 3f9a1c
    Approvals(approvals::Approvals),
    /// Takes an applied effect back. Example: drawbridge undo 0195… --reason "wrong ticket"
    Undo(approvals::Undo),
    /// Stops every effect of every connector at once. Example: drawbridge stop --all --reason "something is odd"
    Stop(approvals::All),
    /// Lets effects go on. Example: drawbridge start --all --reason "found it"
    Start(approvals::All),
    /// Lists the connectors. Example: drawbridge connectors
    Connectors,
    /// Shows why a call would be allowed or denied. Example: drawbridge explain handbook_read --client claude
    Explain {
        /// The tool.
        tool: String,
        /// Through which AI client.
        #[arg(long)]
        client: Option<String>,
        /// Arguments as one JSON object.
        #[arg(long, default_value = "{}")]
        arguments: String,
    },
    /// Shows and verifies the audit log. Example: drawbridge log --since 2h --status denied
    Log(Box<log::Log>),
    /// Makes, lists and ends tokens. Example: drawbridge token new --client claude
    Token {
        #[command(subcommand)]
        command: token::TokenCommand,
    },
    /// Sets, lists, retires and removes what connectors prove their identity with. Example: drawbridge secret set crm-support
    Secret {
        #[command(subcommand)]
        command: secret::SecretCommand,
    },
    /// Connects your own account at a connector that acts for each person. Example: drawbridge connect tracker
    Connect(connect::Connect),
    /// Forgets the tokens of your own account at a connector. Example: drawbridge disconnect tracker
    Disconnect(connect::Disconnect),
    /// Stops a connector. Example: drawbridge pause handbook --reason "moving house"
    Pause(Stand),
    /// Starts it again. Example: drawbridge resume handbook --reason "all moved"
    Resume(Stand),
    /// Stops it for good. Example: drawbridge retire handbook --reason "replaced by wiki"
    Retire(Stand),
    /// Shows what the revision that waits would widen and narrow. Example: drawbridge diff handbook
    Diff {
        /// The connector.
        name: String,
    },
    /// Puts the revisions that wait into force. Example: drawbridge approve-revision handbook --reason "as agreed"
    ApproveRevision(approve::Approve),
    /// Reads files as a confined child.
    #[command(hide = true)]
    Extract,
    /// Reads the rows of a file as a confined child.
    #[command(hide = true)]
    Rows {
        /// What is asked of it.
        request: String,
    },
    /// Ends what is left of foreign programs when the gateway is killed.
    #[command(hide = true)]
    Keep,
    /// Becomes a foreign program, confined.
    #[command(hide = true)]
    Launch {
        /// What the program may use.
        request: String,
        /// The program and its arguments.
        #[arg(last = true)]
        command: Vec<String>,
    },
}

/// Runs the command line.
#[must_use]
pub fn run() -> ExitCode {
    let line = Line::parse();
    if matches!(line.command, Command::Extract) {
        return drawbridge_kinds::kinds::documents::extract::child();
    }
    if let Command::Rows { request } = &line.command {
        return drawbridge_kinds::kinds::sql::child(request);
    }
    if matches!(line.command, Command::Keep) {
        return drawbridge_kinds::launch::keep();
    }
    if let Command::Launch { request, command } = &line.command {
        return drawbridge_kinds::launch::child(request, command, std::env::vars_os());
    }
    // Secrets are in this memory: no crash writes it to a disk.
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    if let Err(error) = setrlimit(Resource::Core, none) {
        show::error(&format!("cannot keep memory out of core dumps: {error}"));
    }
    // One who asks for an answer reads the answer; what a server does is worth a line.
    let serves = matches!(
        line.command,
        Command::Serve | Command::Demo { .. } | Command::Stdio { .. }
    );
    let level = if serves {
        "warn,drawbridge=info,drawbridge_kinds=info"
    } else {
        "warn"
    };
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            show::error(&format!("cannot start: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let inside = runtime.enter();
    if rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .is_err()
    {
        show::error("the cryptography library is already set up otherwise");
        return ExitCode::FAILURE;
    }
    telemetry::trace(telemetry::Format::Lines, Some(level), export());
    let outcome = runtime.block_on(command(line));
    telemetry::close();
    drop(inside);
    match outcome {
        Ok(code) => code,
        Err(error) => {
            show::error(&format!("{error:#}"));
            ExitCode::from(2)
        }
    }
}

/// Traces leave this machine only where somebody says where to.
fn export() -> telemetry::Export {
    match std::env::var_os("OTEL_EXPORTER_OTLP_ENDPOINT") {
        Some(endpoint) if !endpoint.is_empty() => telemetry::Export::Otlp,
        Some(_) | None => telemetry::Export::Off,
    }
}

async fn command(line: Line) -> anyhow::Result<ExitCode> {
    match line.command {
        Command::Init(wanted) => return init::run(wanted, line.json),
        Command::Schema { file } => return schema::run(file, line.dir, line.json),
        Command::Demo { address } => return demo::run(line.dir, &address, line.json).await,
        Command::Log(wanted) => return log::run(line.dir, line.person, (*wanted, line.json)).await,
        _ => {}
    }
    let dir = line.dir;
    let workspace = || workspace(dir);
    match line.command {
        Command::Serve => serve::run(&workspace()?).await,
        Command::Console => console::run(&workspace()?, line.person, line.json).await,
        Command::Check(wanted) => {
            check::run(&workspace()?, (&wanted, line.person), line.json).await
        }
        Command::Connector { command } => connector::run(&workspace()?, command, line.json).await,
        Command::Grants(wanted) => grants::run(&workspace()?, &wanted, line.json),
        Command::Import(wanted) => {
            import::run(&workspace()?, (wanted, line.person), line.json).await
        }
        Command::Stdio { connector } => serve::stdio(&workspace()?, line.person, connector).await,
        command => {
            let client = match Client::elsewhere(line.person.clone())? {
                Some(client) => client,
                None => Client::connect(&workspace()?, line.person).await?,
            };
            if let (Command::Call { tool, arguments }, false) = (&command, line.json) {
                let outcome = client.read(tool, &pairs(arguments)?).await;
                client.close().await;
                let (code, text) = outcome?;
                return Ok(show::read(code, &text));
            }
            if let Command::ApproveRevision(wanted) = &command {
                let code = approve::run(&client, wanted, line.json).await;
                client.close().await;
                return code;
            }
            let text = readable(&command);
            let answer = ask(&client, command).await;
            client.close().await;
            Ok(show::answer(&answer?, line.json, text))
        }
    }
}

/// How people read what a command answers.
fn readable(command: &Command) -> text::Text {
    match command {
        Command::Tools => text::tools,
        Command::Connectors => text::connectors,
        Command::Explain { .. } => text::explanation,
        Command::Token { command } => command.readable(),
        Command::Secret { command } => command.readable(),
        Command::Connect(_) => text::connected,
        Command::Disconnect(_) => text::disconnected,
        Command::Pause(_) | Command::Resume(_) | Command::Retire(_) => text::standing,
        Command::Diff { .. } => text::revisions,
        Command::Approvals(wanted) => wanted.readable(),
        Command::Undo(_) => text::outcome,
        Command::Stop(_) | Command::Start(_) => text::decided,
        _ => text::plain,
    }
}

/// The commands that ask the gateway something, by its API.
async fn ask(client: &Client, command: Command) -> anyhow::Result<Value> {
    match command {
        Command::Tools => client.get("/tools").await,
        Command::Connectors => client.get("/connectors").await,
        Command::Approvals(wanted) => approvals::run(client, wanted).await,
        Command::Undo(wanted) => approvals::undo(client, &wanted).await,
        Command::Stop(wanted) => approvals::halt(client, "stop", &wanted).await,
        Command::Start(wanted) => approvals::halt(client, "start", &wanted).await,
        Command::Call { tool, arguments } => {
            client
                .post(&format!("/tools/{tool}"), &pairs(&arguments)?)
                .await
        }
        Command::Explain {
            tool,
            client: through,
            arguments,
        } => {
            let arguments: Value = serde_json::from_str(&arguments)?;
            let question = json!({"tool": tool, "client": through, "person": client.person(), "arguments": arguments});
            client.post("/explain", &question).await
        }
        Command::Token { command } => token::run(client, command).await,
        Command::Secret { command } => secret::run(client, command).await,
        Command::Connect(wanted) => {
            connect::run(client, &connect::own(&wanted.name)?, &wanted).await
        }
        Command::Disconnect(wanted) => connect::end(client, &wanted).await,
        Command::Pause(stand) => standing(client, "pause", stand).await,
        Command::Resume(stand) => standing(client, "resume", stand).await,
        Command::Retire(stand) => standing(client, "retire", stand).await,
        Command::Diff { name } => client.get(&format!("/connectors/{name}/revisions")).await,
        Command::Serve
        | Command::Console
        | Command::Demo { .. }
        | Command::Stdio { .. }
        | Command::Init(_)
        | Command::Check(_)
        | Command::Grants(_)
        | Command::Import(_)
        | Command::Connector { .. }
        | Command::Log(_)
        | Command::ApproveRevision(_)
        | Command::Schema { .. }
        | Command::Extract
        | Command::Keep
        | Command::Rows { .. }
        | Command::Launch { .. } => anyhow::bail!("this command asks the gateway nothing"),
    }
}

fn workspace(dir: Option<PathBuf>) -> anyhow::Result<Workspace> {
    let here = std::env::current_dir()?;
    let start = dir.map_or(here.clone(), |dir| here.join(dir));
    Workspace::find(&start).ok_or_else(|| {
        anyhow::anyhow!(
            "there is no drawbridge.yaml in `{}` or above; `drawbridge init` writes one",
            start.display()
        )
    })
}

/// Starts the gateway on a workspace, with the store that its file names.
async fn start(workspace: &Workspace) -> anyhow::Result<std::sync::Arc<App>> {
    // What is wrong with the file is told by the start itself.
    let store = workspace
        .read()
        .gateway
        .ok()
        .and_then(|file| file.store.strip_prefix("env:").map(str::to_owned));
    let url = store.map(|name| in_variable(&name)).transpose()?;
    App::start(workspace.clone(), std::env::current_exe()?, (url, variable)).await
}

#[expect(
    clippy::disallowed_methods,
    reason = "the command line is where the environment is read"
)]
fn variable(name: &str) -> Option<Secret<String>> {
    let value = std::env::var(name).ok().filter(|value| !value.is_empty());
    value.map(Secret::new)
}

/// The store's address, which drawbridge.yaml leaves to a variable.
fn in_variable(name: &str) -> anyhow::Result<Secret<String>> {
    variable(name).ok_or_else(|| {
        anyhow::anyhow!(
            "drawbridge.yaml names the variable `{name}` for the store, and it is not set"
        )
    })
}
