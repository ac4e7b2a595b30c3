//! Fair shares of something scarce: connections among sources, memory for bodies among callers.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, PoisonError},
};

/// So much of something, and who holds how much of it.
///
/// Nobody may hold more than is still free ("dynamic thresholds": A. Choudhury and E. Hahne, Dynamic
/// Queue Length Thresholds for Shared-Memory Packet Switches, IEEE/ACM Transactions on Networking
/// 6(2), 1998). So one greedy holder gets half of it, n of them get n parts of n + 1, and whoever
/// comes next finds a part as large. No number of users has to be guessed beforehand.
pub(super) struct Shares<K> {
    most: usize,
    least: usize,
    held: Mutex<Held<K>>,
}

struct Held<K> {
    total: usize,
    by: HashMap<K, usize>,
}

/// What one holder holds, until it is dropped.
pub(super) struct Share<K: Eq + Hash> {
    of: Arc<Shares<K>>,
    holder: K,
    amount: usize,
}

impl<K: Eq + Hash + Clone> Shares<K> {
    /// `most` in all. Up to `least` anyone may hold, as long as there is any left.
    pub(super) fn new(most: usize, least: usize) -> Arc<Self> {
        let held = Held {
            total: 0,
            by: HashMap::new(),
        };
        Arc::new(Self {
            most,
            least,
            held: Mutex::new(held),
        })
    }

    /// A share of nothing, to grow.
    pub(super) fn open(self: &Arc<Self>, holder: K) -> Share<K> {
        Share {
            of: self.clone(),
            holder,
            amount: 0,
        }
    }

    /// How much is held in all.
    pub(super) fn total(&self) -> usize {
        self.held
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .total
    }
}

impl<K: Eq + Hash + Clone> Share<K> {
    /// Takes so much more, if that is fair; else nothing changes.
    #[must_use]
    pub(super) fn grow(&mut self, by: usize) -> bool {
        let mut held = self.of.held.lock().unwrap_or_else(PoisonError::into_inner);
        let own = held.by.get(&self.holder).copied().unwrap_or_default() + by;
        let free = self.of.most.saturating_sub(held.total);
        if by > free || own > free.max(self.of.least) {
            return false;
        }
        held.total += by;
        held.by.insert(self.holder.clone(), own);
        self.amount += by;
        true
    }
}

impl<K: Eq + Hash> Drop for Share<K> {
    fn drop(&mut self) {
        let mut held = self.of.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.total = held.total.saturating_sub(self.amount);
        let left = held
            .by
            .get_mut(&self.holder)
            .map(|own| {
                *own = own.saturating_sub(self.amount);
                *own
            })
            .unwrap_or_default();
        // INVARIANT: only who holds something is remembered, so the table is as bounded as the total.
        if left == 0 {
            held.by.remove(&self.holder);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn take(shares: &Arc<Shares<u8>>, holder: u8) -> Vec<Share<u8>> {
        let mut taken = Vec::new();
        loop {
            let mut share = shares.open(holder);
            if !share.grow(1) {
                return taken;
            }
            taken.push(share);
        }
    }

    #[test]
    fn the_greedy_leave_a_part_for_whoever_comes_next() {
        let shares = Shares::new(1_200, 4);
        let first = take(&shares, 1);
        assert_eq!(first.len(), 600);
        let second = take(&shares, 2);
        assert_eq!(second.len(), 300);
        assert!(!shares.open(1).grow(1), "the first one has had its share");
        drop(first);
        let third = take(&shares, 3);
        assert_eq!(third.len(), 450);
        drop((second, third));
        assert_eq!(shares.total(), 0);
        assert!(shares.held.lock().unwrap().by.is_empty());
    }

    #[test]
    fn everyone_gets_the_least_while_there_is_any() {
        let shares = Shares::new(10, 3);
        let held: Vec<_> = (1..=3).map(|holder| take(&shares, holder)).collect();
        let counts: Vec<_> = held.iter().map(Vec::len).collect();
        assert_eq!(counts, [5, 3, 2]);
        assert!(!shares.open(9).grow(1), "nothing is left");
    }

    proptest! {
        #[test]
        fn never_more_than_all_and_nothing_is_lost(steps in prop::collection::vec((0_u8..8, 1_usize..40, any::<bool>()), 1..300)) {
            let shares = Shares::new(100, 5);
            let mut open: Vec<Share<u8>> = Vec::new();
            for (holder, amount, close) in steps {
                if close && !open.is_empty() {
                    open.remove(amount % open.len());
                } else {
                    let mut share = shares.open(holder);
                    if share.grow(amount) {
                        open.push(share);
                    }
                }
                let sum: usize = open.iter().map(|share| share.amount).sum();
                prop_assert_eq!(sum, shares.total());
                prop_assert!(sum <= 100);
            }
            drop(open);
            prop_assert_eq!(shares.total(), 0);
        }
    }
}
