// SPDX-License-Identifier: Apache-2.0
//! A store in one SQLite file, for one machine.
//!
//! The file is a log of revisions ([`schema`]). One thread writes ([`writer`]), a few connections read ([`read`]), and
//! watches are fed after each commit. `store.db` in the directory is the whole store when it was closed; after a crash
//! `store.db-wal` belongs to it. Copy it with [`Sqlite::backup`]; a backup named `store.db` in a fresh directory is a
//! store.

mod apply;
mod checkpoint;
mod expiry;
mod fault;
mod open;
mod read;
mod schema;
mod sweep;
mod writer;

use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::{Semaphore, oneshot};

use self::apply::{Answer, Op};
use self::checkpoint::Checkpointer;
pub use self::open::OpenError;
use self::read::Readers;
use self::writer::{Job, Queue, Writer};
use crate::hub::{Hub, Log};
use crate::{Clock, Error, Expect, KeyValue, List, Page, Revision, Store, Watch};

/// Keys that a list may look at on the caller's thread.
const INLINE_KEYS: usize = 512;
/// What may be queued, in KiB; an operation counts at least as the second.
const QUEUE_KIB: usize = 64 << 10;
const OP_KIB: usize = 16;

/// How a store is opened.
#[derive(Debug, Clone)]
pub struct Options {
    /// The largest value that is taken.
    pub value_limit: usize,
    /// What times to live are counted on.
    pub clock: Clock,
}

impl Default for Options {
    fn default() -> Self {
        Self { value_limit: 32 << 20, clock: Clock::system() }
    }
}

/// A store in one SQLite file.
pub struct Sqlite {
    queue: Arc<Queue>,
    /// Bounds what is queued; waits in order.
    room: Arc<Semaphore>,
    readers: Arc<Readers>,
    hub: Arc<Hub>,
    writer: Mutex<Option<JoinHandle<()>>>,
    limit: usize,
}

impl Sqlite {
    /// Opens the store in that directory, makes both if they are not there. Blocks for some milliseconds, longer after
    /// a crash, when the file is checked.
    ///
    /// # Errors
    /// [`OpenError`]: in use, of a newer program, damaged, or the file system refused.
    pub fn open(dir: &Path, options: &Options) -> Result<Self, OpenError> {
        let opened = open::open(dir)?;
        let lock = Arc::new(opened.lock);
        let compacted = sweep::compacted(&opened.writer)?;
        let readers = Arc::new(Readers::open(&opened.path, Arc::clone(&lock), compacted)?);
        let hub = Arc::new(Hub::new(read::last_revision(&opened.writer)?));
        let queue = Arc::new(Queue::default());
        let checkpointer = Checkpointer::start(&opened.path)?;
        let writer = Writer::new(
            opened.writer,
            Arc::clone(&queue),
            Arc::clone(&readers),
            Arc::clone(&hub),
            options.clock.clone(),
            checkpointer,
        )?;
        let thread = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || writer.run())?;
        Ok(Self {
            queue,
            room: Arc::new(Semaphore::new(QUEUE_KIB)),
            readers,
            hub,
            writer: Mutex::new(Some(thread)),
            limit: options.value_limit,
        })
    }

    /// Ends the store: what is queued is written, the log is moved into the file, the directory is given up. Blocks.
    /// Dropping does the same. Everything after it, and every watch, answers [`Error::Unavailable`].
    pub fn close(&self) {
        self.queue.stop();
        let thread = self.writer.lock().take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the store's writer ended by a panic");
        }
        self.hub.close("the store was closed");
        self.readers.close();
    }

    /// Writes the store as it is now to a new file, while it is used. The file is complete or not there.
    ///
    /// # Errors
    /// [`OpenError`]: the file exists already, or cannot be written.
    pub async fn backup(&self, to: &Path) -> Result<(), OpenError> {
        let (readers, to) = (Arc::clone(&self.readers), to.to_owned());
        let task = tokio::task::spawn_blocking(move || readers.backup(&to));
        task.await.map_err(|error| OpenError::Io(std::io::Error::other(error)))?
    }

    /// Reads the whole file and says whether it is sound. For a large store that takes a while; it goes on meanwhile.
    ///
    /// # Errors
    /// [`OpenError::Damaged`].
    pub async fn check(&self) -> Result<(), OpenError> {
        let readers = Arc::clone(&self.readers);
        let task = tokio::task::spawn_blocking(move || readers.check());
        task.await.map_err(|error| OpenError::Io(std::io::Error::other(error)))?
    }

    /// Lets the writer look at its clock, and waits until it has deleted what is due. For manual clocks.
    ///
    /// # Errors
    /// As every write.
    pub async fn expire_due(&self) -> Result<(), Error> {
        self.submit(Op::Look).await?;
        // What is due is deleted after the batch of the first and before that of the second.
        self.submit(Op::Look).await.map(drop)
    }

    async fn submit(&self, op: Op) -> Result<Answer, Error> {
        let closed = || Error::Unavailable("the store was closed".to_owned());
        let share = u32::try_from((OP_KIB + op.size() / 1024).min(QUEUE_KIB)).unwrap_or(u32::MAX);
        let permit =
            Arc::clone(&self.room).acquire_many_owned(share).await.map_err(|_| closed())?;
        let (reply, answer) = oneshot::channel();
        if !self.queue.push(Job { op, reply, permit: Some(permit) }) {
            return Err(closed());
        }
        answer.await.map_err(|_| closed())?
    }

    async fn put(&self, op: Op) -> Result<KeyValue, Error> {
        match self.submit(op).await? {
            Answer::Written(now) => Ok(now),
            _ => Err(Error::Failed("the writer answered something else".to_owned())),
        }
    }

    fn check_size(&self, value: &Bytes) -> Result<(), Error> {
        if value.len() > self.limit {
            Err(Error::TooLarge { size: value.len(), limit: self.limit })
        } else {
            Ok(())
        }
    }
}

impl Drop for Sqlite {
    fn drop(&mut self) {
        self.close();
    }
}

impl std::fmt::Debug for Sqlite {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Sqlite").field("newest", &self.hub.newest()).finish_non_exhaustive()
    }
}

#[async_trait]
impl Store for Sqlite {
    async fn get(&self, key: &str) -> Result<Option<KeyValue>, Error> {
        self.readers.get(key)
    }

    async fn list(&self, prefix: &str, list: List) -> Result<Page, Error> {
        if let Ok(page) = self.readers.list(prefix, &list, INLINE_KEYS)? {
            return Ok(page);
        }
        let (readers, prefix) = (Arc::clone(&self.readers), prefix.to_owned());
        let task = tokio::task::spawn_blocking(move || readers.list(&prefix, &list, usize::MAX));
        let page = task.await.map_err(|error| Error::Unavailable(error.to_string()))??;
        page.map_err(|_| Error::Unavailable("the list did not end".to_owned()))
    }

    async fn count(&self, prefix: &str) -> Result<u64, Error> {
        self.readers.count(prefix)
    }

    async fn create(
        &self,
        key: &str,
        value: Bytes,
        ttl: Option<Duration>,
    ) -> Result<KeyValue, Error> {
        self.check_size(&value)?;
        self.put(Op::Create { key: key.to_owned(), value, ttl }).await
    }

    async fn update(
        &self,
        key: &str,
        value: Bytes,
        expect: Expect,
        ttl: Option<Duration>,
    ) -> Result<KeyValue, Error> {
        self.check_size(&value)?;
        self.put(Op::Update { key: key.to_owned(), value, expect, ttl }).await
    }

    async fn delete(&self, key: &str, expect: Expect) -> Result<(KeyValue, Revision), Error> {
        match self.submit(Op::Delete { key: key.to_owned(), expect }).await? {
            Answer::Deleted(previous, revision) => Ok((previous, revision)),
            _ => Err(Error::Failed("the writer answered something else".to_owned())),
        }
    }

    async fn watch(&self, prefix: &str, after: Revision) -> Result<Watch, Error> {
        let log: Arc<dyn Log> = Arc::clone(&self.readers) as _;
        self.hub.watch(&log, prefix, after)
    }

    async fn revision(&self) -> Result<Revision, Error> {
        // Not the hub's: between a commit and its publication a reader may have seen more.
        self.readers.with(read::last_revision)
    }

    async fn progress(&self) -> Result<Option<Revision>, Error> {
        let newest = self.readers.with(read::last_revision)?;
        self.hub.progress(newest);
        Ok(Some(newest))
    }

    async fn compact(&self, revision: Revision) -> Result<(), Error> {
        self.submit(Op::Compact { revision }).await.map(drop)
    }
}
