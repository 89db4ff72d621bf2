// SPDX-License-Identifier: Apache-2.0
//! Who watches: hands each change to the watchers of its prefix, after it was committed.
//!
//! The writer [publishes](Hub::publish) in the order of revisions. Recent events stay in a bounded ring, so that a
//! watch from a recent revision needs no read of history; each watcher has a bounded queue of shared events. A watcher
//! whose queue overflows, or that begins before the ring, reads the [`Log`] until it has caught up. Only compaction
//! cuts a watch.

mod watcher;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use self::watcher::Watcher;
use crate::{Error, Event, Revision, Watch};

/// How many events the ring holds, and how many bytes.
const RING_EVENTS: usize = 4096;
const RING_BYTES: usize = 16 << 20;

/// A part of history.
pub(crate) struct LogBatch {
    /// Changes of the prefix, in order.
    pub events: Vec<Arc<Event>>,
    /// There is no other change of the prefix up to here.
    pub upto: Revision,
    /// There may be more after `upto`.
    pub more: bool,
}

/// What keeps history for watchers that are behind.
pub(crate) trait Log: Send + Sync + 'static {
    /// A bounded number of changes of keys with that prefix after revision `after`. Blocks, but shortly.
    fn read_log(&self, prefix: &str, after: Revision) -> Result<LogBatch, Error>;

    /// The oldest revision that can be read: no watch begins before it, even if the ring still has what came then.
    fn oldest(&self) -> Revision;
}

/// The watchers of one store.
pub(crate) struct Hub {
    newest: AtomicU64,
    state: Mutex<State>,
}

struct State {
    newest: Revision,
    ring: VecDeque<Arc<Event>>,
    ring_bytes: usize,
    /// Every event after this revision is in the ring.
    ring_after: Revision,
    watchers: HashMap<Box<str>, Vec<Arc<Watcher>>>,
    /// How many prefixes of each length are watched: only those parts of a key are looked up.
    lengths: BTreeMap<usize, usize>,
    /// Watches are to say how far they are once this is published.
    progress: Option<Revision>,
    closed: Option<String>,
}

impl Hub {
    pub fn new(newest: Revision) -> Self {
        Self {
            newest: AtomicU64::new(newest),
            state: Mutex::new(State {
                newest,
                ring: VecDeque::new(),
                ring_bytes: 0,
                ring_after: newest,
                watchers: HashMap::new(),
                lengths: BTreeMap::new(),
                progress: None,
                closed: None,
            }),
        }
    }

    /// The newest revision published.
    pub fn newest(&self) -> Revision {
        self.newest.load(Ordering::Acquire)
    }

    /// Committed changes, in order. After this returns, [`newest`](Self::newest) and new watches know them.
    pub fn publish(&self, events: &[Arc<Event>]) {
        let mut wake = Vec::new();
        {
            let mut state = self.state.lock();
            for event in events {
                state.offer(event, &mut wake);
                state.remember(event);
            }
            state.tell_progress(&mut wake);
            self.newest.store(state.newest, Ordering::Release);
        }
        wake.into_iter().for_each(std::task::Waker::wake);
    }

    /// Every watch is asked to say how far it is, as soon as that is at least `revision`: readers may have seen a
    /// commit that is about to be published.
    pub fn progress(&self, revision: Revision) {
        let mut wake = Vec::new();
        let mut state = self.state.lock();
        state.progress = state.progress.max(Some(revision));
        state.tell_progress(&mut wake);
        drop(state);
        wake.into_iter().for_each(std::task::Waker::wake);
    }

    /// Ends every watch: the store is gone.
    pub fn close(&self, reason: &str) {
        let mut state = self.state.lock();
        state.closed = Some(reason.to_owned());
        let wake: Vec<_> =
            state.watchers.values().flatten().filter_map(|watcher| watcher.close()).collect();
        drop(state);
        wake.into_iter().for_each(std::task::Waker::wake);
    }

    /// A watch of that prefix after that revision; `log` is asked whether it still has what comes after it.
    pub fn watch(
        self: &Arc<Self>,
        log: &Arc<dyn Log>,
        prefix: &str,
        after: Revision,
    ) -> Result<Watch, Error> {
        let oldest = log.oldest();
        if after < oldest {
            return Err(Error::Compacted { asked: after, oldest });
        }
        let watcher = Arc::new(Watcher::new(prefix, after));
        // Made first: its drop takes the watcher out again when this fails.
        let stream = watcher::WatchStream::new(
            Arc::clone(&watcher),
            Arc::clone(self),
            Arc::clone(log),
            after,
        );
        if !self.attach(&watcher)? {
            watcher.refill(&log.read_log(prefix, after)?);
        }
        Ok(Box::pin(stream))
    }

    /// Makes a watcher live if the ring has all that it lacks. It is registered in any case.
    fn attach(&self, watcher: &Arc<Watcher>) -> Result<bool, Error> {
        let mut state = self.state.lock();
        if let Some(reason) = &state.closed {
            return Err(Error::Unavailable(reason.clone()));
        }
        if !watcher.registered() {
            state.register(watcher);
        }
        let ring_after = state.ring_after;
        Ok(watcher.go_live(ring_after, &state.ring))
    }

    fn detach(&self, watcher: &Arc<Watcher>) {
        self.state.lock().unregister(watcher);
    }
}

impl State {
    fn offer(&mut self, event: &Arc<Event>, wake: &mut Vec<std::task::Waker>) {
        let key = event.key();
        for &length in self.lengths.range(..=key.len()).map(|(length, _)| length) {
            let Some(watchers) = key.get(..length).and_then(|prefix| self.watchers.get(prefix))
            else {
                continue;
            };
            for watcher in watchers {
                wake.extend(watcher.offer(event));
            }
        }
        self.newest = self.newest.max(event.revision());
    }

    fn tell_progress(&mut self, wake: &mut Vec<std::task::Waker>) {
        if self.progress.is_some_and(|revision| revision <= self.newest) {
            self.progress = None;
            for watcher in self.watchers.values().flatten() {
                wake.extend(watcher.progress(self.newest));
            }
        }
    }

    fn remember(&mut self, event: &Arc<Event>) {
        self.ring_bytes += event.size();
        self.ring.push_back(Arc::clone(event));
        while self.ring.len() > RING_EVENTS || self.ring_bytes > RING_BYTES {
            let Some(oldest) = self.ring.pop_front() else { break };
            self.ring_bytes -= oldest.size();
            self.ring_after = oldest.revision();
        }
    }

    fn register(&mut self, watcher: &Arc<Watcher>) {
        watcher.set_registered();
        let lengths = &mut self.lengths;
        self.watchers
            .entry(watcher.prefix().into())
            .or_insert_with(|| {
                *lengths.entry(watcher.prefix().len()).or_default() += 1;
                Vec::new()
            })
            .push(Arc::clone(watcher));
    }

    fn unregister(&mut self, watcher: &Arc<Watcher>) {
        let Some(list) = self.watchers.get_mut(watcher.prefix()) else { return };
        if let Some(at) = list.iter().position(|other| Arc::ptr_eq(other, watcher)) {
            list.swap_remove(at);
        }
        if list.is_empty() {
            self.watchers.remove(watcher.prefix());
            let length = watcher.prefix().len();
            if let Some(count) = self.lengths.get_mut(&length) {
                *count -= 1;
                if *count == 0 {
                    self.lengths.remove(&length);
                }
            }
        }
    }
}
