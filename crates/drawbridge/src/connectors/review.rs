//! Which revision of a file is in force: the one a reviewer approved, or one that only narrows it.

use std::{collections::BTreeMap, sync::Arc};

use drawbridge_core::{
    answer::Found,
    call::Caller,
    file::{Change, ConnectorFile, Direction, FileError, GatewayFile, changes},
    lifecycle::{Due, Standing, State},
    way::Act,
};
use serde_json::{Value, json};

use super::{
    Accepted, Connectors, ReloadError, Snapshot,
    mount::Waiting,
    readings::{Read, Readings},
};
use crate::{
    app::new_id,
    store::{self, Review},
    workspace::Text,
};

/// In whose name the gateway does what the design lets it do by itself.
pub const GATEWAY: &str = "drawbridge";

/// A connector's state in the store and its file, where there is one.
pub(super) struct Candidate {
    name: String,
    standing: store::Standing,
    text: Option<Text>,
}

impl Connectors {
    /// The state of every connector that has a file or is known to the store, and who stopped every
    /// effect while they are stopped: that is kept as a pause of the gateway itself. One that has a
    /// file for the first time comes into review.
    pub(super) async fn standings(
        &self,
        files: &BTreeMap<String, Text>,
    ) -> Result<(Vec<Candidate>, Option<Standing>), ReloadError> {
        let mut known: BTreeMap<String, store::Standing> = self
            .store
            .standings()
            .await?
            .into_iter()
            .map(|standing| (standing.connector.clone(), standing))
            .collect();
        let own = known.remove(GATEWAY);
        let halted = own.filter(|own| own.state == State::Paused);
        for (name, text) in files {
            // No file is the gateway itself, whose state says whether effects are stopped.
            if name != GATEWAY && !known.contains_key(name) {
                let standing = store::Standing {
                    connector: name.clone(),
                    state: State::InReview,
                    by: GATEWAY.to_owned(),
                    at: self.clock.now(),
                    reason: format!("found {}", text.name),
                    active: None,
                };
                self.store.set_standing(&standing).await?;
                known.insert(name.clone(), standing);
            }
        }
        let candidates = known.into_iter().map(|(name, standing)| Candidate {
            text: files.get(&name).cloned(),
            name,
            standing,
        });
        Ok((candidates.collect(), halted.map(in_words)))
    }

    /// Decides which revision of one connector is in force, and what is wrong with its file.
    pub(super) async fn accept(
        &self,
        candidate: Candidate,
        readings: &mut Readings,
        old: &Snapshot,
    ) -> Result<(Option<Accepted>, Vec<FileError>), ReloadError> {
        let Candidate {
            name,
            mut standing,
            text,
        } = candidate;
        // A file that is gone narrows, and that takes effect at once: there is nothing to offer.
        let Some(text) = text else {
            return Ok((None, Vec::new()));
        };
        let read = readings.read(&name, &text);
        if read.is_ok() {
            let kept = (&self.store, self.clock.now());
            readings.keep((&name, &text), kept).await?;
        }
        let (mut waiting, mut problems, mut broken) = (None, Vec::new(), None);
        let in_force = match read {
            Ok(read) => {
                let chosen;
                (standing, chosen, waiting) =
                    self.choose(standing, (&text, read), readings, old).await?;
                Some(chosen)
            }
            Err(errors) => {
                broken = errors.0.first().map(ToString::to_string);
                problems = errors.0;
                // Without one, the approved revision itself no longer fits drawbridge.yaml.
                match &standing.active {
                    Some(hash) => self.active(&name, hash, readings).await?,
                    None => None,
                }
            }
        };
        let Some((read, hash)) = in_force else {
            return Ok((None, problems));
        };
        let reviewed = readings.review(&name);
        let due = due(&read.0, readings.gateway(), reviewed.as_ref());
        let standing = self.overdue(standing, due).await?;
        let one = Accepted {
            waiting,
            broken,
            reviewed,
            due,
            ..accepted(name, (read, hash), standing, old)
        };
        Ok((Some(one), problems))
    }

    /// Of a file without errors and the revision in force: which one it is from here on, and
    /// whether the file waits for a reviewer.
    async fn choose(
        &self,
        mut standing: store::Standing,
        (text, read): (&Text, Read),
        readings: &mut Readings,
        old: &Snapshot,
    ) -> Result<(store::Standing, (Read, String), Option<Waiting>), ReloadError> {
        let waits = |changes| {
            Some(Waiting {
                hash: text.hash.clone(),
                file: read.0.clone(),
                changes,
            })
        };
        let Some(hash) = standing.active.clone() else {
            let waiting = waits(Vec::new());
            return Ok((standing, (read, text.hash.clone()), waiting));
        };
        if hash == text.hash {
            return Ok((standing, (read, hash), None));
        }
        let Some(active) = self.active(&standing.connector, &hash, readings).await? else {
            // What it would widen cannot be told, and what was approved cannot be in force.
            let lost = "the approved revision no longer fits drawbridge.yaml";
            let waiting = waits(vec![Change::new("", Direction::Widens, lost)]);
            if standing.state == State::Active {
                standing.state = State::InReview;
            }
            return Ok((standing, (read, text.hash.clone()), waiting));
        };
        let labels = readings.gateway().labels();
        let known = Some(old)
            .filter(|old| *old.gateway == *readings.gateway())
            .and_then(|old| compared(old, &standing.connector, (&active.1, &text.hash)));
        let differences = known.unwrap_or_else(|| changes(&active.0.0, &read.0, read.1, &labels));
        let wider = |change: &Change| change.direction == Direction::Widens;
        if differences.iter().any(wider) {
            let waiting = waits(differences);
            return Ok((standing, active, waiting));
        }
        let standing = self.narrow(standing, text, &differences).await?;
        Ok((standing, (read, text.hash.clone()), None))
    }

    /// Pauses a connector that nobody reviewed in time.
    async fn overdue(
        &self,
        standing: store::Standing,
        due: Option<Due>,
    ) -> Result<store::Standing, ReloadError> {
        let now = self.clock.now();
        let Some(due) = due.filter(|due| standing.state == State::Active && due.is_over(now))
        else {
            return Ok(standing);
        };
        let reason = format!("its review was due at {} and nobody did it", due.at);
        let standing = store::Standing {
            state: State::Paused,
            by: GATEWAY.to_owned(),
            at: now,
            reason: reason.clone(),
            ..standing
        };
        let name = &standing.connector;
        self.note(
            (name, "pause"),
            &json!({"name": name, "reason": reason}),
            &reason,
        )
        .await?;
        self.store.set_standing(&standing).await?;
        tracing::warn!(connector.name = %name, "paused `{name}`: {reason}");
        Ok(standing)
    }

    /// Puts what the gateway does by itself on the log, before it does it.
    pub(super) async fn note(
        &self,
        (connector, action): (&str, &str),
        arguments: &Value,
        reason: &str,
    ) -> Result<(), ReloadError> {
        let act = Act {
            id: &new_id(),
            caller: &Caller::gateway(),
            connector,
            action,
            power: None,
            arguments,
            reason: reason.to_owned(),
            in_full: true,
        };
        let done = Found::new(json!({"done": true}), String::new(), 1);
        self.way.note(act, Ok(done), self.way.begin()).await?;
        Ok(())
    }

    /// The approved revision, from the store, as it reads with `drawbridge.yaml` as it is.
    async fn active(
        &self,
        name: &str,
        hash: &str,
        readings: &mut Readings,
    ) -> Result<Option<(Read, String)>, ReloadError> {
        let read = match readings.known(name, hash) {
            Some(read) => read,
            None => {
                let Some(revision) = self.store.revision(name, hash).await? else {
                    return Ok(None);
                };
                let text = Text {
                    name: format!("connectors/{name}.yaml (revision {})", short(hash)),
                    text: revision.text,
                    hash: hash.to_owned(),
                };
                readings.read(name, &text)
            }
        };
        Ok(read.ok().map(|read| (read, hash.to_owned())))
    }

    /// Puts a revision that only narrows into force, without a reviewer.
    async fn narrow(
        &self,
        standing: store::Standing,
        text: &Text,
        differences: &[Change],
    ) -> Result<store::Standing, ReloadError> {
        let sentences: Vec<&str> = differences
            .iter()
            .map(|change| change.sentence.as_str())
            .collect();
        let review = Review {
            by: GATEWAY.to_owned(),
            at: self.clock.now(),
            reason: format!("it only narrows: {}", sentences.join("; ")),
        };
        let standing = store::Standing {
            active: Some(text.hash.clone()),
            ..standing
        };
        let name = &standing.connector;
        let what = json!({"name": name, "hash": text.hash, "changes": differences});
        self.note((name, "narrow"), &what, &review.reason).await?;
        self.store.approve_revision(&standing, &review).await?;
        tracing::info!(connector.name = %name, revision = short(&text.hash), "a narrower revision of `{name}` is in force");
        Ok(standing)
    }
}

/// How a file differs from the revision in force, where the same two were compared before.
fn compared(old: &Snapshot, name: &str, (active, file): (&str, &str)) -> Option<Vec<Change>> {
    let before = old.connectors.get(name)?;
    let waiting = before.waiting.as_ref()?;
    let same = *before.bridge.revision == *active && waiting.hash == file;
    same.then(|| waiting.changes.clone())
}

fn in_words(standing: store::Standing) -> Standing {
    Standing {
        state: standing.state,
        by: standing.by,
        at: standing.at,
        reason: standing.reason,
    }
}

/// When a file that was reviewed at a time must be reviewed again.
pub fn due(file: &ConnectorFile, gateway: &GatewayFile, reviewed: Option<&Review>) -> Option<Due> {
    let every = file.purpose.review_every?;
    Due::after(reviewed?.at, every, gateway.review_grace)
}

/// The first digits of a hash, as people are shown it.
#[must_use]
pub fn short(hash: &str) -> &str {
    hash.get(..12).unwrap_or(hash)
}

fn accepted(
    name: String,
    ((file, kind), hash): (Read, String),
    standing: store::Standing,
    old: &Snapshot,
) -> Accepted {
    // An unchanged file keeps its actions, and with them all that was compiled for them.
    let same = old
        .connectors
        .get(&name)
        .filter(|before| *before.bridge.revision == *hash)
        .filter(|before| Arc::ptr_eq(&before.bridge.file, &file) || before.bridge.file == file);
    let (file, actions) = same.map_or_else(
        || (file.clone(), file.actions(kind)),
        |before| (before.bridge.file.clone(), before.bridge.actions.clone()),
    );
    Accepted {
        name,
        file,
        kind,
        revision: hash.into(),
        standing: in_words(standing),
        actions,
        waiting: None,
        broken: None,
        reviewed: None,
        due: None,
    }
}
