// SPDX-License-Identifier: Apache-2.0
//! A store in memory: for tests, and the plainest statement of what a [`Store`] does.
//!
//! Every version of every key is kept until it is compacted. One lock; nothing survives the process.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Bound;
use std::sync::{Arc, Weak};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;

use crate::hub::{Hub, Log, LogBatch};
use crate::{Clock, Error, Event, Expect, KeyValue, List, Page, Revision, Store, Watch};

/// How many events a watcher that is behind gets at once.
const BATCH: usize = 256;
/// The largest value unless told otherwise.
const VALUE_LIMIT: usize = 32 << 20;

/// A store in memory.
#[derive(Clone)]
pub struct Memory {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    hub: Arc<Hub>,
    clock: Clock,
    limit: usize,
}

#[derive(Default)]
struct State {
    newest: Revision,
    compacted: Revision,
    /// Versions in order; no value: deleted.
    keys: BTreeMap<String, Vec<Version>>,
    log: VecDeque<Arc<Event>>,
    /// When keys go away, and which revision of them.
    deadlines: BTreeSet<(Duration, Revision, String)>,
}

#[derive(Clone)]
struct Version {
    created: Revision,
    modified: Revision,
    value: Option<Bytes>,
}

impl Default for Memory {
    fn default() -> Self {
        Self::new(Clock::system(), VALUE_LIMIT)
    }
}

impl Memory {
    /// An empty store whose keys expire by that clock, with that limit on the size of a value.
    #[must_use]
    pub fn new(clock: Clock, limit: usize) -> Self {
        let shared = Shared { state: Mutex::default(), hub: Arc::new(Hub::new(0)), clock, limit };
        Self { shared: Arc::new(shared) }
    }

    /// Deletes the keys whose time is over. Happens by itself when a time to live has run out on the runtime's clock;
    /// a manual clock has to say.
    pub fn expire_due(&self) {
        self.shared.expire();
    }
}

impl State {
    fn now(&self, key: &str) -> Option<KeyValue> {
        self.keys.get(key).and_then(|versions| at(key, versions, Revision::MAX))
    }

    fn check(&self, revision: Option<Revision>) -> Result<Revision, Error> {
        match revision {
            None => Ok(self.newest),
            Some(asked) if asked > self.newest => Err(Error::Future { asked, newest: self.newest }),
            Some(asked) if asked < self.compacted => {
                Err(Error::Compacted { asked, oldest: self.compacted })
            }
            Some(asked) => Ok(asked),
        }
    }

    fn expected(&self, key: &str, expect: Expect) -> Result<KeyValue, Error> {
        let now = self.now(key).ok_or(Error::NotFound)?;
        match expect {
            Expect::Modified(revision) if revision != now.modified => {
                Err(Error::Conflict(Box::new(now)))
            }
            _ => Ok(now),
        }
    }

    fn put(
        &mut self,
        key: &str,
        value: Bytes,
        previous: Option<KeyValue>,
    ) -> (KeyValue, Arc<Event>) {
        self.newest += 1;
        let created = previous.as_ref().map_or(self.newest, |previous| previous.created);
        let now = KeyValue { key: key.to_owned(), value, created, modified: self.newest };
        self.keys.entry(now.key.clone()).or_default().push(Version {
            created,
            modified: now.modified,
            value: Some(now.value.clone()),
        });
        let event = Arc::new(Event::Put { now: now.clone(), previous });
        self.log.push_back(Arc::clone(&event));
        (now, event)
    }

    fn delete(&mut self, previous: KeyValue) -> Arc<Event> {
        self.newest += 1;
        self.keys.entry(previous.key.clone()).or_default().push(Version {
            created: 0,
            modified: self.newest,
            value: None,
        });
        let event = Arc::new(Event::Delete { previous, revision: self.newest });
        self.log.push_back(Arc::clone(&event));
        event
    }
}

fn at(key: &str, versions: &[Version], revision: Revision) -> Option<KeyValue> {
    let index = versions.partition_point(|version| version.modified <= revision).checked_sub(1)?;
    let Version { created, modified, value } = versions.get(index)?;
    value.clone().map(|value| KeyValue {
        key: key.to_owned(),
        value,
        created: *created,
        modified: *modified,
    })
}

impl Shared {
    fn expire(&self) {
        let mut state = self.state.lock();
        let now = self.clock.now();
        while let Some((deadline, revision, key)) = state.deadlines.pop_first() {
            if deadline > now {
                state.deadlines.insert((deadline, revision, key));
                break;
            }
            if let Some(previous) = state.now(&key).filter(|found| found.modified == revision) {
                let event = state.delete(previous);
                self.hub.publish(&[event]);
            }
        }
    }

    fn check_size(&self, value: &Bytes) -> Result<(), Error> {
        if value.len() > self.limit {
            Err(Error::TooLarge { size: value.len(), limit: self.limit })
        } else {
            Ok(())
        }
    }

    /// The deadline is kept with the revision, so that a later write of the key is not touched by it.
    fn remember_ttl(
        self: &Arc<Self>,
        state: &mut State,
        key: &str,
        revision: Revision,
        ttl: Option<Duration>,
    ) {
        let Some(ttl) = ttl else { return };
        state.deadlines.insert((self.clock.now().saturating_add(ttl), revision, key.to_owned()));
        let shared: Weak<Self> = Arc::downgrade(self);
        tokio::spawn(async move {
            tokio::time::sleep(ttl).await;
            if let Some(shared) = shared.upgrade() {
                shared.expire();
            }
        });
    }
}

impl Log for Shared {
    fn read_log(&self, prefix: &str, after: Revision) -> Result<LogBatch, Error> {
        let state = self.state.lock();
        if after < state.compacted {
            return Err(Error::Compacted { asked: after, oldest: state.compacted });
        }
        let from = state.log.partition_point(|event| event.revision() <= after);
        let matching = state.log.range(from..).filter(|event| event.key().starts_with(prefix));
        let events: Vec<_> = matching.take(BATCH).cloned().collect();
        let more = events.len() == BATCH;
        let upto = if more {
            events.last().map_or(after, |event| event.revision())
        } else {
            state.newest.max(after)
        };
        Ok(LogBatch { events, upto, more })
    }

    fn oldest(&self) -> Revision {
        self.state.lock().compacted
    }
}

#[async_trait]
impl Store for Memory {
    async fn get(&self, key: &str) -> Result<Option<KeyValue>, Error> {
        Ok(self.shared.state.lock().now(key))
    }

    async fn list(&self, prefix: &str, list: List) -> Result<Page, Error> {
        let state = self.shared.state.lock();
        let revision = state.check(list.revision)?;
        let from = match &list.after {
            Some(after) => Bound::Excluded(after.as_str()),
            None => Bound::Included(prefix),
        };
        let mut found = state
            .keys
            .range::<str, _>((from, Bound::Unbounded))
            .take_while(|(key, _)| key.starts_with(prefix))
            .filter_map(|(key, versions)| at(key, versions, revision));
        let limit = if list.limit == 0 { usize::MAX } else { list.limit };
        let items = found.by_ref().take(limit).collect();
        let remaining = Some(found.count() as u64).filter(|remaining| *remaining > 0);
        Ok(Page { items, revision, remaining })
    }

    async fn count(&self, prefix: &str) -> Result<u64, Error> {
        let state = self.shared.state.lock();
        let range = state.keys.range::<str, _>((Bound::Included(prefix), Bound::Unbounded));
        let live = range
            .take_while(|(key, _)| key.starts_with(prefix))
            .filter(|(_, versions)| versions.last().is_some_and(|version| version.value.is_some()));
        Ok(live.count() as u64)
    }

    async fn create(
        &self,
        key: &str,
        value: Bytes,
        ttl: Option<Duration>,
    ) -> Result<KeyValue, Error> {
        self.shared.check_size(&value)?;
        let mut state = self.shared.state.lock();
        if state.now(key).is_some() {
            return Err(Error::Exists);
        }
        let (now, event) = state.put(key, value, None);
        self.shared.remember_ttl(&mut state, key, now.modified, ttl);
        self.shared.hub.publish(&[event]);
        Ok(now)
    }

    async fn update(
        &self,
        key: &str,
        value: Bytes,
        expect: Expect,
        ttl: Option<Duration>,
    ) -> Result<KeyValue, Error> {
        self.shared.check_size(&value)?;
        let mut state = self.shared.state.lock();
        let previous = state.expected(key, expect)?;
        let (now, event) = state.put(key, value, Some(previous));
        self.shared.remember_ttl(&mut state, key, now.modified, ttl);
        self.shared.hub.publish(&[event]);
        Ok(now)
    }

    async fn delete(&self, key: &str, expect: Expect) -> Result<(KeyValue, Revision), Error> {
        let mut state = self.shared.state.lock();
        let previous = state.expected(key, expect)?;
        let event = state.delete(previous.clone());
        self.shared.hub.publish(&[event]);
        Ok((previous, state.newest))
    }

    async fn watch(&self, prefix: &str, after: Revision) -> Result<Watch, Error> {
        let log: Arc<dyn Log> = Arc::clone(&self.shared) as _;
        self.shared.hub.watch(&log, prefix, after)
    }

    async fn revision(&self) -> Result<Revision, Error> {
        Ok(self.shared.state.lock().newest)
    }

    async fn progress(&self) -> Result<Option<Revision>, Error> {
        let newest = self.shared.state.lock().newest;
        self.shared.hub.progress(newest);
        Ok(Some(newest))
    }

    async fn compact(&self, revision: Revision) -> Result<(), Error> {
        let mut state = self.shared.state.lock();
        if revision > state.newest {
            return Err(Error::Future { asked: revision, newest: state.newest });
        }
        if revision <= state.compacted {
            return Ok(());
        }
        state.compacted = revision;
        let kept = state.log.partition_point(|event| event.revision() <= revision);
        state.log.drain(..kept);
        state.keys.retain(|_, versions| {
            let superseded =
                versions.partition_point(|version| version.modified <= revision).saturating_sub(1);
            versions.drain(..superseded);
            versions.len() > 1
                || versions
                    .first()
                    .is_some_and(|version| version.value.is_some() || version.modified > revision)
        });
        Ok(())
    }
}
