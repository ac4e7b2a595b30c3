//! What connectors there are, how they are, and which revision of each is in force.

use drawbridge_core::{answer::Found, call::Caller};
use serde_json::{Value, json};

use super::{
    Effect, Prepared,
    roles::{is_owner, looked_after, looks_after},
};
use crate::{app::App, connectors::Snapshot};

impl App {
    pub(super) async fn connectors_found(&self, snapshot: &Snapshot, caller: &Caller) -> Found {
        let mut list = Vec::new();
        for (name, mounted) in &snapshot.connectors {
            let used = mounted
                .bridge
                .actions
                .iter()
                .any(|action| snapshot.rules.offers(caller, name, action));
            let looked_after = looks_after(snapshot, caller, mounted);
            if !used && !looked_after {
                continue;
            }
            let inspection = match &mounted.bridge.connector {
                _ if !looked_after => None,
                Ok(connector) => Some(json!(connector.inspect().await)),
                Err(why) => Some(down(why)),
            };
            list.push(json!({
                "name": name,
                "purpose": mounted.bridge.file.purpose.task,
                "owner": mounted.bridge.file.purpose.owner,
                "kind": mounted.kind.name(),
                "access": mounted.bridge.file.access,
                "state": mounted.bridge.standing.state,
                "revision": mounted.bridge.revision,
                "waiting": mounted.waiting.as_ref().map(|waiting| &waiting.hash),
                "broken": mounted.broken.as_ref().filter(|_| looked_after),
                "inspection": inspection,
            }));
        }
        let problems = is_owner(snapshot, caller).then_some(&snapshot.problems);
        let count = list.len() as u64;
        Found::new(
            json!({"connectors": list, "problems": problems}),
            String::new(),
            count,
        )
    }
}

/// What is told of a connector that could not be opened, in place of its own word.
fn down(why: &str) -> Value {
    json!({"health": "down", "summary": why})
}

pub(super) async fn connector_found(snapshot: &Snapshot, caller: &Caller, name: &str) -> Prepared {
    let mounted = looked_after(snapshot, caller, name)?;
    let inspection = match &mounted.bridge.connector {
        Ok(connector) => json!(connector.inspect().await),
        Err(why) => down(why),
    };
    let data = json!({
        "name": name,
        "file": &*mounted.bridge.file,
        "revision": mounted.bridge.revision,
        "standing": mounted.bridge.standing,
        "waiting": mounted.waiting.as_ref().map(|waiting| &waiting.hash),
        "broken": mounted.broken,
        "inspection": inspection,
    });
    Ok((Found::new(data, String::new(), 1), Effect::Nothing))
}

pub(super) fn revisions_found(snapshot: &Snapshot, caller: &Caller, name: &str) -> Prepared {
    let mounted = looked_after(snapshot, caller, name)?;
    let waiting = mounted
        .waiting
        .as_ref()
        .map(|waiting| json!({"hash": waiting.hash, "changes": waiting.changes}));
    let data = json!({
        "in_force": mounted.bridge.revision,
        "waiting": waiting,
        "broken": mounted.broken,
    });
    Ok((Found::new(data, String::new(), 1), Effect::Nothing))
}
