//! What is wrong with one tool.

use std::path::Path;

use drawbridge_core::{call::Power, file::Fault};
use serde_json::Value;

use super::pointer;
use crate::kinds::mcp::{
    actions::OWN,
    arguments::{is_unasked, whole},
    definition::Definition,
    part::{ArgumentRule, Origin, Other, ResultRule, Scope, ToolScope},
};

/// The longest name of a tool that every AI client takes, after the connector's own.
const LONGEST_NAME: usize = 64;

pub(super) fn check(
    (at, name, tool): (&str, &str, &ToolScope),
    scope: &Scope,
    faults: &mut Vec<Fault>,
) {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "_-.".contains(letter);
    if name.is_empty() || name.len() > LONGEST_NAME || !name.chars().all(plain) {
        faults.push(Fault::new(
            at,
            "AI clients take no tool of such a name",
            "take it out; names are up to 64 letters, digits, `_`, `-` and `.`",
        ));
    }
    if OWN.contains(&name) {
        faults.push(Fault::new(
            at,
            format!("`{name}` is an action of the connector itself"),
            "take it out",
        ));
    }
    if tool.power == Power::Draft {
        faults.push(Fault::new(
            format!("{at}/power"),
            "a draft is kept here, and a tool of a server keeps what it makes there",
            "write `write`, or whichever power fits what it does",
        ));
    }
    let Some(definition) = scope.pinned.tools.get(name) else {
        faults.push(Fault::new(
            at,
            format!("`{name}` was not reviewed: it is not under `pinned.tools`"),
            "run `drawbridge connector pin` and look at what it adds",
        ));
        return;
    };
    schemas(name, definition, faults);
    for (argument, rule) in &tool.arguments {
        let at = format!("{at}/arguments/{}", pointer(argument));
        rules((&at, argument, rule), definition, faults);
    }
    for place in tool.result.drop.iter().chain(tool.result.mask.keys()) {
        if !place.starts_with('/') {
            faults.push(Fault::new(
                format!("{at}/result"),
                format!("`{place}` is no place in an answer"),
                "write a JSON pointer, such as `/rows/*/email`",
            ));
        }
    }
    if let Some(preview) = &tool.preview {
        let at = format!("{at}/preview");
        other((&at, preview), (tool, definition, scope), faults);
        let power = scope.tools.get(&preview.tool).map(|tool| tool.power);
        if power.is_some_and(|power| power != Power::Read) {
            faults.push(Fault::new(
                at,
                "a preview must change nothing",
                "name a tool whose power is `read`",
            ));
        }
    }
    if let Some(undo) = &tool.undo {
        let at = format!("{at}/undo");
        other((&at, undo), (tool, definition, scope), faults);
        let power = scope.tools.get(&undo.tool).map(|tool| tool.power);
        if power.is_some_and(|power| !power.is_effect()) || !tool.power.is_effect() {
            faults.push(Fault::new(
                at,
                "only an effect is taken back, by another effect",
                "name a tool that changes something",
            ));
        }
    }
}

fn schemas(name: &str, definition: &Definition, faults: &mut Vec<Fault>) {
    let at = format!("/scope/pinned/tools/{}", pointer(name));
    if !definition.takes_what_can_be_checked() {
        faults.push(Fault::new(
            format!("{at}/inputSchema"),
            "it is no schema of arguments that can be checked here",
            "do not offer the tool; its server must mend the schema",
        ));
    }
    if !definition.answers_what_can_be_checked() {
        faults.push(Fault::new(
            format!("{at}/outputSchema"),
            "it is no schema that can be checked here",
            "do not offer the tool; its server must mend the schema",
        ));
    }
}

/// The properties of a tool's arguments.
fn knows(definition: &Definition, argument: &str) -> bool {
    let properties = definition.input().and_then(|input| input.get("properties"));
    properties.is_some_and(|properties| properties.get(argument).is_some())
}

fn rules(
    (at, name, rule): (&str, &str, &ArgumentRule),
    definition: &Definition,
    faults: &mut Vec<Fault>,
) {
    let mut fault = |rule: String, mend: &str| faults.push(Fault::new(at, rule, mend));
    if !knows(definition, name) {
        fault(
            format!("the tool has no argument `{name}`"),
            "write it as the tool's schema has it",
        );
    }
    let given = [rule.fixed.is_some(), rule.from.is_some(), rule.hidden];
    let given = given.iter().filter(|given| **given).count();
    let limits = !rule.values.is_empty()
        || rule.pattern.is_some()
        || rule.min.is_some()
        || rule.max.is_some()
        || rule.max_length.is_some()
        || rule.under.is_some();
    if given > 1 || (given == 1 && limits) {
        fault(
            "it is decided here and limited for callers, both".to_owned(),
            "keep one of `fixed`, `from` and `hidden`, or limits",
        );
    }
    if given == 0 && !limits {
        fault(
            "it says nothing".to_owned(),
            "write a limit, or take it out",
        );
    }
    let required = definition
        .input()
        .and_then(|input| input.get("required")?.as_array());
    if rule.hidden && required.is_some_and(|required| required.iter().any(|one| one == name)) {
        fault(
            "the tool needs it, so that it cannot be hidden".to_owned(),
            "give it a `fixed` value",
        );
    }
    faults.extend(values((at, name, rule)));
}

/// What is wrong with the limits themselves.
fn values((at, name, rule): (&str, &str, &ArgumentRule)) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut fault = |rule: String, mend: &str| faults.push(Fault::new(at, rule, mend));
    if let Some(from) = &rule.from
        && from.strip_prefix("person.").is_none_or(str::is_empty)
    {
        fault(
            format!("`{from}` is nothing that is known of a person"),
            "write `person.email` or `person.region`",
        );
    }
    if let Some(pattern) = &rule.pattern
        && let Err(error) = whole(pattern)
    {
        fault(
            format!("`{pattern}` is no pattern: {error}"),
            "write a regular expression",
        );
    }
    if rule.min.zip(rule.max).is_some_and(|(min, max)| min > max) {
        fault(
            "nothing is at least `min` and at most `max`".to_owned(),
            "turn them round",
        );
    }
    if let Some(root) = &rule.under
        && (!Path::new(root).is_absolute()
            || root.split('/').any(|part| part == ".." || part == "."))
    {
        fault(
            format!("`{root}` is no absolute folder"),
            "write it from `/`, without `..`",
        );
    }
    if name.is_empty() || is_unasked(rule) && rule.fixed.as_ref().is_some_and(Value::is_null) {
        fault("null is no value".to_owned(), "write `hidden: true`");
    }
    faults
}

/// What was left out of an answer would be missing, or be a mask, where it is written back.
fn masked(at: &str, rule: &ResultRule, place: &str) -> Option<Fault> {
    let left_out = rule.touches(place)?;
    Some(Fault::new(
        at,
        format!(
            "`{left_out}` is left out or masked in that answer, and it would be written back so"
        ),
        "take it from elsewhere, or leave `undo` out",
    ))
}

fn other(
    (at, other): (&str, &Other),
    (tool, definition, scope): (&ToolScope, &Definition, &Scope),
    faults: &mut Vec<Fault>,
) {
    let named = scope
        .tools
        .get(&other.tool)
        .and(scope.pinned.tools.get(&other.tool));
    let Some(named) = named else {
        faults.push(Fault::new(
            format!("{at}/tool"),
            format!("`{}` is not among the tools", other.tool),
            "add it to `tools`, with its power",
        ));
        return;
    };
    for (argument, origin) in &other.arguments {
        let at = format!("{at}/arguments/{}", pointer(argument));
        if !knows(named, argument) {
            let rule = format!("`{}` has no argument `{argument}`", other.tool);
            faults.push(Fault::new(
                at.clone(),
                rule,
                "write it as the tool's schema has it",
            ));
        }
        let mend = "write `text`, or a JSON pointer such as `/id`";
        match origin {
            Origin::Argument(name) if !knows(definition, name) => {
                faults.push(Fault::new(
                    at,
                    format!("the tool has no argument `{name}`"),
                    "name one that it has",
                ));
            }
            Origin::Before(_) if tool.preview.is_none() => {
                faults.push(Fault::new(
                    at,
                    "no `preview` shows what was before",
                    "name a `preview`, or take it from elsewhere",
                ));
            }
            Origin::Before(place) | Origin::Result(place)
                if place != "text" && !place.starts_with('/') =>
            {
                faults.push(Fault::new(
                    at,
                    format!("`{place}` is no place in an answer"),
                    mend,
                ));
            }
            Origin::Before(place) => {
                let preview = tool.preview.as_ref();
                let rule = preview.and_then(|preview| scope.tools.get(&preview.tool));
                let rule = rule.map(|preview| &preview.result);
                faults.extend(rule.and_then(|rule| masked(&at, rule, place)));
            }
            Origin::Result(place) => faults.extend(masked(&at, &tool.result, place)),
            Origin::Argument(_) | Origin::Value(_) => {}
        }
    }
}
