//! A call that waits for a person, told as the client can take it: as a task, as a page to open, or
//! in words. What decides never comes through here: a client only learns how it ended.

use std::{sync::Arc, time::Duration};

use drawbridge_core::{
    answer::Status,
    call::{Caller, canonical},
    exchange::Exchange,
    log::{LogDown, Recorded, Seal},
    plan::{KeptPlan, Stage},
};
use rmcp::{
    ErrorData, RoleServer,
    model::{
        CallToolResponse, ClientCapabilities, CreateTaskResult, DetailedTask, ElicitRequest,
        ElicitRequestParams, GetTaskResult, InputRequest, InputRequests, InputRequiredResult, Task,
        TaskPayload, TaskStatus,
    },
    service::RequestContext,
};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::{
    MODERN,
    exchange::{self, Asked},
    wire::{self, Whole},
};
use crate::{
    app::{App, ToolRequest},
    door,
    gateway_tools::RESULT_TOOL,
    operate::{Decision, Operation, asked_for},
};

/// How often a client is asked to look at a task, in milliseconds.
const POLL_MS: u64 = 2_000;
/// How long the retry of a client that opened the page is held: shortly less than the minute after
/// which clients give up.
const HOLD: Duration = Duration::from_secs(50);
/// How often it is looked whether somebody decided.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Under which name the page to open stands.
const PAGE: &str = "approval";

/// What a client can take instead of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Takes {
    /// A task to come back to.
    Task,
    /// A page for its person.
    Page,
    /// Words only.
    Words,
}

impl Takes {
    /// By what this very request declares.
    pub(super) fn of(context: &RequestContext<RoleServer>) -> Self {
        let version = context.protocol_version();
        let modern = version.is_some_and(|version| version.as_str() >= MODERN);
        let declared = context.client_capabilities().filter(|_| modern);
        declared.map_or(Self::Words, |capabilities| Self::declared_in(&capabilities))
    }

    /// By the capabilities that a client of 2026-07-28 declares.
    pub(super) fn declared_in(capabilities: &ClientCapabilities) -> Self {
        let page = || capabilities.elicitation.as_ref()?.url.as_ref();
        if capabilities.supports_tasks() {
            Self::Task
        } else if page().is_some() {
            Self::Page
        } else {
            Self::Words
        }
    }
}

/// What a client is told of a call.
pub(super) enum Told {
    /// How it ended.
    Whole(Box<Whole>),
    /// That it has not ended, or what must be asked of the client's side first.
    Other(Box<CallToolResponse>),
}

impl From<Told> for CallToolResponse {
    fn from(told: Told) -> Self {
        match told {
            Told::Whole(whole) => Self::Complete((*whole).into()),
            Told::Other(other) => *other,
        }
    }
}

/// What came of a call, told as its client can take it.
pub(super) fn told(
    (app, asked): (&App, &Asked<'_>),
    done: Result<Recorded, LogDown>,
    takes: Takes,
) -> Result<Told, ErrorData> {
    let mut recorded = done.map_err(|error| ErrorData::internal_error(error.to_string(), None))?;
    match recorded.take_asks() {
        None => Ok(answered(recorded, takes, &app.states)),
        Some(asks) => {
            let required = exchange::required(app, *asks, asked)?;
            Ok(Told::Other(Box::new(required.into())))
        }
    }
}

fn answered(recorded: Recorded, takes: Takes, seal: &Seal) -> Told {
    let waits = |stage| matches!(stage, Stage::Waiting | Stage::Approved | Stage::Applying);
    let plan = recorded.answer().plan.as_ref();
    let Some(plan) = plan.filter(|plan| waits(plan.stage)) else {
        return Told::Whole(Box::new(recorded.into()));
    };
    match takes {
        Takes::Words => Told::Whole(Box::new(recorded.into())),
        Takes::Task => {
            let now = made(&recorded);
            let mut task = Task::new(&plan.id, TaskStatus::Working, &now, &now)
                .with_status_message(format!("{}: a person must approve it", plan.sentence))
                .with_poll_interval_ms(POLL_MS);
            task.ttl_ms = None;
            let result = CreateTaskResult::new(task).with_meta(wire::server());
            Told::Other(Box::new(CallToolResponse::Task(result)))
        }
        Takes::Page => {
            let params = ElicitRequestParams::UrlElicitationParams {
                meta: None,
                message: format!("{}: a person must approve it", plan.sentence),
                url: plan.link.clone(),
                elicitation_id: String::new(),
            };
            let request = InputRequest::Elicitation(ElicitRequest::new(params));
            let requests = InputRequests::from([(PAGE.to_owned(), request)]);
            let state = seal.seal(plan.id.as_bytes());
            let required = InputRequiredResult::new(Some(requests), Some(state));
            let required = required.with_meta(wire::server());
            Told::Other(Box::new(CallToolResponse::InputRequired(required)))
        }
    }
}

/// When a plan was made, for a client that wants to know.
fn made(recorded: &Recorded) -> String {
    // A record's id begins with its time (UUIDv7).
    let digits: String = recorded
        .id()
        .chars()
        .filter(char::is_ascii_hexdigit)
        .take(12)
        .collect();
    let time = i64::from_str_radix(&digits, 16).ok();
    let time = time.and_then(|time| jiff::Timestamp::from_millisecond(time).ok());
    time.unwrap_or_default().to_string()
}

/// The retry of a client that opened the page: held until somebody decided, or nearly as long as
/// clients wait. It asks for nothing anew: the state says which plan it is about, and it must be the
/// same call by the same caller.
pub(super) async fn retried(
    app: &Arc<App>,
    asked: &Asked<'_>,
    state: &str,
    cancel: &CancellationToken,
) -> Result<CallToolResponse, ErrorData> {
    let wrong = || {
        let told = "`requestState`: it is not from this call";
        ErrorData::invalid_params(told, None)
    };
    let id = app
        .states
        .open(state)
        .and_then(|id| String::from_utf8(id).ok());
    let id = id.ok_or_else(wrong)?;
    let plan = app
        .store
        .kept_plan(&id)
        .await
        .map_err(|error| down(&error))?;
    let plan = plan.filter(|plan| is_same(plan, asked));
    let plan = plan.ok_or_else(wrong)?;
    let _ = tokio::time::timeout(HOLD, decided(app, plan.id.clone(), cancel)).await;
    let recorded = result(app, asked.caller, (&plan.id, cancel)).await?;
    Ok(CallToolResponse::Complete(Whole::from(recorded).into()))
}

fn is_same(plan: &KeptPlan, asked: &Asked<'_>) -> bool {
    let Asked {
        caller,
        connector,
        tool,
        arguments,
    } = asked;
    let name = match connector {
        Some(only) => *only == plan.connector && *tool == plan.action,
        None => *tool == format!("{}_{}", plan.connector, plan.action),
    };
    // Of a plan that ended long ago they are kept no longer; how it ended is still told.
    let same = plan.dropped || canonical((*arguments).clone()) == plan.arguments;
    asked_for(caller, plan) && plan.caller.client == caller.client && name && same
}

/// Returns once a plan, or the one in its place, waits for nobody any more.
async fn decided(app: &App, id: String, cancel: &CancellationToken) {
    loop {
        let newest = app.newest(&id).await;
        let waits = |plan: &KeptPlan| {
            let read = !plan.power.is_effect();
            match plan.stage {
                Stage::Waiting | Stage::Applying => true,
                Stage::Approved => !read,
                _ => false,
            }
        };
        if newest.is_ok_and(|plan| !plan.as_ref().is_some_and(waits)) {
            return;
        }
        tokio::select! {
            () = cancel.cancelled() => return,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

/// `tasks/get`: a task is a plan.
pub(super) async fn task(
    app: &Arc<App>,
    caller: &Caller,
    (id, cancel): (&str, &CancellationToken),
) -> Result<GetTaskResult, ErrorData> {
    let plan = own(app, caller, id).await?;
    let newest = app.newest(id).await.map_err(|error| down(&error))?;
    let newest = newest.unwrap_or_else(|| plan.clone());
    let updated = newest
        .ended
        .as_ref()
        .map_or(newest.created, |ended| ended.at);
    let base = Task::new(
        id,
        TaskStatus::Working,
        plan.created.to_string(),
        updated.to_string(),
    )
    .with_poll_interval_ms(POLL_MS);
    let read = !newest.power.is_effect();
    let payload = match newest.stage {
        Stage::Waiting | Stage::Applying => TaskPayload::Working,
        Stage::Approved if !read => TaskPayload::Working,
        Stage::Withdrawn => TaskPayload::Cancelled,
        _ => {
            let recorded = result(app, caller, (id, cancel)).await?;
            let result = serde_json::to_value(Whole::from(recorded));
            let Ok(Value::Object(result)) = result else {
                let told = "the answer cannot be written as JSON";
                return Err(ErrorData::internal_error(told, None));
            };
            TaskPayload::Completed { result }
        }
    };
    let message = match payload {
        TaskPayload::Working => format!("{}: a person must approve it", newest.plan.sentence),
        _ => newest.plan.sentence.clone(),
    };
    let task = DetailedTask::new(base.with_status_message(message), payload);
    let mut result = GetTaskResult::new(task);
    result.meta = Some(wire::server());
    Ok(result)
}

/// `tasks/cancel`: who asked takes it back. What is begun goes on.
pub(super) async fn cancelled(app: &Arc<App>, caller: &Caller, id: &str) -> Result<(), ErrorData> {
    own(app, caller, id).await?;
    let reason = "the client cancelled its task".to_owned();
    let operation = Operation::Decide {
        id: id.to_owned(),
        decision: Decision::Withdraw { reason },
    };
    let done = app.operate(caller, operation).await;
    let down =
        |error: drawbridge_core::log::LogDown| ErrorData::internal_error(error.to_string(), None);
    let recorded = done.map_err(down)?;
    let answer = recorded.answer();
    if answer.status == Status::Ok {
        return Ok(());
    }
    let why = answer.notices.first().cloned().unwrap_or_default();
    Err(ErrorData::invalid_params(format!("`taskId`: {why}"), None))
}

/// `tasks/update`: a task here asks its client for nothing.
pub(super) async fn updated(app: &App, caller: &Caller, id: &str) -> Result<(), ErrorData> {
    own(app, caller, id).await.map(|_| ())
}

/// A plan that this client asked for. One that is somebody else's and none are answered alike.
async fn own(app: &App, caller: &Caller, id: &str) -> Result<KeptPlan, ErrorData> {
    let plan = app
        .store
        .kept_plan(id)
        .await
        .map_err(|error| down(&error))?;
    let own = plan.filter(|plan| asked_for(caller, plan) && plan.caller.client == caller.client);
    let none = || ErrorData::invalid_params("`taskId`: there is no such task of yours", None);
    own.ok_or_else(none)
}

async fn result(
    app: &Arc<App>,
    caller: &Caller,
    (id, cancel): (&str, &CancellationToken),
) -> Result<Recorded, ErrorData> {
    let request = ToolRequest {
        caller: caller.clone(),
        connector: None,
        tool: RESULT_TOOL.to_owned(),
        arguments: json!({"id": id}),
        cancel: cancel.clone(),
        exchange: Exchange::default(),
    };
    let done = door::call(app, request).await;
    done.map_err(|error| ErrorData::internal_error(error.to_string(), None))
}

fn down(error: &crate::store::StoreError) -> ErrorData {
    tracing::error!("a plan cannot be read: {error}");
    ErrorData::internal_error("plans cannot be read at the moment; try again", None)
}
