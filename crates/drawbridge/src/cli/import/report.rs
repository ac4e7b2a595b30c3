//! What is told of a server, for people and for scripts.

use std::collections::BTreeMap;

use drawbridge_core::connector::Proposal;
use serde_json::{Map, Value, json};

use super::{draft::Draft, grants, places::Place};

/// What of a server that has a connector nobody can compare.
pub(super) fn uncompared(draft: &Draft) -> Vec<String> {
    if draft.sealed.is_empty() {
        return Vec::new();
    }
    let note = format!(
        "no sealed secret is read back, so that {} was not compared: where it is newer here, set it with `drawbridge \
         secret set`; where it is of another account, give this server another name in its client, and import again",
        draft.sealed.join(", ")
    );
    vec![note]
}

pub(super) fn from(place: &Place) -> String {
    match place.client {
        Some(client) => client.name().to_owned(),
        None => format!(
            "`{}`",
            place.path.file_name().unwrap_or_default().to_string_lossy()
        ),
    }
}

/// What the file grants, for people.
pub(super) fn given(draft: &Draft) -> Value {
    json!({
        "command": draft.system.get("command"),
        "url": draft.system.get("url"),
        "read": draft.grants.read,
        "write": draft.grants.write,
        "network": draft.grants.network,
        "secrets": draft.sealed,
        "notes": draft.grants.notes,
    })
}

/// What a server could do: its tools by their powers, and what to look at.
pub(super) fn offered(proposal: &Proposal) -> Map<String, Value> {
    let mut tools: BTreeMap<String, Vec<&String>> = BTreeMap::new();
    let mut powers = Vec::new();
    let all = proposal.scope.get("tools").and_then(Value::as_object);
    for (name, tool) in all.into_iter().flatten() {
        let power = tool
            .get("power")
            .and_then(Value::as_str)
            .unwrap_or_default();
        tools.entry(power.to_owned()).or_default().push(name);
        powers.push(format!("`{name}`: `{power}`"));
    }
    let is_power = |note: &String| powers.iter().any(|power| note.starts_with(power.as_str()));
    let doubts: Vec<&String> = proposal
        .notes
        .iter()
        .filter(|note| !is_power(note))
        .collect();
    let mut offered = Map::new();
    offered.insert("target".to_owned(), json!(proposal.target));
    offered.insert("tools".to_owned(), json!(tools));
    offered.insert("doubts".to_owned(), json!(doubts));
    offered
}

/// A reason, with what is usual for such a program.
pub(super) fn hinted(error: anyhow::Error, system: &Map<String, Value>) -> anyhow::Error {
    let program = system
        .get("command")
        .and_then(|command| command.get(0)?.as_str());
    let program = grants::base(program.unwrap_or_default());
    if ["docker", "podman", "nerdctl"].contains(&program) {
        return error.context(format!(
            "a confined program reaches no socket of `{program}`; name the program within the image, or run the \
             image yourself and name its address"
        ));
    }
    let network = system.get("network").is_some();
    if system.contains_key("command") && !network {
        return error.context(
            "it could not be started confined; if it needs more files or the network, use `drawbridge connector add mcp` \
             with `--read`, `--write` and `--network`",
        );
    }
    error
}
