//! How a revision differs from the one before it, and which way.

use serde::Serialize;

use super::{ConnectorFile, Labels, Permission, Purpose, System};
use crate::{call::Power, connector::Kind};

/// Which way a change goes. Narrowing takes effect at once; widening needs review.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// More may happen, or with less oversight.
    Widens,
    /// Less may happen, or with more oversight.
    Narrows,
    /// Neither: a description, a review date.
    Neutral,
}

/// One difference between two revisions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// The place as a JSON pointer.
    pub pointer: String,
    /// Which way it goes.
    pub direction: Direction,
    /// The difference in a sentence, in lower case without a full stop.
    pub sentence: String,
}

impl Change {
    /// A difference at a JSON pointer.
    pub fn new(
        pointer: impl Into<String>,
        direction: Direction,
        sentence: impl Into<String>,
    ) -> Self {
        Self {
            pointer: pointer.into(),
            direction,
            sentence: sentence.into(),
        }
    }
}

/// How `new` differs from `old`, section by section, in the order of the file.
#[must_use]
pub fn changes(
    old: &ConnectorFile,
    new: &ConnectorFile,
    kind: &dyn Kind,
    labels: &Labels,
) -> Vec<Change> {
    let mut found = Vec::new();
    let mut differs = |pointer: &str, same: bool, direction, sentence: &str| {
        if !same {
            found.push(Change::new(pointer, direction, sentence));
        }
    };
    differs(
        "/purpose/task",
        old.purpose.task == new.purpose.task,
        Direction::Neutral,
        "its purpose is put in other words",
    );
    differs(
        "/purpose/owner",
        old.purpose.owner == new.purpose.owner,
        Direction::Widens,
        &format!(
            "`{}` answers for it, and may stop and start it",
            new.purpose.owner
        ),
    );
    differs(
        "/system/kind",
        old.system.kind == new.system.kind,
        Direction::Widens,
        "it reaches another kind of system",
    );
    differs(
        "/identity",
        old.identity == new.identity,
        Direction::Widens,
        "it acts as another account, or with another credential",
    );
    found.extend(review(&old.purpose, &new.purpose));
    found.extend(limits(&old.system, &new.system));
    found.extend(access(&old.access, &new.access));
    found.extend(permissions(&old.permissions, &new.permissions));
    found.extend(oversight(old, new));
    if old.system.kind == new.system.kind {
        found.extend(kind.compare(&old.part(), &new.part(), labels));
    }
    found
}

/// A review that comes later, or never, is less oversight.
fn review(old: &Purpose, new: &Purpose) -> Option<Change> {
    let at = "/purpose/review_every";
    match (old.review_every, new.review_every) {
        (old, new) if old == new => None,
        (Some(old), Some(new)) if new < old => Some(Change::new(
            at,
            Direction::Narrows,
            format!("it is reviewed every {new}, not every {old}"),
        )),
        (None, Some(new)) => Some(Change::new(
            at,
            Direction::Narrows,
            format!("it is reviewed every {new}"),
        )),
        (_, Some(new)) => Some(Change::new(
            at,
            Direction::Widens,
            format!("it is reviewed only every {new}"),
        )),
        (_, None) => Some(Change::new(
            at,
            Direction::Widens,
            "nobody has to review it",
        )),
    }
}

fn access(old: &[Power], new: &[Power]) -> Vec<Change> {
    let added = new.iter().filter(|power| !old.contains(power));
    let removed = old.iter().filter(|power| !new.contains(power));
    added
        .map(|power| Change::new("/access", Direction::Widens, format!("it may `{power}`")))
        .chain(removed.map(|power| {
            Change::new(
                "/access",
                Direction::Narrows,
                format!("it may no longer `{power}`"),
            )
        }))
        .collect()
}

/// Grants only ever add up, so a grant that is gone narrows and one that is there only now widens.
fn permissions(old: &[Permission], new: &[Permission]) -> Vec<Change> {
    let sentence = |verb: &str, permission: &Permission| {
        let who: Vec<String> = permission.who.iter().map(ToString::to_string).collect();
        let may: Vec<&str> = permission.may.iter().map(|power| power.word()).collect();
        let part = if permission.only.is_empty() {
            "everything"
        } else {
            "a part of it"
        };
        format!("{verb}: {} may {} {part}", who.join(", "), may.join(", "))
    };
    let added = new.iter().enumerate().filter(|(_, one)| !old.contains(one));
    let removed = old.iter().filter(|one| !new.contains(one));
    added
        .map(|(index, one)| {
            let at = format!("/permissions/{index}");
            Change::new(at, Direction::Widens, sentence("added", one))
        })
        .chain(
            removed.map(|one| {
                Change::new("/permissions", Direction::Narrows, sentence("removed", one))
            }),
        )
        .collect()
}

/// Limits and freshness: a higher or absent number widens.
fn limits(old: &System, new: &System) -> Vec<Change> {
    let mut found = Vec::new();
    if old.limits != new.limits {
        found.push(Change::new(
            "/system/limits",
            Direction::Widens,
            "its limits changed",
        ));
    }
    if old.stale_after != new.stale_after || old.when_stale != new.when_stale {
        let looser = match (old.stale_after, new.stale_after) {
            (Some(old), Some(new)) => new > old,
            (Some(_), None) => true,
            (None, _) => false,
        } || new.when_stale < old.when_stale;
        let direction = if looser {
            Direction::Widens
        } else {
            Direction::Narrows
        };
        found.push(Change::new(
            "/system/stale_after",
            direction,
            "its freshness rule changed",
        ));
    }
    found
}

/// Logging, approval and recovery: less oversight widens.
fn oversight(old: &ConnectorFile, new: &ConnectorFile) -> Vec<Change> {
    let mut found = Vec::new();
    if old.logging.content != new.logging.content {
        found.push(Change::new(
            "/logging/content",
            Direction::Widens,
            "its records keep another part of the content",
        ));
    }
    if old.logging.keep != new.logging.keep {
        let direction = if new.logging.keep > old.logging.keep {
            Direction::Narrows
        } else {
            Direction::Widens
        };
        found.push(Change::new(
            "/logging/keep",
            direction,
            "its records are kept for another time",
        ));
    }
    if old.approval != new.approval {
        found.push(Change::new(
            "/approval",
            Direction::Widens,
            "its gates changed",
        ));
    }
    if old.recovery != new.recovery {
        found.push(Change::new(
            "/recovery",
            Direction::Widens,
            "how it is undone or stopped changed",
        ));
    }
    found
}
