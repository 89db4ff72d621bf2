// SPDX-License-Identifier: Apache-2.0
//! Blobs of a repository: look up, open, mount, unlink.
//!
//! A repository may serve a blob only through its own link (`_layers`). Links lead to data by the
//! digest they *hold*. A link to data that is missing, or empty though its digest is not that of
//! nothing, is treated as absent (registry.md 5.4, traps 1 and 2).

use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use oci::{Digest, RepositoryName};
use storage::driver::Content;

use crate::content;
use crate::error::{Error, Result, present};
use crate::journal::{Op, Outcome};
use crate::layout;
use crate::store::{BlobInfo, BlobStore, Inner, Located, SMALL};

/// How long a redirect stays valid (registry.md 5.6).
const REDIRECT_VALID: Duration = Duration::from_secs(20 * 60);

/// An open blob.
pub struct Blob {
    /// Bytes.
    pub size: u64,
    source: Source,
}

enum Source {
    Memory(Bytes),
    File(Arc<File>),
    Driver { store: Arc<Inner>, data: Digest },
}

impl Blob {
    /// `len` bytes from `offset`, which must lie within the blob. May be asked as often as wanted.
    pub async fn content(&self, offset: u64, len: u64) -> Result<Content> {
        debug_assert!(offset.checked_add(len).is_some_and(|end| end <= self.size));
        match &self.source {
            Source::Memory(bytes) => {
                Ok(Content::Bytes(bytes.slice(offset as usize..(offset + len) as usize)))
            }
            Source::File(file) => Ok(Content::File { file: Arc::clone(file), offset, len }),
            Source::Driver { store, data } => {
                Ok(store.driver.open(&layout::blob_data(data), offset, Some(len)).await?)
            }
        }
    }
}

/// Parses a link; anything but exactly a digest is a torn or foreign file and counts as absent.
pub(crate) fn parse_link(bytes: &[u8]) -> Option<Digest> {
    Digest::parse(std::str::from_utf8(bytes).ok()?).ok()
}

impl Inner {
    /// The digest that a link holds; `None` if there is no readable link.
    pub(crate) async fn read_link(&self, key: &storage::driver::Key) -> Result<Option<Digest>> {
        let bytes = match self.driver.read(key, layout::MAX_LINK).await {
            Err(storage::driver::Error::TooLarge { .. }) => None,
            other => present(other)?,
        };
        let Some(bytes) = bytes else { return Ok(None) };
        let digest = parse_link(&bytes);
        if digest.is_none() {
            tracing::warn!(%key, "a link holds no digest and counts as absent");
        }
        Ok(digest)
    }

    /// Size of stored data; `None` if it is missing or torn.
    pub(crate) async fn data_size(&self, digest: &Digest) -> Result<Option<u64>> {
        let key = layout::blob_data(digest);
        let Some(meta) = present(self.driver.stat(&key).await)? else { return Ok(None) };
        let torn = meta.size == 0 && *digest != Digest::of(digest.algorithm(), b"");
        if torn {
            tracing::warn!(%key, "an empty file stands where data should be and counts as absent");
        }
        Ok((!torn).then_some(meta.size))
    }

    async fn locate(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<Option<Located>> {
        let key = (repository.clone(), *digest);
        if let Some(known) = self.blobs.get(&key) {
            return Ok(known);
        }
        let ticket = self.blobs.ticket(&key);
        let found = self.look_up(repository, digest).await?;
        // In a shared store an absence is not believed even for a moment: a client may have pushed
        // the blob through another replica just now.
        if found.is_some() || self.trust.is_exclusive() {
            self.blobs.fill(&ticket, key, found);
        }
        Ok(found)
    }

    /// Looks in the store itself.
    pub(crate) async fn look_up(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<Option<Located>> {
        let Some(data) = self.read_link(&layout::layer_link(repository, digest)).await? else {
            return Ok(None);
        };
        Ok(self.data_size(&data).await?.map(|size| Located { data, size }))
    }
}

impl BlobStore {
    /// Whether the repository has the blob, and its size.
    pub async fn stat_blob(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<Option<BlobInfo>> {
        let located = self.inner.locate(repository, digest).await?;
        Ok(located.map(|located| BlobInfo { digest: *digest, size: located.size }))
    }

    /// The same, believing nothing that another process could have changed: what a manifest refers
    /// to must be in the store, not in a cache (registry.md 5.4, trap 3).
    pub async fn confirm_blob(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<Option<BlobInfo>> {
        if self.inner.trust.is_exclusive() {
            return self.stat_blob(repository, digest).await;
        }
        let located = self.inner.look_up(repository, digest).await?;
        Ok(located.map(|located| BlobInfo { digest: *digest, size: located.size }))
    }

    /// Opens a blob of the repository.
    ///
    /// # Errors
    /// [`Error::Damaged`] when verification on read is on and the bytes do not have their digest.
    pub async fn open_blob(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<Option<Blob>> {
        let Some(located) = self.inner.locate(repository, digest).await? else {
            return Ok(None);
        };
        let Located { data, size } = located;
        if let Some(bytes) = self.inner.small.get(&data) {
            return Ok(Some(Blob { size: bytes.len() as u64, source: Source::Memory(bytes) }));
        }
        if let Some((file, size)) = self.inner.files.get(&data) {
            return Ok(Some(Blob { size, source: Source::File(file) }));
        }
        match self.open_data(&data, size).await? {
            Some(blob) => Ok(Some(blob)),
            None => {
                self.inner.blobs.forget(&(repository.clone(), *digest));
                Ok(None)
            }
        }
    }

    async fn open_data(&self, data: &Digest, size: u64) -> Result<Option<Blob>> {
        let inner = &self.inner;
        let key = layout::blob_data(data);
        if size <= SMALL as u64 {
            let ticket = inner.small.ticket(data);
            let Some(bytes) = present(inner.driver.read(&key, SMALL).await)? else {
                return Ok(None);
            };
            self.vouch(data, Content::Bytes(bytes.clone())).await?;
            inner.small.fill(&ticket, *data, bytes.clone());
            return Ok(Some(Blob { size: bytes.len() as u64, source: Source::Memory(bytes) }));
        }
        let ticket = inner.files.ticket(data);
        let Some(content) = present(inner.driver.open(&key, 0, None).await)? else {
            return Ok(None);
        };
        match content {
            Content::File { file, len, .. } => {
                self.vouch(data, Content::File { file: Arc::clone(&file), offset: 0, len }).await?;
                inner.files.fill(&ticket, *data, (Arc::clone(&file), len));
                Ok(Some(Blob { size: len, source: Source::File(file) }))
            }
            Content::Bytes(bytes) => {
                Ok(Some(Blob { size: bytes.len() as u64, source: Source::Memory(bytes) }))
            }
            stream @ Content::Stream { .. } => {
                self.vouch(data, stream).await?;
                let source = Source::Driver { store: Arc::clone(inner), data: *data };
                Ok(Some(Blob { size, source }))
            }
        }
    }

    /// Hashes content that is about to be served, if that is switched on.
    async fn vouch(&self, digest: &Digest, content: Content) -> Result<()> {
        if !self.inner.verify_on_read || content::verify(content, digest).await?.0 {
            return Ok(());
        }
        self.inner.stats.damaged.fetch_add(1, Ordering::Relaxed);
        tracing::error!(%digest, "stored content is damaged");
        Err(Error::Damaged(*digest))
    }

    /// A URL from which a client can fetch the blob with that method, if the driver has such.
    pub async fn blob_redirect(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        method: &str,
    ) -> Result<Option<String>> {
        if !self.inner.driver.guarantees().redirects {
            return Ok(None);
        }
        let Some(located) = self.inner.locate(repository, digest).await? else {
            return Ok(None);
        };
        let key = layout::blob_data(&located.data);
        Ok(self.inner.driver.redirect(&key, method, REDIRECT_VALID).await?)
    }

    /// Links a blob of `from` into `to`. `None` if `from` does not have it.
    pub async fn mount_blob(
        &self,
        from: &RepositoryName,
        to: &RepositoryName,
        digest: &Digest,
    ) -> Result<Option<BlobInfo>> {
        let located = if self.inner.trust.is_exclusive() {
            self.inner.locate(from, digest).await?
        } else {
            self.inner.look_up(from, digest).await?
        };
        let Some(located) = located else { return Ok(None) };
        let bytes = Bytes::from(located.data.to_string());
        let key = layout::layer_link(to, digest);
        let store = Arc::clone(&self.inner);
        let (to, digest) = (to.clone(), *digest);
        let effects = Box::new(move |outcome| {
            let fact = (to.clone(), digest);
            match outcome {
                Outcome::Applied => store.blobs.set(fact, Some(located)),
                Outcome::Unknown => store.blobs.forget(&fact),
            }
            store.holders.note(digest, &to);
            store.touch(&to);
        });
        self.inner.engine.commit(vec![Op::Put { key, bytes }], effects).await?;
        Ok(Some(BlobInfo { digest, size: located.size }))
    }

    /// Repositories that were seen to hold a blob, newest first. A hint for anonymous mounts: the
    /// caller checks who may pull from them, and [`BlobStore::mount_blob`] whether it is true.
    pub fn known_holders(&self, digest: &Digest) -> Vec<RepositoryName> {
        self.inner.holders.of(digest)
    }

    /// Removes a blob from the repository; its bytes stay for the garbage collector. `false` if it
    /// was not there.
    pub async fn unlink_blob(&self, repository: &RepositoryName, digest: &Digest) -> Result<bool> {
        let key = layout::layer_link(repository, digest);
        if self.inner.read_link(&key).await?.is_none() {
            return Ok(false);
        }
        let store = Arc::clone(&self.inner);
        let (repository, digest) = (repository.clone(), *digest);
        let effects = Box::new(move |outcome| {
            let fact = (repository, digest);
            match outcome {
                Outcome::Applied => store.blobs.set(fact, None),
                Outcome::Unknown => store.blobs.forget(&fact),
            }
        });
        self.inner.engine.commit(vec![Op::Remove { key }], effects).await?;
        Ok(true)
    }

    /// Removes the bytes of a blob, whoever refers to them; the links stay and count as absent
    /// from now on (registry.md 1.13). Nothing happens if there are none.
    pub async fn remove_blob(&self, digest: &Digest) -> Result<()> {
        let store = Arc::clone(&self.inner);
        let removed = *digest;
        let effects = Box::new(move |_| {
            store.small.forget(&removed);
            store.files.forget(&removed);
            store.manifests.forget(&removed);
            store.forget_facts();
        });
        let op = Op::RemoveTree { key: layout::blob_dir(digest) };
        self.inner.engine.commit(vec![op], effects).await
    }
}
