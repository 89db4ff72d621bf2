// SPDX-License-Identifier: Apache-2.0
//! Uploads: bytes appended to a file.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use rustix::fs::FallocateFlags;
use rustix::io::Errno;
use tokio::task::JoinHandle;

use super::directories::sync_data;
use super::errors::classify;
use super::tree::parent;
use super::{Filesystem, Inner};
use crate::driver::{Error, Key, Result, Upload, UploadHint};

/// Announced sizes from here on are reserved.
const RESERVE_FROM: u64 = 1 << 20;
/// What is reserved at most. A client can announce any size, and space reserved for bytes that never
/// come is space that others miss.
const RESERVE_MOST: u64 = 64 << 20;

/// An upload's file.
pub(super) struct FileUpload {
    filesystem: Filesystem,
    file: Arc<File>,
    key: Key,
    /// Bytes in the file, all writes included that have been waited for.
    offset: u64,
    /// Space is reserved up to here.
    reserved: u64,
    /// A write that has not been waited for: the caller may have dropped the future that did.
    pending: Option<JoinHandle<Result<u64>>>,
    /// The file may hold bytes beyond `offset`.
    torn: bool,
}

impl FileUpload {
    /// Begins an upload.
    pub(super) fn create(filesystem: &Filesystem, key: &Key, hint: &UploadHint) -> Result<Self> {
        let file = filesystem.create_file(key)?;
        let reserved =
            hint.size.filter(|size| *size >= RESERVE_FROM).map_or(0, |size| size.min(RESERVE_MOST));
        if let Err(error) = reserve(&file, reserved) {
            remove_untrusted(&filesystem.inner, key, &file);
            return Err(classify("reserve", key, error));
        }
        Ok(Self::new(filesystem, key, file, 0, reserved))
    }

    /// Goes on with an upload.
    pub(super) fn resume(filesystem: &Filesystem, key: &Key, expected: u64) -> Result<Self> {
        let file = filesystem.open_write(key)?;
        let metadata = file.metadata().map_err(|error| classify("stat", key, error))?;
        if !metadata.is_file() {
            return Err(Error::NotFound { key: key.clone() });
        }
        let actual = metadata.len();
        if actual != expected {
            return Err(Error::Offset { key: key.clone(), expected, actual });
        }
        Ok(Self::new(filesystem, key, file, actual, 0))
    }

    fn new(filesystem: &Filesystem, key: &Key, file: File, offset: u64, reserved: u64) -> Self {
        Self {
            filesystem: filesystem.clone(),
            file: Arc::new(file),
            key: key.clone(),
            offset,
            reserved,
            pending: None,
            torn: false,
        }
    }

    /// Waits for a write under way and takes its result into account.
    async fn settle(&mut self) -> Result<()> {
        let Some(pending) = &mut self.pending else { return Ok(()) };
        let written = super::face::joined("write", &self.key, pending.await);
        self.pending = None;
        match written {
            Ok(end) => self.offset = end,
            Err(error) => {
                let (file, offset) = (Arc::clone(&self.file), self.offset);
                let key = self.key.clone();
                // Also when nobody waits for the cut, its outcome is then unknown.
                self.torn = true;
                let cut = self.filesystem.blocking("truncate", &self.key, move |_| {
                    file.set_len(offset).map_err(|error| classify("truncate", &key, error))
                });
                self.torn = cut.await.is_err();
                return Err(error);
            }
        }
        Ok(())
    }

    /// Refuses to build on a file whose end is unknown.
    fn check_whole(&self) -> Result<()> {
        if !self.torn {
            return Ok(());
        }
        let source = io::Error::other("an earlier write failed and could not be taken back");
        Err(classify("write", &self.key, source))
    }
}

#[async_trait]
impl Upload for FileUpload {
    fn offset(&self) -> u64 {
        self.offset
    }

    async fn write(&mut self, data: Bytes) -> Result<()> {
        self.settle().await?;
        self.check_whole()?;
        let permit = self.filesystem.permit().await;
        let (file, offset, key) = (Arc::clone(&self.file), self.offset, self.key.clone());
        self.pending = Some(tokio::task::spawn_blocking(move || {
            let _permit = permit;
            file.write_all_at(&data, offset).map_err(|error| classify("write", &key, error))?;
            Ok(offset + data.len() as u64)
        }));
        self.settle().await
    }

    async fn suspend(mut self: Box<Self>) -> Result<Bytes> {
        self.settle().await?;
        self.check_whole()?;
        Ok(Bytes::new())
    }

    async fn finish(mut self: Box<Self>) -> Result<()> {
        self.settle().await?;
        self.check_whole()?;
        let key = self.key.clone();
        let (file, offset) = (Arc::clone(&self.file), self.offset);
        let surplus = self.reserved > offset;
        self.filesystem
            .blocking("finish", &self.key, move |filesystem| {
                finish(&filesystem.inner, &key, &file, surplus.then_some(offset))
            })
            .await
    }

    async fn cancel(mut self: Box<Self>) -> Result<()> {
        // Whether the last write succeeded does not matter any more, but it must have ended.
        let _ = self.settle().await;
        let key = self.key.clone();
        self.filesystem
            .blocking("remove", &self.key, move |filesystem| filesystem.remove(&key).map(drop))
            .await
    }
}

/// Makes the bytes, the name and the names above it durable.
fn finish(inner: &Inner, key: &Key, file: &File, cut: Option<u64>) -> Result<()> {
    if let Some(len) = cut {
        // Gives reserved space back that no bytes came for.
        file.set_len(len).map_err(|error| classify("truncate", key, error))?;
    }
    if let Err(error) = sync_data(file) {
        // The next sync would answer success although the bytes may be lost.
        remove_untrusted(inner, key, file);
        return Err(classify("sync", key, error));
    }
    let failed = |error| classify("sync", key, error);
    let open = rustix::fs::fstat(file).map_err(|error| failed(error.into()))?;
    let named = inner.stat_raw(key.relative()).map_err(failed)?;
    if (open.st_dev, open.st_ino) != (named.st_dev, named.st_ino) {
        // Somebody began another upload under this key; this one is discarded.
        return Err(Error::NotFound { key: key.clone() });
    }
    inner.sync_names(std::iter::once(parent(key.relative()))).map_err(failed)
}

/// Takes an upload away so that nobody resumes it; emptied first, in case the name stays.
fn remove_untrusted(inner: &Inner, key: &Key, file: &File) {
    let emptied = file.set_len(0);
    let removed = inner.remove(key.relative()).map(drop);
    if let Err(error) = removed.and(emptied) {
        tracing::error!(%key, %error, "an upload that cannot be trusted could not be removed");
    }
}

/// Reserves space without changing the size: a full disk is found before the bytes are sent, and the
/// file lies in few pieces. Filesystems that cannot do it go without.
fn reserve(file: &File, len: u64) -> io::Result<()> {
    if len == 0 {
        return Ok(());
    }
    let reserve = || rustix::fs::fallocate(file, FallocateFlags::KEEP_SIZE, 0, len);
    match rustix::io::retry_on_intr(reserve) {
        Ok(()) | Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
