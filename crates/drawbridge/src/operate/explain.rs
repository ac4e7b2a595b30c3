//! Why a call would be allowed or denied, and what the caller would see.

use std::sync::Arc;

use drawbridge_core::{
    answer::{Failure, Found, Status},
    call::{Call, Caller, Door, Person},
    decide::Gate,
    exchange::Exchange,
    file::{ConnectorFile, Only, Permission},
};
use serde_json::{Value, json};

use super::{
    Effect, Prepared,
    roles::{holds_workspace, in_person, is_owner, looks_after},
};
use crate::{
    app::App,
    connectors::{Mounted, Snapshot},
    gateway_tools,
};

impl App {
    pub(super) async fn explained(
        &self,
        snapshot: &Snapshot,
        caller: &Caller,
        (person, client): (Option<&str>, Option<&str>),
        (tool, arguments): (&str, &Value),
    ) -> Prepared {
        let knows_all = may_ask(snapshot, caller, (person, client))?;
        let (somebody, as_of) = match person {
            None => (None, None),
            // One's own groups are known from how one came.
            Some(id) if *id == *caller.person.id => (None, None),
            Some(id) => {
                let (somebody, as_of) = self.somebody(snapshot, id).await?;
                (Some(somebody), as_of)
            }
        };
        let asked = asked(caller, (somebody, client));
        let (mut data, explained) =
            explain(snapshot, (caller, knows_all), asked, (tool, arguments))?;
        if let Some(data) = data.as_object_mut() {
            data.insert("person_as_of".to_owned(), json!(as_of));
        }
        if let Some((mounted, call)) = explained {
            // What a call would do, and why it cannot be done, tells what its person may see.
            let own = call.caller.person.id == caller.person.id;
            let gates = if own || owns(snapshot, caller) {
                self.gates(snapshot, &mounted, &call).await
            } else {
                json!({"says": "not shown: only an owner may have a call of somebody else worked out"})
            };
            if let Some(data) = data.as_object_mut() {
                data.insert("gates".to_owned(), gates);
            }
        }
        Ok((Found::new(data, String::new(), 1), Effect::Nothing))
    }

    /// The gates of a connector, and which one the call would stand before.
    async fn gates(&self, snapshot: &Snapshot, mounted: &Arc<Mounted>, call: &Call) -> Value {
        let watch = self.watch((snapshot, mounted), &call.caller, Some(call));
        match self.way.foresee(&mounted.bridge, call, &watch).await {
            Ok((judged, gates)) => json!({
                "rule": judged.rule,
                "says": says(&judged.gate),
                "gates": gates,
            }),
            Err(failure) => json!({
                "says": format!("not known: {}; give `--arguments` of a call that can be made", failure.message),
            }),
        }
    }
}

/// What a gate says, in words.
fn says(gate: &Gate) -> String {
    match gate {
        Gate::Open => "it goes through".to_owned(),
        Gate::Deny(why) => format!("it is refused: {why}"),
        Gate::Limited(why) => format!("it is refused for now: {why}"),
        Gate::Ask(asking) => {
            let who: Vec<String> = asking.ask.iter().map(ToString::to_string).collect();
            format!("{} of {} must approve it", asking.quorum, who.join(", "))
        }
    }
}

/// A call as it is explained, and the connector it goes to.
type Explained = Option<(Arc<Mounted>, Call)>;

/// Whether somebody may ask for anyone.
///
/// # Errors
/// Where they ask for others and may not.
fn may_ask(
    snapshot: &Snapshot,
    caller: &Caller,
    (person, client): (Option<&str>, Option<&str>),
) -> Result<bool, Failure> {
    let auditors = &snapshot.gateway.roles.auditor;
    let knows_all = owns(snapshot, caller) || auditors.iter().any(|who| who.is(caller));
    let other = person.is_some_and(|person| person != caller.person.id);
    let another = client.is_some_and(|client| *client != *caller.client);
    if (other || another && !in_person(caller)) && !knows_all {
        return Err(Failure::new(
            Status::Denied,
            "only an owner or auditor may ask for others, or for other clients",
        ));
    }
    Ok(knows_all)
}

fn explain(
    snapshot: &Snapshot,
    (caller, knows_all): (&Caller, bool),
    asked: Caller,
    (tool, arguments): (&str, &Value),
) -> Result<(Value, Explained), Failure> {
    if gateway_tools::find(tool).is_some() {
        let decision =
            json!({"allowed": true, "reasons": ["every caller may use it"], "rules": []});
        let data = json!({"tool": tool, "decision": decision});
        return Ok((data, None));
    }
    let found = tool.split_once('_').and_then(|(connector, action)| {
        let mounted = snapshot.connectors.get(connector)?;
        // To others a connector that they may not use is like one that is not there.
        let known = knows_all
            || looks_after(snapshot, caller, mounted)
            || snapshot.has_tools(caller, connector);
        known.then_some((mounted, mounted.action(action)?.0))
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
        exchange: Exchange::default(),
    };
    let mut explanation = snapshot.rules.explain(&call, &mounted.bridge.file);
    if !knows_all && !looks_after(snapshot, caller, mounted) {
        // What is granted to others is nothing to tell everyone.
        explanation.rules.retain(|rule| rule.applies);
    }
    let standing = mounted
        .bridge
        .standing
        .admits()
        .err()
        .map(|failure| failure.message);
    let view = view(snapshot, &mounted.bridge.file, &call);
    let data = json!({
        "tool": tool,
        "person": call.caller.person.id,
        "client": &*call.caller.client,
        "decision": explanation,
        "view": view,
        "state": mounted.bridge.standing.state,
        "unavailable": standing,
    });
    Ok((data, Some((mounted.clone(), call))))
}

/// Who holds the workspace, and an owner in person, may ask for anyone; an owner's AI client may not.
fn owns(snapshot: &Snapshot, caller: &Caller) -> bool {
    holds_workspace(caller) || (in_person(caller) && is_owner(snapshot, caller))
}

/// The caller that is asked about: at the door of AI clients.
fn asked(caller: &Caller, (person, client): (Option<Person>, Option<&str>)) -> Caller {
    let mut asked = caller.clone();
    asked.door = Door::Mcp;
    if let Some(person) = person {
        asked.person = Arc::new(person);
    }
    if let Some(client) = client {
        asked.client = client.into();
    }
    asked
}

/// What the caller would see, in words, by the rules alone: counts would tell those who ask of
/// documents that they may not see themselves.
fn view(snapshot: &Snapshot, file: &ConnectorFile, call: &Call) -> Value {
    let admits: Vec<String> = file
        .permissions
        .iter()
        .filter(|permission| {
            permission.may.contains(&call.action.power)
                && permission.who.iter().any(|who| who.is(&call.caller))
        })
        .map(|permission| admitted(permission, Some(&call.caller.person)))
        .collect();
    let hides = if admits.is_empty() {
        "everything"
    } else {
        "all that none of these admits"
    };
    let forbidding: Vec<&str> = snapshot
        .policies
        .iter()
        .map(|policy| policy.name.as_str())
        .collect();
    json!({"admits": admits, "hides": hides, "further_rules": forbidding})
}

/// The part that one grant admits, with the person's own attributes filled in, where it is told of a
/// person.
pub(super) fn admitted(permission: &Permission, person: Option<&Person>) -> String {
    let parts: Vec<String> = permission
        .only
        .iter()
        .map(|(facet, only)| match only {
            Only::UpTo { up_to } => format!("{facet} up to {up_to}"),
            Only::One(_) | Only::Any(_) => {
                let values: Vec<String> = only
                    .values()
                    .iter()
                    .map(|value| filled_in(value, person))
                    .collect();
                format!("{facet} {}", values.join(" or "))
            }
        })
        .collect();
    if parts.is_empty() {
        "everything in scope".to_owned()
    } else {
        parts.join(" and ")
    }
}

fn filled_in(value: &str, person: Option<&Person>) -> String {
    let Some(attribute) = value.strip_prefix("person.") else {
        return value.to_owned();
    };
    let Some(person) = person else {
        return format!("the person's own `{attribute}`");
    };
    match person.attributes.get(attribute) {
        Some(own) => format!("{own} (the person's own)"),
        None => format!("none, because the person has no `{attribute}`"),
    }
}
