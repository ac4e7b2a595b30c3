//! Why a call would be allowed or denied, and what the caller would see.

use std::sync::Arc;

use drawbridge_core::{
    answer::{Failure, Found, Status},
    call::{Call, Caller, Door},
};
use serde_json::{Value, json};

use super::{
    Effect, Prepared,
    roles::{has_role, is_owner},
};
use crate::connectors::Snapshot;

pub(super) fn explain(
    snapshot: &Snapshot,
    caller: &Caller,
    (person, client): (Option<&str>, Option<&str>),
    (tool, arguments): (&str, &Value),
) -> Prepared {
    let other = person.is_some_and(|person| person != caller.person.id);
    if other
        && !is_owner(snapshot, caller)
        && !has_role(snapshot, caller, &snapshot.gateway.roles.auditor)
    {
        return Err(Failure::new(
            Status::Denied,
            "only an owner or auditor may ask for others",
        ));
    }
    let mut asked = caller.clone();
    asked.door = Door::Mcp;
    if let Some(id) = person {
        let person = snapshot.gateway.person(id);
        asked.person =
            Arc::new(person.ok_or_else(|| {
                Failure::not_found(format!("`{id}` is nobody this gateway knows"))
            })?);
    }
    if let Some(client) = client {
        asked.client = client.into();
    }
    let found = tool.split_once('_').and_then(|(connector, action)| {
        let mounted = snapshot.connectors.get(connector)?;
        Some((mounted, mounted.action(action)?.0))
    });
    let (mounted, action) =
        found.ok_or_else(|| Failure::not_found(format!("there is no tool `{tool}`")))?;
    let call = Call {
        id: "explain".into(),
        caller: asked,
        connector: mounted.bridge.file.connector.as_str().into(),
        revision: mounted.bridge.revision.clone(),
        action: action.clone(),
        arguments: if arguments.is_null() {
            json!({})
        } else {
            arguments.clone()
        },
    };
    let explanation = snapshot.rules.explain(&call, &mounted.bridge.file);
    let standing = mounted
        .bridge
        .standing
        .admits()
        .err()
        .map(|failure| failure.message);
    let data = json!({"tool": tool, "decision": explanation, "state": mounted.bridge.standing.state, "unavailable": standing});
    Ok((Found::new(data, String::new(), 1), Effect::Nothing))
}
