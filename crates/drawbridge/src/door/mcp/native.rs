//! Resources, prompts and completion in MCP's own words, at the door of one connector: each is a call of
//! the action that has its name, like any other.

use drawbridge_core::{
    answer::{Answer, Status},
    connector::{Changed, native},
};
use rmcp::{
    ErrorData, RoleServer,
    model::{
        ErrorCode, InputRequiredResult, InputResponses, PaginatedRequestParams, Prompt,
        PromptsCapability, Resource, ResourceTemplate, ServerCapabilities,
    },
    service::RequestContext,
};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::{
    exchange::{self, Asked, State},
    handler::{FRESH_MS, Handler},
    wire,
};
use crate::{app::ToolRequest, door, questions::Unusable};

/// What a client is told: a result, or that its side must answer something first.
pub(super) enum Ended<T> {
    Complete(T),
    Required(InputRequiredResult),
}

/// A question in MCP's words.
pub(super) struct Question {
    /// The action that answers it.
    pub(super) action: &'static str,
    pub(super) arguments: Value,
    pub(super) responses: Option<InputResponses>,
    pub(super) state: Option<String>,
}

impl<T> Ended<T> {
    /// The result of a question of which nothing can be asked first.
    pub(super) fn complete(self) -> Result<T, ErrorData> {
        match self {
            Self::Complete(result) => Ok(result),
            Self::Required(_) => {
                let told = "the server asks for more input where MCP has none";
                Err(ErrorData::internal_error(told, None))
            }
        }
    }
}

/// Lists of one page take no cursor.
pub(super) fn one_page(request: Option<PaginatedRequestParams>) -> Result<(), ErrorData> {
    if request.is_some_and(|request| request.cursor.is_some()) {
        let told = "`cursor`: the list has one page, so there is no cursor";
        return Err(ErrorData::invalid_params(told, None));
    }
    Ok(())
}

/// What was found is for its caller alone, and soon old.
pub(super) fn fresh(data: &mut Map<String, Value>) {
    data.insert("ttlMs".to_owned(), json!(FRESH_MS));
    data.insert("cacheScope".to_owned(), json!("private"));
}

/// Leaves out of a list what is not as MCP has it, so that the rest can be read.
fn readable<T: DeserializeOwned>(data: &mut Map<String, Value>, key: &str) {
    if let Some(Value::Array(items)) = data.get_mut(key) {
        items.retain(|item| T::deserialize(item).is_ok());
    }
}

/// The prompts.
pub(super) fn prompts(data: &mut Map<String, Value>) {
    readable::<Prompt>(data, "prompts");
    fresh(data);
}

/// A page of resources.
pub(super) fn resources(data: &mut Map<String, Value>) {
    readable::<Resource>(data, "resources");
    data.shift_remove("templates");
    if let Some(next) = data.shift_remove("cursor") {
        data.insert("nextCursor".to_owned(), next);
    }
    fresh(data);
}

/// The templates of resources.
pub(super) fn templates(data: &mut Map<String, Value>) {
    let templates = data.shift_remove("templates").unwrap_or_else(|| json!([]));
    data.clear();
    data.insert("resourceTemplates".to_owned(), templates);
    readable::<ResourceTemplate>(data, "resourceTemplates");
    fresh(data);
}

/// Returns when the target of the one connector says that it changed what it offers.
pub(super) async fn changed(handler: &Handler) -> Changed {
    let connector = handler.connector.as_ref().and_then(|name| {
        let snapshot = handler.app.snapshot();
        let mounted = snapshot.connectors.get(name)?;
        mounted.bridge.connector.as_ref().ok().cloned()
    });
    match connector {
        Some(connector) => connector.changed().await,
        None => std::future::pending().await,
    }
}

impl Question {
    /// With the arguments that are there.
    pub(super) fn new(
        action: &'static str,
        arguments: impl IntoIterator<Item = (&'static str, Option<Value>)>,
    ) -> Self {
        let given = arguments.into_iter();
        let given = given.filter_map(|(name, value)| Some((name.to_owned(), value?)));
        Self {
            action,
            arguments: Value::Object(given.collect()),
            responses: None,
            state: None,
        }
    }
}

/// What the caller may ask for in MCP's own words.
pub(super) fn capabilities(handler: &Handler) -> ServerCapabilities {
    let mut all = ServerCapabilities::builder()
        .enable_tools()
        .enable_tool_list_changed()
        .enable_tasks()
        .build();
    let (Some(connector), Some(caller)) = (&handler.connector, &handler.asks) else {
        return all;
    };
    let snapshot = handler.app.snapshot();
    let offers = |action: &str| snapshot.offers(caller, connector, action);
    if offers(native::READ_RESOURCE) {
        all.resources = Some(Default::default());
    }
    if offers(native::GET_PROMPT) {
        let mut prompts = PromptsCapability::default();
        prompts.list_changed = Some(true);
        all.prompts = Some(prompts);
    }
    if offers(native::COMPLETE) {
        all.completions = Some(Default::default());
    }
    all
}

impl Handler {
    /// Asks a connector in MCP's own words, and answers in them.
    pub(super) async fn native<T: DeserializeOwned>(
        &self,
        context: RequestContext<RoleServer>,
        question: Question,
        finish: impl FnOnce(&mut Map<String, Value>),
    ) -> Result<Ended<T>, ErrorData> {
        let caller = self.caller(&context)?;
        let _running = self.begin(&context, &caller);
        let Some(connector) = self.connector.clone() else {
            let told =
                "resources and prompts are offered at the door of one connector, `/mcp/NAME`";
            return Err(ErrorData::new(ErrorCode::METHOD_NOT_FOUND, told, None));
        };
        let asked = Asked {
            caller: &caller,
            connector: Some(&connector),
            tool: question.action,
            arguments: &question.arguments,
        };
        let brought = (question.responses, question.state.as_deref());
        let brought = match exchange::brought(&self.app, &asked, brought) {
            Ok(State::Answers(brought)) => brought,
            Ok(State::Plan(_)) => {
                let told = Unusable::Foreign.to_string();
                return Err(asked.refused(&self.app, told).await);
            }
            Err(told) => return Err(asked.refused(&self.app, told).await),
        };
        let (mut exchange, steps) = exchange::begin(&context, brought);
        if !exchange::is_modern(&context) {
            // Older clients are asked about tools only.
            exchange.takes.clear();
        }
        let request = ToolRequest {
            caller: caller.clone(),
            connector: Some(connector.clone()),
            tool: question.action.to_owned(),
            arguments: question.arguments.clone(),
            cancel: context.ct.clone(),
            exchange,
        };
        let done = steps.until(&context, door::call(&self.app, request)).await;
        let recorded = done.map_err(|error| ErrorData::internal_error(error.to_string(), None))?;
        let record = recorded.id().to_owned();
        let mut answer = recorded.into_answer();
        if let Some(asks) = answer.asks.take() {
            return exchange::required(&self.app, *asks, &asked).map(Ended::Required);
        }
        if !answer.status.has_data() {
            return Err(error(answer, &question.arguments));
        }
        let Value::Object(mut data) = answer.data else {
            return Err(ErrorData::internal_error("the answer is no object", None));
        };
        finish(&mut data);
        // The SDK takes it out for clients of older revisions.
        data.insert("resultType".to_owned(), json!("complete"));
        data.insert("_meta".to_owned(), wire::told(&record, &answer.notices));
        let result = serde_json::from_value(Value::Object(data));
        result.map(Ended::Complete).map_err(|_| {
            ErrorData::internal_error("the server answers otherwise than MCP has it", None)
        })
    }
}

/// What did not happen, as an error of MCP.
fn error(answer: Answer, arguments: &Value) -> ErrorData {
    let data = arguments.get("uri").map(|uri| json!({"uri": uri}));
    match answer.status {
        Status::NotFound | Status::Denied | Status::Invalid => {
            ErrorData::invalid_params(answer.text, data)
        }
        _ => ErrorData::internal_error(answer.text, data),
    }
}
