//! Before and after, side by side, as people read them.

use drawbridge_core::plan::{Change, Image};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use super::Target;
use crate::door::console::escape::editable;

/// What the API tells of a difference.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Difference {
    Text(String),
    Fields(Vec<FieldChange>),
    Nothing,
}

#[derive(Deserialize)]
pub(super) struct FieldChange {
    field: String,
    #[serde(default, deserialize_with = "there")]
    before: Option<Value>,
    #[serde(default, deserialize_with = "there")]
    after: Option<Value>,
}

/// A value that is there, also where it is null.
fn there<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(from).map(Some)
}

/// One target, ready to be looked at.
pub(super) struct Compared {
    pub(super) resource: String,
    pub(super) change: &'static str,
    pub(super) label: Option<String>,
    pub(super) shown: Sides,
}

/// How it is shown.
pub(super) enum Sides {
    /// A message, as whoever gets it would see it: its head, and its text.
    Letter(Vec<(String, String)>, String),
    /// Lines beside each other.
    Lines(Vec<Pair>),
    /// A text that comes to be, or goes.
    Whole(&'static str, String),
    /// Fields beside each other.
    Fields(Vec<Field>),
    /// Nothing stays to compare.
    Nothing,
    /// What was there is kept no longer.
    Dropped,
}

/// A line before and after.
pub(super) struct Pair {
    pub(super) before: Option<String>,
    pub(super) after: Option<String>,
    pub(super) class: &'static str,
}

/// A field before and after.
pub(super) struct Field {
    pub(super) name: String,
    pub(super) before: Told,
    pub(super) after: Told,
}

/// What a field holds. Nothing, an empty text and no such field are not the same, and no text may look
/// like one of them.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Told {
    Text(String),
    /// In words.
    Nothing(&'static str),
}

impl Told {
    fn of(value: Option<&Value>, missing: &'static str) -> Self {
        match value {
            None => Self::Nothing(missing),
            Some(Value::Null) => Self::Nothing("no value (null)"),
            Some(Value::String(text)) if text.is_empty() => Self::Nothing("an empty text"),
            Some(value) => Self::Text(said(value)),
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Nothing(_) => 0,
        }
    }
}

/// What a message has at its head, in this order.
const HEAD: [&str; 6] = ["from", "to", "cc", "bcc", "reply_to", "subject"];
/// What its text may be called.
const TEXT: [&str; 5] = ["body", "text", "message", "content", "markdown"];

impl Compared {
    pub(super) fn of(target: Target, sends: bool) -> Self {
        let label = target.facets.get("label").cloned();
        let change = match target.change {
            Change::Create => "comes to be",
            Change::Update => "is changed",
            Change::Delete => "is removed",
            Change::Act => "happens",
        };
        Self {
            resource: target.resource.clone(),
            change,
            label,
            shown: sides(target, sends),
        }
    }
}

impl Compared {
    /// Leaves out what there is no room for; whether something was.
    pub(super) fn cut(&mut self, room: &mut usize) -> bool {
        let size = |text: &Option<String>| text.as_ref().map_or(0, String::len) + 40;
        let (shown, all) = match &mut self.shown {
            Sides::Lines(pairs) => {
                let fitting = pairs
                    .iter()
                    .take_while(|pair| take(room, size(&pair.before) + size(&pair.after)));
                let (shown, all) = (fitting.count(), pairs.len());
                pairs.truncate(shown);
                (shown, all)
            }
            Sides::Fields(fields) => {
                let fitting = fields
                    .iter()
                    .take_while(|field| take(room, field.before.len() + field.after.len() + 80));
                let (shown, all) = (fitting.count(), fields.len());
                fields.truncate(shown);
                (shown, all)
            }
            Sides::Whole(_, text) | Sides::Letter(_, text) => {
                let all = text.len();
                let mut shown = all.min(*room);
                while !text.is_char_boundary(shown) {
                    shown -= 1;
                }
                *room -= shown;
                text.truncate(shown);
                (shown, all)
            }
            Sides::Nothing | Sides::Dropped => (0, 0),
        };
        shown < all
    }
}

/// Takes so much of what room there is, if it is there.
fn take(room: &mut usize, size: usize) -> bool {
    let fits = size <= *room;
    *room = if fits { *room - size } else { 0 };
    fits
}

fn sides(target: Target, sends: bool) -> Sides {
    match (&target.before, &target.after) {
        (Some(Image::Dropped), _) | (_, Some(Image::Dropped)) => return Sides::Dropped,
        (_, Some(Image::Fields(fields))) if sends => {
            if let Some(letter) = letter(fields) {
                return letter;
            }
        }
        _ => {}
    }
    match (target.diff, target.before, target.after) {
        (Difference::Fields(changes), _, _) => {
            Sides::Fields(changes.into_iter().map(field).collect())
        }
        (Difference::Text(_), None, Some(Image::Text(text))) => {
            Sides::Whole("After: this is new", text)
        }
        (Difference::Text(_), Some(Image::Text(text)), None) => {
            Sides::Whole("Before: this is removed", text)
        }
        (Difference::Text(diff), _, _) => Sides::Lines(pairs(&diff)),
        (Difference::Nothing, _, _) => Sides::Nothing,
    }
}

/// A message, where the fields are those of one.
fn letter(fields: &Map<String, Value>) -> Option<Sides> {
    let text = TEXT.iter().find(|name| fields.contains_key(**name))?;
    if !fields.contains_key("to") {
        return None;
    }
    let known = HEAD
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), fields.get(*name)?)));
    let others = fields
        .iter()
        .filter(|(name, _)| !HEAD.contains(&name.as_str()) && name != text)
        .map(|(name, value)| (name.clone(), value));
    let head = known.chain(others).map(|(name, value)| (name, said(value)));
    let body = fields.get(*text).map(said).unwrap_or_default();
    Some(Sides::Letter(head.collect(), body))
}

fn field(change: FieldChange) -> Field {
    Field {
        name: change.field,
        before: Told::of(change.before.as_ref(), "not there"),
        after: Told::of(change.after.as_ref(), "removed"),
    }
}

/// A value for people: text as it is, all else as JSON.
fn said(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "nothing".to_owned(),
        other => editable(other),
    }
}

/// The lines of a unified diff beside each other: what goes stands beside what comes in its place.
fn pairs(diff: &str) -> Vec<Pair> {
    let mut pairs = Vec::new();
    let (mut gone, mut come): (Vec<&str>, Vec<&str>) = (Vec::new(), Vec::new());
    // At line feeds alone: `lines` would take a carriage return for a part of the end.
    let lines = diff.split('\n');
    for line in lines.skip_while(|line| !line.starts_with("@@")) {
        match line.split_at_checked(1) {
            Some(("-", text)) => gone.push(text),
            Some(("+", text)) => come.push(text),
            Some(("@", _)) => {
                beside(&mut pairs, (&mut gone, &mut come));
                if !pairs.is_empty() {
                    pairs.push(pair((Some("…"), Some("…")), "gap"));
                }
            }
            Some((" ", text)) => {
                beside(&mut pairs, (&mut gone, &mut come));
                pairs.push(pair((Some(text), Some(text)), ""));
            }
            // `\ No newline at end of file` is no line of either.
            Some(_) | None => {}
        }
    }
    beside(&mut pairs, (&mut gone, &mut come));
    pairs
}

fn beside<'a>(pairs: &mut Vec<Pair>, (gone, come): (&mut Vec<&'a str>, &mut Vec<&'a str>)) {
    for at in 0..gone.len().max(come.len()) {
        let sides = (gone.get(at).copied(), come.get(at).copied());
        pairs.push(pair(sides, "changed"));
    }
    gone.clear();
    come.clear();
}

fn pair((before, after): (Option<&str>, Option<&str>), class: &'static str) -> Pair {
    Pair {
        before: before.map(str::to_owned),
        after: after.map(str::to_owned),
        class,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn nothing_is_told_from_an_empty_text_and_from_no_field() {
        let change = json!({"field": "note", "before": null});
        let change: FieldChange = serde_json::from_value(change).unwrap();
        let field = field(change);
        assert_eq!(field.before, Told::Nothing("no value (null)"));
        assert_eq!(field.after, Told::Nothing("removed"));
        let told = |value| Told::of(Some(&value), "");
        assert_eq!(told(json!("")), Told::Nothing("an empty text"));
        assert_eq!(told(json!("null")), Told::Text("null".to_owned()));
        assert_eq!(
            told(json!({"a": null})),
            Told::Text("{\n  \"a\": null\n}".to_owned())
        );
    }

    #[test]
    fn what_comes_stands_beside_what_goes() {
        let diff = "--- before\n+++ after\n@@ -1,3 +1,3 @@\n one\n-two\n-three\n+zwei\n@@ -9 +8,2 @@\n nine\n+ten\n\\ No newline at end of file\n";
        let seen: Vec<String> = pairs(diff)
            .iter()
            .map(|pair| {
                let side = |side: &Option<String>| side.clone().unwrap_or("-".to_owned());
                format!(
                    "{}|{}|{}",
                    side(&pair.before),
                    side(&pair.after),
                    pair.class
                )
            })
            .collect();
        assert_eq!(
            seen,
            [
                "one|one|",
                "two|zwei|changed",
                "three|-|changed",
                "…|…|gap",
                "nine|nine|",
                "-|ten|changed"
            ]
        );
    }
}
