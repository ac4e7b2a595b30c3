//! One connector: its checklist, what it reaches and what is used of it, its revisions, its usage.

mod access;
mod reach;
mod revisions;
mod usage;

use askama::Template;
use axum::extract::Path;
use drawbridge_core::{call::Power, lifecycle::State};
use serde::Deserialize;
use serde_json::Value;

pub(super) use access::page as access;
pub(super) use revisions::page as revisions;
pub(super) use usage::page as usage;

use super::{
    answers::{Due, Inspection, Mark, PlanLine, Plans, marks, state},
    encoded,
    frame::Frame,
    visitor::{STOPPED, Sent, Shown, Trouble, Visitor, nothing, read, show},
};
use crate::{
    check::{Area, Colour},
    operate::{Operation, PlanQuery},
};

/// What stands at the head of each of its pages.
struct Head {
    name: String,
    yours: bool,
    task: String,
    owner: String,
    kind: String,
    access: Vec<Power>,
    standing: Standing,
    waiting: Option<String>,
    tab: &'static str,
}

/// `GET /connectors/{name}`.
#[derive(Deserialize)]
struct Connector {
    name: String,
    yours: bool,
    file: File,
    /// Under which names of its scope stand what calls can name.
    reaches: Vec<String>,
    revision: String,
    standing: Standing,
    waiting: Option<String>,
    inspection: Inspection,
    due: Option<Due>,
    reviewed: Option<Reviewed>,
}

#[derive(Deserialize)]
struct File {
    purpose: Purpose,
    system: System,
    scope: Value,
    access: Vec<Power>,
    identity: Identity,
}

#[derive(Deserialize)]
struct Purpose {
    task: String,
    owner: String,
}

#[derive(Deserialize)]
struct System {
    kind: String,
}

#[derive(Deserialize)]
struct Identity {
    account: String,
    credential: Option<String>,
    approved_by: Option<String>,
    rotate_every: Option<String>,
}

#[derive(Deserialize)]
struct Standing {
    state: State,
    by: String,
    at: String,
    reason: String,
}

#[derive(Deserialize)]
struct Reviewed {
    by: String,
    at: String,
    reason: String,
}

impl Connector {
    fn head(&self, tab: &'static str) -> Head {
        Head {
            name: self.name.clone(),
            yours: self.yours,
            task: self.file.purpose.task.clone(),
            owner: self.file.purpose.owner.clone(),
            kind: self.file.system.kind.clone(),
            access: self.file.access.clone(),
            standing: Standing {
                state: self.standing.state,
                by: self.standing.by.clone(),
                at: self.standing.at.clone(),
                reason: self.standing.reason.clone(),
            },
            waiting: self.waiting.clone(),
            tab,
        }
    }
}

impl Head {
    fn marks(&self) -> Vec<Mark> {
        marks(&self.access)
    }

    fn state(&self) -> (&'static str, &'static str) {
        state(self.standing.state)
    }

    fn may(&self, next: &str) -> bool {
        let state = self.standing.state;
        self.yours
            && match next {
                "pause" => state == State::Active,
                "resume" => state == State::Paused,
                _ => state != State::Retired,
            }
    }

    fn at(&self, tab: &str) -> bool {
        tab == self.tab
    }

    fn tabs(&self) -> [(&'static str, &'static str); 4] {
        [
            ("", "Checklist"),
            ("/access", "Scope and access"),
            ("/revisions", "Revisions"),
            ("/usage", "Usage and effects"),
        ]
    }
}

async fn connector(visitor: &Visitor, name: &str) -> Result<Connector, Trouble> {
    visitor
        .ask(Operation::Connector {
            name: name.to_owned(),
        })
        .await
}

/// `GET /connectors/{name}/check`.
#[derive(Deserialize)]
struct Checked {
    connectors: Vec<CheckedOne>,
}

#[derive(Deserialize)]
struct CheckedOne {
    areas: Vec<Area>,
}

#[derive(Template)]
#[template(path = "connector.html")]
struct Page {
    frame: Frame,
    head: Head,
    one: Connector,
    areas: Vec<Area>,
    waiting: Vec<PlanLine>,
}

impl Page {
    fn colour(&self, of: &Colour) -> &'static str {
        colour(of)
    }
}

/// The word for a grade.
fn colour(of: &Colour) -> &'static str {
    match of {
        Colour::Green => "green",
        Colour::Amber => "amber",
        Colour::Red => "red",
    }
}

/// Its checklist, and how it is.
pub(super) async fn page(visitor: Visitor, Path(name): Path<String>) -> Shown {
    let frame = Frame::of(&visitor, "/").await?;
    let one = connector(&visitor, &name).await?;
    let check = Operation::Check {
        name: Some(name.clone()),
    };
    let checked: Checked = read(visitor.look(check).await?)?;
    let areas = checked.connectors.into_iter().next().map(|one| one.areas);
    let query = PlanQuery {
        connector: Some(name),
        ..PlanQuery::default()
    };
    let plans: Plans = read(visitor.look(Operation::Approvals(query)).await?)?;
    show(&Page {
        frame,
        head: one.head(""),
        one,
        areas: areas.unwrap_or_default(),
        waiting: plans.approvals,
    })
}

/// Stops a connector, starts it again, retires it, or puts its revision into force.
pub(super) async fn stand(Path((name, act)): Path<(String, String)>, sent: Sent) -> Shown {
    let reason = sent.reason_or(if act == "pause" { STOPPED } else { "" });
    let (operation, word) = match act.as_str() {
        "pause" => (
            Operation::Pause {
                name: name.clone(),
                reason,
            },
            "stopped",
        ),
        "resume" => (
            Operation::Resume {
                name: name.clone(),
                reason,
            },
            "started",
        ),
        "retire" => (
            Operation::Retire {
                name: name.clone(),
                reason,
            },
            "retired",
        ),
        "approve" => {
            let hash = sent.field("hash").to_owned();
            let name = name.clone();
            (
                Operation::ApproveRevision { name, hash, reason },
                "in-force",
            )
        }
        _ => return Err(sent.visitor.failed(nothing())),
    };
    sent.visitor.data(operation).await?;
    match sent.field("from") {
        "home" => sent.visitor.done("/", word),
        _ => sent
            .visitor
            .done(&format!("/connectors/{}", encoded(&name)), word),
    }
}
