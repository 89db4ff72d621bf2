// SPDX-License-Identifier: Apache-2.0
//! The [`Driver`] face: each call is one hop to a thread that may block.

use std::collections::BinaryHeap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::JoinError;

use super::Filesystem;
use super::upload::FileUpload;
use crate::driver::{
    Batch, Content, Driver, Error, Guarantees, Key, Listing, Meta, Result, Upload, UploadHint,
};

impl Filesystem {
    /// Waits for one of the threads that this driver may use.
    pub(super) async fn permit(&self) -> OwnedSemaphorePermit {
        let permits = Arc::clone(&self.inner.permits);
        permits.acquire_owned().await.expect("the semaphore is never closed")
    }

    /// Runs blocking work on another thread. It runs to its end even if the caller stops waiting.
    pub(super) async fn blocking<T: Send + 'static>(
        &self,
        operation: &'static str,
        key: &Key,
        work: impl FnOnce(&Filesystem) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let permit = self.permit().await;
        let filesystem = self.clone();
        let work = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            work(&filesystem)
        });
        joined(operation, key, work.await)
    }
}

/// The result of work on another thread. A panic there goes on here; the only other reason for
/// having none is that the runtime is shutting down.
pub(super) fn joined<T>(
    operation: &'static str,
    key: &Key,
    result: Result<Result<T>, JoinError>,
) -> Result<T> {
    result.unwrap_or_else(|error| match error.try_into_panic() {
        Ok(panic) => std::panic::resume_unwind(panic),
        Err(error) => {
            let source = std::io::Error::other(error);
            Err(Error::Busy { operation, key: key.clone(), source })
        }
    })
}

#[async_trait]
impl Driver for Filesystem {
    fn name(&self) -> &'static str {
        "filesystem"
    }

    fn guarantees(&self) -> Guarantees {
        Guarantees { read_after_write: true, cheap_move: true, redirects: false }
    }

    async fn stat(&self, key: &Key) -> Result<Meta> {
        let name = key.clone();
        self.blocking("stat", key, move |filesystem| filesystem.stat(&name)).await
    }

    async fn read(&self, key: &Key, limit: usize) -> Result<Bytes> {
        let name = key.clone();
        self.blocking("read", key, move |filesystem| filesystem.read_small(&name, limit)).await
    }

    async fn open(&self, key: &Key, offset: u64, len: Option<u64>) -> Result<Content> {
        let name = key.clone();
        let open = self.blocking("open", key, move |filesystem| filesystem.open_sized(&name));
        let (file, size) = open.await?;
        let offset = offset.min(size);
        let len = len.unwrap_or(u64::MAX).min(size - offset);
        Ok(Content::File { file: Arc::new(file), offset, len })
    }

    async fn list(&self, directory: &Key, after: Option<&str>, limit: usize) -> Result<Listing> {
        let name = directory.clone();
        let after = after.unwrap_or_default().to_owned();
        self.blocking("list", directory, move |filesystem| {
            let mut page = Page::new(after, limit);
            filesystem.list_dir(&name, |name, _| page.add(name))?;
            Ok(page.finish())
        })
        .await
    }

    async fn apply(&self, batch: Batch) -> Result<()> {
        let Some(key) = batch.first().and_then(|change| change.keys().next()).cloned() else {
            return Ok(());
        };
        self.blocking("apply", &key, move |filesystem| filesystem.inner.apply(&batch)).await
    }

    async fn create_upload(&self, key: &Key, hint: UploadHint) -> Result<Box<dyn Upload>> {
        let name = key.clone();
        let create = move |filesystem: &Self| FileUpload::create(filesystem, &name, &hint);
        Ok(Box::new(self.blocking("create", key, create).await?))
    }

    async fn resume_upload(&self, key: &Key, offset: u64, _: Bytes) -> Result<Box<dyn Upload>> {
        let name = key.clone();
        let resume = move |filesystem: &Self| FileUpload::resume(filesystem, &name, offset);
        Ok(Box::new(self.blocking("resume", key, resume).await?))
    }

    async fn redirect(&self, _: &Key, _: &str, _: Duration) -> Result<Option<String>> {
        Ok(None)
    }
}

/// The first names behind `after`, found in one pass over a directory in any order. It holds one
/// name more than the page has, so memory does not grow with the directory.
struct Page {
    after: String,
    limit: usize,
    names: BinaryHeap<String>,
}

impl Page {
    fn new(after: String, limit: usize) -> Self {
        Self { after, limit, names: BinaryHeap::new() }
    }

    fn add(&mut self, name: &str) -> ControlFlow<()> {
        if name <= self.after.as_str() {
            return ControlFlow::Continue(());
        }
        if self.names.len() <= self.limit {
            self.names.push(name.to_owned());
        } else if let Some(mut last) = self.names.peek_mut()
            && name < last.as_str()
        {
            name.clone_into(&mut last);
        }
        ControlFlow::Continue(())
    }

    fn finish(self) -> Listing {
        let mut names = self.names.into_sorted_vec();
        let more = names.len() > self.limit;
        names.truncate(self.limit);
        Listing { names, more }
    }
}
