// SPDX-License-Identifier: Apache-2.0
//! Going on with a session, wherever it was left.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use oci::{Algorithm, RepositoryName};
use uuid::Uuid;

use super::hashes::Hashes;
use super::sessions::{Idle, Peek, Taken};
use super::{Upload, UploadState};
use crate::content;
use crate::error::{Error, Result, present};
use crate::layout;
use crate::store::BlobStore;

/// Up to this many bytes are read again at once to bring a running hash up to the session's
/// offset; beyond, the whole blob is read once at commit.
const CATCH_UP: u64 = 8 * 1024 * 1024;

/// On a shared volume another replica's bytes may show late (NFS attribute caches): how often and
/// how long to wait for them (registry.md 5.4, trap 8).
const LATE_TRIES: u32 = 8;
const LATE_PAUSE: Duration = Duration::from_millis(50);

/// A `startedat` is some twenty bytes; a running hash of distribution some hundred.
const SMALL_FILE: usize = 4096;

impl BlobStore {
    /// Goes on with the session that `state` describes.
    ///
    /// # Errors
    /// [`Error::UploadUnknown`], [`Error::UploadBusy`], or [`Error::UploadOffset`] when the session
    /// holds another number of bytes; it stays as it is then.
    pub async fn resume_upload(
        &self,
        repository: &RepositoryName,
        state: &UploadState,
    ) -> Result<Upload> {
        match self.inner.sessions.take(state.id, repository) {
            Taken::Busy => Err(Error::UploadBusy),
            Taken::Ended => Err(Error::UploadUnknown),
            Taken::Mine(idle) => self.resume_idle(repository, state, *idle).await,
            Taken::Unknown => self.resume_stored(repository, state).await,
        }
    }

    async fn resume_idle(
        &self,
        repository: &RepositoryName,
        state: &UploadState,
        idle: Idle,
    ) -> Result<Upload> {
        if !self.inner.trust.is_exclusive() {
            // Another replica may have gone on with it: the store decides.
            let size = self.stored_size(repository, state.id).await;
            if !matches!(size, Ok(Some(size)) if size == idle.stored) {
                return self.resume_stored(repository, state).await;
            }
        }
        if idle.offset != state.offset {
            let actual = idle.offset;
            self.inner.sessions.put_down(state.id, idle);
            return Err(Error::UploadOffset { expected: state.offset, actual });
        }
        Ok(Upload {
            store: Arc::clone(&self.inner),
            repository: repository.clone(),
            id: state.id,
            started_at: idle.started_at,
            offset: idle.offset,
            hashes: idle.hashes,
            small: idle.small,
            stored: idle.stored,
            on_disk: idle.on_disk,
            sink: None,
            note: idle.note,
            announced: None,
            ended: false,
        })
    }

    async fn resume_stored(
        &self,
        repository: &RepositoryName,
        state: &UploadState,
    ) -> Result<Upload> {
        let found = self.find_stored(repository, state).await;
        let (on_disk, hashes) = match found {
            Ok(found) => found,
            Err(error) => {
                self.inner.sessions.forget(state.id);
                return Err(error);
            }
        };
        Ok(Upload {
            store: Arc::clone(&self.inner),
            repository: repository.clone(),
            id: state.id,
            started_at: state.started_at,
            offset: state.offset,
            hashes,
            small: (state.offset == 0).then(Vec::new),
            stored: state.offset,
            on_disk,
            sink: None,
            note: Bytes::new(),
            announced: None,
            ended: false,
        })
    }

    async fn find_stored(
        &self,
        repository: &RepositoryName,
        state: &UploadState,
    ) -> Result<(bool, Option<Hashes>)> {
        let mut tries = 0;
        let size = loop {
            let Some(size) = self.stored_size(repository, state.id).await? else {
                if state.offset == 0 && self.inner.trust.is_exclusive() {
                    // A session without bytes lives in the client's state alone.
                    return Ok((false, Some(begin(state))));
                }
                return Err(Error::UploadUnknown);
            };
            let may_be_late = !self.inner.trust.is_exclusive() && tries < LATE_TRIES;
            if size >= state.offset || !may_be_late {
                break size;
            }
            tries += 1;
            tokio::time::sleep(LATE_PAUSE).await;
        };
        if size != state.offset {
            return Err(Error::UploadOffset { expected: state.offset, actual: size });
        }
        Ok((true, self.running_hash(repository, state).await?))
    }

    /// Bytes of a stored session; `None` if there is no such session.
    async fn stored_size(&self, repository: &RepositoryName, id: Uuid) -> Result<Option<u64>> {
        let driver = &self.inner.driver;
        if let Some(meta) = present(driver.stat(&layout::upload_data(repository, id)).await)? {
            return Ok(Some(meta.size));
        }
        let started = driver.read(&layout::upload_started_at(repository, id), SMALL_FILE).await;
        Ok(present(started)?.map(|_| 0))
    }

    /// The running hash at the session's offset, from the client's state or from what
    /// distribution left; `None` if the bytes are to be read again at commit.
    async fn running_hash(
        &self,
        repository: &RepositoryName,
        state: &UploadState,
    ) -> Result<Option<Hashes>> {
        if state.offset == 0 {
            return Ok(Some(begin(state)));
        }
        if let Some(hashes) = Hashes::resume(&state.midstates)
            && hashes.length() <= state.offset
        {
            let gap = state.offset - hashes.length();
            if gap == 0 {
                return Ok(Some(hashes));
            }
            if gap > CATCH_UP {
                return Ok(None);
            }
            self.inner.stats.reread_bytes.fetch_add(gap, Ordering::Relaxed);
            let key = layout::upload_data(repository, state.id);
            let content = self.inner.driver.open(&key, hashes.length(), Some(gap)).await?;
            return Ok(content::for_each(content, hashes, Hashes::update).await.ok());
        }
        let key = layout::upload_hash_state(repository, state.id, "sha256", state.offset);
        let left = present(self.inner.driver.read(&key, SMALL_FILE).await)?;
        Ok(left
            .and_then(|bytes| Hashes::from_distribution(&bytes))
            .filter(|hashes| hashes.length() == state.offset))
    }

    /// Where a session stands, without taking it. `known` is the client's state, if it sent one:
    /// its running hash is passed on.
    pub async fn upload_status(
        &self,
        repository: &RepositoryName,
        id: Uuid,
        known: Option<&UploadState>,
    ) -> Result<UploadState> {
        match self.inner.sessions.peek(id, repository) {
            Some(Peek::Busy) => return Err(Error::UploadBusy),
            Some(Peek::Idle { offset, started_at, states }) if self.inner.trust.is_exclusive() => {
                return Ok(UploadState { id, offset, started_at, midstates: states });
            }
            _ => {}
        }
        if self.inner.sessions.has_ended(id) {
            return Err(Error::UploadUnknown);
        }
        let offset = match (self.stored_size(repository, id).await?, known) {
            (Some(size), _) => size,
            (None, Some(state)) if state.offset == 0 && self.inner.trust.is_exclusive() => 0,
            (None, _) => return Err(Error::UploadUnknown),
        };
        Ok(UploadState {
            id,
            offset,
            started_at: known.map_or_else(time::OffsetDateTime::now_utc, |state| state.started_at),
            midstates: known
                .map(|state| state.midstates.clone())
                .filter(|states| states.iter().all(|state| state.length <= offset))
                .unwrap_or_default(),
        })
    }
}

/// A hash over nothing, with the algorithms the session was begun for.
fn begin(state: &UploadState) -> Hashes {
    let other = state.midstates.iter().map(|state| state.algorithm);
    Hashes::new(other.into_iter().find(|a| *a != Algorithm::Sha256).unwrap_or(Algorithm::Sha256))
}
