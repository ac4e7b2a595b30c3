//! Wrong tokens: whoever keeps sending them waits longer and longer, and nobody else does.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use drawbridge_core::connector::Clock;
use tokio::sync::Semaphore;

/// Wrong tokens that cost nothing: somebody pastes an old one.
const FREE: u32 = 10;
/// The first wait; each further wrong token doubles it.
const FIRST_WAIT: Duration = Duration::from_millis(50);
/// The longest wait.
const LONGEST_WAIT: Duration = Duration::from_secs(2);
/// After so long without a wrong token, a source starts anew.
const FORGIVEN: Duration = Duration::from_secs(60);
/// Sources that are remembered.
const MOST_SOURCES: usize = 4_096;
/// Requests that wait at the same time; what comes on top is answered at once.
const MOST_WAITING: usize = 512;

/// Who sent wrong tokens of late. A right token is never slowed down, also from the same address:
/// many people share one.
pub(super) struct Attempts {
    clock: Arc<dyn Clock>,
    sources: Mutex<HashMap<IpAddr, Source>>,
    waiting: Semaphore,
}

#[derive(Clone, Copy)]
struct Source {
    failures: u32,
    last: Duration,
}

impl Attempts {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            sources: Mutex::default(),
            waiting: Semaphore::new(MOST_WAITING),
        }
    }

    /// Counts a wrong token and waits as long as it costs.
    pub(super) async fn wait(&self, source: IpAddr) {
        let wait = self.failed(source);
        if wait.is_zero() {
            return;
        }
        if let Ok(_place) = self.waiting.try_acquire() {
            tokio::time::sleep(wait).await;
        }
    }

    fn failed(&self, source: IpAddr) -> Duration {
        let now = self.clock.monotonic();
        let mut sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        let key = network(source);
        if sources.len() >= MOST_SOURCES && !sources.contains_key(&key) {
            sources.retain(|_, source| now.saturating_sub(source.last) < FORGIVEN);
            if sources.len() >= MOST_SOURCES {
                sources.clear();
            }
        }
        let source = sources.entry(key).or_insert(Source {
            failures: 0,
            last: now,
        });
        if now.saturating_sub(source.last) >= FORGIVEN {
            source.failures = 0;
        }
        source.failures = source.failures.saturating_add(1);
        source.last = now;
        let Some(doublings) = source.failures.checked_sub(FREE + 1) else {
            return Duration::ZERO;
        };
        FIRST_WAIT
            .saturating_mul(1_u32.checked_shl(doublings.min(16)).unwrap_or(u32::MAX))
            .min(LONGEST_WAIT)
    }
}

/// One holder of IPv6 addresses has a whole /64 of them.
pub(crate) fn network(source: IpAddr) -> IpAddr {
    match source.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6((u128::from(address) & !u128::from(u64::MAX)).into()),
        IpAddr::V4(address) => IpAddr::V4(address),
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    struct Still(Mutex<Duration>);

    impl Clock for Still {
        fn now(&self) -> Timestamp {
            Timestamp::UNIX_EPOCH
        }

        fn monotonic(&self) -> Duration {
            *self.0.lock().unwrap()
        }
    }

    #[test]
    fn waits_grow_for_one_source_only_and_are_forgiven() {
        let clock = Arc::new(Still(Mutex::default()));
        let attempts = Attempts::new(clock.clone());
        let guesser = IpAddr::from([10, 0, 0, 1]);
        let waits: Vec<Duration> = (0..20).map(|_| attempts.failed(guesser)).collect();
        assert!(waits[..10].iter().all(Duration::is_zero));
        assert_eq!(waits[10], FIRST_WAIT);
        assert_eq!(waits[11], FIRST_WAIT * 2);
        assert_eq!(waits[19], LONGEST_WAIT);
        assert!(attempts.failed(IpAddr::from([10, 0, 0, 2])).is_zero());
        *clock.0.lock().unwrap() += FORGIVEN;
        assert!(attempts.failed(guesser).is_zero());
    }

    #[test]
    fn the_table_is_bounded_and_knows_networks() {
        let attempts = Attempts::new(Arc::new(Still(Mutex::default())));
        for number in 0..20_000_u32 {
            attempts.failed(IpAddr::V4(number.into()));
        }
        assert!(attempts.sources.lock().unwrap().len() <= MOST_SOURCES);
        let one: IpAddr = "2001:db8::1".parse().unwrap();
        let two: IpAddr = "2001:db8::2".parse().unwrap();
        assert_eq!(network(one), network(two));
    }
}
