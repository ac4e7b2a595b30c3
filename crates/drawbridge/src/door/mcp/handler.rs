//! What MCP asks of the gateway: tools, calls, and news of changed tools.

use std::{borrow::Cow, sync::Arc, time::Duration};

use axum::http::request::Parts;
use drawbridge_core::call::Caller;
use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{
        CacheScope, CallToolRequestParams, CallToolResponse, CancelTaskParams, GetTaskParams,
        GetTaskResult, Implementation, ListToolsResult, PaginatedRequestParams, ProtocolVersion,
        ServerCapabilities, ServerConfig, ServerNotification, SubscriptionFilter,
        ToolListChangedNotification, UpdateTaskParams,
    },
    service::{RequestContext, SubscriptionContext},
};
use serde_json::Value;

use super::{INSTRUCTIONS, REVISIONS, legacy::Running, waiting, wire};
use crate::{
    app::{App, Tool, ToolRequest},
    door,
};

/// How often an open stream looks whether its token still lets anyone in: it may expire.
const LOOK_AGAIN: Duration = Duration::from_secs(30);
/// How long a client may keep the list of its tools, in milliseconds.
const FRESH_MS: u64 = 5_000;

/// Answers MCP's requests.
#[derive(Clone)]
pub(super) struct Handler {
    pub(super) app: Arc<App>,
    /// At the door of one connector: its name.
    pub(super) connector: Option<String>,
    /// Over stdio there is one caller; over HTTP each request brings its own.
    pub(super) fixed: Option<Caller>,
    pub(super) running: Running,
}

impl Handler {
    fn caller(&self, context: &RequestContext<RoleServer>) -> Result<Caller, ErrorData> {
        let of_request = || {
            let parts = context.extensions.get::<Parts>()?;
            parts.extensions.get::<Caller>().cloned()
        };
        self.fixed
            .clone()
            .or_else(of_request)
            .ok_or_else(|| ErrorData::internal_error("the caller is not known", None))
    }

    /// The caller of a stream as they are by now; none once they are no longer let in.
    async fn again(&self, caller: Caller, context: &RequestContext<RoleServer>) -> Option<Caller> {
        if self.fixed.is_some() {
            return Some(caller);
        }
        let parts = context.extensions.get::<Parts>()?;
        let asked = (&parts.headers, parts.uri.path());
        let gateway = self.app.gateway();
        let identified = self.app.identify.caller_at(asked, caller.door, &gateway);
        identified.await.ok()
    }

    fn tools(&self, caller: &Caller) -> Vec<Tool> {
        let snapshot = self.app.snapshot();
        snapshot.tools(caller, self.connector.as_deref())
    }
}

/// `get_tool` stays as it is, answering nothing: it has no caller, so an answer could tell of tools
/// that the caller may not see. It serves headers that mirror arguments, and no schema here has any.
impl ServerHandler for Handler {
    fn get_info(&self) -> ServerConfig {
        let mut info = ServerConfig::default();
        info.capabilities = ServerCapabilities::builder()
            .enable_tools()
            .enable_tool_list_changed()
            .enable_tasks()
            .build();
        info.server_info = Implementation::new("drawbridge", env!("CARGO_PKG_VERSION"));
        info.instructions = Some(INSTRUCTIONS.to_owned());
        info
    }

    fn supported_protocol_versions(&self) -> Cow<'static, [ProtocolVersion]> {
        Cow::Borrowed(REVISIONS)
    }

    async fn list_tools(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        if request.is_some_and(|request| request.cursor.is_some()) {
            let told = "`cursor`: the list has one page, so there is no cursor";
            return Err(ErrorData::invalid_params(told, None));
        }
        let tools = self.tools(&self.caller(&context)?);
        let mut result = ListToolsResult::with_all_items(tools.iter().map(wire::tool).collect());
        result.ttl_ms = Some(FRESH_MS);
        result.cache_scope = Some(CacheScope::Private);
        result.meta = Some(wire::server());
        Ok(result)
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let caller = self.caller(&context)?;
        let parts = context.extensions.get::<Parts>();
        let _running = parts.and_then(|parts| {
            let id = serde_json::to_value(&context.id).ok()?;
            self.running
                .begin((&caller, &parts.headers), &id, &context.ct)
        });
        if request.request_state.is_some() {
            let at = (&caller, self.connector.as_deref());
            return waiting::retried(&self.app, at, &request, &context.ct).await;
        }
        let takes = waiting::Takes::of(&context);
        let request = ToolRequest {
            caller,
            connector: self.connector.clone(),
            tool: request.name.into_owned(),
            arguments: Value::Object(request.arguments.unwrap_or_default()),
            cancel: context.ct.clone(),
        };
        match door::call(&self.app, request).await {
            Ok(recorded) => Ok(waiting::told(recorded, takes, &self.app.states)),
            Err(error) => Err(ErrorData::internal_error(error.to_string(), None)),
        }
    }

    async fn get_task(
        &self,
        request: GetTaskParams,
        context: RequestContext<RoleServer>,
    ) -> Result<GetTaskResult, ErrorData> {
        let caller = self.caller(&context)?;
        waiting::task(&self.app, &caller, (&request.task_id, &context.ct)).await
    }

    async fn update_task(
        &self,
        request: UpdateTaskParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        let caller = self.caller(&context)?;
        waiting::updated(&self.app, &caller, &request.task_id).await
    }

    async fn cancel_task(
        &self,
        request: CancelTaskParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        let caller = self.caller(&context)?;
        waiting::cancelled(&self.app, &caller, &request.task_id).await
    }

    fn accepted_subscription_filter(&self, _: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        Some(SubscriptionFilter::builder().tools_list_changed().build())
    }

    /// Tells of changes of the caller's own list only: that something else changed is not theirs to
    /// know. Ends with the token it was opened with.
    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        let request = context.request_context();
        let mut caller = self.caller(request)?;
        let mut changes = self.app.connectors.changes();
        let mut tokens = self.app.store.changes();
        let mut known = fingerprint(&self.tools(&caller));
        loop {
            tokio::select! {
                () = context.cancelled() => return Ok(()),
                changed = changes.changed() => if changed.is_err() { return Ok(()) },
                changed = tokens.changed() => if changed.is_err() { return Ok(()) },
                () = tokio::time::sleep(LOOK_AGAIN) => {}
            }
            caller = match self.again(caller, request).await {
                Some(caller) => caller,
                None => return Ok(()),
            };
            let tools = fingerprint(&self.tools(&caller));
            if tools == known {
                continue;
            }
            known = tools;
            let told = ToolListChangedNotification::default();
            let told = ServerNotification::ToolListChangedNotification(told);
            if context.sink().send(told).await.is_err() {
                return Ok(());
            }
        }
    }
}

fn fingerprint(tools: &[Tool]) -> Vec<(String, String, Value)> {
    tools
        .iter()
        .map(|tool| {
            let action = &tool.action;
            let schema = action.input.clone();
            (tool.name.clone(), action.description.clone(), schema)
        })
        .collect()
}
