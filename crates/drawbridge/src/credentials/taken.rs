//! How targets took versions: what is news is kept at once, the rest after a while.

use std::{collections::BTreeSet, time::Duration};

use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::{Credentials, Which, lock, source::Before};
use crate::store::{CredentialVersion, Taken};

/// How often it is kept how targets took versions. What is news is kept at once.
const KEEP_EVERY: Duration = Duration::from_secs(10);
/// How many versions are remembered as known, so that they are not kept as seen again.
const MOST_KNOWN: usize = 10_000;

/// Versions that were seen, let in or refused, as far as the store was told: the first time is news.
#[derive(Default)]
pub(super) struct Told {
    seen: BTreeSet<Which>,
    accepted: BTreeSet<Which>,
    refused: BTreeSet<Which>,
}

impl Credentials {
    /// A vault's version before the newest may be needed until a target let the newest in.
    pub(super) async fn before(&self, name: &str, newest: &str) -> Before {
        let which = (name.to_owned(), newest.to_owned());
        if lock(&self.told).accepted.contains(&which) {
            return Before::Unwanted;
        }
        let kept = self.store.credential_versions(name).await;
        let let_in = |one: &CredentialVersion| one.version == newest && one.accepted.is_some();
        if kept.is_ok_and(|kept| kept.iter().any(let_in)) {
            remember(&mut lock(&self.told).accepted, which);
            return Before::Unwanted;
        }
        Before::Wanted
    }

    pub(super) fn seen(&self, name: &str, version: &str) {
        let which = (name.to_owned(), version.to_owned());
        if !remember(&mut lock(&self.told).seen, which.clone()) {
            return;
        }
        let now = self.clock.now();
        lock(&self.taken).entry(which).or_default().seen = Some(now);
        self.news.notify_one();
    }

    pub(super) fn accepted(&self, name: &str, version: &str) {
        let (now, which) = (self.clock.now(), (name.to_owned(), version.to_owned()));
        let news = remember(&mut lock(&self.told).accepted, which.clone());
        let mut taken = lock(&self.taken);
        let accepted = &mut taken.entry(which).or_default().accepted;
        *accepted = Some((accepted.map_or(now, |(first, _)| first), now));
        if news {
            self.news.notify_one();
        }
    }

    pub(super) fn refused(&self, name: &str, version: &str) {
        let (now, which) = (self.clock.now(), (name.to_owned(), version.to_owned()));
        let news = remember(&mut lock(&self.told).refused, which.clone());
        lock(&self.taken).entry(which).or_default().refused = Some(now);
        if news {
            self.news.notify_one();
        }
    }

    /// Keeps how targets took versions, until `stop`.
    pub(crate) async fn keep(&self, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.news.notified() => {}
                () = tokio::time::sleep(KEEP_EVERY) => {}
            }
            self.keep_taken().await;
        }
    }

    /// Keeps how targets took versions.
    pub async fn keep_taken(&self) {
        let _alone = self.keeping.lock().await;
        let taken = std::mem::take(&mut *lock(&self.taken));
        if taken.is_empty() {
            return;
        }
        if let Err(error) = self.store.keep_taken(&taken).await {
            warn!("cannot keep when credentials were used, and tries again: {error}");
            let mut later = lock(&self.taken);
            for (which, taken) in taken {
                let after = later.entry(which).or_default();
                *after = merged(taken, *after);
            }
        }
    }
}

/// What happened first, and then what happened after.
fn merged(first: Taken, after: Taken) -> Taken {
    Taken {
        seen: first.seen.or(after.seen),
        accepted: match (first.accepted, after.accepted) {
            (Some((begin, _)), Some((_, end))) => Some((begin, end)),
            (first, after) => first.or(after),
        },
        refused: after.refused.or(first.refused),
    }
}

/// Whether it was not known before.
fn remember(known: &mut BTreeSet<Which>, which: Which) -> bool {
    if known.len() >= MOST_KNOWN {
        known.clear();
    }
    known.insert(which)
}
