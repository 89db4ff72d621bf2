// SPDX-License-Identifier: Apache-2.0
//! Reading: a few connections that only read, and the queries.
//!
//! Readers see the last commit and wait for nobody. A query runs on the thread that asks, because handing it to
//! another costs more than the query, unless it is long.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use bytes::Bytes;
use parking_lot::{Mutex, MutexGuard};
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, params};

use super::fault;
use super::open::{self, DirLock, OpenError};
use crate::hub::{Log, LogBatch};
use crate::keys::prefix_end;
use crate::{Error, Event, KeyValue, List, Page, Revision};

const CONNECTIONS: usize = 4;
/// What a watcher that is behind gets at once: events, their bytes, and revisions looked at.
const BATCH_EVENTS: usize = 128;
const BATCH_BYTES: usize = 1 << 20;
const BATCH_SPAN: u64 = 4096;

/// The connections; none after [`close`](Self::close).
pub(super) struct Readers {
    slots: Vec<Mutex<Option<Connection>>>,
    next: AtomicUsize,
    /// The oldest revision that can be read. Raised before anything is deleted.
    compacted: AtomicU64,
    lock: Mutex<Option<Arc<DirLock>>>,
    path: PathBuf,
}

/// A list that went beyond what may be done on the caller's thread.
pub(super) struct TooLong;

impl Readers {
    pub fn open(path: &Path, lock: Arc<DirLock>, compacted: Revision) -> Result<Self, OpenError> {
        let slots = (0..CONNECTIONS)
            .map(|_| open::reader(path).map(|connection| Mutex::new(Some(connection))))
            .collect::<Result<_, _>>()?;
        let lock = Mutex::new(Some(lock));
        Ok(Self {
            slots,
            next: AtomicUsize::new(0),
            compacted: AtomicU64::new(compacted),
            lock,
            path: path.to_owned(),
        })
    }

    pub fn compacted(&self) -> Revision {
        self.compacted.load(Ordering::Acquire)
    }

    pub fn raise_compacted(&self, revision: Revision) {
        self.compacted.fetch_max(revision, Ordering::AcqRel);
    }

    /// Closes the connections when their queries are done, and gives the directory up.
    pub fn close(&self) {
        for slot in &self.slots {
            slot.lock().take();
        }
        self.lock.lock().take();
    }

    fn slot(&self) -> MutexGuard<'_, Option<Connection>> {
        let first = self.next.load(Ordering::Relaxed);
        // The same connection as long as it is free: its statements and pages are warm.
        for offset in 0..self.slots.len() {
            if let Some(guard) = self.slots[(first + offset) % self.slots.len()].try_lock() {
                return guard;
            }
        }
        self.slots[self.next.fetch_add(1, Ordering::Relaxed) % self.slots.len()].lock()
    }

    pub fn with<T>(
        &self,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, Error> {
        let guard = self.slot();
        let connection =
            guard.as_ref().ok_or_else(|| Error::Unavailable("the store was closed".to_owned()))?;
        query(connection).map_err(|error| fault::reading(&error))
    }

    /// A connection of its own, so that nobody waits for a long reading; it keeps the directory meanwhile.
    fn apart<T>(
        &self,
        use_it: impl FnOnce(&Connection) -> Result<T, OpenError>,
    ) -> Result<T, OpenError> {
        let lock = self.lock.lock().clone();
        if lock.is_none() {
            return Err(OpenError::Io(std::io::Error::other("the store was closed")));
        }
        use_it(&open::connect(&self.path)?)
    }

    pub fn backup(&self, to: &Path) -> Result<(), OpenError> {
        self.apart(|connection| open::backup(connection, to))
    }

    pub fn check(&self) -> Result<(), OpenError> {
        self.apart(open::check)
    }

    pub fn get(&self, key: &str) -> Result<Option<KeyValue>, Error> {
        self.with(|connection| newest(connection, key))
    }

    /// A page; gives up when more than `patience` items would be read.
    pub fn list(
        &self,
        prefix: &str,
        list: &List,
        patience: usize,
    ) -> Result<Result<Page, TooLong>, Error> {
        self.with(|connection| {
            let transaction = connection.unchecked_transaction()?;
            let newest: Revision = last_revision(connection)?;
            let revision = list.revision.unwrap_or(newest);
            if revision > newest {
                return Ok(Err(Error::Future { asked: revision, newest }));
            }
            // After the snapshot was taken: what is compacted later is still in it.
            let oldest = self.compacted();
            if revision < oldest {
                return Ok(Err(Error::Compacted { asked: revision, oldest }));
            }
            let page = page(connection, prefix, list, revision, patience)?;
            transaction.commit()?;
            Ok(Ok(page))
        })?
    }

    pub fn count(&self, prefix: &str) -> Result<u64, Error> {
        let (from, to) = range(prefix, None);
        self.with(|connection| {
            let mut live = connection.prepare_cached(&keys_query(">="))?;
            let mut rows = live.query(params![from, to, i64::MAX])?;
            let mut count = 0;
            while let Some(row) = rows.next()? {
                count += u64::from(!row.get::<_, bool>(1)?);
            }
            Ok(count)
        })
    }
}

/// The newest revision in the file, which compaction never deletes.
pub(super) fn last_revision(connection: &Connection) -> rusqlite::Result<Revision> {
    let mut statement = connection.prepare_cached("SELECT ifnull(max(revision), 0) FROM log")?;
    statement.query_row([], |row| row.get(0))
}

/// What is at the key now.
pub(super) fn newest(connection: &Connection, key: &str) -> rusqlite::Result<Option<KeyValue>> {
    let mut statement = connection.prepare_cached(
        "SELECT revision, created, deleted, value FROM log WHERE key = ?1 ORDER BY revision DESC LIMIT 1",
    )?;
    let found = statement
        .query_row([key], |row| {
            let deleted: bool = row.get(2)?;
            if deleted {
                return Ok(None);
            }
            Ok(Some(KeyValue {
                key: key.to_owned(),
                value: bytes(row, 3)?,
                created: row.get(1)?,
                modified: row.get(0)?,
            }))
        })
        .optional()?;
    Ok(found.flatten())
}

fn bytes(row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<Bytes> {
    Ok(row.get_ref(column)?.as_bytes_or_null()?.map(Bytes::copy_from_slice).unwrap_or_default())
}

/// The keys of a prefix, or those after one: from (see the query's comparison) and to (not included). A blob sorts
/// after every text.
fn range(prefix: &str, after: Option<&str>) -> (String, Value) {
    let to = prefix_end(prefix).map_or(Value::Blob(Vec::new()), Value::Text);
    (after.unwrap_or(prefix).to_owned(), to)
}

/// For each key of a range its newest revision up to one, and whether that deleted it. SQLite takes the plain column
/// from the row with the maximum. Answered by the index alone.
fn keys_query(from: &str) -> String {
    format!(
        "SELECT max(revision), deleted FROM log INDEXED BY log_key \
         WHERE key {from} ?1 AND key < ?2 AND revision <= ?3 GROUP BY key ORDER BY key"
    )
}

fn page(
    connection: &Connection,
    prefix: &str,
    list: &List,
    revision: Revision,
    patience: usize,
) -> rusqlite::Result<Result<Page, TooLong>> {
    let (from, to) = range(prefix, list.after.as_deref());
    let mut keys =
        connection.prepare_cached(&keys_query(if list.after.is_some() { ">" } else { ">=" }))?;
    let mut item =
        connection.prepare_cached("SELECT key, created, value FROM log WHERE revision = ?1")?;
    let mut rows = keys.query(params![from, to, i64::try_from(revision).unwrap_or(i64::MAX)])?;
    let limit = if list.limit == 0 { usize::MAX } else { list.limit };
    let (mut items, mut remaining, mut seen) = (Vec::new(), 0, 0_usize);
    while let Some(row) = rows.next()? {
        seen += 1;
        if seen > patience {
            return Ok(Err(TooLong));
        }
        let (modified, deleted): (Revision, bool) = (row.get(0)?, row.get(1)?);
        if deleted {
            continue;
        }
        if items.len() == limit {
            remaining += 1;
            continue;
        }
        items.push(item.query_row([modified], |row| {
            Ok(KeyValue { key: row.get(0)?, value: bytes(row, 2)?, created: row.get(1)?, modified })
        })?);
    }
    Ok(Ok(Page { items, revision, remaining: Some(remaining).filter(|remaining| *remaining > 0) }))
}

impl Log for Readers {
    fn read_log(&self, prefix: &str, after: Revision) -> Result<LogBatch, Error> {
        self.with(|connection| {
            let transaction = connection.unchecked_transaction()?;
            let newest = last_revision(connection)?;
            let oldest = self.compacted();
            if after < oldest {
                return Ok(Err(Error::Compacted { asked: after, oldest }));
            }
            let batch = events(connection, prefix, after, newest)?;
            transaction.commit()?;
            Ok(Ok(batch))
        })?
    }

    fn oldest(&self) -> Revision {
        self.compacted()
    }
}

/// `NOT INDEXED`: by revision, which is where few rows are looked at.
const EVENTS: &str = "SELECT l.revision, l.key, l.created, l.deleted, l.value, p.revision, p.created, p.value \
     FROM log l NOT INDEXED LEFT JOIN log p ON p.revision = l.previous \
     WHERE l.revision > ?1 AND l.revision <= ?2 AND l.key >= ?3 AND l.key < ?4 ORDER BY l.revision LIMIT ?5";

fn events(
    connection: &Connection,
    prefix: &str,
    after: Revision,
    newest: Revision,
) -> rusqlite::Result<LogBatch> {
    let end = newest.min(after.saturating_add(BATCH_SPAN));
    if end <= after {
        return Ok(LogBatch { events: Vec::new(), upto: after, more: false });
    }
    let (from, to) = range(prefix, None);
    let mut statement = connection.prepare_cached(EVENTS)?;
    let mut rows = statement.query(params![after, end, from, to, BATCH_EVENTS])?;
    let (mut events, mut size) = (Vec::new(), 0);
    while let Some(row) = rows.next()? {
        let (revision, key): (Revision, String) = (row.get(0)?, row.get(1)?);
        let previous = match row.get::<_, Option<Revision>>(5)? {
            None => None,
            Some(modified) => Some(KeyValue {
                key: key.clone(),
                value: bytes(row, 7)?,
                created: row.get(6)?,
                modified,
            }),
        };
        let event = match (row.get::<_, bool>(3)?, previous) {
            (true, Some(previous)) => Event::Delete { previous, revision },
            // A deletion always has a row before it, which stays as long as the deletion can be watched.
            (true, None) => return Err(rusqlite::Error::QueryReturnedNoRows),
            (false, previous) => {
                let now = KeyValue {
                    key,
                    value: bytes(row, 4)?,
                    created: row.get(2)?,
                    modified: revision,
                };
                Event::Put { now, previous }
            }
        };
        size += event.size();
        events.push(Arc::new(event));
        if size > BATCH_BYTES {
            break;
        }
    }
    let full = size > BATCH_BYTES || events.len() == BATCH_EVENTS;
    let upto = if full { events.last().map_or(end, |event| event.revision()) } else { end };
    Ok(LogBatch { events, upto, more: upto < newest })
}
