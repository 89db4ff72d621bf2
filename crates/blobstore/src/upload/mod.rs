// SPDX-License-Identifier: Apache-2.0
//! Upload sessions: from the first byte to the link.
//!
//! ```text
//!  start ─▶ receiving ──suspend──▶ idle ──resume──▶ receiving ─▶ commit ─▶ linked
//!              │ hash ‖ store        │ (table, or the store and the client's state)
//!              └── cancel, mismatch ─┴─▶ gone
//! ```
//!
//! Bytes are hashed once, while they are stored. While a session is small its bytes stay in memory
//! and ride in the journal; a larger one is written to `_uploads/<id>/data`, and is hashed while it
//! is written. The running hash travels with the client (`_state`), so
//! any process can go on without reading the bytes again.
//!
//! In an exclusive store a session of few bytes exists only in the client's state and in memory,
//! until it is committed, grows, or the store is closed; a process that is killed meanwhile loses
//! it, and the client begins anew (docs/decisions/0006). In a shared one `startedat` is written at once, so that other replicas
//! and other registries find it.

mod commit;
mod hashes;
mod resume;
mod sessions;

use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use bytes::Bytes;
use oci::{Algorithm, Midstate, RepositoryName};
use storage::driver::{Change, Upload as Sink, UploadHint};
use storage::filesystem::Filesystem;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::task::spawn_blocking;
use uuid::Uuid;

use self::hashes::Hashes;
pub(crate) use self::sessions::Sessions;
use self::sessions::{Idle, Unsaved};
use crate::error::{Error, Result};
use crate::layout;
use crate::store::{BlobStore, Inner, SMALL};

/// Where a session stands. The registry lets it travel in the MACed `_state` of upload URLs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadState {
    /// The session.
    pub id: Uuid,
    /// Bytes received.
    pub offset: u64,
    /// When it began.
    pub started_at: OffsetDateTime,
    /// The running hashes, at some length up to `offset`. Empty: the bytes must be read again.
    pub midstates: Vec<Midstate>,
}

/// A session that one request holds; no other request of this process can hold it meanwhile.
///
/// Dropping it without [`Upload::suspend`], [`Upload::commit`] or [`Upload::cancel`] leaves what
/// was stored, and the next request finds the session there.
pub struct Upload {
    store: Arc<Inner>,
    repository: RepositoryName,
    id: Uuid,
    started_at: OffsetDateTime,
    offset: u64,
    hashes: Option<Hashes>,
    /// All bytes so far, while they are few.
    small: Option<Vec<u8>>,
    /// How many of them lie in `data`.
    stored: u64,
    on_disk: bool,
    sink: Option<Box<dyn Sink>>,
    note: Bytes,
    announced: Option<u64>,
    ended: bool,
}

impl BlobStore {
    /// Begins a session that hashes with `algorithm`.
    pub async fn start_upload(
        &self,
        repository: &RepositoryName,
        algorithm: Algorithm,
    ) -> Result<Upload> {
        let id = Uuid::new_v4();
        let started_at = OffsetDateTime::now_utc();
        let mut upload = Upload {
            store: Arc::clone(&self.inner),
            repository: repository.clone(),
            id,
            started_at,
            offset: 0,
            hashes: Some(Hashes::new(algorithm)),
            small: Some(Vec::new()),
            stored: 0,
            on_disk: false,
            sink: None,
            note: Bytes::new(),
            announced: None,
            ended: false,
        };
        self.inner.sessions.begin(id);
        if !self.inner.trust.is_exclusive() {
            upload.make_visible().await?;
        }
        Ok(upload)
    }
}

impl Upload {
    /// The session's id.
    pub fn id(&self) -> Uuid {
        self.id
    }

    /// Bytes received so far.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Says that so many more bytes are announced, so that space can be reserved.
    pub fn expect(&mut self, more: u64) {
        self.announced = Some(self.offset.saturating_add(more));
    }

    /// Hashes and stores the bytes.
    ///
    /// After an error the session holds what it held before, or some of the bytes.
    pub async fn write(&mut self, data: Bytes) -> Result<()> {
        if let Some(small) = &mut self.small
            && small.len() + data.len() <= SMALL
        {
            small.extend_from_slice(&data);
            self.offset += data.len() as u64;
            if let Some(hashes) = &mut self.hashes {
                hashes.update(&data);
            }
            return Ok(());
        }
        self.open_sink().await?;
        let length = data.len() as u64;
        let sink = self.sink.as_mut().expect("open_sink succeeded");
        let hashes = &mut self.hashes;
        // Polled in this order: the write is handed to another thread, and while it runs this one
        // hashes the same bytes. A second hand-over would cost more than it saves.
        let hash = async {
            if let Some(hashes) = hashes {
                hashes.update(&data);
            }
        };
        let (written, ()) = futures_util::future::join(sink.write(data.clone()), hash).await;
        if let Err(error) = written {
            // The hash has run ahead of what is stored: it must be made anew at commit.
            self.hashes = None;
            self.offset = sink_offset(self.sink.as_deref(), self.offset);
            return Err(error.into());
        }
        self.offset += length;
        self.stored = self.offset;
        Ok(())
    }

    /// Directs further bytes to the store, what memory held first.
    async fn open_sink(&mut self) -> Result<()> {
        if self.sink.is_some() {
            return Ok(());
        }
        self.make_visible().await?;
        let key = layout::upload_data(&self.repository, self.id);
        let driver = &self.store.driver;
        let mut sink = if self.stored == 0 {
            let hint = UploadHint { size: self.announced, destination: None };
            driver.create_upload(&key, hint).await?
        } else {
            driver.resume_upload(&key, self.stored, self.note.clone()).await?
        };
        if let Some(small) = &self.small {
            let rest = Bytes::copy_from_slice(&small[self.stored as usize..]);
            if !rest.is_empty() {
                sink.write(rest).await?;
            }
        }
        self.small = None;
        self.stored = self.offset;
        self.sink = Some(sink);
        Ok(())
    }

    /// Writes `startedat`, once, so that the session is found by others and by the purge.
    async fn make_visible(&mut self) -> Result<()> {
        if self.on_disk {
            return Ok(());
        }
        let key = layout::upload_started_at(&self.repository, self.id);
        let text = started_at_text(self.started_at);
        match self.store.filesystem.clone() {
            // A session needs no durability, only what names it does.
            Some(filesystem) => {
                blocking(move || filesystem.write_unsynced(&key, text.as_bytes(), false)).await?;
            }
            None => {
                let bytes = Bytes::from(text);
                self.store.driver.apply(vec![Change::Put { key, bytes }]).await?;
            }
        }
        self.on_disk = true;
        Ok(())
    }

    /// Ends a request that leaves the session open: what was received stays and can be resumed.
    pub async fn suspend(mut self) -> Result<UploadState> {
        if let Some(sink) = self.sink.take() {
            self.note = sink.suspend().await?;
        } else if self.small.as_ref().is_some_and(|small| small.len() as u64 > self.stored)
            && !self.may_stay_in_memory()
        {
            self.store_small().await?;
        }
        let state = UploadState {
            id: self.id,
            offset: self.offset,
            started_at: self.started_at,
            midstates: self.hashes.as_ref().map(Hashes::states).unwrap_or_default(),
        };
        self.put_down();
        Ok(state)
    }

    /// Whether the session may wait for the next request in memory alone. What is already on disk
    /// goes on there: only a session without a directory is one that costs none.
    fn may_stay_in_memory(&self) -> bool {
        self.store.trust.is_exclusive()
            && !self.on_disk
            && self.sink.is_none()
            && self.small.as_ref().is_some_and(|small| self.store.sessions.may_hold(small.len()))
    }

    /// Leaves the session in the table for the next request.
    fn put_down(&mut self) {
        self.ended = true;
        let idle = Idle {
            repository: self.repository.clone(),
            offset: self.offset,
            stored: self.stored,
            started_at: self.started_at,
            hashes: self.hashes.take(),
            small: self.small.take(),
            on_disk: self.on_disk,
            note: std::mem::take(&mut self.note),
            since: Instant::now(),
        };
        self.store.sessions.put_down(self.id, idle);
    }

    /// Stores the bytes of a small session that memory alone holds.
    async fn store_small(&mut self) -> Result<()> {
        let Some(filesystem) = self.store.filesystem.clone() else {
            self.open_sink().await?;
            if let Some(sink) = self.sink.take() {
                self.note = sink.suspend().await?;
            }
            return Ok(());
        };
        let small = self.small.take().unwrap_or_default();
        let session = Stored {
            started_at: (!self.on_disk).then_some(self.started_at),
            id: self.id,
            length: self.stored,
        };
        let repository = self.repository.clone();
        let (small, result) = spawn_blocking(move || {
            let result = session.append(&filesystem, &repository, &small);
            (small, result)
        })
        .await
        .map_err(|_| Error::Stopping)?;
        let length = small.len() as u64;
        self.small = Some(small);
        result?;
        self.on_disk = true;
        self.stored = length;
        Ok(())
    }

    /// Gives up: the session and its bytes are gone.
    pub async fn cancel(mut self) -> Result<()> {
        self.discard().await
    }

    async fn discard(&mut self) -> Result<()> {
        self.ended = true;
        self.store.sessions.end(self.id);
        if !self.on_disk {
            return Ok(());
        }
        let key = layout::upload(&self.repository, self.id);
        if let Some(filesystem) = self.store.filesystem.clone() {
            self.sink = None;
            return blocking(move || filesystem.remove_tree(&key).map(drop)).await;
        }
        let sink = match self.sink.take() {
            None if self.stored > 0 => {
                let data = layout::upload_data(&self.repository, self.id);
                let note = self.note.clone();
                Some(self.store.driver.resume_upload(&data, self.stored, note).await?)
            }
            sink => sink,
        };
        if let Some(sink) = sink {
            sink.cancel().await?;
        }
        Ok(self.store.driver.apply(vec![Change::RemoveTree { key }]).await?)
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        // Bytes, offset and running hash change together, so they are whole wherever the request
        // was cut off; in memory is all there is of them.
        if self.offset > 0 && self.may_stay_in_memory() {
            self.put_down();
        } else {
            self.store.sessions.forget(self.id);
            self.store.stats.abandoned_uploads.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn sink_offset(sink: Option<&dyn Sink>, fallback: u64) -> u64 {
    sink.map_or(fallback, Sink::offset)
}

/// What the store has of a session.
struct Stored {
    id: Uuid,
    /// When it began, if the store does not know it yet.
    started_at: Option<OffsetDateTime>,
    /// Bytes in `data`.
    length: u64,
}

impl Stored {
    /// Brings `data` up to `small`, unsynced. Blocking.
    fn append(
        &self,
        filesystem: &Filesystem,
        repository: &RepositoryName,
        small: &[u8],
    ) -> storage::driver::Result<()> {
        if let Some(started_at) = self.started_at {
            let key = layout::upload_started_at(repository, self.id);
            let text = started_at_text(started_at);
            filesystem.write_unsynced(&key, text.as_bytes(), false)?;
        }
        let key = layout::upload_data(repository, self.id);
        let file = if self.length == 0 {
            filesystem.create_file(&key)?
        } else {
            filesystem.open_write(&key)?
        };
        file.write_all_at(&small[self.length as usize..], self.length)
            .map_err(|error| storage::filesystem::classify("write", &key, error))
    }
}

impl Inner {
    /// Writes out the sessions that memory alone holds: this process will not serve them again.
    /// Blocking.
    pub(crate) fn save_sessions(&self) {
        let Some(filesystem) = &self.filesystem else { return };
        for Unsaved { id, idle } in self.sessions.take_held(None) {
            let Some(small) = &idle.small else { continue };
            let session = Stored {
                id,
                started_at: (!idle.on_disk).then_some(idle.started_at),
                length: idle.stored,
            };
            if let Err(error) = session.append(filesystem, &idle.repository, small) {
                tracing::warn!(%error, %id, "an upload session could not be kept");
            }
        }
    }

    /// The sessions in memory alone that began before `limit`: their directories, which do not
    /// exist, and when they began. They are gone then, unless it is a dry run.
    pub(crate) fn purge_held(
        &self,
        limit: OffsetDateTime,
        dry_run: bool,
    ) -> Vec<(storage::driver::Key, OffsetDateTime)> {
        let directory = |(name, id, since)| (layout::upload(&name, id), since);
        if dry_run {
            return self.sessions.list_held(limit).into_iter().map(directory).collect();
        }
        let gone = self.sessions.take_held(Some(limit)).into_iter();
        gone.map(|held| directory((held.idle.repository, held.id, held.idle.started_at))).collect()
    }
}

/// `startedat` as distribution writes it: RFC 3339, UTC, whole seconds.
fn started_at_text(time: OffsetDateTime) -> String {
    let whole = time.replace_nanosecond(0).unwrap_or(time);
    whole.format(&Rfc3339).unwrap_or_else(|_| "1970-01-01T00:00:00Z".to_owned())
}

/// Runs file-system work off the executor.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> storage::driver::Result<T> + Send + 'static,
) -> Result<T> {
    Ok(spawn_blocking(work).await.map_err(|_| Error::Stopping)??)
}
