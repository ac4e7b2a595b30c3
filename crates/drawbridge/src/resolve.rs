//! From a tool's name and arguments to a call: which connector, which revision, which action.

pub(crate) mod faults;

use std::sync::Arc;

use drawbridge_core::{
    answer::{Failure, Status},
    call::{Action, Call, Caller, Power, canonical},
    exchange::Exchange,
    log::Record,
    plan::KeptPlan,
};
use serde_json::Value;

use crate::{
    app::{Tool, ToolRequest},
    connectors::{Mounted, Snapshot},
    gateway_tools::{self, GatewayTool},
};

/// What a request turns out to be.
pub enum Resolved {
    /// A call of a connector.
    Call(Arc<Mounted>, Box<Call>),
    /// A call of a tool of the gateway itself.
    Gateway(&'static GatewayTool),
    /// How the plan with this id stands.
    Result(String),
    /// Nothing: the record says why, the caller hears the failure.
    Refused(Refusal),
}

/// Why a request is no call.
pub struct Refusal {
    /// The connector that was meant, or [`Record::GATEWAY`].
    pub connector: String,
    /// The action or tool name that was asked for.
    pub action: String,
    /// What the action can do, where there is one.
    pub power: Option<Power>,
    /// Why, for the record.
    pub reason: String,
    /// What the caller hears.
    pub failure: Failure,
}

impl Snapshot {
    /// The tools a caller is offered, in a fixed order: the gateway's own, then connector by
    /// connector. At the door of one connector, its own only, with bare names.
    #[must_use]
    pub fn tools(&self, caller: &Caller, connector: Option<&str>) -> Vec<Tool> {
        let mut tools = Vec::new();
        if connector.is_none() {
            tools.extend(gateway_tools::ALL.iter().map(GatewayTool::tool));
        }
        for (name, mounted) in &self.connectors {
            if !mounted.is_offered() || connector.is_some_and(|only| only != name) {
                continue;
            }
            for action in mounted.bridge.actions.iter() {
                if self.rules.offers(caller, name, action) {
                    tools.push(Tool {
                        name: connector.map_or_else(
                            || format!("{name}_{}", action.name),
                            |_| action.name.to_string(),
                        ),
                        action: action.clone(),
                        of: Some((name.clone(), mounted.bridge.file.purpose.task.clone())),
                    });
                }
            }
        }
        tools
    }

    /// Whether a caller is offered any tool of a connector.
    #[must_use]
    pub fn has_tools(&self, caller: &Caller, connector: &str) -> bool {
        self.connectors.get(connector).is_some_and(|mounted| {
            let mut actions = mounted.bridge.actions.iter();
            mounted.is_offered()
                && actions.any(|action| self.rules.offers(caller, connector, action))
        })
    }

    /// Whether a caller is offered an action of a connector.
    #[must_use]
    pub fn offers(&self, caller: &Caller, connector: &str, action: &str) -> bool {
        self.connectors.get(connector).is_some_and(|mounted| {
            let action = mounted.action(action).map(|(action, _)| action);
            mounted.is_offered()
                && action.is_some_and(|action| self.rules.offers(caller, connector, action))
        })
    }

    /// The call with a plan's arguments, by who asked for it.
    ///
    /// # Errors
    /// What is wrong with the arguments, or that it is no longer theirs to call.
    pub(crate) fn call_or_fault(
        &self,
        plan: &KeptPlan,
        caller: Caller,
    ) -> Result<Box<Call>, Failure> {
        let request = ToolRequest {
            caller,
            connector: Some(plan.connector.clone()),
            tool: plan.action.clone(),
            arguments: plan.arguments.clone(),
            cancel: tokio_util::sync::CancellationToken::new(),
            exchange: Exchange::default(),
        };
        match self.resolve(&request, &plan.record) {
            Resolved::Call(_, call) => Ok(call),
            Resolved::Refused(refusal) => Err(refusal.failure),
            Resolved::Gateway(_) | Resolved::Result(_) => {
                Err(Failure::invalid("it is no call of a connector"))
            }
        }
    }

    /// Finds what a request is. A tool that is not there and one that the caller may not use are
    /// answered alike.
    #[must_use]
    pub fn resolve(&self, request: &ToolRequest, id: &str) -> Resolved {
        let tool = request.tool.as_str();
        if request.connector.is_none()
            && let Some(own) = gateway_tools::find(tool)
        {
            return match faults::of(own.validator(), &request.arguments) {
                None if own.name == gateway_tools::RESULT_TOOL => {
                    let id = request.arguments.get("id").and_then(Value::as_str);
                    Resolved::Result(id.unwrap_or_default().to_owned())
                }
                None => Resolved::Gateway(own),
                Some(faults) => {
                    Resolved::Refused(invalid((Record::GATEWAY, own.name, Power::Read), faults))
                }
            };
        }
        let (connector, action) = match &request.connector {
            Some(connector) => (connector.as_str(), tool),
            None => tool.split_once('_').unwrap_or((Record::GATEWAY, tool)),
        };
        let found = self
            .connectors
            .get(connector)
            .filter(|mounted| mounted.is_offered())
            .and_then(|mounted| Some((mounted, mounted.action(action)?)));
        let Some((mounted, (action, validator))) = found else {
            return unknown(
                request,
                (connector, action),
                None,
                "there is no such tool".to_owned(),
            );
        };
        if let Some(denied) = self.rules.withholds(&request.caller, connector, action) {
            return unknown(
                request,
                (connector, &*action.name),
                Some(action.power),
                denied.reasons().join("; "),
            );
        }
        if let Some(faults) = faults::of(Some(validator), &request.arguments) {
            return Resolved::Refused(invalid((connector, &*action.name, action.power), faults));
        }
        let call = call(mounted, action, request, id);
        Resolved::Call(mounted.clone(), Box::new(call))
    }
}

fn call(mounted: &Mounted, action: &Arc<Action>, request: &ToolRequest, id: &str) -> Call {
    Call {
        id: id.into(),
        caller: request.caller.clone(),
        connector: mounted.bridge.file.connector.as_str().into(),
        revision: mounted.bridge.revision.clone(),
        action: action.clone(),
        arguments: canonical(request.arguments.clone()),
        exchange: request.exchange.clone(),
    }
}

fn unknown(
    request: &ToolRequest,
    (connector, action): (&str, &str),
    power: Option<Power>,
    reason: String,
) -> Resolved {
    let tool: String = request.tool.chars().take(100).collect();
    Resolved::Refused(Refusal {
        connector: connector.chars().take(100).collect(),
        action: action.chars().take(100).collect(),
        power,
        reason,
        failure: Failure::new(
            Status::Denied,
            format!(
                "`{tool}` is no tool that you may use; `drawbridge_connectors` says what you may"
            ),
        ),
    })
}

fn invalid((connector, action, power): (&str, &str, Power), faults: String) -> Refusal {
    Refusal {
        connector: connector.to_owned(),
        action: action.to_owned(),
        power: Some(power),
        reason: "the arguments do not fit the tool's schema".to_owned(),
        failure: Failure::invalid(faults),
    }
}
