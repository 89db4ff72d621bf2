// SPDX-License-Identifier: Apache-2.0
//! Tokens that were verified lately. Bounded in number and in age, keyed by a keyed hash (a dump of
//! memory holds no token, and nobody can aim at a bucket), and emptied of a user the moment anything
//! about that user is revoked (reliability.md 3).
//!
//! Verification and revocation may overlap: who verifies takes a [`Ticket`] first, and a result whose
//! ticket is older than a revocation that concerns it is not kept.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;

use aws_lc_rs::hmac::{HMAC_SHA256, Key, sign};
use aws_lc_rs::rand::SystemRandom;
use parking_lot::Mutex;
use rbac::UserInfo;
use time::{Duration, OffsetDateTime};

use crate::jwk::BadKey;

type Digest = [u8; 32];

/// Remembers who a token's bearer is.
pub struct TokenCache {
    key: Key,
    capacity: usize,
    max_age: Duration,
    content: Mutex<Content>,
}

#[derive(Default)]
struct Content {
    entries: HashMap<Digest, Entry>,
    /// In the order of insertion, the oldest first.
    order: BTreeMap<u64, Digest>,
    next: u64,
    /// The time of the last revocation, in tickets.
    revoked_at: u64,
}

struct Entry {
    user: Arc<UserInfo>,
    source: String,
    place: u64,
    since: OffsetDateTime,
    until: OffsetDateTime,
}

/// What a verification found out about a token.
#[derive(Clone, Debug)]
pub struct Found {
    /// Who the bearer is.
    pub user: Arc<UserInfo>,
    /// What [`Revocation::Source`] names: the object that the token came from.
    pub source: String,
    /// The token's own end.
    pub expires: Option<OffsetDateTime>,
}

/// When a verification began.
#[derive(Clone, Copy, Debug)]
pub struct Ticket(u64);

/// What is not believed any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Revocation<'a> {
    /// All tokens of the user of this name.
    User(&'a str),
    /// All tokens of the user of this uid: the account was deleted.
    Uid(&'a str),
    /// The tokens that came from one object: it was deleted.
    Source(&'a str),
    /// All: keys, groups or identity providers have changed.
    All,
}

impl fmt::Debug for TokenCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenCache").field("entries", &self.len()).finish_non_exhaustive()
    }
}

impl TokenCache {
    /// A cache of at most `capacity` tokens that are verified again after `max_age`.
    pub fn new(capacity: usize, max_age: Duration) -> Result<Self, BadKey> {
        let key = Key::generate(HMAC_SHA256, &SystemRandom::new()).map_err(|_| BadKey::NoRandom)?;
        Ok(Self { key, capacity, max_age, content: Mutex::default() })
    }

    /// How many tokens are remembered.
    pub fn len(&self) -> usize {
        self.content.lock().entries.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn digest(&self, token: &str, audience: &str) -> Digest {
        // Lengths first, so that no two pairs are the same bytes.
        let mut message = (audience.len() as u64).to_be_bytes().to_vec();
        message.extend_from_slice(audience.as_bytes());
        message.extend_from_slice(token.as_bytes());
        let mut digest = [0; 32];
        digest.copy_from_slice(sign(&self.key, &message).as_ref());
        digest
    }

    /// Who the bearer is, if that was found out lately for this audience.
    pub fn get(&self, token: &str, audience: &str, now: OffsetDateTime) -> Option<Arc<UserInfo>> {
        let digest = self.digest(token, audience);
        let mut content = self.content.lock();
        let entry = content.entries.get(&digest)?;
        // A clock that was set back must not make an entry live longer.
        if entry.since <= now && now < entry.until {
            return Some(Arc::clone(&entry.user));
        }
        content.remove(&digest);
        None
    }

    /// Before a verification reads anything.
    pub fn ticket(&self) -> Ticket {
        Ticket(self.content.lock().revoked_at)
    }

    /// Keeps what a verification found.
    pub fn put(
        &self,
        ticket: Ticket,
        token: &str,
        audience: &str,
        found: Found,
        now: OffsetDateTime,
    ) {
        let oldest_end = now.saturating_add(self.max_age);
        let until = found.expires.map_or(oldest_end, |end| end.min(oldest_end));
        if until <= now || self.capacity == 0 {
            return;
        }
        let digest = self.digest(token, audience);
        let mut content = self.content.lock();
        // It cannot be said whom the revocation concerned: losing an entry costs one verification.
        if ticket.0 != content.revoked_at {
            return;
        }
        content.remove(&digest);
        while content.entries.len() >= self.capacity {
            let Some((_, oldest)) = content.order.pop_first() else { break };
            content.entries.remove(&oldest);
        }
        let place = content.next;
        content.next += 1;
        content.order.insert(place, digest);
        let Found { user, source, .. } = found;
        content.entries.insert(digest, Entry { user, source, place, since: now, until });
    }

    /// Forgets what is revoked. When this returns, no `get` answers with it any more.
    pub fn revoke(&self, what: Revocation<'_>) {
        let mut content = self.content.lock();
        content.revoked_at += 1;
        let gone: Vec<Digest> = content
            .entries
            .iter()
            .filter(|(_, entry)| match what {
                Revocation::User(name) => entry.user.name == name,
                Revocation::Uid(uid) => entry.user.uid == uid,
                Revocation::Source(source) => entry.source == source,
                Revocation::All => true,
            })
            .map(|(digest, _)| *digest)
            .collect();
        gone.iter().for_each(|digest| content.remove(digest));
    }
}

impl Content {
    fn remove(&mut self, digest: &Digest) {
        if let Some(entry) = self.entries.remove(digest) {
            self.order.remove(&entry.place);
        }
    }
}
