// SPDX-License-Identifier: Apache-2.0
//! Moving the write-ahead log into the file, beside the writer.
//!
//! SQLite would do it inside a commit, and the writer waiting for that commit would pay for a thousand others. Here a
//! second connection does it while writing goes on. Under an endless stream of writes that never finishes, so beyond a
//! limit the writer does the rest itself, when nobody can add to it.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;

use rusqlite::Connection;

use super::open::{self, OpenError};

const PAGE: usize = 4096;
/// Pages that an operation writes at least: a leaf of the table, one of the index, and a little.
const LEAST_PAGES: usize = 3;
/// From here on the helper is asked; from the second on the writer does it.
const ASK_PAGES: usize = 1000;
const FORCE_PAGES: usize = 8000;

/// The writer's side.
pub(super) struct Checkpointer {
    /// About how many pages the log has.
    pages: usize,
    asked_at: usize,
    shared: Arc<Shared>,
    ask: Option<SyncSender<()>>,
    helper: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    /// All of the log is in the file: the next write starts it anew.
    complete: AtomicBool,
    failed: OnceLock<rusqlite::Error>,
}

impl Checkpointer {
    pub fn start(path: &Path) -> Result<Self, OpenError> {
        let connection = open::connect(path)?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        let shared = Arc::new(Shared::default());
        let (ask, asked) = sync_channel::<()>(1);
        let helper = {
            let shared = Arc::clone(&shared);
            std::thread::Builder::new().name("store-checkpoint".to_owned()).spawn(move || {
                while asked.recv().is_ok() {
                    match passive(&connection) {
                        Ok(complete) => shared.complete.store(complete, Ordering::Release),
                        Err(error) => {
                            let _ = shared.failed.set(error);
                        }
                    }
                }
            })?
        };
        Ok(Self { pages: 0, asked_at: 0, shared, ask: Some(ask), helper: Some(helper) })
    }

    /// An operation wrote about that much.
    pub fn wrote(&mut self, bytes: usize) {
        self.pages += LEAST_PAGES + bytes / PAGE;
    }

    /// Between two batches.
    pub fn after_batch(&mut self, writer: &Connection) -> rusqlite::Result<()> {
        if let Some(rusqlite::Error::SqliteFailure(error, text)) = self.shared.failed.get() {
            return Err(rusqlite::Error::SqliteFailure(*error, text.clone()));
        }
        if self.shared.complete.swap(false, Ordering::AcqRel) {
            self.pages -= self.asked_at.min(self.pages);
            self.asked_at = 0;
        }
        if self.pages >= FORCE_PAGES {
            let complete = passive(writer)?;
            // A reader may still need the log: again after some more writes.
            self.pages = if complete { 0 } else { FORCE_PAGES - ASK_PAGES };
            self.asked_at = self.pages;
        } else if self.pages >= self.asked_at + ASK_PAGES {
            self.asked_at = self.pages;
            if let Some(ask) = &self.ask {
                let _ = ask.try_send(());
            }
        }
        Ok(())
    }
}

impl Drop for Checkpointer {
    fn drop(&mut self) {
        self.ask.take();
        if let Some(helper) = self.helper.take() {
            let _ = helper.join();
        }
    }
}

/// Moves what can be moved without waiting for anybody. True when that was all. A full disk is no failure: the log
/// stays as it is.
fn passive(connection: &Connection) -> rusqlite::Result<bool> {
    let answer = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, i64>(2)?))
    });
    match answer {
        Ok((busy, log, moved)) => Ok(busy == 0 && log == moved),
        Err(error) => match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::SystemIoFailure | rusqlite::ErrorCode::DatabaseCorrupt) => {
                Err(error)
            }
            _ => {
                tracing::warn!(%error, "the write-ahead log could not be moved into the file yet");
                Ok(false)
            }
        },
    }
}
