// SPDX-License-Identifier: Apache-2.0
//! Verified passwords, remembered for a while. A bcrypt check costs a tenth of a second; a client
//! sends the same password with every request.
//!
//! The key is an HMAC of user, password and the stored hash under a key that exists only in this
//! process, so that the cache is of no use to who reads the memory image of another, and an entry
//! of a changed password file is never found again. Only successes are kept.

use std::time::{Duration, Instant};

use aws_lc_rs::hmac;
use quick_cache::sync::Cache;

/// Successful checks, bounded in number and age.
pub(super) struct VerifiedCache {
    key: hmac::Key,
    entries: Cache<[u8; 32], Instant>,
    lifetime: Duration,
}

impl VerifiedCache {
    /// Keeps at most `capacity` successes for `lifetime` each.
    pub(super) fn new(capacity: usize, lifetime: Duration) -> Self {
        let mut secret = [0; 32];
        aws_lc_rs::rand::fill(&mut secret)
            .expect("the operating system's random numbers are available");
        Self {
            key: hmac::Key::new(hmac::HMAC_SHA256, &secret),
            entries: Cache::new(capacity),
            lifetime,
        }
    }

    /// The key of a check.
    pub(super) fn key(&self, user: &str, password: &str, stored: &str) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.key);
        for part in [user, password, stored] {
            // Lengths first, so that no two triples have the same bytes.
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part.as_bytes());
        }
        let mut key = [0; 32];
        key.copy_from_slice(context.sign().as_ref());
        key
    }

    /// Whether this check succeeded lately.
    pub(super) fn knows(&self, key: &[u8; 32], now: Instant) -> bool {
        match self.entries.get(key) {
            Some(verified) if now.saturating_duration_since(verified) < self.lifetime => true,
            Some(_) => {
                self.entries.remove(key);
                false
            }
            None => false,
        }
    }

    /// Remembers a success.
    pub(super) fn remember(&self, key: [u8; 32], now: Instant) {
        self.entries.insert(key, now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_success_is_known_until_it_is_too_old() {
        let cache = VerifiedCache::new(10, Duration::from_secs(60));
        let key = cache.key("u", "p", "h");
        let now = Instant::now();
        assert!(!cache.knows(&key, now));
        cache.remember(key, now);
        assert!(cache.knows(&key, now + Duration::from_secs(59)));
        assert!(!cache.knows(&key, now + Duration::from_secs(60)));
        assert!(!cache.knows(&key, now), "and then forgotten");
    }

    #[test]
    fn keys_differ_by_every_part_and_process() {
        let cache = VerifiedCache::new(10, Duration::from_secs(60));
        let key = cache.key("ab", "c", "h");
        assert_ne!(key, cache.key("a", "bc", "h"));
        assert_ne!(key, cache.key("ab", "c", "g"));
        assert_ne!(key, VerifiedCache::new(10, Duration::ZERO).key("ab", "c", "h"));
    }
}
