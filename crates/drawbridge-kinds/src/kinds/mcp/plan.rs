//! Effects: the exact call as a plan, done once, and taken back by the tool that the file names for it.

mod before;
mod sentence;

use std::sync::Arc;

use drawbridge_core::{
    answer::{Failure, Status},
    call::{Call, Power},
    connector::LABEL,
    decide::View,
    exchange::{Exchange, Hears},
    plan::{Applied, Image, Plan, Receipt, Reversal, Target, digest},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    Server, TOOL, arguments,
    fetch::{Asker, asked},
    part::{Origin, Other, Tool},
    results,
    upstream::Trouble,
};
use before::{Before, before, tells_all};
use sentence::sentence;

/// How long looking at what an effect left may take.
const LOOK_WITHIN: std::time::Duration = std::time::Duration::from_secs(5);
/// In the place of a digest, where what an effect left could not be looked at: nothing is equal to it.
const UNSEEN: &str = "not seen";

/// In the place of an argument of an undo, for those who may not see what it was before.
const AS_BEFORE: &str = "(what was there before)";

/// Arguments, or a result.
type Fields = Map<String, Value>;

/// What a plan tells `apply`.
#[derive(Debug, Serialize, Deserialize)]
struct Work {
    tool: String,
    arguments: Map<String, Value>,
    /// What the preview showed, or that there is nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    before: Option<Before>,
    /// The preview whose answer people see in the plan. What one may not ask oneself, no plan shows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    seen: Option<String>,
    /// The arguments that no plan shows either.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    hidden: Vec<String>,
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
    let sees = |preview: &Tool<'_>| view.shows(preview.name);
    planned(server, &tool, (arguments.clone(), arguments), sees).await
}

/// The plan of a call, in which the answer of a preview is shown to those who see such, and the arguments as
/// they are told.
async fn planned(
    server: &Server,
    tool: &Tool<'_>,
    (arguments, told): (Fields, Fields),
    sees: impl Fn(&Tool<'_>) -> bool,
) -> Result<Plan, Failure> {
    server.unchanged(tool.name).await?;
    let before = before(server, tool, &arguments).await?;
    let preview = tool.scope.preview.as_ref();
    let preview = preview.and_then(|preview| server.own.tool(&preview.tool));
    let preview_label = preview.map_or(tool.label, |preview| preview.label);
    let seen = preview.filter(sees).map(|preview| preview.name.to_owned());
    let shown = before.as_ref().filter(|_| seen.is_some());
    let shown = shown.and_then(Before::shown);
    let shown = shown.map(|shown| image((server, preview_label), shown));
    let reversal = reversal(tool, before.as_ref());
    let sentence = sentence(tool.name, &told);
    let (asked, hidden) = shown_of(&arguments, told);
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
    let work = Work {
        tool: tool.name.to_owned(),
        arguments,
        before,
        seen,
        hidden,
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

/// The arguments as people see them, and those that they do not.
fn shown_of(arguments: &Fields, told: Fields) -> (Image, Vec<String>) {
    let hidden = arguments.iter();
    let hidden = hidden.filter(|(name, value)| told.get(*name) != Some(value));
    let hidden: Vec<String> = hidden.map(|(name, _)| name.clone()).collect();
    if hidden.is_empty() {
        return (Image::Fields(told), hidden);
    }
    // Gates must not take a word of ours for a value: of a text they know nothing, and are strict.
    let text = serde_json::to_string_pretty(&told).unwrap_or_default();
    (Image::Text(text), hidden)
}

/// Whether it can be taken back, after what was there before.
fn reversal(tool: &Tool<'_>, before: Option<&Before>) -> Reversal {
    let why = match &tool.scope.undo {
        None => "its file names no tool that takes it back",
        Some(undo) if needs_before(undo) && before.and_then(Before::shown).is_none() => {
            "what was there before cannot be shown, so that it cannot be put back"
        }
        Some(_) => return Reversal::Reversible,
    };
    Reversal::Irreversible(why.to_owned())
}

/// What a preview showed, as people compare it: without resources more sensitive than the preview itself.
fn image((server, label): (&Server, &str), result: &Map<String, Value>) -> Image {
    if let Some(Value::Object(fields)) = result.get("structuredContent") {
        return Image::Fields(fields.clone());
    }
    let mut result = result.clone();
    let labels = &server.context.labels;
    let sees = |of_one: &str| labels.highest([label, of_one]) == Some(label);
    server.narrow(result.get_mut("content"), label, sees);
    Image::Text(results::text(&result))
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

/// Does the plan: one call.
pub(super) async fn apply(
    server: &Server,
    plan: &Plan,
    key: &str,
    hears: Option<&Arc<dyn Hears>>,
) -> Result<Receipt, Failure> {
    if let Some(receipt) = server.done.get(key) {
        return Ok(receipt);
    }
    let work = work(plan)?;
    let tool = server.other(&work.tool)?;
    server.unchanged(tool.name).await?;
    let now = before(server, &tool, &work.arguments).await?;
    if now != work.before {
        let told = "what is there changed since the plan was made";
        return Err(Failure::new(Status::Conflict, told));
    }
    let exchange = Exchange {
        hears: hears.cloned(),
        ..Exchange::default()
    };
    let result = match asked(
        server,
        &tool,
        work.arguments.clone(),
        Asker::nobody(&exchange),
    )
    .await
    {
        Ok(result) => result,
        // Nothing was sent; where that is so because it changed just now, that is a conflict too.
        Err(Trouble::Before(failure)) => {
            server.unchanged(tool.name).await?;
            return Err(failure);
        }
        Err(Trouble::Refused(failure)) => return Err(failure),
        Err(Trouble::Failed(failure) | Trouble::Halted(failure)) => {
            return Err(halted(server, (&tool, &work), failure).await);
        }
        Err(Trouble::After(failure)) => {
            let told = format!("it was asked for, and {failure}");
            return Err(unknown(failure, told));
        }
    };
    let receipt = receipt(server, plan, (&tool, &work), result).await;
    server.done.keep(key, &receipt);
    Ok(receipt)
}

/// What is known of an effect whose server says that it failed: that it did nothing, where the preview shows
/// just what was there before; else nothing, for it may have done a part.
async fn halted(server: &Server, (tool, work): (&Tool<'_>, &Work), failure: Failure) -> Failure {
    let was_there = work.before.as_ref().map(|before| before.shown().is_some());
    let can_tell = match tool.scope.power {
        // That nothing is shown is no sight of what is there: a preview may fail for other reasons.
        Power::Update | Power::Delete | Power::Write => was_there == Some(true),
        // What went out stands nowhere that a preview looks.
        Power::Read | Power::Search | Power::Draft | Power::Send | Power::Trigger => false,
    };
    if can_tell && tells_all(server, tool) {
        let now = before(server, tool, &work.arguments);
        let now = tokio::time::timeout(LOOK_WITHIN, now).await;
        if now.is_ok_and(|now| now.is_ok_and(|now| now == work.before)) {
            let message = format!("{failure}, and all is as it was before");
            return Failure {
                status: Status::Failed,
                message,
                asks: None,
                ..failure
            };
        }
    }
    let told = format!("{failure}; it may have done a part: look before you ask again");
    unknown(failure, told)
}

fn unknown(failure: Failure, message: String) -> Failure {
    Failure {
        status: Status::Unknown,
        message,
        asks: None,
        ..failure
    }
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
    // Whoever has it taken back sees no more of it than the plan showed that was done.
    let mut told = arguments.clone();
    let hidden = undo.arguments.iter().filter(|(_, origin)| match origin {
        // No plan or receipt shows what an effect answered, but it is of the sort that its preview shows.
        Origin::Before(_) | Origin::Result(_) => work.seen.is_none(),
        Origin::Argument(name) => work.hidden.contains(name),
        Origin::Value(_) => false,
    });
    for (name, _) in hidden {
        told.insert(name.clone(), Value::from(AS_BEFORE));
    }
    let sees = |preview: &Tool<'_>| work.seen.as_deref() == Some(preview.name);
    planned(server, &other, (arguments, told), sees).await
}

fn work(plan: &Plan) -> Result<Work, Failure> {
    serde_json::from_value(plan.work.clone()).map_err(|error| {
        Failure::invalid("the plan cannot be read; ask for it anew").with_source(error)
    })
}
