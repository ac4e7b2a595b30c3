//! What the API answers, as pages read it.

use drawbridge_core::{call::Power, lifecycle::State, plan::Stage};
use serde::Deserialize;

/// `GET /connectors`.
#[derive(Deserialize)]
pub(super) struct Connectors {
    pub(super) connectors: Vec<Connector>,
    pub(super) total: u64,
    pub(super) next: Option<String>,
    pub(super) problems: Option<Vec<Fault>>,
    pub(super) needs: Option<Vec<Needs>>,
    pub(super) reviews: Option<Vec<Review>>,
}

/// A review that comes up.
#[derive(Deserialize)]
pub(super) struct Review {
    pub(super) connector: String,
    pub(super) owner: String,
    pub(super) at: String,
    pub(super) grade: Option<String>,
}

/// Something wrong with a file, where it is, and how it is mended.
#[derive(Deserialize)]
pub(super) struct Fault {
    pub(super) file: String,
    pub(super) line: u64,
    pub(super) rule: String,
    pub(super) mend: String,
}

/// Something that is to be done about a connector.
#[derive(Deserialize)]
pub(super) struct Needs {
    pub(super) connector: String,
    pub(super) what: String,
    pub(super) due: Option<String>,
}

/// One connector in a list.
#[derive(Deserialize)]
pub(super) struct Connector {
    pub(super) name: String,
    pub(super) purpose: String,
    pub(super) owner: String,
    pub(super) kind: String,
    pub(super) access: Vec<Power>,
    pub(super) state: State,
    pub(super) inspection: Option<Inspection>,
    pub(super) waiting_approvals: u64,
    pub(super) last_used: Option<String>,
    pub(super) due: Option<Due>,
    pub(super) grade: Option<String>,
    pub(super) yours: bool,
}

/// When a connector must be reviewed again.
#[derive(Deserialize)]
pub(super) struct Due {
    pub(super) at: String,
}

/// How a connector is.
#[derive(Deserialize)]
pub(super) struct Inspection {
    pub(super) health: String,
    pub(super) summary: String,
    #[serde(default)]
    pub(super) synced: Option<String>,
    #[serde(default)]
    pub(super) resources: u64,
    #[serde(default)]
    pub(super) problems: Vec<Problem>,
    #[serde(default)]
    pub(super) problem_count: u64,
    #[serde(default)]
    pub(super) excess: Vec<String>,
}

/// What is there and cannot be offered.
#[derive(Deserialize)]
pub(super) struct Problem {
    pub(super) path: String,
    pub(super) reason: String,
    pub(super) mend: String,
}

/// One of the eight small marks.
pub(super) struct Mark {
    pub(super) word: &'static str,
    pub(super) letter: &'static str,
    pub(super) class: &'static str,
    pub(super) held: bool,
}

/// The eight powers, as marks: which of them are held.
pub(super) fn marks(held: &[Power]) -> Vec<Mark> {
    let letters = ["R", "S", "D", "W", "U", "X", "M", "T"];
    let powers = Power::ALL.into_iter().zip(letters);
    powers
        .map(|(power, letter)| {
            let has = held.contains(&power);
            Mark {
                word: power.word(),
                letter,
                held: has,
                class: match (has, power.is_effect()) {
                    (false, _) => "none",
                    (true, true) => "effect",
                    (true, false) => "look",
                },
            }
        })
        .collect()
}

impl Connector {
    pub(super) fn marks(&self) -> Vec<Mark> {
        marks(&self.access)
    }

    pub(super) fn stands(&self) -> (&'static str, &'static str) {
        state(self.state)
    }

    pub(super) fn may_stop(&self) -> bool {
        self.state == State::Active && self.yours
    }

    pub(super) fn may_start(&self) -> bool {
        self.state == State::Paused && self.yours
    }
}

/// How a state is shown: its class and its words.
pub(super) fn state(state: State) -> (&'static str, &'static str) {
    match state {
        State::Requested => ("", "requested"),
        State::InReview => ("amber", "in review"),
        State::Active => ("green", "active"),
        State::Paused => ("red", "stopped"),
        State::Retired => ("", "retired"),
    }
}

/// How a plan's stage is shown.
pub(super) fn stage(stage: Stage) -> (&'static str, &'static str) {
    match stage {
        Stage::Waiting => ("amber", "waits for a decision"),
        Stage::Unknown => ("red", "nobody knows whether it happened"),
        Stage::Applied => ("green", "done"),
        Stage::Rejected => ("red", "rejected"),
        Stage::Failed => ("red", "failed"),
        other => ("", other.word()),
    }
}

/// `GET /approvals`.
#[derive(Deserialize)]
pub(super) struct Plans {
    pub(super) approvals: Vec<PlanLine>,
    pub(super) next: Option<String>,
}

/// One plan in a list.
#[derive(Deserialize)]
pub(super) struct PlanLine {
    pub(super) id: String,
    pub(super) stage: Stage,
    pub(super) connector: String,
    pub(super) action: String,
    pub(super) power: Power,
    pub(super) sentence: String,
    #[serde(deserialize_with = "how_many")]
    pub(super) targets: u64,
    pub(super) person: String,
    pub(super) client: String,
    pub(super) created: String,
    pub(super) expires: Option<String>,
    pub(super) escalated: bool,
    pub(super) yours_to_decide: bool,
    pub(super) yours_to_settle: bool,
    pub(super) yours_to_undo: bool,
}

/// How many targets there are: a list tells the number, one plan names them all.
fn how_many<'de, D: serde::Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Targets {
        Count(u64),
        All(Vec<serde::de::IgnoredAny>),
    }
    Ok(match Targets::deserialize(from)? {
        Targets::Count(count) => count,
        Targets::All(targets) => targets.len() as u64,
    })
}

impl PlanLine {
    /// What it would do, in a line.
    pub(super) fn said(&self) -> String {
        match self.sentence.as_str() {
            "" => format!("{} by {}_{}", self.power, self.connector, self.action),
            sentence => sentence.to_owned(),
        }
    }

    pub(super) fn stage(&self) -> (&'static str, &'static str) {
        stage(self.stage)
    }

    /// Whether it waits for who looks at it.
    pub(super) fn is_yours(&self) -> bool {
        self.yours_to_decide || self.yours_to_settle
    }
}
