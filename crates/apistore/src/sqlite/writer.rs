// SPDX-License-Identifier: Apache-2.0
//! The one who writes: a thread with the only writing connection.
//!
//! Whatever was queued while it was busy becomes one transaction and one sync; whether an operation conflicts is
//! decided inside, by the row that is there. After the commit: watchers, then answers. What is left to do (expiry,
//! deleting compacted rows, moving the write-ahead log into the file) is done between batches, in small pieces.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::apply::{Answer, Op, Writing};
use super::checkpoint::Checkpointer;
use super::read::Readers;
use super::{expiry::Expiry, fault, sweep};
use crate::hub::Hub;
use crate::{Clock, Error, Event, Revision};

/// How much one transaction takes: operations and bytes.
const BATCH_OPS: usize = 512;
const BATCH_BYTES: usize = 16 << 20;
/// Rows deleted between two batches.
const SWEEP_ROWS: usize = 256;
/// How long to leave a disk alone that took no deletion.
const SWEEP_PAUSE: Duration = Duration::from_secs(1);

/// One operation and who waits for it.
pub(super) struct Job {
    pub op: Op,
    pub reply: oneshot::Sender<Result<Answer, Error>>,
    /// Its share of what may be queued.
    pub permit: Option<OwnedSemaphorePermit>,
}

/// What waits for the writer.
#[derive(Default)]
pub(super) struct Queue {
    state: Mutex<QueueState>,
    filled: Condvar,
}

#[derive(Default)]
struct QueueState {
    jobs: VecDeque<Job>,
    stopped: bool,
}

impl Queue {
    /// False when the writer is gone.
    pub fn push(&self, job: Job) -> bool {
        let mut state = self.state.lock();
        if state.stopped {
            return false;
        }
        state.jobs.push_back(job);
        self.filled.notify_one();
        true
    }

    /// What is queued is still done; nothing more is taken.
    pub fn stop(&self) {
        self.state.lock().stopped = true;
        self.filled.notify_one();
    }

    /// The next batch, empty when the time is over; none at the end.
    fn take(&self, wait: Option<Duration>) -> Option<Vec<Job>> {
        let mut state = self.state.lock();
        while state.jobs.is_empty() && !state.stopped {
            match wait {
                None => self.filled.wait(&mut state),
                Some(wait) => {
                    if wait.is_zero() || self.filled.wait_for(&mut state, wait).timed_out() {
                        return Some(Vec::new());
                    }
                }
            }
        }
        let (mut batch, mut bytes) = (Vec::new(), 0);
        while batch.len() < BATCH_OPS && bytes < BATCH_BYTES {
            let Some(job) = state.jobs.pop_front() else { break };
            bytes += job.op.size();
            batch.push(job);
        }
        if batch.is_empty() { None } else { Some(batch) }
    }
}

/// Ends the queue and the watches when the thread ends, however it ends: nobody must wait for a writer that is gone.
struct StopOnDrop(Arc<Queue>, Arc<Hub>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.stop();
        let left = std::mem::take(&mut self.0.state.lock().jobs);
        drop(left);
        self.1.close("the store was closed");
    }
}

pub(super) struct Writer {
    connection: Connection,
    queue: Arc<Queue>,
    readers: Arc<Readers>,
    hub: Arc<Hub>,
    clock: Clock,
    newest: Revision,
    expiry: Expiry,
    checkpointer: Checkpointer,
    swept: Revision,
    sweep_pause: bool,
    /// Why nothing is written any more.
    failed: Option<String>,
}

impl Writer {
    pub fn new(
        connection: Connection,
        queue: Arc<Queue>,
        readers: Arc<Readers>,
        hub: Arc<Hub>,
        clock: Clock,
        checkpointer: Checkpointer,
    ) -> rusqlite::Result<Self> {
        let newest = super::read::last_revision(&connection)?;
        let swept = sweep::swept(&connection)?;
        let expiry = Expiry::load(&connection, &clock)?;
        Ok(Self {
            connection,
            queue,
            readers,
            hub,
            clock,
            newest,
            expiry,
            checkpointer,
            swept,
            sweep_pause: false,
            failed: None,
        })
    }

    /// The thread's life.
    pub fn run(mut self) {
        let queue = Arc::clone(&self.queue);
        let _stop = StopOnDrop(Arc::clone(&queue), Arc::clone(&self.hub));
        while let Some(batch) = queue.take(self.idle_time()) {
            if batch.is_empty() {
                self.sweep_pause = false;
            } else {
                self.write(batch);
            }
            self.expire();
            self.sweep();
            self.checkpoint();
        }
    }

    fn idle_time(&self) -> Option<Duration> {
        if self.failed.is_some() {
            return None;
        }
        let sweep = (self.swept < self.readers.compacted()).then_some(if self.sweep_pause {
            SWEEP_PAUSE
        } else {
            Duration::ZERO
        });
        let expiry = self
            .expiry
            .next()
            .map(|at| at.saturating_sub(self.clock.now()).max(Duration::from_millis(1)));
        [sweep, expiry].into_iter().flatten().min()
    }

    fn write(&mut self, mut batch: Vec<Job>) {
        let ops: Vec<&Op> = batch.iter().map(|job| &job.op).collect();
        match self.commit(&ops) {
            Ok(answers) => {
                for (job, answer) in batch.into_iter().zip(answers) {
                    drop(job.permit);
                    // Who does not wait any more does not want to know.
                    let _ = job.reply.send(answer);
                }
            }
            // One operation too large for the space left must not fail its neighbours.
            Err(Error::Full(_)) if batch.len() > 1 => {
                for job in batch {
                    self.write(vec![job]);
                }
            }
            Err(error) => {
                for job in batch.drain(..) {
                    drop(job.permit);
                    let _ = job.reply.send(Err(fault::again(&error)));
                }
            }
        }
    }

    /// All or nothing. Answers hold only once everything before them is durable, conflicts too.
    fn commit(&mut self, ops: &[&Op]) -> Result<Vec<Result<Answer, Error>>, Error> {
        if let Some(reason) = &self.failed {
            return Err(Error::Failed(reason.clone()));
        }
        let mut events = Vec::with_capacity(ops.len());
        let mut compacted = 0;
        let result = (|| {
            let transaction =
                self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let mut writing =
                Writing::new(&transaction, self.newest, self.readers.compacted(), &self.clock);
            let answers =
                ops.iter().map(|op| writing.apply(op)).collect::<rusqlite::Result<Vec<_>>>()?;
            (events, compacted) = writing.finish();
            if compacted > 0 {
                self.readers.raise_compacted(compacted);
            }
            transaction.commit()?;
            Ok(answers)
        })();
        match result {
            Ok(answers) => {
                self.published(&events);
                Ok(answers)
            }
            Err(error) => Err(self.failure(&error)),
        }
    }

    fn published(&mut self, events: &[(Arc<Event>, Option<Duration>)]) {
        let plain: Vec<Arc<Event>> = events.iter().map(|(event, _)| Arc::clone(event)).collect();
        for (event, deadline) in events {
            self.newest = event.revision();
            if let Some(deadline) = deadline {
                self.expiry.add(*deadline, event.revision(), event.key());
            }
            self.checkpointer.wrote(event.size());
        }
        self.hub.publish(&plain);
    }

    fn failure(&mut self, error: &rusqlite::Error) -> Error {
        let error = fault::writing(error);
        if let Error::Failed(reason) = &error {
            tracing::error!(%error, "the store takes no further writes");
            self.failed = Some(reason.clone());
        }
        error
    }

    fn expire(&mut self) {
        if self.failed.is_some() {
            return;
        }
        let due = self.expiry.due(self.clock.now());
        if due.is_empty() {
            return;
        }
        let ops: Vec<Op> = due
            .iter()
            .map(|(_, revision, key)| Op::Expire { key: key.clone(), revision: *revision })
            .collect();
        if let Err(error) = self.commit(&ops.iter().collect::<Vec<_>>()) {
            tracing::warn!(%error, "keys whose time is over could not be deleted yet");
            // Not before a while, or a full disk would keep the thread busy.
            let later = self.clock.now() + SWEEP_PAUSE;
            for (_, revision, key) in due {
                self.expiry.add(later, revision, &key);
            }
        }
    }

    fn sweep(&mut self) {
        let compacted = self.readers.compacted();
        if self.swept >= compacted || self.sweep_pause || self.failed.is_some() {
            return;
        }
        match sweep::rows(&mut self.connection, self.swept, compacted, SWEEP_ROWS) {
            Ok((swept, deleted)) => {
                self.swept = swept;
                self.checkpointer.wrote(deleted * 64);
            }
            Err(error) => {
                let error = self.failure(&error);
                tracing::warn!(%error, "compacted rows could not be deleted yet");
                self.sweep_pause = true;
            }
        }
    }

    fn checkpoint(&mut self) {
        if self.failed.is_some() {
            return;
        }
        if let Err(error) = self.checkpointer.after_batch(&self.connection) {
            let error = self.failure(&error);
            tracing::warn!(%error, "the write-ahead log could not be moved into the file");
        }
    }
}
