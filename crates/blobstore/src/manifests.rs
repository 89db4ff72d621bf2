// SPDX-License-Identifier: Apache-2.0
//! Manifests of a repository: read, write, delete.

use std::sync::Arc;

use bytes::Bytes;
use oci::{Digest, Manifest, RepositoryName, Tag};
use storage::driver::UploadHint;
use uuid::Uuid;

use crate::error::{Result, present};
use crate::journal::{Op, Outcome};
use crate::layout;
use crate::store::{BlobStore, Inner, SMALL, StoredManifest};

/// Manifests are at most 4 MiB when pushed (registry.md 1.7); what other registries stored may be
/// somewhat larger.
pub const MAX_STORED_MANIFEST: usize = 16 * 1024 * 1024;

/// A manifest to be written; it was parsed and checked.
pub struct ManifestWrite<'a> {
    /// The parsed form.
    pub manifest: &'a Manifest,
    /// The bytes as pushed.
    pub bytes: Bytes,
    /// Their digest, by the algorithm under which the manifest is to be found.
    pub digest: Digest,
    /// Tags to point to it.
    pub tags: &'a [Tag],
}

impl Inner {
    /// Where a manifest of the repository lies: its revision link, else (old data) a layer link.
    async fn revision(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<Option<Digest>> {
        let key = (repository.clone(), *digest);
        if let Some(known) = self.revisions.get(&key) {
            return Ok(known);
        }
        let ticket = self.revisions.ticket(&key);
        let found = match self.read_link(&layout::revision_link(repository, digest)).await? {
            None => self.read_link(&layout::layer_link(repository, digest)).await?,
            found => found,
        };
        if found.is_some() || self.trust.is_exclusive() {
            self.revisions.fill(&ticket, key, found);
        }
        Ok(found)
    }

    /// A manifest's bytes by the digest under which they lie.
    async fn load(&self, data: &Digest) -> Result<Option<Arc<StoredManifest>>> {
        if let Some(known) = self.manifests.get(data) {
            return Ok(Some(known));
        }
        let ticket = self.manifests.ticket(data);
        let key = layout::blob_data(data);
        let bytes = match self.driver.read(&key, MAX_STORED_MANIFEST).await {
            // A layer link may lead to a blob that is no manifest at all.
            Err(storage::driver::Error::TooLarge { .. }) => return Ok(None),
            other => present(other)?,
        };
        let Some(bytes) = bytes else { return Ok(None) };
        if Digest::of(data.algorithm(), &bytes) != *data {
            if bytes.is_empty() {
                tracing::warn!(digest = %data, "an empty manifest file counts as absent");
            } else {
                tracing::error!(digest = %data, "a stored manifest is damaged and counts as absent");
            }
            return Ok(None);
        }
        let Ok(manifest) = Manifest::from_stored(&bytes) else { return Ok(None) };
        let stored = Arc::new(StoredManifest {
            digest: *data,
            media_type: manifest.media_type().clone(),
            bytes,
        });
        self.manifests.fill(&ticket, *data, Arc::clone(&stored));
        Ok(Some(stored))
    }
}

impl BlobStore {
    /// A manifest of the repository. Its bytes have its digest: they are hashed when they are read
    /// from the store, once, and then held in memory.
    pub async fn manifest(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<Option<Arc<StoredManifest>>> {
        let Some(data) = self.inner.revision(repository, digest).await? else {
            return Ok(None);
        };
        let Some(stored) = self.inner.load(&data).await? else { return Ok(None) };
        if stored.digest == *digest {
            return Ok(Some(stored));
        }
        Ok(Some(Arc::new(StoredManifest { digest: *digest, ..(*stored).clone() })))
    }

    /// Whether the repository has the manifest, believing nothing that another process could have
    /// changed: what an index refers to must be in the store (see [`BlobStore::confirm_blob`]).
    pub async fn confirm_manifest(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<Option<Arc<StoredManifest>>> {
        if !self.inner.trust.is_exclusive() {
            self.inner.revisions.forget(&(repository.clone(), *digest));
            self.inner.manifests.forget(digest);
        }
        self.manifest(repository, digest).await
    }

    /// Stores a manifest, links it into the repository and points the tags to it; durable and
    /// visible when this returns.
    pub async fn put_manifest(
        &self,
        repository: &RepositoryName,
        write: ManifestWrite<'_>,
    ) -> Result<()> {
        let ManifestWrite { manifest, bytes, digest, tags } = write;
        let mut ops = Vec::with_capacity(3 + 2 * tags.len());
        ops.push(self.store_bytes(layout::blob_data(&digest), bytes.clone()).await?);
        let link = Bytes::from(digest.to_string());
        let mut put = |key| ops.push(Op::Put { key, bytes: link.clone() });
        put(layout::revision_link(repository, &digest));
        let subject = manifest.subject().map(|subject| subject.digest);
        if let Some(subject) = &subject {
            put(layout::referrer_link(repository, subject, &digest));
        }
        for tag in tags {
            put(layout::tag_index(repository, tag, &digest));
            put(layout::tag_current(repository, tag));
        }
        let store = Arc::clone(&self.inner);
        let repository = repository.clone();
        let tags = tags.to_vec();
        let stored =
            Arc::new(StoredManifest { digest, media_type: manifest.media_type().clone(), bytes });
        let effects = Box::new(move |outcome| {
            let fact = (repository.clone(), digest);
            match outcome {
                Outcome::Applied => {
                    store.revisions.set(fact, Some(digest));
                    store.manifests.set(digest, stored);
                }
                Outcome::Unknown => {
                    store.revisions.forget(&fact);
                    store.manifests.forget(&digest);
                }
            }
            store.small.forget(&digest);
            store.files.forget(&digest);
            for tag in &tags {
                store.note_tag(&repository, tag, digest, outcome);
            }
            store.touch(&repository);
        });
        self.inner.engine.commit(ops, effects).await
    }

    /// How bytes reach their name: in the journal's record, or, when they are too many for it,
    /// through a file of their own that is durable first.
    async fn store_bytes(&self, key: storage::driver::Key, bytes: Bytes) -> Result<Op> {
        if bytes.len() <= SMALL || self.inner.engine.journal().is_none() {
            return Ok(Op::Put { key, bytes });
        }
        let from = layout::temporary(Uuid::new_v4());
        let hint = UploadHint { size: Some(bytes.len() as u64), destination: Some(key.clone()) };
        let mut upload = self.inner.driver.create_upload(&from, hint).await?;
        upload.write(bytes).await?;
        upload.finish().await?;
        self.inner.engine.prepare_move(&key).await?;
        Ok(Op::Move { from, to: key })
    }

    /// Removes a manifest from the repository with every tag that points to it, as distribution
    /// does; its bytes stay for the garbage collector. `false` if it was not there.
    pub async fn delete_manifest(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<bool> {
        let inner = &self.inner;
        let revision = layout::revision_link(repository, digest);
        let layer = layout::layer_link(repository, digest);
        let is_revision = inner.read_link(&revision).await?.is_some();
        // A layer link counts as a manifest only if a manifest lies behind it.
        if !is_revision && self.manifest(repository, digest).await?.is_none() {
            return Ok(false);
        }
        let tags = self.tags_of(repository, digest).await?;
        let mut ops: Vec<Op> = tags
            .iter()
            .filter_map(|tag| layout::tag(repository, tag.as_str()))
            .map(|key| Op::RemoveTree { key })
            .collect();
        if let Some(subject) = self.subject_of(repository, digest).await? {
            ops.push(Op::Remove { key: layout::referrer_link(repository, &subject, digest) });
        }
        ops.push(Op::Remove { key: layer });
        ops.push(Op::Remove { key: revision });
        let store = Arc::clone(inner);
        let (repository, digest) = (repository.clone(), *digest);
        let effects = Box::new(move |outcome| {
            for tag in &tags {
                store.note_untag(&repository, tag, outcome);
            }
            let fact = (repository.clone(), digest);
            match outcome {
                Outcome::Applied => {
                    store.revisions.set(fact.clone(), None);
                    store.blobs.set(fact, None);
                }
                Outcome::Unknown => {
                    store.revisions.forget(&fact);
                    store.blobs.forget(&fact);
                }
            }
            store.untouch(&repository);
        });
        inner.engine.commit(ops, effects).await?;
        Ok(true)
    }

    async fn subject_of(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<Option<Digest>> {
        let stored = self.manifest(repository, digest).await?;
        Ok(stored
            .and_then(|stored| Manifest::from_stored(&stored.bytes).ok())
            .and_then(|manifest| manifest.subject().map(|subject| subject.digest)))
    }
}
