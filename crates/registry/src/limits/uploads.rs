// SPDX-License-Identifier: Apache-2.0
//! How many upload requests one caller may have in progress. One caller must not be able to take
//! all buffers and disk bandwidth from the others.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use ports::Identity;

/// Who an upload counts for: a name, or an address where there is none.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Who {
    Name(Arc<str>),
    Address(IpAddr),
}

/// Counts per caller. Holds only callers that have an upload in progress.
#[derive(Default)]
pub(crate) struct UploadCounts {
    counts: Arc<Mutex<HashMap<Who, usize>>>,
}

/// One upload request in progress.
#[derive(Debug)]
pub(crate) struct Counted {
    who: Who,
    counts: Arc<Mutex<HashMap<Who, usize>>>,
}

impl UploadCounts {
    /// Counts one more, unless the caller has `limit` already.
    pub(crate) fn enter(&self, identity: &Identity, peer: IpAddr, limit: usize) -> Option<Counted> {
        let who = if identity.authenticated {
            Who::Name(Arc::clone(&identity.name))
        } else {
            Who::Address(peer)
        };
        let mut counts = self.counts.lock();
        let count = counts.entry(who.clone()).or_insert(0);
        if *count >= limit {
            if *count == 0 {
                counts.remove(&who);
            }
            return None;
        }
        *count += 1;
        Some(Counted { who, counts: Arc::clone(&self.counts) })
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut counts = self.counts.lock();
        if let Some(count) = counts.get_mut(&self.who) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.who);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callers_are_counted_apart_and_forgotten() {
        let counts = UploadCounts::default();
        let alice = Identity { name: "alice".into(), uid: "".into(), authenticated: true };
        let here = IpAddr::from([127, 0, 0, 1]);
        let first = counts.enter(&alice, here, 1);
        assert!(first.is_some());
        assert!(counts.enter(&alice, here, 1).is_none());
        let anonymous = counts.enter(&Identity::anonymous(), here, 1);
        assert!(anonymous.is_some());
        drop((first, anonymous));
        assert!(counts.counts.lock().is_empty());
        assert!(counts.enter(&alice, here, 0).is_none());
        assert!(counts.counts.lock().is_empty());
    }
}
