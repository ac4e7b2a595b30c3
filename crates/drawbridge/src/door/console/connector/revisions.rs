//! The revision in force, the one that waits with what it widens, and all before them.

use askama::Template;
use axum::extract::Path;
use drawbridge_core::lifecycle::State;
use serde::Deserialize;
use serde_json::Value;

use super::{
    super::{
        frame::Frame,
        visitor::{Shown, Visitor, read, show},
    },
    Head, colour, connector,
};
use crate::{
    check::{Area, Colour},
    operate::Operation,
};

/// `GET /connectors/{name}/revisions`.
#[derive(Deserialize)]
struct Revisions {
    in_force: String,
    waiting: Option<Waiting>,
    broken: Option<Value>,
}

#[derive(Deserialize)]
struct Waiting {
    hash: String,
    changes: Vec<Change>,
}

/// Which way a change goes.
#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Direction {
    Widens,
    Narrows,
    Neutral,
}

#[derive(Deserialize)]
struct Change {
    pointer: String,
    direction: Direction,
    sentence: String,
}

#[derive(Template)]
#[template(path = "revisions.html")]
struct Page {
    frame: Frame,
    head: Head,
    revisions: Revisions,
    areas: Vec<Area>,
    history: History,
}

/// `GET /connectors/{name}/history`.
#[derive(Deserialize)]
struct History {
    revisions: Vec<Revision>,
    standings: Vec<Step>,
}

#[derive(Deserialize)]
struct Revision {
    hash: String,
    first_seen: String,
    approved_by: Option<String>,
    approved_at: Option<String>,
    reason: Option<String>,
    in_force: bool,
    changes: Vec<Change>,
    unreadable: Option<String>,
}

#[derive(Deserialize)]
struct Step {
    at: String,
    action: String,
    person: String,
    reason: Option<String>,
    record: String,
}

impl Page {
    /// The changes that go one way: what widens stands apart from what narrows.
    fn going<'a>(&self, changes: &'a [Change], word: &str) -> Vec<&'a Change> {
        let meant = |change: &&Change| match change.direction {
            Direction::Widens => word == "widens",
            Direction::Narrows => word == "narrows",
            Direction::Neutral => word == "neutral",
        };
        changes.iter().filter(meant).collect()
    }

    fn colour(&self, of: &Colour) -> &'static str {
        colour(of)
    }

    fn short<'a>(&self, hash: &'a str) -> &'a str {
        hash.get(..12).unwrap_or(hash)
    }

    fn broken(&self) -> Vec<String> {
        let faults = self.revisions.broken.as_ref();
        let text = |fault: &Value| {
            let part = |name: &str| {
                fault.get(name).map_or(String::new(), |part| {
                    part.as_str()
                        .map_or_else(|| part.to_string(), str::to_owned)
                })
            };
            format!(
                "{} line {}: {}; {}",
                part("file"),
                part("line"),
                part("rule"),
                part("mend")
            )
        };
        match faults {
            None => Vec::new(),
            Some(Value::Array(faults)) => faults.iter().map(text).collect(),
            Some(Value::String(told)) => vec![told.clone()],
            Some(other) => vec![text(other)],
        }
    }
}

/// The revision in force, the one that waits, and those before.
pub(in crate::door::console) async fn page(visitor: Visitor, Path(name): Path<String>) -> Shown {
    let frame = Frame::of(&visitor, "/").await?;
    let one = connector(&visitor, &name).await?;
    let asked = Operation::Revisions { name: name.clone() };
    let revisions = read(visitor.look(asked).await?)?;
    let check = Operation::Check {
        name: Some(name.clone()),
    };
    let checked = visitor.look(check).await?;
    let areas = checked
        .pointer("/connectors/0/waiting/areas")
        .or(checked.pointer("/connectors/0/areas"));
    let areas = read(areas.cloned().unwrap_or_default())?;
    let history = read(visitor.look(Operation::History { name }).await?)?;
    show(&Page {
        frame,
        head: one.head("/revisions"),
        revisions,
        areas,
        history,
    })
}
