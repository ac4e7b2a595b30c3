//! What the API answers, as pages read it.

use drawbridge_core::{call::Power, lifecycle::State, plan::Stage};
use serde::Deserialize;

/// `GET /connectors`.
#[derive(Deserialize)]
pub(super) struct Connectors {
    pub(super) connectors: Vec<Connector>,
    #[serde(default)]
    pub(super) total: u64,
    #[serde(default)]
    pub(super) next: Option<String>,
    #[serde(default)]
    pub(super) problems: Option<Vec<String>>,
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
    pub(super) waiting: Option<String>,
    pub(super) broken: Option<serde_json::Value>,
    pub(super) inspection: Option<Inspection>,
    #[serde(default)]
    pub(super) waiting_approvals: u64,
    #[serde(default)]
    pub(super) last_used: Option<String>,
    #[serde(default)]
    pub(super) due: Option<Due>,
    #[serde(default)]
    pub(super) grade: Option<String>,
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
        self.state == State::Active && self.inspection.is_some()
    }

    pub(super) fn may_start(&self) -> bool {
        self.state == State::Paused && self.inspection.is_some()
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
    pub(super) targets: u64,
    pub(super) person: String,
    pub(super) client: String,
    pub(super) created: String,
    pub(super) expires: Option<String>,
    pub(super) escalated: bool,
    pub(super) yours_to_decide: bool,
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
}
