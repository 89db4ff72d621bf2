// SPDX-License-Identifier: Apache-2.0
//! Caches that cannot go stale behind our own writes.
//!
//! A reader that misses looks in the store and then fills the cache; a writer changes the store
//! and then updates it. Without care the reader may fill in what it saw *before* the write, after
//! the writer's update, and an exclusive store would serve that for ever. So each key belongs to a
//! stripe with a generation: a reader takes a [`Ticket`] before it looks, and the fill is dropped
//! if a writer has passed in between.
//!
//! Trust decides how long an entry counts: in an exclusive store until a write changes it, in a
//! shared one for the stated age (design: every cached fact has a stated age).

use std::hash::{BuildHasher, Hash, RandomState};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use quick_cache::Weighter;
use quick_cache::sync::Cache;

const STRIPES: usize = 256;

/// Who else may write to the store, hence how long a cached fact counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Only this process writes: facts hold until it changes them.
    Exclusive,
    /// Other processes write too: facts hold for this long.
    Shared {
        /// The longest time for which a fact is believed without looking.
        max_age: Duration,
    },
}

impl Trust {
    /// Whether a fact learned at `learned` still counts.
    pub(crate) fn believes(self, learned: Instant) -> bool {
        match self {
            Self::Exclusive => true,
            Self::Shared { max_age } => learned.elapsed() <= max_age,
        }
    }

    /// Whether only this process writes.
    pub fn is_exclusive(self) -> bool {
        matches!(self, Self::Exclusive)
    }
}

/// Proof of when a reader began to look.
pub(crate) struct Ticket(u64);

#[derive(Clone)]
struct Entry<V> {
    value: V,
    learned: Instant,
}

#[derive(Clone)]
struct Weigh<F>(F);

impl<K, V, F: Fn(&K, &V) -> u64> Weighter<K, Entry<V>> for Weigh<F> {
    fn weight(&self, key: &K, entry: &Entry<V>) -> u64 {
        (self.0)(key, &entry.value)
    }
}

type WeightOf<K, V> = fn(&K, &V) -> u64;

/// A bounded cache kept true by generations.
pub(crate) struct Coherent<K, V> {
    entries: Cache<K, Entry<V>, Weigh<WeightOf<K, V>>>,
    stripes: Box<[Mutex<u64>]>,
    hasher: RandomState,
    trust: Trust,
}

impl<K: Hash + Eq + Clone, V: Clone> Coherent<K, V> {
    /// A cache of about `items` entries whose weights sum to at most `capacity`.
    pub(crate) fn new(items: usize, capacity: u64, weight: WeightOf<K, V>, trust: Trust) -> Self {
        Self {
            entries: Cache::with_weighter(items, capacity, Weigh(weight)),
            stripes: (0..STRIPES).map(|_| Mutex::new(0)).collect(),
            hasher: RandomState::new(),
            trust,
        }
    }

    fn stripe(&self, key: &K) -> &Mutex<u64> {
        &self.stripes[self.hasher.hash_one(key) as usize % STRIPES]
    }

    /// The cached value, if it still counts.
    pub(crate) fn get(&self, key: &K) -> Option<V> {
        let entry = self.entries.get(key)?;
        self.trust.believes(entry.learned).then_some(entry.value)
    }

    /// To be taken before looking in the store.
    pub(crate) fn ticket(&self, key: &K) -> Ticket {
        Ticket(*self.stripe(key).lock())
    }

    /// Keeps what a reader found, unless a writer has passed since.
    pub(crate) fn fill(&self, ticket: &Ticket, key: K, value: V) {
        let generation = self.stripe(&key).lock();
        if *generation == ticket.0 {
            self.entries.insert(key, Entry { value, learned: Instant::now() });
        }
    }

    /// Keeps what a writer made true.
    pub(crate) fn set(&self, key: K, value: V) {
        let mut generation = self.stripe(&key).lock();
        *generation += 1;
        self.entries.insert(key, Entry { value, learned: Instant::now() });
    }

    /// Forgets what a writer changed.
    pub(crate) fn forget(&self, key: &K) {
        let mut generation = self.stripe(key).lock();
        *generation += 1;
        self.entries.remove(key);
    }

    /// Forgets everything: a write changed facts that cannot be listed one by one.
    pub(crate) fn forget_all(&self) {
        let mut generations: Vec<_> = self.stripes.iter().map(Mutex::lock).collect();
        for generation in &mut generations {
            **generation += 1;
        }
        self.entries.clear();
    }

    /// Entries and their weight, for metrics.
    pub(crate) fn usage(&self) -> (usize, u64) {
        (self.entries.len(), self.entries.weight())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cache(trust: Trust) -> Coherent<u32, &'static str> {
        Coherent::new(16, 16, |_, _| 1, trust)
    }

    #[test]
    fn a_fill_that_began_before_a_write_is_dropped() {
        let cache = cache(Trust::Exclusive);
        let ticket = cache.ticket(&1);
        cache.set(1, "new");
        cache.fill(&ticket, 1, "old");
        assert_eq!(cache.get(&1), Some("new"));

        let ticket = cache.ticket(&1);
        cache.forget(&1);
        cache.fill(&ticket, 1, "old");
        assert_eq!(cache.get(&1), None);
    }

    #[test]
    fn a_fill_without_a_write_is_kept() {
        let cache = cache(Trust::Exclusive);
        let ticket = cache.ticket(&1);
        cache.fill(&ticket, 1, "found");
        assert_eq!(cache.get(&1), Some("found"));
    }

    #[test]
    fn a_shared_fact_ages() {
        let cache = cache(Trust::Shared { max_age: Duration::ZERO });
        cache.set(1, "x");
        std::thread::sleep(Duration::from_millis(1));
        assert_eq!(cache.get(&1), None);
    }
}
