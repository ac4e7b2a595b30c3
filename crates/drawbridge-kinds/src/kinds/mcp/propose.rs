//! What a file could say of a server: its tools with the powers that their names and hints suggest, and
//! what it says of each, pinned. A person confirms it by reviewing the file.

use std::{collections::BTreeSet, sync::Arc};

use drawbridge_core::{
    answer::{Failure, Status},
    call::Power,
    connector::{Context, Part, Proposal},
};
use serde_json::{Value, json};

use super::{
    actions::OWN,
    definition::Definition,
    doubts,
    part::{Own, Pinned, Scope, ToolScope},
    upstream::{Listing, Trouble, Upstream, once},
};

/// Words at the start of a name, or in it, and what a tool of such a name does. The first that fits counts;
/// what reads comes last, so that `get_and_delete` does not pass for reading.
const WORDS: [(Power, &[&str]); 7] = [
    (
        Power::Delete,
        &[
            "delete", "remove", "drop", "purge", "destroy", "erase", "clear", "unlink", "revoke",
        ],
    ),
    (
        Power::Send,
        &[
            "send", "post", "publish", "notify", "reply", "forward", "tweet", "share", "invite",
            "email",
        ],
    ),
    (
        Power::Trigger,
        &[
            "run", "execute", "exec", "start", "stop", "trigger", "deploy", "invoke", "launch",
            "restart", "call", "click", "navigate", "eval",
        ],
    ),
    (
        Power::Update,
        &[
            "update",
            "edit",
            "set",
            "modify",
            "change",
            "move",
            "rename",
            "patch",
            "replace",
            "merge",
            "write",
            "upsert",
            "put",
            "toggle",
            "reset",
            "checkout",
            "commit",
            "add_observations",
        ],
    ),
    (
        Power::Write,
        &[
            "create", "add", "insert", "make", "new", "upload", "append", "save", "register",
            "copy", "generate", "import", "init", "store",
        ],
    ),
    (
        Power::Search,
        &["search", "find", "query", "lookup", "grep"],
    ),
    (
        Power::Read,
        &[
            "get",
            "read",
            "list",
            "show",
            "describe",
            "view",
            "fetch",
            "count",
            "status",
            "info",
            "diff",
            "log",
            "echo",
            "convert",
            "open",
            "directory",
            "check",
        ],
    ),
];

/// What a file could say; what it already says of a tool stays.
pub(super) async fn propose(part: &Part, context: Context) -> Result<Proposal, Failure> {
    let own = Arc::new(Own::read(part)?);
    let upstream = Upstream::new(own.clone(), context);
    let proposal = proposed(&own, &upstream).await;
    upstream.close().await;
    proposal
}

async fn proposed(own: &Own, upstream: &Upstream) -> Result<Proposal, Failure> {
    let link = upstream.link().await.map_err(once)?;
    let listing = link.listing().await.map_err(Trouble::failure)?;
    let first = own.scope.pinned.tools.is_empty();
    let mut scope = own.scope.clone();
    let mut notes = Vec::new();
    let before = std::mem::take(&mut scope.pinned);
    for (name, definition) in &listing.tools {
        if let Some(why) = unusable((name, definition), &listing.twice) {
            notes.push(format!("`{}` is left out: {why}", doubts::visible(name)));
            if let Some(pin) = before.tools.get(name) {
                scope.pinned.tools.insert(name.clone(), pin.clone());
            }
            continue;
        }
        let known = scope.tools.contains_key(name);
        if first && !known {
            let (power, why) = power(name, definition);
            notes.push(format!("`{name}`: `{power}`, {why}"));
            scope.tools.insert(name.clone(), tool(power));
        }
        if scope.tools.contains_key(name) {
            pin(
                (name, definition),
                &before.tools,
                &mut scope.pinned.tools,
                &mut notes,
            );
            let others = listing.tools.keys().map(String::as_str);
            notes.extend(
                doubts::of(name, definition, others)
                    .into_iter()
                    .map(|doubt| format!("look at `{name}`: {doubt}")),
            );
        } else if let Some(pin) = before.tools.get(name) {
            // It was reviewed once, and given no power.
            scope.pinned.tools.insert(name.clone(), pin.clone());
        } else {
            notes.push(format!("`{name}` is new, and not offered: give it a power under `scope.tools`, and pin again"));
        }
    }
    for (name, definition) in &listing.prompts {
        if scope.prompts.contains(name) {
            pin(
                (name, definition),
                &before.prompts,
                &mut scope.pinned.prompts,
                &mut notes,
            );
        }
    }
    gone((&listing, &before), &mut scope, &mut notes);
    finished((link.server(), scope, notes))
}

/// What is written by people stays, and so does the pin that it needs.
fn gone((listing, before): (&Listing, &Pinned), scope: &mut Scope, notes: &mut Vec<String>) {
    let mut told = |sort: &str, name: &str| {
        notes.push(format!(
            "the {sort} `{name}` is no longer offered by its server, and is withheld: take it out of the file, unless it comes back"
        ));
    };
    for name in scope.tools.keys() {
        if let (false, Some(pin)) = (listing.tools.contains_key(name), before.tools.get(name)) {
            told("tool", name);
            scope.pinned.tools.insert(name.clone(), pin.clone());
        }
    }
    for name in &scope.prompts {
        if let (false, Some(pin)) = (listing.prompts.contains_key(name), before.prompts.get(name)) {
            told("prompt", name);
            scope.pinned.prompts.insert(name.clone(), pin.clone());
        }
    }
}

fn finished((server, scope, notes): (String, Scope, Vec<String>)) -> Result<Proposal, Failure> {
    let powers: BTreeSet<Power> = scope.tools.values().map(|tool| tool.power).collect();
    let written = written(&scope).map_err(|error| {
        Failure::new(
            Status::Failed,
            "what its server says cannot be written to a file",
        )
        .with_source(error)
    })?;
    Ok(Proposal {
        target: server,
        scope: written,
        powers,
        notes,
    })
}

/// The part of the scope that was proposed: what a proposal does not touch is not written.
fn written(scope: &Scope) -> Result<Value, serde_json::Error> {
    let Pinned { tools, prompts } = &scope.pinned;
    let mut pinned = json!({"tools": serde_json::to_value(tools)?});
    if !prompts.is_empty()
        && let Some(pinned) = pinned.as_object_mut()
    {
        pinned.insert("prompts".to_owned(), serde_json::to_value(prompts)?);
    }
    Ok(
        json!({"label": scope.label, "tools": serde_json::to_value(&scope.tools)?, "prompts": scope.prompts, "pinned": pinned}),
    )
}

fn tool(power: Power) -> ToolScope {
    ToolScope {
        power,
        label: None,
        arguments: std::collections::BTreeMap::new(),
        result: super::part::ResultRule::default(),
        preview: None,
        undo: None,
    }
}

fn pin(
    (name, definition): (&String, &Definition),
    before: &std::collections::BTreeMap<String, Definition>,
    after: &mut std::collections::BTreeMap<String, Definition>,
    notes: &mut Vec<String>,
) {
    if let Some(before) = before.get(name).filter(|before| *before != definition) {
        notes.push(format!(
            "`{name}` changed:\n{}",
            before.difference(definition)
        ));
    }
    after.insert(name.clone(), definition.clone());
}

/// Why a tool cannot be offered at all.
fn unusable((name, definition): (&str, &Definition), twice: &[String]) -> Option<&'static str> {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "_-.".contains(letter);
    if twice.iter().any(|one| one == name) {
        return Some("its server offers it more than once");
    }
    if OWN.contains(&name) {
        return Some("the connector itself has an action of this name");
    }
    if name.is_empty() || name.len() > 64 || !name.chars().all(plain) {
        return Some("no AI client takes such a name");
    }
    if !definition.fits_a_file() {
        return Some("its definition is nested deeper than a file may be");
    }
    let (takes, answers) = (
        definition.takes_what_can_be_checked(),
        definition.answers_what_can_be_checked(),
    );
    (!takes || !answers).then_some("its schema cannot be checked here")
}

/// What a tool probably does. What nothing tells is taken for the worst.
fn power(name: &str, definition: &Definition) -> (Power, String) {
    let read_only = definition.hint("readOnlyHint");
    let destructive = definition.hint("destructiveHint");
    let words = split(name);
    let found = WORDS.iter().find_map(|(power, all)| {
        let word = all
            .iter()
            .find(|word| words.iter().any(|one| one == *word) || name == **word)?;
        Some((*power, *word))
    });
    match (found, read_only) {
        (Some((power, word)), Some(true)) if power.is_effect() => (
            power,
            format!("by `{word}` in its name, though its server says that it only reads"),
        ),
        (Some((power, word)), Some(false)) if !power.is_effect() => (
            Power::Update,
            format!(
                "since its server says that it changes something, though its name has `{word}`"
            ),
        ),
        (Some((power, word)), _) => (power, format!("by `{word}` in its name")),
        (None, Some(true)) => (
            Power::Read,
            "since its server says that it only reads".to_owned(),
        ),
        (None, _) if destructive == Some(false) => (
            Power::Write,
            "since its server says that it destroys nothing".to_owned(),
        ),
        (None, _) => (
            Power::Trigger,
            "since nothing tells what it does".to_owned(),
        ),
    }
}

/// The words of a name, in lower case: `listAllFiles`, `list-all-files` and `list_all_files` alike.
fn split(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut lower_before = false;
    for letter in name.chars() {
        let breaks =
            !letter.is_ascii_alphanumeric() || (letter.is_ascii_uppercase() && lower_before);
        lower_before = letter.is_ascii_lowercase();
        if breaks {
            words.push(String::new());
        }
        if letter.is_ascii_alphanumeric()
            && let Some(word) = words.last_mut()
        {
            word.push(letter.to_ascii_lowercase());
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_power_is_proposed_by_name_and_hints() {
        for (name, hints, wanted) in [
            ("read_text_file", json!({}), Power::Read),
            ("listAllowedDirectories", json!({}), Power::Read),
            ("search_nodes", json!({"readOnlyHint": true}), Power::Search),
            ("delete_entities", json!({}), Power::Delete),
            (
                "get_and_delete",
                json!({"readOnlyHint": true}),
                Power::Delete,
            ),
            ("git_commit", json!({}), Power::Update),
            ("create_entities", json!({}), Power::Write),
            ("send-mail", json!({}), Power::Send),
            ("get_status", json!({"readOnlyHint": false}), Power::Update),
            ("frobnicate", json!({"readOnlyHint": true}), Power::Read),
            ("frobnicate", json!({}), Power::Trigger),
        ] {
            let definition: Definition =
                serde_json::from_value(json!({"annotations": hints})).unwrap_or_default();
            assert_eq!(power(name, &definition).0, wanted, "{name}");
        }
    }
}
