//! The last grade of each connector, remembered: a list of many must not cost a check of each.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use drawbridge_core::{
    connector::Health,
    file::GatewayFile,
    lifecycle::{Due, Standing},
};

use super::{Area, Colour, Facts};
use crate::connectors::{Mounted, Snapshot};

/// How long a grade is good: facts change although no file does.
const GOOD_FOR: Duration = Duration::from_secs(5 * 60);
/// How long the grade of a connector is good that is still reading its target.
const GOOD_WHILE_SYNCING: Duration = Duration::from_secs(5);

/// The last grades. At most one for each connector in force.
#[derive(Default)]
pub struct Grades {
    known: Mutex<BTreeMap<String, Grade>>,
}

/// A grade, and what it was given for.
struct Grade {
    colour: Option<Colour>,
    revision: Arc<str>,
    gateway: Arc<GatewayFile>,
    standing: Standing,
    due: Option<Due>,
    until: Duration,
}

impl Grade {
    /// Whether files and states are as they were.
    fn is_of(&self, snapshot: &Snapshot, mounted: &Mounted) -> bool {
        *self.revision == *mounted.bridge.revision
            && self.standing == mounted.bridge.standing
            && self.due == mounted.due
            && Arc::ptr_eq(&self.gateway, &snapshot.gateway)
    }
}

impl Grades {
    /// The worst area of a connector's revision in force, as it was last graded; none where it was
    /// not graded yet.
    #[must_use]
    pub fn of(&self, name: &str, mounted: &Mounted) -> Option<Colour> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let grade = known.get(name)?;
        let same = *grade.revision == *mounted.bridge.revision;
        grade.colour.filter(|_| same)
    }

    /// Remembers the areas of a connector's revision in force, graded from these facts.
    pub fn keep(
        &self,
        snapshot: &Snapshot,
        (name, mounted): (&str, &Mounted),
        (areas, facts): (&[Area], &Facts),
        now: Duration,
    ) {
        let syncing = matches!(&facts.inspection, Ok(seen) if seen.health == Health::Syncing);
        let good = if syncing {
            GOOD_WHILE_SYNCING
        } else {
            GOOD_FOR
        };
        let worst = areas.iter().map(|area| area.colour).max();
        self.put(snapshot, (name, mounted), (worst, now + good));
    }

    /// Leaves a connector ungraded for a while, because facts of it cannot be seen.
    pub fn skip(&self, snapshot: &Snapshot, (name, mounted): (&str, &Mounted), now: Duration) {
        let before = self.of(name, mounted);
        self.put(snapshot, (name, mounted), (before, now + GOOD_FOR));
    }

    fn put(
        &self,
        snapshot: &Snapshot,
        (name, mounted): (&str, &Mounted),
        (colour, until): (Option<Colour>, Duration),
    ) {
        let grade = Grade {
            colour,
            revision: mounted.bridge.revision.clone(),
            gateway: snapshot.gateway.clone(),
            standing: mounted.bridge.standing.clone(),
            due: mounted.due,
            until,
        };
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(name.to_owned(), grade);
    }

    /// Connectors that must be graded, those without a grade first, at most so many. Forgets those
    /// that are there no more.
    #[must_use]
    pub fn wanting(&self, snapshot: &Snapshot, now: Duration, most: usize) -> Vec<String> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|name, _| snapshot.connectors.contains_key(name));
        let mut wanting: Vec<(Duration, &String)> = Vec::new();
        for (name, mounted) in &snapshot.connectors {
            match known.get(name) {
                None => wanting.push((Duration::ZERO, name)),
                Some(grade) if !grade.is_of(snapshot, mounted) => {
                    wanting.push((Duration::ZERO, name));
                }
                Some(grade) if now >= grade.until => wanting.push((grade.until, name)),
                Some(_) => {}
            }
        }
        wanting.sort();
        let first = wanting.into_iter().take(most);
        first.map(|(_, name)| name.clone()).collect()
    }
}
