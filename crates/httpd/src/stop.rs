// SPDX-License-Identifier: Apache-2.0
//! Who is connected, and how connections learn that the server stops.
//!
//! Each connection registers once. Waiting for the stop costs a connection nothing per request: it
//! leaves its waker in its own [`Entry`], and the server walks the entries when it stops.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::Context;

use futures_util::task::AtomicWaker;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::task::AbortHandle;

/// How urgently the server stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Stop {
    /// Not at all.
    No = 0,
    /// Finish requests in flight, begin no new ones.
    Drain = 1,
    /// Fail every read and write.
    Cut = 2,
}

impl Stop {
    fn from_u8(value: u8) -> Self {
        match value {
            0 => Self::No,
            1 => Self::Drain,
            _ => Self::Cut,
        }
    }
}

/// One connection's seat.
#[derive(Debug)]
pub(crate) struct Entry {
    stop: AtomicU8,
    waker: AtomicWaker,
}

impl Entry {
    pub(crate) fn stop(&self) -> Stop {
        Stop::from_u8(self.stop.load(Ordering::Acquire))
    }

    /// The present state; the task of `cx` is woken when it changes.
    pub(crate) fn watch(&self, cx: &Context<'_>) -> Stop {
        self.waker.register(cx.waker());
        self.stop()
    }

    fn raise(&self, to: Stop) {
        self.stop.fetch_max(to as u8, Ordering::AcqRel);
        self.waker.wake();
    }
}

/// All connections of a server.
#[derive(Debug, Default)]
pub(crate) struct Connections {
    seats: Mutex<Seats>,
    left: Notify,
}

#[derive(Debug, Default)]
struct Seats {
    next: u64,
    stop: Option<Stop>,
    taken: HashMap<u64, (Arc<Entry>, Option<AbortHandle>)>,
}

impl Connections {
    /// Takes a seat until the guard is dropped.
    pub(crate) fn enter(self: &Arc<Self>) -> Seat {
        let mut seats = self.seats.lock();
        let id = seats.next;
        seats.next += 1;
        let stop = seats.stop.unwrap_or(Stop::No);
        let entry = Arc::new(Entry { stop: AtomicU8::new(stop as u8), waker: AtomicWaker::new() });
        seats.taken.insert(id, (Arc::clone(&entry), None));
        Seat { id, entry, all: Arc::clone(self) }
    }

    /// Remembers how to abort the connection's task.
    pub(crate) fn attach(&self, id: u64, task: AbortHandle) {
        if let Some(seat) = self.seats.lock().taken.get_mut(&id) {
            seat.1 = Some(task);
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.seats.lock().taken.len()
    }

    /// Tells every connection, and those still to come.
    pub(crate) fn stop(&self, to: Stop) {
        let mut seats = self.seats.lock();
        seats.stop = seats.stop.max(Some(to));
        for (entry, _) in seats.taken.values() {
            entry.raise(to);
        }
    }

    /// Drops every connection's task at its next suspension.
    pub(crate) fn abort(&self) {
        for (_, task) in self.seats.lock().taken.values() {
            if let Some(task) = task {
                task.abort();
            }
        }
    }

    /// Returns when no connection is left.
    pub(crate) async fn empty(&self) {
        loop {
            let left = self.left.notified();
            if self.len() == 0 {
                return;
            }
            left.await;
        }
    }
}

/// Holds a connection's place among [`Connections`].
#[derive(Debug)]
pub(crate) struct Seat {
    pub(crate) id: u64,
    pub(crate) entry: Arc<Entry>,
    all: Arc<Connections>,
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.all.seats.lock().taken.remove(&self.id);
        self.all.left.notify_waiters();
    }
}
