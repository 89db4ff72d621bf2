// SPDX-License-Identifier: Apache-2.0
//! Counts wrong passwords per user name and per client address, and says who has to wait.
//!
//! The tables have a fixed number of places, chosen by a keyed hash: nobody can fill them, push another's count out, or
//! aim at another's place. Two that share a place by chance share a count, which costs one of them a short wait.
//! An attempt is counted before its password is looked at, so that many at once are not one.

use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;
use std::time::Duration;

use parking_lot::Mutex;

use crate::settings::Lockout;

const PLACES: usize = 1 << 14;

pub(crate) struct Throttle {
    policy: Lockout,
    users: Table,
    addresses: Table,
}

struct Table {
    limit: u32,
    hasher: RandomState,
    places: Mutex<Box<[Place]>>,
}

#[derive(Clone, Copy, Default)]
struct Place {
    wrong: u32,
    last: Duration,
    locked_until: Duration,
}

/// An attempt that is counted as wrong until something else is said.
#[derive(Clone, Copy)]
pub(crate) struct Attempt {
    user: Option<usize>,
    address: Option<usize>,
}

impl Throttle {
    pub(crate) fn new(policy: Lockout) -> Self {
        Self {
            policy,
            users: Table::new(policy.per_user),
            addresses: Table::new(policy.per_address),
        }
    }

    /// Counts an attempt, or says how long to wait before the next.
    pub(crate) fn begin(
        &self,
        user: Option<&str>,
        address: Option<IpAddr>,
        now: Duration,
    ) -> Result<Attempt, Duration> {
        let user = user.map(|name| self.users.place(name.as_bytes()));
        let address = address.map(|address| self.addresses.place(&network(address)));
        let tables = [(&self.users, user), (&self.addresses, address)];
        let wait = tables.iter().filter_map(|(table, at)| table.wait((*at)?, now)).max();
        if let Some(wait) = wait {
            return Err(wait);
        }
        for (table, at) in tables {
            if let Some(at) = at {
                table.count(at, now, &self.policy);
            }
        }
        Ok(Attempt { user, address })
    }

    /// The password was right: the user starts anew. The address does not, or one account of one's own would be enough
    /// to go on guessing others'.
    pub(crate) fn right(&self, attempt: Attempt) {
        if let Some(at) = attempt.user {
            self.users.change(at, |place| *place = Place::default());
        }
        self.forgive(Attempt { user: None, ..attempt });
    }

    /// The password was not looked at: as if the attempt had not been.
    pub(crate) fn forgive(&self, attempt: Attempt) {
        for (table, at) in [(&self.users, attempt.user), (&self.addresses, attempt.address)] {
            if let Some(at) = at {
                table.change(at, |place| {
                    place.wrong = place.wrong.saturating_sub(1);
                    if place.wrong < table.limit {
                        place.locked_until = Duration::ZERO;
                    }
                });
            }
        }
    }
}

/// What of an address stands for one client: IPv6 hosts have a whole /64 to choose from.
fn network(address: IpAddr) -> Vec<u8> {
    match address.to_canonical() {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().iter().take(8).copied().collect(),
    }
}

impl Table {
    fn new(limit: u32) -> Self {
        let places = vec![Place::default(); PLACES].into_boxed_slice();
        Self { limit: limit.max(1), hasher: RandomState::new(), places: Mutex::new(places) }
    }

    fn place(&self, key: &[u8]) -> usize {
        (self.hasher.hash_one(key) % PLACES as u64) as usize
    }

    fn change(&self, at: usize, change: impl FnOnce(&mut Place)) {
        if let Some(place) = self.places.lock().get_mut(at) {
            change(place);
        }
    }

    fn wait(&self, at: usize, now: Duration) -> Option<Duration> {
        let until = self.places.lock().get(at)?.locked_until;
        (now < until).then(|| until.saturating_sub(now))
    }

    fn count(&self, at: usize, now: Duration, policy: &Lockout) {
        self.change(at, |place| {
            if now.saturating_sub(place.last) > policy.longest {
                place.wrong = 0;
            }
            place.wrong = place.wrong.saturating_add(1);
            place.last = now;
            if let Some(beyond) = place.wrong.checked_sub(self.limit) {
                let lock = policy.first.saturating_mul(1 << beyond.min(16)).min(policy.longest);
                place.locked_until = now.saturating_add(lock);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn throttle() -> Throttle {
        Throttle::new(Lockout {
            per_user: 3,
            per_address: 5,
            first: 10 * SECOND,
            longest: 60 * SECOND,
        })
    }

    #[test]
    fn locks_double_up_to_the_longest_and_end() {
        let throttle = throttle();
        let mut now = Duration::ZERO;
        for _ in 0..3 {
            assert!(throttle.begin(Some("a"), None, now).is_ok());
        }
        for lock in [10, 20, 40, 60, 60] {
            assert_eq!(throttle.begin(Some("a"), None, now).err(), Some(lock * SECOND));
            assert!(throttle.begin(Some("b"), None, now).is_ok_and(|it| {
                throttle.right(it);
                true
            }));
            now += lock * SECOND;
            assert!(throttle.begin(Some("a"), None, now).is_ok());
        }
        now += 61 * SECOND;
        assert!(throttle.begin(Some("a"), None, now).is_ok());
        assert!(throttle.begin(Some("a"), None, now).is_ok(), "old mistakes are forgotten");
    }

    #[test]
    fn one_right_password_does_not_free_an_address() {
        let throttle = throttle();
        let home = Some("192.0.2.1".parse().expect("an address"));
        for n in 0..5 {
            let own = throttle.begin(Some("own"), home, SECOND).expect("not locked");
            throttle.right(own);
            assert!(throttle.begin(Some(&format!("victim{n}")), home, SECOND).is_ok());
        }
        assert!(throttle.begin(Some("own"), home, SECOND).is_err());
        assert!(
            throttle
                .begin(Some("own"), Some("192.0.2.2".parse().expect("an address")), SECOND)
                .is_ok()
        );
    }

    #[test]
    fn an_attempt_that_was_not_judged_does_not_count() {
        let throttle = throttle();
        for _ in 0..20 {
            let attempt = throttle.begin(Some("a"), None, SECOND).expect("not locked");
            throttle.forgive(attempt);
        }
    }

    #[test]
    fn a_network_is_one_client() {
        let of = |text: &str| network(text.parse().expect("an address"));
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:1"));
        assert_ne!(of("2001:db8:0:1::1"), of("2001:db8::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
    }
}
