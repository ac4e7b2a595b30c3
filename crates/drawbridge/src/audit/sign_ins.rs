//! Failed sign-ins on the log, without letting whoever fails fill the disk.
//!
//! The first failure of a source is recorded at once, and the further ones of the same minute in
//! one record with their count. Only so many sources have records of their own in one minute.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use drawbridge_core::{
    answer::{Failure, Status},
    call::{Caller, Door, Person},
    connector::Clock,
    log::Record,
    way::{Act, Way},
};
use serde_json::json;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::{app::new_id, identify::network};

/// How long failures are counted together.
const TOGETHER: Duration = Duration::from_secs(60);
/// Sources that have records of their own at the same time.
const SOURCES: usize = 32;
/// How long the last failures may take to be recorded when the gateway stops.
const LAST: Duration = Duration::from_secs(5);

/// Why somebody was not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WhyNot {
    /// No token came along.
    Missing,
    /// A token came along that is not in force.
    Invalid,
    /// The token is in force, and lacks a scope.
    Scope,
}

impl WhyNot {
    fn words(self) -> &'static str {
        match self {
            Self::Missing => "no token",
            Self::Invalid => "a token that is not in force",
            Self::Scope => "a token without the scope that is needed",
        }
    }
}

/// From where, why and by which door; all further sources together have none.
type Key = (Option<IpAddr>, WhyNot, Door);

#[derive(Debug, Clone, Copy)]
struct Count {
    /// When the first one of these was recorded, by the clock that never goes back.
    since: Duration,
    /// Failures that are on no record yet.
    unrecorded: u64,
    /// Whether a record of the first one was made.
    first_recorded: bool,
}

/// Records failed sign-ins.
pub struct SignIns {
    way: Way,
    clock: Arc<dyn Clock>,
    counts: Mutex<HashMap<Key, Count>>,
    wake: Notify,
}

impl SignIns {
    /// Records to the log behind `way`.
    #[must_use]
    pub fn new(way: Way, clock: Arc<dyn Clock>) -> Self {
        Self {
            way,
            clock,
            counts: Mutex::default(),
            wake: Notify::new(),
        }
    }

    /// Counts a failed sign-in. Returns at once: the record is made by [`SignIns::keep`].
    pub fn failed(&self, source: Option<IpAddr>, why: WhyNot, door: Door) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let own = (source.map(network), why, door);
        let known = counts.contains_key(&own) || counts.len() < SOURCES;
        let key = if known { own } else { (None, why, door) };
        let count = counts.entry(key).or_insert(Count {
            since: self.clock.monotonic(),
            unrecorded: 0,
            first_recorded: false,
        });
        count.unrecorded = count.unrecorded.saturating_add(1);
        if !count.first_recorded {
            self.wake.notify_one();
        }
    }

    /// Makes the records until `stop`, and the last ones then.
    pub async fn keep(&self, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                () = self.wake.notified() => {}
                () = tokio::time::sleep(TOGETHER / 6) => {}
            }
            self.record(false).await;
        }
        // A log that is down at the end is told by the calls it refuses.
        let _ = tokio::time::timeout(LAST, self.record(true)).await;
    }

    async fn record(&self, all: bool) {
        for (key, attempts) in self.due(all) {
            if let Err(error) = self.put(key, attempts).await {
                tracing::error!(source = ?error.source, "failed sign-ins are not on the log yet: {error}");
                self.again(key, attempts);
            }
        }
    }

    /// What must be recorded at this moment, each with its count.
    fn due(&self, all: bool) -> Vec<(Key, u64)> {
        let now = self.clock.monotonic();
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let mut due = Vec::new();
        counts.retain(|key, count| {
            let over = all || now.saturating_sub(count.since) >= TOGETHER;
            if count.unrecorded > 0 && (over || !count.first_recorded) {
                due.push((*key, std::mem::take(&mut count.unrecorded)));
                count.first_recorded = true;
            }
            !over
        });
        due
    }

    /// Keeps what could not be recorded for the next time.
    fn again(&self, key: Key, attempts: u64) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(key).or_insert(Count {
            since: self.clock.monotonic(),
            unrecorded: 0,
            first_recorded: true,
        });
        count.unrecorded = count.unrecorded.saturating_add(attempts);
    }

    async fn put(
        &self,
        (source, why, door): Key,
        attempts: u64,
    ) -> Result<(), drawbridge_core::log::LogDown> {
        let from = source.map_or_else(|| "further addresses".to_owned(), |from| from.to_string());
        let mut caller = Caller::gateway();
        caller.person = Arc::new(Person::unknown());
        caller.client = Arc::from(Person::UNKNOWN);
        caller.door = door;
        let id = new_id();
        let arguments = json!({"source": from, "why": why.words(), "attempts": attempts});
        let message = format!(
            "{attempts} failed to sign in from {from}, with {}",
            why.words()
        );
        let act = Act {
            id: &id,
            caller: &caller,
            connector: Record::GATEWAY,
            action: "sign_in",
            power: None,
            arguments: &arguments,
            reason: message.clone(),
            in_full: true,
        };
        let denied = Failure::new(Status::Denied, message);
        self.way.note(act, Err(denied), self.way.begin()).await?;
        Ok(())
    }
}
