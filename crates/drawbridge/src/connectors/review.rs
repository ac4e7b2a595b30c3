//! Which revision of a file is in force: the one a reviewer approved, or one that only narrows it.

use std::{collections::BTreeMap, sync::Arc};

use drawbridge_core::{
    call::Action,
    connector::Kind,
    file::{Change, ConnectorFile, Direction, FileError, GatewayFile, changes, read_connector},
    lifecycle::{Standing, State},
};

use super::{Accepted, Connectors, ReloadError, Snapshot, mount::Waiting};
use crate::{
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

type Read = (Arc<ConnectorFile>, &'static dyn Kind);

impl Connectors {
    /// The state of every connector that has a file or is known to the store. One that has a file
    /// for the first time comes into review.
    pub(super) async fn standings(
        &self,
        files: &BTreeMap<String, Text>,
    ) -> Result<Vec<Candidate>, ReloadError> {
        let mut known: BTreeMap<String, store::Standing> = self
            .store
            .standings()
            .await?
            .into_iter()
            .map(|standing| (standing.connector.clone(), standing))
            .collect();
        for (name, text) in files {
            if !known.contains_key(name) {
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
        Ok(known
            .into_iter()
            .map(|(name, standing)| Candidate {
                text: files.get(&name).cloned(),
                name,
                standing,
            })
            .collect())
    }

    /// Decides which revision of one connector is in force, and what is wrong with its file.
    pub(super) async fn accept(
        &self,
        candidate: Candidate,
        gateway: &GatewayFile,
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
        let read = self.read_text(&text.name, &name, &text.text, gateway);
        if read.is_ok() {
            self.store
                .put_revision((&name, &text.hash), &text.text, self.clock.now())
                .await?;
        }
        let active = match &standing.active {
            Some(hash) if *hash == text.hash => None,
            Some(hash) => self.active(&name, hash, gateway).await?,
            None => None,
        };
        let (mut waiting, mut problems, mut broken) = (None, Vec::new(), None);
        let in_force = match (read, active) {
            (Ok(read), None) if standing.active.is_none() => {
                waiting = Some(Waiting {
                    hash: text.hash.clone(),
                    changes: Vec::new(),
                });
                Some((read, text.hash))
            }
            (Ok(read), None) => Some((read, text.hash)),
            (Ok(read), Some((active, hash))) => {
                let differences = changes(&active.0, &read.0, read.1, &gateway.labels());
                if differences
                    .iter()
                    .any(|change| change.direction == Direction::Widens)
                {
                    waiting = Some(Waiting {
                        hash: text.hash,
                        changes: differences,
                    });
                    Some((active, hash))
                } else {
                    standing = self.narrow(standing, &text, &differences).await?;
                    Some((read, text.hash))
                }
            }
            (Err(errors), active) => {
                broken = errors.0.first().map(ToString::to_string);
                problems = errors.0;
                // Without one, the approved revision itself no longer fits drawbridge.yaml.
                active
            }
        };
        let accepted = in_force
            .map(|(read, hash)| accepted(name, (read, hash), standing, old, (waiting, broken)));
        Ok((accepted, problems))
    }

    /// The approved revision, from the store, as it reads with `drawbridge.yaml` as it is.
    async fn active(
        &self,
        name: &str,
        hash: &str,
        gateway: &GatewayFile,
    ) -> Result<Option<(Read, String)>, ReloadError> {
        let Some(revision) = self.store.revision(name, hash).await? else {
            return Ok(None);
        };
        let shown = format!("connectors/{name}.yaml (revision {})", short(hash));
        Ok(self
            .read_text(&shown, name, &revision.text, gateway)
            .ok()
            .map(|read| (read, hash.to_owned())))
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
        self.store.approve_revision(&standing, &review).await?;
        let name = &standing.connector;
        tracing::info!(connector.name = %name, revision = short(&text.hash), "a narrower revision of `{name}` is in force");
        Ok(standing)
    }

    fn read_text(
        &self,
        shown: &str,
        name: &str,
        text: &str,
        gateway: &GatewayFile,
    ) -> Result<Read, drawbridge_core::file::FileErrors> {
        let (file, kind) = read_connector(shown, name, text, gateway, self.kinds)?;
        Ok((Arc::new(file), kind))
    }
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
    (waiting, broken): (Option<Waiting>, Option<String>),
) -> Accepted {
    // An unchanged file keeps its actions, and with them all that was compiled for them.
    let same = old
        .connectors
        .get(&name)
        .filter(|before| *before.bridge.revision == *hash && before.bridge.file == file);
    let (file, actions) = same.map_or_else(
        || {
            let actions: Arc<[Arc<Action>]> = kind
                .actions(&file.part())
                .into_iter()
                .filter(|action| file.access.contains(&action.power))
                .map(Arc::new)
                .collect();
            (file.clone(), actions)
        },
        |before| (before.bridge.file.clone(), before.bridge.actions.clone()),
    );
    Accepted {
        name,
        file,
        kind,
        revision: hash.into(),
        standing: Standing {
            state: standing.state,
            by: standing.by,
            at: standing.at,
            reason: standing.reason,
        },
        actions,
        waiting,
        broken,
    }
}
