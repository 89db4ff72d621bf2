// SPDX-License-Identifier: Apache-2.0
//! One watcher: its bounded queue, and the stream that empties it.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};

use futures_core::Stream;
use parking_lot::Mutex;

use super::{Hub, Log, LogBatch};
use crate::{Error, Event, Revision, WatchItem};

/// What one watcher may hold before it has to read the rest from history.
const QUEUE_EVENTS: usize = 1024;
const QUEUE_BYTES: usize = 4 << 20;

pub(super) struct Watcher {
    prefix: Box<str>,
    registered: AtomicBool,
    queue: Mutex<Queue>,
}

struct Queue {
    events: VecDeque<Arc<Event>>,
    bytes: usize,
    /// Everything of the prefix up to here was queued (and perhaps delivered).
    cursor: Revision,
    /// What came after `cursor` must be read from the log; nothing is queued meanwhile.
    behind: bool,
    progress: Option<Revision>,
    waker: Option<Waker>,
    closed: bool,
}

impl Queue {
    fn push(&mut self, event: &Arc<Event>) {
        self.cursor = event.revision();
        self.bytes += event.size();
        self.events.push_back(Arc::clone(event));
    }
}

impl Watcher {
    pub fn new(prefix: &str, after: Revision) -> Self {
        Self {
            prefix: prefix.into(),
            registered: AtomicBool::new(false),
            queue: Mutex::new(Queue {
                events: VecDeque::new(),
                bytes: 0,
                cursor: after,
                behind: true,
                progress: None,
                waker: None,
                closed: false,
            }),
        }
    }

    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    pub fn registered(&self) -> bool {
        self.registered.load(Ordering::Acquire)
    }

    pub fn set_registered(&self) {
        self.registered.store(true, Ordering::Release);
    }

    /// A new event of the prefix; who is to be woken.
    pub fn offer(&self, event: &Arc<Event>) -> Option<Waker> {
        let mut queue = self.queue.lock();
        if queue.behind || event.revision() <= queue.cursor {
            return None;
        }
        if queue.events.len() >= QUEUE_EVENTS
            || (queue.bytes + event.size() > QUEUE_BYTES && !queue.events.is_empty())
        {
            queue.behind = true;
        } else {
            queue.push(event);
        }
        queue.waker.take()
    }

    /// Called with the hub locked: what was published is queued, unless the watcher is behind.
    pub fn progress(&self, newest: Revision) -> Option<Waker> {
        let mut queue = self.queue.lock();
        queue.progress = Some(newest);
        queue.waker.take()
    }

    pub fn close(&self) -> Option<Waker> {
        let mut queue = self.queue.lock();
        queue.closed = true;
        queue.waker.take()
    }

    /// Called with the hub locked. False when the ring begins too late.
    pub fn go_live(&self, ring_after: Revision, ring: &VecDeque<Arc<Event>>) -> bool {
        let mut queue = self.queue.lock();
        if queue.cursor < ring_after {
            return false;
        }
        let from = ring.partition_point(|event| event.revision() <= queue.cursor);
        for event in ring.range(from..) {
            if event.key().starts_with(&*self.prefix) {
                queue.push(event);
            }
        }
        queue.behind = false;
        true
    }

    /// What the log had after the cursor.
    pub fn refill(&self, batch: &LogBatch) {
        let mut queue = self.queue.lock();
        for event in &batch.events {
            queue.push(event);
        }
        queue.cursor = queue.cursor.max(batch.upto);
    }
}

/// The reader's end.
pub(super) struct WatchStream {
    watcher: Arc<Watcher>,
    hub: Arc<Hub>,
    log: Arc<dyn Log>,
    after: Revision,
    ended: bool,
}

enum Step {
    Item(WatchItem),
    Wait,
    CatchUp(Revision),
    Closed,
}

impl WatchStream {
    pub fn new(watcher: Arc<Watcher>, hub: Arc<Hub>, log: Arc<dyn Log>, after: Revision) -> Self {
        Self { watcher, hub, log, after, ended: false }
    }

    fn step(&self, context: &Context<'_>) -> Step {
        let mut queue = self.watcher.queue.lock();
        if let Some(event) = queue.events.pop_front() {
            queue.bytes -= event.size();
            return Step::Item(WatchItem::Event(Event::clone(&event)));
        }
        if queue.events.capacity() > 64 {
            queue.events = VecDeque::new();
        }
        if queue.closed {
            return Step::Closed;
        }
        if queue.behind {
            return Step::CatchUp(queue.cursor);
        }
        if let Some(revision) = queue.progress.take().filter(|revision| *revision >= self.after) {
            return Step::Item(WatchItem::Progress(revision));
        }
        queue.waker = Some(context.waker().clone());
        Step::Wait
    }

    /// Reads a bounded part of history in place: a hand-over to another thread would cost more.
    fn catch_up(&self, cursor: Revision) -> Result<(), Error> {
        if self.hub.attach(&self.watcher)? {
            return Ok(());
        }
        let batch = self.log.read_log(self.watcher.prefix(), cursor)?;
        self.watcher.refill(&batch);
        if !batch.more {
            self.hub.attach(&self.watcher)?;
        }
        Ok(())
    }
}

impl Stream for WatchStream {
    type Item = Result<WatchItem, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.ended {
            return Poll::Ready(None);
        }
        loop {
            let failure = match self.step(context) {
                Step::Item(item) => return Poll::Ready(Some(Ok(item))),
                Step::Wait => return Poll::Pending,
                Step::Closed => Error::Unavailable("the store was closed".to_owned()),
                Step::CatchUp(cursor) => match self.catch_up(cursor) {
                    Ok(()) => continue,
                    Err(error) => error,
                },
            };
            self.ended = true;
            return Poll::Ready(Some(Err(failure)));
        }
    }
}

impl Drop for WatchStream {
    fn drop(&mut self) {
        self.hub.detach(&self.watcher);
    }
}
