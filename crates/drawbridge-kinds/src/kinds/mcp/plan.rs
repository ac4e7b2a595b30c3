//! Effects: the exact call as a plan, done once, and taken back by the tool that the file names for it.

use drawbridge_core::{
    answer::{Failure, Status},
    call::{Call, Power},
    connector::LABEL,
    decide::View,
    exchange::Exchange,
    plan::{Applied, Image, Plan, Receipt, Reversal, Target, digest},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    Server, TOOL, arguments,
    doubts::visible,
    fetch::asked,
    part::{Origin, Other, Tool},
    results,
    upstream::Trouble,
};

/// The most characters of an argument in a plan's sentence.
const MOST_SHOWN: usize = 60;
/// The most arguments there.
const MOST_NAMED: usize = 4;

/// How long looking at what an effect left may take.
const LOOK_WITHIN: std::time::Duration = std::time::Duration::from_secs(5);
/// In the place of a digest, where what an effect left could not be looked at: nothing is equal to it.
const UNSEEN: &str = "not seen";

/// Arguments, or a result.
type Fields = Map<String, Value>;

/// What a plan tells `apply`.
#[derive(Debug, Serialize, Deserialize)]
struct Work {
    tool: String,
    arguments: Map<String, Value>,
    /// What the preview showed, or that it refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    before: Option<Before>,
}

/// What was there before.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Before {
    /// The preview's answer.
    Shown(Map<String, Value>),
    /// The preview says that it cannot show it: nothing is there, as a rule.
    Nothing,
}

impl Before {
    fn shown(&self) -> Option<&Map<String, Value>> {
        match self {
            Self::Shown(result) => Some(result),
            Self::Nothing => None,
        }
    }
}

/// What a receipt tells `undo`.
#[derive(Debug, Serialize, Deserialize)]
struct Done {
    /// The answer, as far as the file's `undo` needs it.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    result: Map<String, Value>,
    /// The preview's answer after it, as a digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    after: Option<String>,
}

/// What a call would do: the call itself, and what its preview shows.
pub(super) async fn plan(server: &Server, call: &Call, view: &View) -> Result<Plan, Failure> {
    let tool = server.tool(&call.action.name, view)?;
    let arguments = arguments::sent(&tool, &call.arguments, &call.caller.person)?;
    server.pinned(tool.name).await?;
    planned(server, &tool, arguments).await
}

async fn planned(
    server: &Server,
    tool: &Tool<'_>,
    arguments: Map<String, Value>,
) -> Result<Plan, Failure> {
    let before = before(server, tool, &arguments).await?;
    let reversal = match &tool.scope.undo {
        None => Reversal::Irreversible("its file names no tool that takes it back".to_owned()),
        Some(undo)
            if needs_before(undo)
                && before
                    .as_ref()
                    .is_none_or(|before| before.shown().is_none()) =>
        {
            Reversal::Irreversible(
                "what was there before cannot be shown, so that it cannot be put back".to_owned(),
            )
        }
        Some(_) => Reversal::Reversible,
    };
    let shown = before.as_ref().and_then(Before::shown).map(image);
    let asked = Image::Fields(arguments.clone());
    let (before_image, after_image) = match tool.scope.power {
        Power::Delete => (Some(shown.unwrap_or_else(|| asked.clone())), None),
        Power::Update => (
            Some(shown.unwrap_or_else(|| Image::Fields(Map::new()))),
            Some(asked),
        ),
        Power::Read
        | Power::Search
        | Power::Draft
        | Power::Write
        | Power::Send
        | Power::Trigger => (shown, Some(asked)),
    };
    let facets = [(LABEL, tool.label), (TOOL, tool.name)];
    let target = Target {
        resource: tool.name.to_owned(),
        facets: facets
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
        before: before_image,
        after: after_image,
    };
    let sentence = sentence(tool.name, &arguments);
    let work = Work {
        tool: tool.name.to_owned(),
        arguments,
        before,
    };
    let work = serde_json::to_value(work).map_err(|error| {
        Failure::new(Status::Failed, "the plan cannot be written").with_source(error)
    })?;
    Ok(Plan {
        action: tool.name.to_owned(),
        power: tool.scope.power,
        sentence,
        targets: vec![target],
        reversal,
        work,
    })
}

/// What the preview shows; none where the file names none.
async fn before(
    server: &Server,
    tool: &Tool<'_>,
    arguments: &Map<String, Value>,
) -> Result<Option<Before>, Failure> {
    let Some(preview) = &tool.scope.preview else {
        return Ok(None);
    };
    let other = server.other(&preview.tool)?;
    let mut filled = filled(preview, (arguments, None, None))?;
    arguments::made_up(&other, &mut filled)?;
    match asked(server, &other, filled, &Exchange::default()).await {
        Ok(mut result) => {
            // What changes with every answer is no part of what is there.
            result.shift_remove("_meta");
            Ok(Some(Before::Shown(result)))
        }
        Err(Trouble::Refused(_)) => Ok(Some(Before::Nothing)),
        Err(trouble) => Err(trouble.failure()),
    }
}

/// What a preview showed, as people compare it.
fn image(result: &Map<String, Value>) -> Image {
    match result.get("structuredContent") {
        Some(Value::Object(fields)) => Image::Fields(fields.clone()),
        _ => Image::Text(results::text(result)),
    }
}

fn needs_before(other: &Other) -> bool {
    other
        .arguments
        .values()
        .any(|origin| matches!(origin, Origin::Before(_)))
}

/// The arguments of another tool, from those of a call, what was before, and what it answered.
fn filled(
    other: &Other,
    (arguments, before, result): (&Fields, Option<&Fields>, Option<&Fields>),
) -> Result<Map<String, Value>, Failure> {
    let mut filled = Map::new();
    for (name, origin) in &other.arguments {
        let value = match origin {
            Origin::Argument(argument) => match arguments.get(argument) {
                Some(value) => Some(value.clone()),
                // What the call left out, the other leaves out too.
                None => continue,
            },
            Origin::Before(place) => before.and_then(|before| place_in(before, place)),
            Origin::Result(place) => result.and_then(|result| place_in(result, place)),
            Origin::Value(value) => Some(value.clone()),
        };
        let value = value.ok_or_else(|| {
            let told = format!(
                "its server's answer does not hold what `{}` needs for `{name}`",
                other.tool
            );
            Failure::invalid(told)
        })?;
        filled.insert(name.clone(), value);
    }
    Ok(filled)
}

/// A place in a result: `text`, or a JSON pointer into what is structured.
fn place_in(result: &Map<String, Value>, place: &str) -> Option<Value> {
    if place == "text" {
        return Some(Value::String(results::text(result)));
    }
    result.get("structuredContent")?.pointer(place).cloned()
}

/// What is called with what, in a sentence.
fn sentence(tool: &str, arguments: &Map<String, Value>) -> String {
    let mut told: Vec<String> = Vec::new();
    for (name, value) in arguments.iter().take(MOST_NAMED) {
        let value = match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let mut short: String = value.chars().take(MOST_SHOWN).collect();
        if short.len() < value.len() {
            short.push('…');
        }
        told.push(visible(&format!("{name} {short}")));
    }
    if arguments.len() > MOST_NAMED {
        told.push("…".to_owned());
    }
    let with = if told.is_empty() {
        String::new()
    } else {
        format!(" with {}", told.join(", "))
    };
    format!("Call {tool}{with}").replace('\n', " ")
}

/// Does the plan: one call.
pub(super) async fn apply(server: &Server, plan: &Plan, key: &str) -> Result<Receipt, Failure> {
    if let Some(receipt) = server.done.get(key) {
        return Ok(receipt);
    }
    let work = work(plan)?;
    let tool = server.other(&work.tool)?;
    server.pinned(tool.name).await?;
    let now = before(server, &tool, &work.arguments).await?;
    if now != work.before {
        let told = "what is there changed since the plan was made";
        return Err(Failure::new(Status::Conflict, told));
    }
    let result = match asked(server, &tool, work.arguments.clone(), &Exchange::default()).await {
        Ok(result) => result,
        // Nothing was sent, or the server says that it did nothing.
        Err(Trouble::Before(failure) | Trouble::Refused(failure)) => return Err(failure),
        Err(Trouble::After(failure)) => {
            let told =
                format!("it was asked for, and nobody can tell whether it was done: {failure}");
            return Err(Failure::new(Status::Unknown, told));
        }
    };
    let receipt = receipt(server, plan, (&tool, &work), result).await;
    server.done.keep(key, &receipt);
    Ok(receipt)
}

async fn receipt(
    server: &Server,
    plan: &Plan,
    (tool, work): (&Tool<'_>, &Work),
    result: Map<String, Value>,
) -> Receipt {
    let id = result.get("structuredContent").and_then(|content| {
        let id = ["id", "message_id", "messageId"]
            .iter()
            .find_map(|key| content.get(*key))?;
        match id {
            Value::String(id) => Some(id.chars().take(200).collect()),
            Value::Number(id) => Some(id.to_string()),
            _ => None,
        }
    });
    let applied = plan.targets.iter().map(|target| Applied {
        resource: target.resource.clone(),
        change: target.change(),
        id: id.clone(),
        version: None,
    });
    // What is there by then, so that an undo finds out whether somebody changed it since.
    let after = match (&tool.scope.undo, &tool.scope.preview) {
        (Some(_), Some(_)) => {
            // It was done: how it looks since is not waited for as long as for the call itself.
            let seen = before(server, tool, &work.arguments);
            let seen = tokio::time::timeout(LOOK_WITHIN, seen).await;
            let seen = seen.ok().and_then(|seen| seen.ok().flatten());
            let seen = seen.and_then(|seen| serde_json::to_value(seen).ok());
            Some(seen.map_or_else(|| UNSEEN.to_owned(), |seen| digest(&seen)))
        }
        _ => None,
    };
    let needs_result = tool.scope.undo.as_ref().is_some_and(|undo| {
        undo.arguments
            .values()
            .any(|origin| matches!(origin, Origin::Result(_)))
    });
    let result = if needs_result { result } else { Map::new() };
    Receipt {
        sentence: plan.sentence.clone(),
        applied: applied.collect(),
        work: serde_json::to_value(Done { result, after }).unwrap_or_default(),
    }
}

/// The inverse: the tool that the file names, with what it is called with.
pub(super) async fn undo(server: &Server, plan: &Plan, receipt: &Receipt) -> Result<Plan, Failure> {
    let work = work(plan)?;
    let tool = server.other(&work.tool)?;
    let Some(undo) = &tool.scope.undo else {
        return Err(Failure::invalid(
            "its file names no tool that takes it back",
        ));
    };
    let done: Done = serde_json::from_value(receipt.work.clone()).map_err(|error| {
        Failure::invalid("its receipt does not say how it can be taken back").with_source(error)
    })?;
    if let Some(after) = &done.after {
        let now = before(server, &tool, &work.arguments).await?;
        let now = now
            .and_then(|now| serde_json::to_value(now).ok())
            .map(|now| digest(&now));
        if now.as_ref() != Some(after) {
            let told = "it is no longer as the effect left it, so that taking it back would undo somebody else's change too";
            return Err(Failure::new(Status::Conflict, told));
        }
    }
    let shown = work.before.as_ref().and_then(Before::shown);
    let mut arguments = filled(undo, (&work.arguments, shown, Some(&done.result)))?;
    let other = server.other(&undo.tool)?;
    arguments::made_up(&other, &mut arguments)?;
    server.pinned(other.name).await?;
    planned(server, &other, arguments).await
}

fn work(plan: &Plan) -> Result<Work, Failure> {
    serde_json::from_value(plan.work.clone()).map_err(|error| {
        Failure::invalid("the plan cannot be read; ask for it anew").with_source(error)
    })
}
