//! What a changed part widens, apart from what it narrows. What cannot be told widens.

use std::collections::BTreeMap;

use drawbridge_core::{
    connector::Part,
    file::{Change, Direction, Labels},
};

use super::{Files, Pinned, Scope, System, ToolScope};
use crate::{kinds::mcp::definition::Definition, part};
use Direction::{Narrows, Neutral, Widens};

/// How `new` differs from `old`.
pub(in super::super) fn compare(old: &Part, new: &Part, labels: &Labels) -> Vec<Change> {
    part::compare((old, new), system, |old, new, changes| {
        scope((old, new), labels, changes)
    })
}

fn system(old: &System, new: &System, changes: &mut Vec<Change>) {
    let network = if new.network {
        (Widens, "its program may use the network")
    } else {
        (Narrows, "its program may no longer use the network")
    };
    let differences = [
        (
            "command",
            old.command == new.command,
            (
                Widens,
                "another program is started, or with other arguments",
            ),
        ),
        (
            "url",
            old.url == new.url,
            (Widens, "it reaches a server elsewhere"),
        ),
        (
            "folder",
            old.folder == new.folder,
            (Widens, "its program works in another folder"),
        ),
        (
            "environment",
            old.environment == new.environment,
            (Widens, "its program has another environment"),
        ),
        (
            "headers",
            old.headers == new.headers,
            (Widens, "other headers are sent"),
        ),
        (
            "credential_in",
            old.credential_in == new.credential_in,
            (Widens, "its secret is sent in another place"),
        ),
        (
            "idle",
            old.idle == new.idle,
            (
                Neutral,
                "its server is stopped after another time without calls",
            ),
        ),
        (
            "most",
            old.most == new.most,
            (Widens, "its program may use up other amounts"),
        ),
        ("network", old.network == new.network, network),
    ];
    for (key, _, (direction, sentence)) in differences.into_iter().filter(|(_, same, _)| !same) {
        changes.push(Change::new(format!("/system/{key}"), direction, sentence));
    }
    files((&old.files, &new.files), changes);
}

fn files((old, new): (&Files, &Files), changes: &mut Vec<Change>) {
    for (key, old, new) in [
        ("read", &old.read, &new.read),
        ("write", &old.write, &new.write),
    ] {
        let at = format!("/system/files/{key}");
        for path in new.iter().filter(|path| !old.contains(path)) {
            let sentence = format!("its program may {key} `{}`", path.display());
            changes.push(Change::new(&at, Widens, sentence));
        }
        for path in old.iter().filter(|path| !new.contains(path)) {
            let sentence = format!("its program may no longer {key} `{}`", path.display());
            changes.push(Change::new(&at, Narrows, sentence));
        }
    }
}

fn asks((old, new): (&Scope, &Scope), changes: &mut Vec<Change>) {
    if old.asks != new.asks {
        let (direction, sentence) = if new.asks.is_subset(&old.asks) {
            (Narrows, "its server may ask for less input")
        } else {
            (
                Widens,
                "its server may ask people or their AI applications for more",
            )
        };
        changes.push(Change::new("/scope/asks", direction, sentence));
    }
    if old.completion != new.completion {
        let (direction, sentence) = if new.completion {
            (Widens, "its server may suggest values of arguments")
        } else {
            (
                Narrows,
                "its server may no longer suggest values of arguments",
            )
        };
        changes.push(Change::new("/scope/completion", direction, sentence));
    }
}

fn scope((old, new): (&Scope, &Scope), labels: &Labels, changes: &mut Vec<Change>) {
    if old.label != new.label {
        let direction = lowered(labels, &old.label, &new.label);
        let sentence = format!("what it answers is `{}`, not `{}`", new.label, old.label);
        changes.push(Change::new("/scope/label", direction, sentence));
    }
    if old.trusted != new.trusted {
        let (direction, sentence) = if new.trusted {
            (Widens, "what it answers is trusted")
        } else {
            (Narrows, "what it answers is no longer trusted")
        };
        changes.push(Change::new("/scope/trusted", direction, sentence));
    }
    tools((old, new), labels, changes);
    if old.resources != new.resources {
        // A pattern that is gone may have kept what a later one lets in; and without any, what stands within
        // answers is let in.
        let sentence = if new.resources.is_empty() {
            "no resources can be read, and those within answers are no longer left out"
        } else {
            "other resources can be read"
        };
        changes.push(Change::new("/scope/resources", Widens, sentence));
    }
    asks((old, new), changes);
    for name in new
        .prompts
        .iter()
        .filter(|name| !old.prompts.contains(name))
    {
        changes.push(Change::new(
            "/scope/prompts",
            Widens,
            format!("the prompt `{name}` can be read"),
        ));
    }
    for name in old
        .prompts
        .iter()
        .filter(|name| !new.prompts.contains(name))
    {
        changes.push(Change::new(
            "/scope/prompts",
            Narrows,
            format!("the prompt `{name}` can no longer be read"),
        ));
    }
    pinned((&old.pinned, &new.pinned), changes);
}

/// A lower label lets more people see it.
fn lowered(labels: &Labels, old: &str, new: &str) -> Direction {
    let higher = labels.highest([old, new]);
    if higher == Some(new) { Narrows } else { Widens }
}

fn tools((old, new): (&Scope, &Scope), labels: &Labels, changes: &mut Vec<Change>) {
    for (name, tool) in &new.tools {
        let at = format!("/scope/tools/{name}");
        match old.tools.get(name) {
            None => {
                let sentence = format!(
                    "the tool `{name}` can be called, with the power `{}`",
                    tool.power
                );
                changes.push(Change::new(at, Widens, sentence));
            }
            Some(before) if before != tool => {
                let whole = (old.label.as_str(), new.label.as_str());
                changes.extend(tool_changes((&at, name), (before, tool), whole, labels));
            }
            Some(_) => {}
        }
    }
    for name in old
        .tools
        .keys()
        .filter(|name| !new.tools.contains_key(*name))
    {
        let sentence = format!("the tool `{name}` can no longer be called");
        changes.push(Change::new(
            format!("/scope/tools/{name}"),
            Narrows,
            sentence,
        ));
    }
}

fn tool_changes(
    (at, name): (&str, &str),
    (old, new): (&ToolScope, &ToolScope),
    (old_whole, new_whole): (&str, &str),
    labels: &Labels,
) -> Vec<Change> {
    let mut changes = Vec::new();
    let mut differs = |key: &str, same: bool, direction, sentence: String| {
        if !same {
            changes.push(Change::new(format!("{at}/{key}"), direction, sentence));
        }
    };
    let power = format!(
        "`{name}` has the power `{}`, not `{}`",
        new.power, old.power
    );
    differs("power", old.power == new.power, Widens, power);
    let (before, after) = (
        old.label.as_deref().unwrap_or(old_whole),
        new.label.as_deref().unwrap_or(new_whole),
    );
    let label = format!("what `{name}` answers is `{after}`, not `{before}`");
    differs(
        "label",
        before == after,
        lowered(labels, before, after),
        label,
    );
    arguments(name, (old, new), &mut differs);
    let more = old
        .result
        .drop
        .iter()
        .all(|place| new.result.drop.contains(place))
        && old
            .result
            .mask
            .iter()
            .all(|(place, mask)| new.result.mask.get(place) == Some(mask));
    let sentence = format!("other parts of what `{name}` answers are left out or masked");
    differs(
        "result",
        old.result == new.result,
        if more { Narrows } else { Widens },
        sentence,
    );
    let sentence = format!("the plans of `{name}` show something else of what is there before");
    differs("preview", old.preview == new.preview, Widens, sentence);
    differs(
        "undo",
        old.undo == new.undo,
        Widens,
        format!("`{name}` is taken back otherwise"),
    );
    changes
}

/// How the limits of arguments differ.
fn arguments(
    name: &str,
    (old, new): (&ToolScope, &ToolScope),
    differs: &mut impl FnMut(&str, bool, Direction, String),
) {
    for (argument, rule) in &new.arguments {
        let before = old.arguments.get(argument);
        let direction = if before.is_none() { Narrows } else { Widens };
        let sentence = format!("`{argument}` of `{name}` is limited otherwise");
        differs(
            &format!("arguments/{argument}"),
            before == Some(rule),
            direction,
            sentence,
        );
    }
    for argument in old
        .arguments
        .keys()
        .filter(|argument| !new.arguments.contains_key(*argument))
    {
        let sentence = format!("`{argument}` of `{name}` is no longer limited");
        differs(&format!("arguments/{argument}"), false, Widens, sentence);
    }
}

fn pinned((old, new): (&Pinned, &Pinned), changes: &mut Vec<Change>) {
    let sorts = [
        ("tools", "tool", &old.tools, &new.tools),
        ("prompts", "prompt", &old.prompts, &new.prompts),
    ];
    for (key, word, old, new) in sorts {
        let one: &BTreeMap<String, Definition> = new;
        for (name, definition) in one {
            let Some(before) = old.get(name).filter(|before| *before != definition) else {
                continue;
            };
            let sentence = format!(
                "the {word} `{name}` is another than was reviewed:\n{}",
                before.difference(definition)
            );
            changes.push(Change::new(
                format!("/scope/pinned/{key}/{name}"),
                Widens,
                sentence,
            ));
        }
    }
}
