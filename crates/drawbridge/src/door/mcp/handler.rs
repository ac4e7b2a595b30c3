//! What MCP asks of the gateway: tools, calls, and news of changed tools.

use std::{borrow::Cow, sync::Arc, time::Duration};

use axum::http::request::Parts;
use drawbridge_core::{
    call::Caller,
    connector::{
        Changed,
        native::{COMPLETE, GET_PROMPT, LIST_PROMPTS, LIST_RESOURCES, READ_RESOURCE},
    },
    log::Recorded,
};
use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{
        CacheScope, CallToolRequestParams, CallToolResponse, CancelTaskParams,
        CompleteRequestParams, CompleteResult, GetPromptRequestParams, GetPromptResponse,
        GetTaskParams, GetTaskResult, Implementation, ListPromptsResult,
        ListResourceTemplatesResult, ListResourcesResult, ListToolsResult, PaginatedRequestParams,
        ProtocolVersion, ReadResourceRequestParams, ReadResourceResponse, ServerConfig,
        ServerNotification, SubscriptionFilter, UpdateTaskParams,
    },
    service::{RequestContext, SubscriptionContext},
};
use serde_json::{Value, json};

use super::{
    INSTRUCTIONS, REVISIONS,
    asking::{self, Unanswered},
    exchange::{self, Asked, Brought, State},
    legacy::{Entry, Running},
    native::{self, Ended, Question},
    waiting, wire,
};
use crate::{
    app::{App, Tool, ToolRequest},
    door,
};

/// How often an open stream looks whether its token still lets anyone in: it may expire.
const LOOK_AGAIN: Duration = Duration::from_secs(30);
/// How often a server's word that it changed is passed on.
const HINT_EVERY: Duration = Duration::from_millis(500);
/// How often one call may ask its client for more.
const MOST_ROUNDS: usize = 10;
/// How long a client may keep the list of its tools, in milliseconds.
pub(super) const FRESH_MS: u64 = 5_000;

/// Answers MCP's requests.
#[derive(Clone)]
pub(super) struct Handler {
    pub(super) app: Arc<App>,
    /// At the door of one connector: its name.
    pub(super) connector: Option<String>,
    /// At the door of one connector: who asks, for what they are told of it at once.
    pub(super) asks: Option<Caller>,
    /// Over stdio there is one caller; over HTTP each request brings its own.
    pub(super) fixed: Option<Caller>,
    pub(super) running: Running,
}

impl Handler {
    pub(super) fn caller(&self, context: &RequestContext<RoleServer>) -> Result<Caller, ErrorData> {
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

    /// Lets an older client take a call back, as long as what this returns is kept.
    pub(super) fn begin(
        &self,
        context: &RequestContext<RoleServer>,
        caller: &Caller,
    ) -> Option<Entry> {
        let parts = context.extensions.get::<Parts>()?;
        let id = serde_json::to_value(&context.id).ok()?;
        let of = (caller, &parts.headers);
        self.running.begin(of, &id, &context.ct)
    }

    /// Calls a tool; where its target asks the client's side first, asks it too.
    async fn called(
        &self,
        context: &RequestContext<RoleServer>,
        caller: &Caller,
        (tool, mut arguments): (&str, Value),
        mut brought: Brought,
    ) -> Result<CallToolResponse, ErrorData> {
        let connector = self.connector.as_deref();
        for _ in 0..MOST_ROUNDS {
            let (exchange, steps) = exchange::begin(context, std::mem::take(&mut brought));
            // They are needed again only where the client can be asked something.
            let sent = if exchange.takes.is_empty() {
                std::mem::take(&mut arguments)
            } else {
                arguments.clone()
            };
            let call = ToolRequest {
                caller: caller.clone(),
                connector: self.connector.clone(),
                tool: tool.to_owned(),
                arguments: sent,
                cancel: context.ct.clone(),
                exchange,
            };
            let mut done = steps.until(context, door::call(&self.app, call)).await;
            let asked = Asked {
                caller,
                connector,
                tool,
                arguments: &arguments,
            };
            let parts = context.extensions.get::<Parts>();
            let older = parts.filter(|_| !exchange::is_modern(context));
            let asks = done.as_mut().ok().filter(|_| older.is_some());
            let asks = asks.and_then(Recorded::take_asks);
            let (Some(parts), Some(asks)) = (older, asks) else {
                let takes = waiting::Takes::of(context);
                return waiting::told((&self.app, &asked), done, takes).map(Into::into);
            };
            let of = (caller, &parts.headers);
            let answered = asking::answered(&self.running, of, context, *asks).await;
            brought.given = Some(match answered {
                Ok(given) => given,
                Err(Unanswered::Wrong(told)) => return Err(asked.refused(&self.app, told).await),
                Err(Unanswered::Other(error)) => return Err(error),
            });
        }
        let told = "its server asks for more input again and again";
        Err(ErrorData::internal_error(told, None))
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
        info.capabilities = native::capabilities(self);
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
        let _running = self.begin(&context, &caller);
        let arguments = Value::Object(request.arguments.unwrap_or_default());
        let asked = Asked {
            caller: &caller,
            connector: self.connector.as_deref(),
            tool: &request.name,
            arguments: &arguments,
        };
        let brought = (request.input_responses, request.request_state.as_deref());
        let brought = match exchange::brought(&self.app, &asked, brought) {
            Ok(State::Answers(brought)) => brought,
            Ok(State::Plan(state)) => {
                return waiting::retried(&self.app, &asked, state, &context.ct).await;
            }
            Err(told) => return Err(asked.refused(&self.app, told).await),
        };
        let called = (request.name.as_ref(), arguments);
        self.called(&context, &caller, called, brought).await
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

    async fn list_resources(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        let cursor = request.and_then(|request| request.cursor);
        let question = Question::new(LIST_RESOURCES, [("cursor", cursor.map(Value::String))]);
        let asked = self.native(context, question, native::resources).await?;
        asked.complete()
    }

    async fn list_resource_templates(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        native::one_page(request)?;
        let question = Question::new(LIST_RESOURCES, []);
        let asked = self.native(context, question, native::templates).await?;
        asked.complete()
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let question = Question {
            responses: request.input_responses,
            state: request.request_state,
            ..Question::new(READ_RESOURCE, [("uri", Some(json!(request.uri)))])
        };
        match self.native(context, question, native::fresh).await? {
            Ended::Complete(result) => Ok(ReadResourceResponse::Complete(result)),
            Ended::Required(asks) => Ok(ReadResourceResponse::InputRequired(asks)),
        }
    }

    async fn list_prompts(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        native::one_page(request)?;
        let question = Question::new(LIST_PROMPTS, []);
        let asked = self.native(context, question, native::prompts).await?;
        asked.complete()
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        let arguments = [
            ("name", Some(json!(request.name))),
            ("arguments", request.arguments.map(Value::Object)),
        ];
        let question = Question {
            responses: request.input_responses,
            state: request.request_state,
            ..Question::new(GET_PROMPT, arguments)
        };
        match self.native(context, question, |_| {}).await? {
            Ended::Complete(result) => Ok(GetPromptResponse::Complete(result)),
            Ended::Required(asks) => Ok(GetPromptResponse::InputRequired(asks)),
        }
    }

    async fn complete(
        &self,
        request: CompleteRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        let arguments = [
            ("ref", Some(json!(request.r#ref))),
            ("argument", Some(json!(request.argument))),
            ("context", request.context.map(|context| json!(context))),
        ];
        let question = Question::new(COMPLETE, arguments);
        let asked = self.native(context, question, |_| {}).await?;
        asked.complete()
    }

    fn accepted_subscription_filter(
        &self,
        wanted: &SubscriptionFilter,
    ) -> Option<SubscriptionFilter> {
        let mut accepted = SubscriptionFilter::builder().tools_list_changed().build();
        accepted.prompts_list_changed = wanted
            .prompts_list_changed
            .filter(|_| native::capabilities(self).prompts.is_some());
        Some(accepted)
    }

    /// Tells of changes of the caller's own list only: that something else changed is not theirs to
    /// know; at the door of one connector, what its target says of itself, too. Ends with the token it was
    /// opened with, and with the right to use the connector.
    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        let request = context.request_context();
        let mut caller = self.caller(request)?;
        let mut changes = self.app.connectors.changes();
        let mut tokens = self.app.store.changes();
        let mut known = wire::fingerprint(&self.tools(&caller));
        loop {
            let mut said = None;
            tokio::select! {
                () = context.cancelled() => return Ok(()),
                changed = native::changed(self) => {
                    said = Some(changed);
                    // A server that says so without end is passed on now and then.
                    tokio::time::sleep(HINT_EVERY).await;
                }
                changed = changes.changed() => if changed.is_err() { return Ok(()) },
                changed = tokens.changed() => if changed.is_err() { return Ok(()) },
                () = tokio::time::sleep(LOOK_AGAIN) => {}
            }
            caller = match self.again(caller, request).await {
                Some(caller) => caller,
                None => return Ok(()),
            };
            // Of a connector that is no longer theirs to use nothing more is told.
            let theirs = |name| self.app.snapshot().has_tools(&caller, name);
            if !self.connector.as_deref().is_none_or(theirs) {
                return Ok(());
            }
            let tools = wire::fingerprint(&self.tools(&caller));
            if tools != known {
                known = tools;
                said = Some(Changed::Actions);
            }
            let accepted = context.accepted();
            let told = match said {
                Some(Changed::Actions) if accepted.tools_list_changed == Some(true) => {
                    ServerNotification::ToolListChangedNotification(Default::default())
                }
                Some(Changed::Prompts) if accepted.prompts_list_changed == Some(true) => {
                    ServerNotification::PromptListChangedNotification(Default::default())
                }
                _ => continue,
            };
            if context.sink().send(told).await.is_err() {
                return Ok(());
            }
        }
    }
}
