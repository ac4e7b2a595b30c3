//! The direct call: the same kind on the same folder behind the bare MCP library. Nothing identifies,
//! decides, limits, shapes or records.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use axum::Router;
use drawbridge_core::{
    answer::{Failure, Found},
    call::{Action, Call, Caller, Door, Person},
    connector::{Clock, Connector, Context},
    decide::{Decision, RuleBook, Ruled, View},
    exchange::Exchange,
    file::{read_connector, read_gateway},
    log::Seal,
};
use drawbridge_kinds::kinds::KINDS;
use jiff::Timestamp;
use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{
        CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, ServerCapabilities,
        ServerConfig,
    },
    service::RequestContext,
    transport::streamable_http_server::{
        StreamableHttpServerConfig, StreamableHttpService, session::local::LocalSessionManager,
    },
};
use serde_json::Value;
use tokio::net::TcpListener;

use crate::company::PERSON;

/// The connector of the documents.
const HANDBOOK: &str = "handbook";

/// The clocks of this machine.
struct Now(Instant);

impl Clock for Now {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn monotonic(&self) -> Duration {
        self.0.elapsed()
    }
}

/// A connector, opened, and for each of its actions what the measured person may see.
#[derive(Clone)]
pub(crate) struct Bare {
    connector: Arc<dyn Connector>,
    tools: Arc<[(String, Call, View)]>,
}

/// Serves on a free port, whose address is the first line of the output, until it is killed.
pub(crate) fn serve(workspace: &Path, program: &Path) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(async {
        let bare = Bare::open((workspace, HANDBOOK), program).await?;
        let config = StreamableHttpServerConfig::default()
            .with_legacy_session_mode(false)
            .with_json_response(true);
        let service = StreamableHttpService::new(
            move || Ok(bare.clone()),
            LocalSessionManager::default().into(),
            config,
        );
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        println!("http://{}/mcp", listener.local_addr()?);
        let listener = axum::serve::ListenerExt::tap_io(listener, |stream| {
            let _ = stream.set_nodelay(true);
        });
        axum::serve(listener, Router::new().route_service("/mcp", service)).await?;
        Ok(())
    })
}

impl Bare {
    /// Opens a connector of a workspace.
    pub(crate) async fn open(
        (workspace, name): (&Path, &str),
        program: &Path,
    ) -> anyhow::Result<Self> {
        let read = |name: &str| std::fs::read_to_string(workspace.join(name));
        let gateway = read_gateway("drawbridge.yaml", &read("drawbridge.yaml")?)?;
        let labels = gateway.labels();
        let path = format!("connectors/{name}.yaml");
        let text = read(&path)?;
        let (file, kind) = read_connector(&path, name, &text, &gateway, KINDS)?;
        let file = Arc::new(file);
        let actions = file.actions(kind);
        let ruled = Ruled {
            file: &file,
            kind,
            actions: &actions,
        };
        let rules = RuleBook::build(&gateway, &[ruled], &[])?;
        let person = gateway.person(PERSON).context("no person")?;
        let tools: Option<Vec<_>> = actions
            .iter()
            .map(|action| tool((name, action), &person, &rules))
            .collect();
        let context = Context {
            connector: Arc::from(name),
            workspace: workspace.to_owned(),
            state: workspace.join(".direct"),
            labels: Arc::new(labels),
            clock: Arc::new(Now(Instant::now())),
            seal: Seal::new(b"bench", "cursor"),
            program: PathBuf::from(program),
            credential: None,
        };
        let connector = kind.open(&file.part(), context).await?;
        Ok(Self {
            connector,
            tools: tools.context("the person may not")?.into(),
        })
    }
}

fn tool(
    (name, action): (&str, &Arc<Action>),
    person: &Person,
    rules: &RuleBook,
) -> Option<(String, Call, View)> {
    let call = Call {
        id: Arc::from("none"),
        caller: Caller {
            person: Arc::new(person.clone()),
            client: Arc::from("bench"),
            task: None,
            token: None,
            door: Door::Mcp,
            trace: None,
        },
        connector: Arc::from(name),
        revision: Arc::from("none"),
        action: action.clone(),
        arguments: Value::Null,
        exchange: Exchange::default(),
    };
    match rules.decide(&call) {
        Decision::Allow { view, .. } => Some((format!("{name}_{}", action.name), call, view)),
        Decision::Deny { .. } => None,
    }
}

impl Bare {
    /// Asks the connector itself.
    pub(crate) async fn call(&self, tool: &str, arguments: Value) -> Result<Found, Failure> {
        let found = self.tools.iter().find(|(name, ..)| name == tool);
        let (_, call, view) = found.ok_or_else(|| Failure::not_found("no such tool"))?;
        let mut call = call.clone();
        call.arguments = arguments;
        self.connector.fetch(&call, view).await
    }
}

impl ServerHandler for Bare {
    fn get_info(&self) -> ServerConfig {
        let mut info = ServerConfig::default();
        info.capabilities = ServerCapabilities::builder().enable_tools().build();
        info
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let arguments = Value::Object(request.arguments.unwrap_or_default());
        let found = self.call(&request.name, arguments).await;
        let found = found.map_err(|failure| ErrorData::invalid_params(failure.message, None))?;
        let mut result = CallToolResult::success(vec![ContentBlock::text(found.text)]);
        result.structured_content = Some(found.data);
        Ok(CallToolResponse::Complete(result))
    }
}
