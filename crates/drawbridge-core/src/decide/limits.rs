//! How much may happen: rates for each person, client and connector, and calls at the same time.

use std::{
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use governor::{DefaultDirectRateLimiter, DefaultKeyedRateLimiter, Quota, RateLimiter};

use crate::{
    answer::{Failure, Status},
    call::Caller,
    file::{Limits, Rate},
};

/// Callers remembered before those that have been quiet are forgotten.
const REMEMBERED: usize = 10_000;

/// The limits of one connector, with what was used of them.
pub struct Limiter {
    people: Option<(Rate, DefaultKeyedRateLimiter<String>)>,
    clients: Option<(Rate, DefaultKeyedRateLimiter<String>)>,
    all: Option<(Rate, DefaultDirectRateLimiter)>,
    concurrent: u32,
    running: AtomicU32,
}

/// The right to one call; gives its place back when dropped.
pub struct Turn(Arc<Limiter>);

impl std::fmt::Debug for Limiter {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            formatter,
            "Limiter({} running)",
            self.running.load(Ordering::Relaxed)
        )
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Limiter {
    /// A limiter that has let nobody in yet.
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        let keyed = |rate: Rate| (rate, RateLimiter::keyed(quota(rate)));
        Self {
            people: limits.per_person.map(keyed),
            clients: limits.per_client.map(keyed),
            all: limits
                .per_connector
                .map(|rate| (rate, RateLimiter::direct(quota(rate)))),
            concurrent: limits.concurrent.unwrap_or(u32::MAX),
            running: AtomicU32::new(0),
        }
    }

    /// Lets a call in, or says which limit it would break and what to do.
    ///
    /// # Errors
    /// [`Status::Limited`].
    pub fn enter(self: &Arc<Self>, caller: &Caller) -> Result<Turn, Failure> {
        if let Some((rate, people)) = &self.people {
            keyed(people, &caller.person.id, "person", *rate)?;
        }
        if let Some((rate, clients)) = &self.clients {
            keyed(clients, &caller.client, "client", *rate)?;
        }
        if let Some((rate, all)) = &self.all {
            all.check().map_err(|_| limited("connector", *rate))?;
        }
        let running = self.running.fetch_add(1, Ordering::AcqRel);
        let turn = Turn(self.clone());
        if running >= self.concurrent {
            return Err(Failure::new(
                Status::Limited,
                format!(
                    "{running} calls of this connector are running, and its file allows no more; try again in a moment"
                ),
            ));
        }
        Ok(turn)
    }
}

/// A burst of the whole count is allowed, then it fills up evenly.
fn quota(rate: Rate) -> Quota {
    let count = NonZeroU32::new(rate.count).unwrap_or(NonZeroU32::MIN);
    Quota::with_period(rate.per / count.get())
        .unwrap_or(Quota::per_second(count))
        .allow_burst(count)
}

fn keyed(
    limiter: &DefaultKeyedRateLimiter<String>,
    key: &str,
    whose: &str,
    rate: Rate,
) -> Result<(), Failure> {
    if limiter.len() > REMEMBERED {
        limiter.retain_recent();
        limiter.shrink_to_fit();
    }
    limiter
        .check_key(&key.to_owned())
        .map_err(|_| limited(whose, rate))
}

fn limited(whose: &str, rate: Rate) -> Failure {
    Failure::new(
        Status::Limited,
        format!(
            "this {whose} has made {rate} calls, and the file allows no more; wait, then ask for less"
        ),
    )
}
