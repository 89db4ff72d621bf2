// SPDX-License-Identifier: Apache-2.0
//! The journal: what makes a store that one process owns both durable and fast.
//!
//! ```text
//!  commit(ops) ─▶ queue ─▶ writer thread ─▶ apply thread ─▶ answer
//!                          one pwrite and   rename, create,
//!                          one fdatasync    unlink: unsynced
//!                          for all waiting       │
//!                                                ▼ segment full, or idle
//!                                           cut thread: syncfs, then the segment is free again
//! ```
//!
//! - **Group commit**: the writer takes whatever waits, so sixteen clients share one sync and a
//!   lone one is never delayed.
//!   When nothing else waits, the writer applies as well: a hand-over costs more than it saves.
//! - **Acknowledged means durable**: the answer comes after the sync of the record and after the
//!   names appeared in the layout. The layout itself is synced later; until then the record
//!   restores it ([`replay`]).
//! - **Two segments** take turns. A segment is cut (its space reused) only after everything it
//!   lists was synced by one `syncfs`, which covers exactly the files and directories that the
//!   segment's operations touched, and more. (Linux reports write-back errors from `syncfs` since
//!   5.8.) After a failed one everything is written anew, since the kernel forgets what it could
//!   not write back.
//! - **A failed sync acknowledges nothing** and the next batch overwrites the same place. Records
//!   are chained by their checks, so nothing of the failed batch can be read as a continuation.

mod record;
mod replay;
mod segment;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use storage::driver::Key;
use storage::filesystem::Filesystem;
use storage::observed::Observer;
use tokio::sync::{Semaphore, oneshot};

pub(crate) use self::record::Op;
use self::segment::Segment;
use crate::error::{Error, Result};

/// One write to the segment holds at most this much; what waits beyond goes into the next.
const MAX_BATCH: usize = 2 * 1024 * 1024;

/// Bytes that may wait in the queue, in KiB: more pushes than that are slowed down.
const QUEUE_KIB: usize = 8 * 1024;

/// Batches between the writer and the apply thread.
const APPLY_QUEUE: usize = 16;

/// After this long without a write the layout is synced and the segment cut, so that a crash of an
/// idle server finds nothing to replay.
const IDLE_CUT: Duration = Duration::from_secs(1);

/// Pause before a failed `syncfs` is tried again.
const RETRY_CUT: Duration = Duration::from_millis(500);

/// What is to be told to the caches when a commit has ended.
pub(crate) type Effects = Box<dyn FnOnce(Outcome) + Send>;

/// How a commit ended, for the caches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The changes are visible; nothing else has touched these names since.
    Applied,
    /// The names may have changed, or partly: look again.
    Unknown,
}

struct Entry {
    ops: Vec<Op>,
    effects: Effects,
    done: oneshot::Sender<Result<()>>,
}

enum Work {
    /// Entries that are durable in that segment.
    Apply(usize, Vec<Entry>),
    /// The segment is full, or idle: sync what it lists.
    Cut(usize),
}

#[derive(Default)]
struct Queue {
    entries: VecDeque<Entry>,
    closed: bool,
}

/// Figures for metrics.
#[derive(Default)]
pub(crate) struct Stats {
    /// Records written.
    pub(crate) records: AtomicU64,
    /// Syncs that acknowledged them.
    pub(crate) syncs: AtomicU64,
    /// Segments cut.
    pub(crate) cuts: AtomicU64,
    /// Writes or syncs that failed.
    pub(crate) failures: AtomicU64,
}

struct Shared {
    filesystem: Filesystem,
    /// Told of what is applied, as the driver would be: the journal goes past its trait.
    observer: Option<Arc<dyn Observer>>,
    queue: Mutex<Queue>,
    queued: Condvar,
    /// Batches that the apply thread has not finished.
    unapplied: AtomicU64,
    /// How many records of each segment the layout holds. Locked while one is applied.
    applied: Mutex<[usize; 2]>,
    /// Ended upload sessions of each segment, to be removed when it has been cut: a session's
    /// directory must not be gone before the rename that took its data out is durable. (Where the
    /// record holds the data, nothing can be lost and the session is removed at once.)
    ended_sessions: Mutex<[Vec<Key>; 2]>,
    /// Which segments may be written from the start.
    free: Mutex<[bool; 2]>,
    freed: Condvar,
    stopping: AtomicBool,
    stats: Stats,
}

/// The journal of an exclusively owned filesystem store.
pub(crate) struct Journal {
    shared: Arc<Shared>,
    room: Semaphore,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Journal {
    /// Replays what a crash left and starts the threads. Blocking.
    pub(crate) fn open(
        filesystem: Filesystem,
        observer: Option<Arc<dyn Observer>>,
    ) -> Result<Self> {
        let segments = segment::open(&filesystem)?;
        let handles = segments.each_ref().map(Segment::handle);
        let generation = replay::replay(&filesystem, &handles)?;
        let shared = Arc::new(Shared {
            filesystem,
            observer,
            queue: Mutex::new(Queue::default()),
            queued: Condvar::new(),
            unapplied: AtomicU64::new(0),
            applied: Mutex::new([0, 0]),
            ended_sessions: Mutex::default(),
            free: Mutex::new([true, true]),
            freed: Condvar::new(),
            stopping: AtomicBool::new(false),
            stats: Stats::default(),
        });
        let (to_apply, apply) = sync_channel(APPLY_QUEUE);
        let (to_cut, cut) = sync_channel(2);
        let writer = Writer {
            shared: Arc::clone(&shared),
            segments,
            active: 0,
            generation,
            to_apply,
            buffer: Vec::new(),
            prepared: false,
        };
        let applier = Arc::clone(&shared);
        let cutter = Arc::clone(&shared);
        let threads = vec![
            spawn("journal-write", move || writer.run())?,
            spawn("journal-apply", move || apply_loop(&applier, &apply, &to_cut))?,
            spawn("journal-cut", move || cut_loop(&cutter, &handles, &cut))?,
        ];
        Ok(Self { shared, room: Semaphore::new(QUEUE_KIB), threads: Mutex::new(threads) })
    }

    /// Replays what a crash of an exclusive owner left, for one who takes the store over in another
    /// mode. Blocking.
    pub(crate) fn recover(filesystem: &Filesystem) -> Result<()> {
        if !Self::is_pending(filesystem)? {
            return Ok(());
        }
        let handles = segment::open(filesystem)?.each_ref().map(Segment::handle);
        replay::replay(filesystem, &handles).map(drop)
    }

    /// Whether there are records that the layout may lack. Changes nothing. Blocking.
    pub(crate) fn is_pending(filesystem: &Filesystem) -> Result<bool> {
        segment::any_begun(filesystem)
    }

    /// Makes the operations durable and visible, in order, and runs `effects` in the order in which
    /// commits became visible.
    ///
    /// # Errors
    /// [`Error::Journal`]: nothing happened. [`Error::Storage`]: the record is durable but could
    /// not be applied, wholly or in part; the client is told so, and a later replay may complete it.
    pub(crate) async fn commit(&self, ops: Vec<Op>, effects: Effects) -> Result<()> {
        let kib = (weight(&ops) / 1024 + 1).min(QUEUE_KIB) as u32;
        let _room = self.room.acquire_many(kib).await.map_err(|_| Error::Stopping)?;
        let (done, answer) = oneshot::channel();
        {
            let mut queue = self.shared.queue.lock();
            if queue.closed {
                return Err(Error::Stopping);
            }
            queue.entries.push_back(Entry { ops, effects, done });
        }
        self.shared.queued.notify_one();
        answer.await.unwrap_or(Err(Error::Stopping))
    }

    /// Where the layout is.
    pub(crate) fn filesystem(&self) -> &Filesystem {
        &self.shared.filesystem
    }

    /// Figures for metrics.
    pub(crate) fn stats(&self) -> &Stats {
        &self.shared.stats
    }

    /// Writes what waits, syncs the layout and empties the journal. Blocking.
    pub(crate) fn close(&self) {
        self.shared.stopping.store(true, Ordering::Relaxed);
        self.shared.queue.lock().closed = true;
        self.shared.queued.notify_one();
        for thread in self.threads.lock().drain(..) {
            if thread.join().is_err() {
                tracing::error!("a journal thread panicked; the journal will be replayed");
            }
        }
    }
}

fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>> {
    std::thread::Builder::new()
        .name(name.to_owned())
        .stack_size(256 * 1024)
        .spawn(body)
        .map_err(Error::Journal)
}

/// About how many bytes the record will have.
fn weight(ops: &[Op]) -> usize {
    ops.iter()
        .map(|op| match op {
            Op::Put { bytes, .. } | Op::Adopt { bytes, .. } => 400 + bytes.len(),
            Op::Move { .. } | Op::Remove { .. } | Op::RemoveTree { .. } => 400,
        })
        .sum()
}

struct Writer {
    shared: Arc<Shared>,
    segments: [Segment; 2],
    active: usize,
    generation: u64,
    to_apply: SyncSender<Work>,
    buffer: Vec<u8>,
    prepared: bool,
}

fn is_full(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded)
}

impl Writer {
    fn run(mut self) {
        if let Err(error) = self.prepare() {
            tracing::error!(%error, "cannot prepare the journal");
        }
        self.shared.free.lock()[0] = false;
        while let Some(batch) = self.next_batch() {
            if batch.is_empty() {
                if self.segments[self.active].has_records() {
                    self.switch(false);
                }
                continue;
            }
            match self.write(&batch) {
                // Waking another thread costs as much as a small change. It pays only when there is
                // more to be made durable meanwhile.
                Ok(()) if self.is_alone() => apply_batch(&self.shared, self.active, batch),
                Ok(()) => {
                    self.shared.unapplied.fetch_add(1, Ordering::Release);
                    if self.to_apply.send(Work::Apply(self.active, batch)).is_err() {
                        return;
                    }
                }
                Err(error) => {
                    self.shared.stats.failures.fetch_add(1, Ordering::Relaxed);
                    tracing::error!(%error, "the journal cannot be written");
                    for entry in batch {
                        (entry.effects)(Outcome::Unknown);
                        let copy = std::io::Error::new(error.kind(), error.to_string());
                        let _ = entry.done.send(Err(Error::Journal(copy)));
                    }
                }
            }
        }
        if self.segments[self.active].has_records() {
            let _ = self.to_apply.send(Work::Cut(self.active));
        }
    }

    /// Nothing waits to be written, and nothing written waits to be applied: applying on this thread
    /// keeps the order.
    fn is_alone(&self) -> bool {
        self.shared.unapplied.load(Ordering::Acquire) == 0
            && self.shared.queue.lock().entries.is_empty()
    }

    /// Takes the space for both segments and makes their names durable: a record counts for nothing
    /// in a file that a power failure leaves without a name.
    fn prepare(&mut self) -> storage::driver::Result<()> {
        if self.prepared {
            return Ok(());
        }
        self.segments[0].begin(self.generation).map_err(segment::failed)?;
        self.segments[1].reserve().map_err(segment::failed)?;
        for directory in ["/.berth/journal", "/.berth", "/"] {
            let key = Key::parse(directory).expect("a constant of legal characters");
            self.shared.filesystem.sync_dir(&key)?;
        }
        self.prepared = true;
        Ok(())
    }

    /// What waits, at most [`MAX_BATCH`]; an empty batch after a while without work; `None` when
    /// closed and drained.
    fn next_batch(&self) -> Option<Vec<Entry>> {
        let mut queue = self.shared.queue.lock();
        while queue.entries.is_empty() {
            if queue.closed {
                return None;
            }
            if self.shared.queued.wait_for(&mut queue, IDLE_CUT).timed_out()
                && queue.entries.is_empty()
            {
                if queue.closed {
                    return None;
                }
                if self.segments[self.active].has_records() {
                    return Some(Vec::new());
                }
            }
        }
        let mut batch = Vec::with_capacity(queue.entries.len());
        let mut size = 0;
        while let Some(entry) = queue.entries.front() {
            size += weight(&entry.ops);
            if size > MAX_BATCH && !batch.is_empty() {
                break;
            }
            batch.extend(queue.entries.pop_front());
        }
        Some(batch)
    }

    fn write(&mut self, batch: &[Entry]) -> std::io::Result<()> {
        let encode = |buffer: &mut Vec<u8>, mut seed: u32| {
            buffer.clear();
            for entry in batch {
                seed = record::encode(&entry.ops, seed, buffer);
            }
            seed
        };
        self.prepare().map_err(std::io::Error::other)?;
        let mut seed = encode(&mut self.buffer, self.segments[self.active].seed());
        if !self.segments[self.active].has_room(self.buffer.len()) {
            self.switch(true);
            seed = encode(&mut self.buffer, self.segments[self.active].seed());
        }
        let mut result = self.segments[self.active].append(&self.buffer, seed);
        if result.as_ref().is_err_and(is_full) && self.segments[self.active].has_records() {
            // No room to grow, but the other segment has its own: what frees space must go on.
            self.switch(true);
            let seed = encode(&mut self.buffer, self.segments[self.active].seed());
            result = self.segments[self.active].append(&self.buffer, seed);
        }
        result?;
        self.shared.stats.syncs.fetch_add(1, Ordering::Relaxed);
        self.shared.stats.records.fetch_add(batch.len() as u64, Ordering::Relaxed);
        Ok(())
    }

    /// Goes on in the other segment and lets the full one be cut. Waits for the other to be free
    /// only if it must (`wait`); that wait is what holds pushes back when the disk cannot follow.
    fn switch(&mut self, wait: bool) {
        let other = 1 - self.active;
        if !wait && self.segments[other].reserve().is_err() {
            // An idle cut is a convenience; on a full device the space at hand is kept in use.
            return;
        }
        {
            let mut free = self.shared.free.lock();
            while !free[other] {
                if !wait {
                    return;
                }
                self.shared.freed.wait(&mut free);
            }
            free[other] = false;
        }
        self.generation += 1;
        if let Err(error) = self.segments[other].begin(self.generation) {
            // The records that follow fail in `append`, one by one, until the device recovers.
            tracing::error!(%error, "cannot prepare a journal segment");
        }
        let full = std::mem::replace(&mut self.active, other);
        let _ = self.to_apply.send(Work::Cut(full));
    }
}

/// Makes durable operations visible, strictly in order.
fn apply_loop(shared: &Shared, work: &Receiver<Work>, to_cut: &SyncSender<usize>) {
    while let Ok(work) = work.recv() {
        match work {
            Work::Apply(segment, batch) => {
                apply_batch(shared, segment, batch);
                shared.unapplied.fetch_sub(1, Ordering::Release);
            }
            Work::Cut(segment) => {
                if to_cut.send(segment).is_err() {
                    return;
                }
            }
        }
    }
}

fn apply_batch(shared: &Shared, segment: usize, batch: Vec<Entry>) {
    for entry in batch {
        let mut applied = shared.applied.lock();
        let result = shared.apply_record(segment, &entry.ops);
        applied[segment] += 1;
        drop(applied);
        if let Err(error) = &result {
            tracing::error!(%error, "a durable change cannot be applied");
        }
        let outcome = if result.is_ok() { Outcome::Applied } else { Outcome::Unknown };
        (entry.effects)(outcome);
        let _ = entry.done.send(result.map_err(Into::into));
    }
}

impl Shared {
    fn apply_record(&self, segment: usize, ops: &[Op]) -> storage::driver::Result<()> {
        for op in ops {
            let session = op.ended_session().filter(|session| {
                let taken_out =
                    |op: &Op| matches!(op, Op::Move { from, .. } if from.parent() == **session);
                ops.iter().any(taken_out)
            });
            match session {
                Some(session) => self.ended_sessions.lock()[segment].push(session.clone()),
                None => self.apply(op)?,
            }
        }
        Ok(())
    }

    fn apply(&self, op: &Op) -> storage::driver::Result<()> {
        let Some(observer) = &self.observer else { return apply(&self.filesystem, op) };
        let started = Instant::now();
        let result = apply(&self.filesystem, op);
        let operation = match op {
            Op::Put { .. } => "StorageDriver.PutContent",
            Op::Adopt { .. } | Op::Move { .. } => "StorageDriver.Move",
            Op::Remove { .. } | Op::RemoveTree { .. } => "StorageDriver.Delete",
        };
        observer.observe(operation, started.elapsed().as_secs_f64(), result.as_ref().err());
        result
    }
}

/// Makes one operation visible, unsynced.
fn apply(filesystem: &Filesystem, op: &Op) -> storage::driver::Result<()> {
    match op {
        Op::Put { key, bytes } => filesystem.write_unsynced(key, bytes, replaces(key)),
        Op::Adopt { from, to, bytes } => match filesystem.rename_unsynced(from, to) {
            Err(error) if error.is_not_found() => filesystem.write_unsynced(to, bytes, true),
            other => other,
        },
        Op::Move { from, to } => filesystem.rename_unsynced(from, to),
        Op::Remove { key } => filesystem.remove(key).map(drop),
        Op::RemoveTree { key } if op.ended_session().is_some() => {
            filesystem.remove_flat(key, SESSION_FILES)
        }
        Op::RemoveTree { key } => filesystem.remove_tree(key).map(drop),
    }
}

/// Syncs what a full segment lists, then frees it.
fn cut_loop(shared: &Shared, segments: &[segment::Handle; 2], work: &Receiver<usize>) {
    while let Ok(segment) = work.recv() {
        let started = Instant::now();
        while let Err(error) = cut(shared, segments, segment) {
            shared.stats.failures.fetch_add(1, Ordering::Relaxed);
            tracing::error!(%error, "the layout cannot be synced; the journal keeps it");
            if shared.stopping.load(Ordering::Relaxed) {
                return;
            }
            std::thread::sleep(RETRY_CUT);
        }
        tracing::debug!(seconds = started.elapsed().as_secs_f64(), "journal cut");
        shared.stats.cuts.fetch_add(1, Ordering::Relaxed);
        shared.applied.lock()[segment] = 0;
        shared.free.lock()[segment] = true;
        shared.freed.notify_one();
    }
}

fn cut(shared: &Shared, segments: &[segment::Handle; 2], segment: usize) -> Result<()> {
    if let Err(error) = shared.filesystem.sync_filesystem() {
        // The next sync may well succeed without having written what this one lost.
        let applied = shared.applied.lock();
        replay::reapply(&shared.filesystem, segments, *applied)?;
        return Err(error.into());
    }
    for session in std::mem::take(&mut shared.ended_sessions.lock()[segment]) {
        remove_session(&shared.filesystem, &session);
    }
    Ok(segments[segment].erase()?)
}

/// What a session of ours consists of.
const SESSION_FILES: &[&str] = &["startedat", "data"];

/// Removes the directory of an ended session. One that stays is found by the purge.
fn remove_session(filesystem: &Filesystem, session: &Key) {
    if let Err(error) = filesystem.remove_flat(session, SESSION_FILES) {
        tracing::warn!(%error, %session, "an ended upload session could not be removed");
    }
}

/// Whether a new object must appear by rename. Content under `blobs/` may be reachable through an
/// older link while it is written; a link that is being written reads as absent, which it is until
/// the answer.
fn replaces(key: &Key) -> bool {
    key.name() != "link"
}
