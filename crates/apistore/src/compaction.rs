// SPDX-License-Identifier: Apache-2.0
//! How much history a store keeps: a policy, and the task that carries it out.
//!
//! Several servers of one store may each run it: compacting what is compacted changes nothing.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::{Error, Revision, Store};

/// What to keep. The newest value of each key is always kept.
#[derive(Debug, Clone, Copy)]
pub struct Policy {
    /// Changes younger than this are kept: a watch that was away for less can resume.
    pub keep: Duration,
    /// At most about so many changes are kept, however young.
    pub revisions: u64,
}

impl Default for Policy {
    fn default() -> Self {
        Self { keep: Duration::from_secs(300), revisions: 200_000 }
    }
}

impl Policy {
    /// How often [`run`] looks.
    #[must_use]
    pub fn interval(&self) -> Duration {
        (self.keep / 5).max(Duration::from_millis(10))
    }
}

/// Remembers when revisions were new.
#[derive(Debug)]
pub struct Compactor {
    policy: Policy,
    seen: VecDeque<(Instant, Revision)>,
    done: Revision,
}

impl Compactor {
    /// Nothing seen, nothing compacted.
    #[must_use]
    pub fn new(policy: Policy) -> Self {
        Self { policy, seen: VecDeque::new(), done: 0 }
    }

    /// `newest` is the newest revision at `now`; the revision to compact, if it is time.
    pub fn observe(&mut self, now: Instant, newest: Revision) -> Option<Revision> {
        self.seen.push_back((now, newest));
        let mut target = newest.saturating_sub(self.policy.revisions);
        while let Some((_, revision)) =
            self.seen.front().filter(|(at, _)| now.duration_since(*at) >= self.policy.keep)
        {
            target = target.max(*revision);
            self.seen.pop_front();
        }
        if target <= self.done {
            return None;
        }
        self.done = target;
        Some(target)
    }
}

/// Compacts a store by that policy until it is dropped. A store that is not there is asked again later.
pub async fn run(store: Arc<dyn Store>, policy: Policy) {
    let mut compactor = Compactor::new(policy);
    let mut ticks = tokio::time::interval(policy.interval());
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let now = ticks.tick().await;
        if let Err(error) = step(&*store, &mut compactor, now).await {
            tracing::warn!(%error, "history could not be compacted");
        }
    }
}

async fn step(store: &dyn Store, compactor: &mut Compactor, now: Instant) -> Result<(), Error> {
    let newest = store.revision().await?;
    match compactor.observe(now, newest) {
        Some(revision) => store.compact(revision).await,
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::{Compactor, Policy};
    use std::time::Duration;
    use tokio::time::Instant;

    #[test]
    fn keeps_by_age_and_by_number() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut compactor =
            Compactor::new(Policy { keep: Duration::from_secs(100), revisions: 1000 });
        assert_eq!(compactor.observe(at(0), 10), None);
        assert_eq!(compactor.observe(at(99), 20), None);
        assert_eq!(compactor.observe(at(100), 25), Some(10));
        assert_eq!(compactor.observe(at(110), 25), None);
        assert_eq!(compactor.observe(at(111), 2000), Some(1000));
        assert_eq!(compactor.observe(at(211), 2000), Some(2000));
        assert_eq!(compactor.observe(at(400), 2000), None);
    }
}
