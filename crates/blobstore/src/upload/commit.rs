// SPDX-License-Identifier: Apache-2.0
//! The end of a session: verify, make durable, link.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use oci::{Algorithm, Digest};

use super::Upload;
use super::hashes::{Digests, Hashes};
use crate::content;
use crate::error::{Error, Result};
use crate::journal::{Op, Outcome};
use crate::layout;
use crate::store::{BlobInfo, Located};

impl Upload {
    /// Verifies the bytes and links them into the repository; durable and visible when this
    /// returns.
    ///
    /// # Errors
    /// [`Error::DigestMismatch`]: the session is removed. After any other error it may be resumed.
    pub async fn commit(mut self, digest: &Digest) -> Result<BlobInfo> {
        if let Some(sink) = self.sink.take() {
            // From here on `data` is complete and durable, and a commit that fails further on
            // can be repeated by resuming the session.
            sink.finish().await?;
        } else if self.small.is_none() {
            self.finish_stored().await?;
        }
        let digests = self.digests(digest.algorithm()).await?;
        let actual = digests.by(digest.algorithm()).unwrap_or(digests.sha256);
        if actual != *digest {
            let mismatch =
                Error::DigestMismatch { expected: Box::new(*digest), actual: Box::new(actual) };
            if let Err(error) = self.discard().await {
                tracing::warn!(%error, "cannot remove a refused upload; the purge will");
            }
            return Err(mismatch);
        }
        let located = Located { data: *digest, size: self.offset };
        self.link(located, digests.sha256).await?;
        self.ended = true;
        self.store.sessions.end(self.id);
        Ok(BlobInfo { digest: *digest, size: self.offset })
    }

    /// Makes bytes durable that an earlier request left in `data`.
    async fn finish_stored(&mut self) -> Result<()> {
        let key = layout::upload_data(&self.repository, self.id);
        let sink = self.store.driver.resume_upload(&key, self.stored, self.note.clone()).await?;
        Ok(sink.finish().await?)
    }

    /// The digests of all bytes; reads them again only if the running hash is missing or the
    /// algorithm is named here for the first time.
    async fn digests(&mut self, algorithm: Algorithm) -> Result<Digests> {
        let hashes = self.hashes.take().filter(|hashes| hashes.length() == self.offset);
        if let Some(digests) = hashes.map(Hashes::finish)
            && digests.by(algorithm).is_some()
        {
            return Ok(digests);
        }
        let mut hashes = Hashes::new(algorithm);
        if let Some(small) = &self.small {
            hashes.update(small);
            return Ok(hashes.finish());
        }
        self.store.stats.reread_bytes.fetch_add(self.offset, Ordering::Relaxed);
        self.store.stats.rereads.fetch_add(1, Ordering::Relaxed);
        let key = layout::upload_data(&self.repository, self.id);
        let content = self.store.driver.open(&key, 0, Some(self.offset)).await?;
        let hashes = content::for_each(content, hashes, Hashes::update).await?;
        if hashes.length() != self.offset {
            return Err(Error::UploadOffset { expected: self.offset, actual: hashes.length() });
        }
        Ok(hashes.finish())
    }

    /// Gives the bytes their name and the repository its links.
    async fn link(&mut self, located: Located, sha256: Digest) -> Result<()> {
        let from = layout::upload_data(&self.repository, self.id);
        let to = layout::blob_data(&located.data);
        let small = self.small.take().map(Bytes::from);
        let mut ops = Vec::with_capacity(4);
        ops.push(match &small {
            Some(bytes) if self.on_disk && self.stored == self.offset && self.offset > 0 => {
                Op::Adopt { from, to, bytes: bytes.clone() }
            }
            Some(bytes) => Op::Put { key: to, bytes: bytes.clone() },
            None => {
                self.store.engine.prepare_move(&to).await?;
                Op::Move { from, to }
            }
        });
        let mut names = vec![located.data];
        if sha256 != located.data {
            names.push(sha256);
        }
        let target = Bytes::from(located.data.to_string());
        for name in &names {
            let key = layout::layer_link(&self.repository, name);
            ops.push(Op::Put { key, bytes: target.clone() });
        }
        if self.on_disk {
            ops.push(Op::RemoveTree { key: layout::upload(&self.repository, self.id) });
        }
        let store = Arc::clone(&self.store);
        let repository = self.repository.clone();
        let restore = small.clone();
        let result = self
            .store
            .engine
            .commit(
                ops,
                Box::new(move |outcome| {
                    store.files.forget(&located.data);
                    for name in names {
                        let key = (repository.clone(), name);
                        match outcome {
                            Outcome::Applied => store.blobs.set(key, Some(located)),
                            Outcome::Unknown => store.blobs.forget(&key),
                        }
                        store.holders.note(name, &repository);
                    }
                    if let (Outcome::Applied, Some(bytes)) = (outcome, small) {
                        store.small.set(located.data, bytes);
                    }
                    store.touch(&repository);
                }),
            )
            .await;
        if result.is_err() {
            // The session stays and can be committed again.
            self.small = restore.map(|bytes| bytes.to_vec());
            self.put_down();
        }
        result
    }
}
