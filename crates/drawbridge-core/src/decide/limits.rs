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
/// How many calls apart quiet ones are looked for: looking takes longer the more are remembered.
const LOOK_EVERY: u32 = 1_024;

/// The limits of one connector, with what was used of them.
pub struct Limiter {
    people: Option<(Rate, DefaultKeyedRateLimiter<String>)>,
    clients: Option<(Rate, DefaultKeyedRateLimiter<String>)>,
    all: Option<(Rate, DefaultDirectRateLimiter)>,
    concurrent: u32,
    running: AtomicU32,
    /// Calls so far, to look for quiet callers now and then.
    calls: AtomicU32,
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
            calls: AtomicU32::new(0),
        }
    }

    /// Lets a call in, or says which limit it would break and what to do.
    ///
    /// # Errors
    /// [`Status::Limited`].
    pub fn enter(self: &Arc<Self>, caller: &Caller) -> Result<Turn, Failure> {
        // First of all, so that a call that finds no place uses up nothing else.
        let turn = self.take_place()?;
        if self
            .calls
            .fetch_add(1, Ordering::Relaxed)
            .is_multiple_of(LOOK_EVERY)
        {
            self.people.iter().for_each(|(_, people)| forget(people));
            self.clients.iter().for_each(|(_, clients)| forget(clients));
        }
        if let Some((rate, people)) = &self.people {
            keyed(people, &caller.person.id, "person", *rate)?;
        }
        if let Some((rate, clients)) = &self.clients {
            keyed(clients, &caller.client, "client", *rate)?;
        }
        if let Some((rate, all)) = &self.all {
            all.check().map_err(|_| limited("connector", *rate))?;
        }
        Ok(turn)
    }
}

impl Limiter {
    fn take_place(self: &Arc<Self>) -> Result<Turn, Failure> {
        let one_more = |running: u32| (running < self.concurrent).then_some(running + 1);
        self.running
            .try_update(Ordering::AcqRel, Ordering::Acquire, one_more)
            .map(|_| Turn(self.clone()))
            .map_err(|running| {
                let message = format!(
                    "{running} calls of this connector are running, and its file allows no more; try again in a moment"
                );
                Failure::new(Status::Limited, message)
            })
    }
}

/// A burst of the whole count is allowed, then it fills up evenly.
fn quota(rate: Rate) -> Quota {
    let count = NonZeroU32::new(rate.count).unwrap_or(NonZeroU32::MIN);
    Quota::with_period(rate.per / count.get())
        .unwrap_or(Quota::per_second(count))
        .allow_burst(count)
}

/// Forgets callers whose limits are as they were before their first call.
fn forget(limiter: &DefaultKeyedRateLimiter<String>) {
    if limiter.len() > REMEMBERED {
        limiter.retain_recent();
        limiter.shrink_to_fit();
    }
}

fn keyed(
    limiter: &DefaultKeyedRateLimiter<String>,
    key: &str,
    whose: &str,
    rate: Rate,
) -> Result<(), Failure> {
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

#[cfg(test)]
mod tests {
    use std::{sync::Barrier, thread, time::Duration};

    use super::*;
    use crate::call::{Door, Person};

    fn caller(person: &str, client: &str) -> Caller {
        let mut known = Person::anonymous();
        known.id = person.to_owned();
        Caller {
            person: Arc::new(known),
            client: client.into(),
            task: None,
            token: None,
            door: Door::Mcp,
            trace: None,
        }
    }

    fn rate(count: u32) -> Option<Rate> {
        let per = Duration::from_secs(86_400);
        Some(Rate { count, per })
    }

    fn let_in(limiter: &Arc<Limiter>, caller: &Caller, times: usize) -> usize {
        (0..times).filter(|_| limiter.enter(caller).is_ok()).count()
    }

    #[test]
    fn each_person_client_and_connector_has_a_count_of_its_own() {
        let limiter = Arc::new(Limiter::new(&Limits {
            per_person: rate(5),
            per_client: rate(8),
            per_connector: rate(12),
            ..Limits::default()
        }));
        assert_eq!(let_in(&limiter, &caller("ann", "claude"), 10), 5);
        assert_eq!(
            let_in(&limiter, &caller("bob", "claude"), 10),
            3,
            "the client's rest"
        );
        assert_eq!(
            let_in(&limiter, &caller("eve", "cursor"), 10),
            4,
            "the connector's rest"
        );
        let failure = limiter.enter(&caller("zoe", "other")).err().unwrap();
        assert_eq!(failure.status, Status::Limited);
        assert!(failure.message.contains("12/d"), "{}", failure.message);
    }

    #[test]
    fn counts_are_exact_in_parallel() {
        let limiter = Arc::new(Limiter::new(&Limits {
            per_person: rate(1_000),
            ..Limits::default()
        }));
        let threads: Vec<_> = (0..8)
            .map(|_| {
                let limiter = limiter.clone();
                thread::spawn(move || let_in(&limiter, &caller("ann", "claude"), 400))
            })
            .collect();
        let all: usize = threads.into_iter().map(|one| one.join().unwrap()).sum();
        assert_eq!(all, 1_000);
    }

    /// With as many callers as places nobody is refused, however they meet; with one more somebody is.
    #[test]
    fn places_are_exact_in_parallel() {
        const PLACES: u32 = 4;
        let limiter = Arc::new(Limiter::new(&Limits {
            concurrent: Some(PLACES),
            ..Limits::default()
        }));
        let enter = |limiter: &Arc<Limiter>| limiter.enter(&caller("ann", "claude"));
        let held: Vec<Turn> = (0..PLACES - 1)
            .filter_map(|_| enter(&limiter).ok())
            .collect();
        assert_eq!(held.len(), 3);
        let barrier = Arc::new(Barrier::new(8));
        let threads: Vec<_> = (0..8)
            .map(|_| {
                let (limiter, barrier) = (limiter.clone(), barrier.clone());
                thread::spawn(move || {
                    let (mut good, mut wrong) = (0, 0);
                    for _ in 0..500 {
                        barrier.wait();
                        let turn = limiter.enter(&caller("ann", "claude"));
                        barrier.wait();
                        good += usize::from(turn.is_ok());
                        // A call that found no place never counts as one that runs.
                        let told = turn.err().map(|refused| refused.message);
                        wrong += usize::from(told.is_some_and(|told| !told.starts_with("4 calls")));
                    }
                    (good, wrong)
                })
            })
            .collect();
        let counts: Vec<(usize, usize)> =
            threads.into_iter().map(|one| one.join().unwrap()).collect();
        let good: usize = counts.iter().map(|(good, _)| good).sum();
        let wrong: usize = counts.iter().map(|(_, wrong)| wrong).sum();
        assert_eq!(
            good, 500,
            "each time exactly one of eight finds the last place"
        );
        assert_eq!(wrong, 0, "who found no place counted as running");
        drop(held);
        let again: Vec<Turn> = (0..10).filter_map(|_| enter(&limiter).ok()).collect();
        assert_eq!(again.len(), 4, "places come back");
    }

    #[test]
    fn quiet_callers_are_forgotten_and_busy_ones_are_not() {
        let limiter = Arc::new(Limiter::new(&Limits {
            per_person: Some(Rate {
                count: 1_000,
                per: Duration::from_secs(1),
            }),
            ..Limits::default()
        }));
        for number in 0..30_000 {
            assert!(
                limiter
                    .enter(&caller(&format!("p{number}"), "claude"))
                    .is_ok()
            );
        }
        let people = limiter.people.as_ref().map(|(_, people)| people.len());
        assert!(people.is_some_and(|people| people < 25_000), "{people:?}");
    }
}
