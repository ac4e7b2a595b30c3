//! The connector checklist: eight areas, each green, amber or red, with the sentence that says why
//! and the mend; from the file, and from facts where they can be seen.

mod access;
mod approval;
mod grades;
mod identity;
mod logging;
mod permissions;
mod purpose;
mod recovery;
mod scope;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use drawbridge_core::{
    call::Action,
    connector::Inspection,
    file::{ConnectorFile, GatewayFile},
    lifecycle::{Due, Standing},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::store::{Review, Used};
pub use grades::Grades;
pub use identity::{BOTH_FOR, CredentialFacts};
pub(crate) use permissions::is_meant;

/// A grant that nobody used for so long is one too many.
pub const UNUSED_AFTER: Duration = Duration::from_secs(90 * 24 * 3600);
/// How far back calls are counted that failed.
pub const FAILED_WITHIN: Duration = Duration::from_secs(7 * 24 * 3600);

/// How an area stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Colour {
    /// In order.
    Green,
    /// To be looked at.
    Amber,
    /// Not to be activated.
    Red,
}

impl Colour {
    /// The word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Green => "green",
            Self::Amber => "amber",
            Self::Red => "red",
        }
    }
}

/// One thing that was noticed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// How bad it is.
    pub colour: Colour,
    /// Why, in lower case without a full stop.
    pub sentence: String,
    /// What to do about it; empty where it is in order.
    pub mend: String,
}

/// One of the eight areas.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Area {
    /// Its name.
    pub name: String,
    /// How it stands: as its worst finding does.
    pub colour: Colour,
    /// Everything that was noticed, the worst first. Never empty.
    pub findings: Vec<Finding>,
    /// Facts that could not be seen.
    pub unseen: Vec<String>,
}

/// What is graded.
pub struct Subject<'a> {
    /// The connector's file, without errors.
    pub file: &'a ConnectorFile,
    /// `drawbridge.yaml`.
    pub gateway: &'a GatewayFile,
    /// What it offers.
    pub actions: &'a [Arc<Action>],
    /// All connectors, this one among them.
    pub all: &'a BTreeMap<&'a str, Beside<'a>>,
    /// What is true of it; none where there are only files.
    pub facts: Option<&'a Facts>,
}

/// A connector among the others.
#[derive(Clone, Copy)]
pub struct Beside<'a> {
    /// Its file, without errors.
    pub file: &'a ConnectorFile,
    /// What it offers, worked out when its file was taken up.
    pub actions: &'a [Arc<Action>],
}

/// What is true of a connector, beyond what its file says.
pub struct Facts {
    /// Now.
    pub now: Timestamp,
    /// Health, freshness and real rights; why they cannot be seen, where it is not open.
    pub inspection: Result<Inspection, String>,
    /// In which state it is, and who brought it there.
    pub standing: Standing,
    /// Who reviewed it last.
    pub reviewed: Option<Review>,
    /// When it must be reviewed again.
    pub due: Option<Due>,
    /// Its calls within [`UNUSED_AFTER`].
    pub used: Vec<Used>,
    /// Its calls within [`FAILED_WITHIN`].
    pub recent: Vec<Used>,
    /// The credentials that its file names, in force or in a revision that waits.
    pub credentials: BTreeMap<String, CredentialFacts>,
}

/// What an area's module hands in.
#[derive(Default)]
struct Noticed {
    findings: Vec<Finding>,
    unseen: Vec<String>,
}

impl Noticed {
    fn amber(&mut self, sentence: impl Into<String>, mend: impl Into<String>) {
        self.add(Colour::Amber, sentence.into(), mend.into());
    }

    fn red(&mut self, sentence: impl Into<String>, mend: impl Into<String>) {
        self.add(Colour::Red, sentence.into(), mend.into());
    }

    fn green(&mut self, sentence: impl Into<String>) {
        self.add(Colour::Green, sentence.into(), String::new());
    }

    fn unseen(&mut self, fact: impl Into<String>) {
        self.unseen.push(fact.into());
    }

    fn add(&mut self, colour: Colour, sentence: String, mend: String) {
        self.findings.push(Finding {
            colour,
            sentence,
            mend,
        });
    }

    fn area(mut self, name: &str) -> Area {
        self.findings
            .sort_by_key(|finding| std::cmp::Reverse(finding.colour));
        Area {
            name: name.to_owned(),
            colour: self
                .findings
                .first()
                .map_or(Colour::Green, |worst| worst.colour),
            findings: self.findings,
            unseen: self.unseen,
        }
    }
}

/// An area by name, and what notices things in it.
type Grader = (&'static str, fn(&Subject<'_>, &mut Noticed));

/// The eight areas, in the order of the file's sections.
static AREAS: [Grader; 8] = [
    ("Purpose", purpose::grade),
    ("Scope", scope::grade),
    ("Access", access::grade),
    ("Identity", identity::grade),
    ("Permissions", permissions::grade),
    ("Logging", logging::grade),
    ("Approval", approval::grade),
    ("Recovery", recovery::grade),
];

/// Grades a file that has no errors.
#[must_use]
pub fn grade(subject: &Subject<'_>) -> Vec<Area> {
    AREAS
        .iter()
        .map(|(name, grade)| {
            let mut noticed = Noticed::default();
            grade(subject, &mut noticed);
            noticed.area(name)
        })
        .collect()
}

/// Why a connector must not be active: its red areas, each with the sentence and the mend.
#[must_use]
pub fn red(areas: &[Area]) -> Option<String> {
    let red: Vec<String> = areas
        .iter()
        .flat_map(|area| area.findings.iter().map(move |finding| (area, finding)))
        .filter(|(_, finding)| finding.colour == Colour::Red)
        .map(|(area, finding)| format!("{}: {}; {}", area.name, finding.sentence, finding.mend))
        .collect();
    (!red.is_empty()).then(|| red.join(". "))
}

/// A moment as people read it: the day.
fn day(moment: Timestamp) -> String {
    moment
        .to_zoned(jiff::tz::TimeZone::UTC)
        .strftime("%-d %B %Y")
        .to_string()
}

#[cfg(test)]
mod tests;
