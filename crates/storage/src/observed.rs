// SPDX-License-Identifier: Apache-2.0
//! Watching a driver: names, times and errors of its operations, for metrics.
//!
//! The names are those of registry.md 6.1 (`imageregistry_storage_*`), so that existing dashboards
//! and alerts go on. What becomes of an observation is the [`Observer`]'s business.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use rustix::io::Errno;

use crate::driver::{
    Batch, Change, Content, Driver, Error, Guarantees, Key, Listing, Meta, Result, Upload,
    UploadHint,
};

/// Takes observations. It is called from the tasks that serve requests and must not block.
pub trait Observer: Send + Sync + 'static {
    /// An operation ended after so many seconds; [`code`] turns the error into a label.
    fn observe(&self, operation: &'static str, seconds: f64, error: Option<&Error>);
}

/// The label `code` of a failed operation (registry.md 6.1).
pub fn code(error: &Error) -> &'static str {
    let errno = |source: &std::io::Error| Errno::from_io_error(source);
    match error {
        Error::NotFound { .. } => "PATH_NOT_FOUND",
        Error::Offset { .. } => "INVALID_OFFSET",
        Error::NoSpace { source, .. } if errno(source) == Some(Errno::FBIG) => "FILE_TOO_LARGE",
        Error::NoSpace { .. } => "DEVICE_OUT_OF_SPACE",
        Error::Forbidden { source, .. } if errno(source) == Some(Errno::ROFS) => {
            "READ_ONLY_FILESYSTEM"
        }
        Error::Io { source, .. }
            if errno(source) == Some(Errno::NAMETOOLONG)
                || source.kind() == std::io::ErrorKind::InvalidInput =>
        {
            "INVALID_PATH"
        }
        Error::TooLarge { .. }
        | Error::Forbidden { .. }
        | Error::Busy { .. }
        | Error::Io { .. } => "UNKNOWN",
    }
}

/// A driver whose operations are observed.
pub struct Observed<D> {
    driver: D,
    observer: Arc<dyn Observer>,
}

impl<D: Driver> Observed<D> {
    /// Observes a driver.
    pub fn new(driver: D, observer: Arc<dyn Observer>) -> Self {
        Self { driver, observer }
    }

    /// The driver itself, unobserved.
    pub fn inner(&self) -> &D {
        &self.driver
    }
}

/// Reports one operation and hands its result on.
fn report<T>(
    observer: &dyn Observer,
    operation: &'static str,
    start: Instant,
    result: Result<T>,
) -> Result<T> {
    observer.observe(operation, start.elapsed().as_secs_f64(), result.as_ref().err());
    result
}

/// The operation that a change is counted as.
fn operation(change: &Change) -> &'static str {
    match change {
        Change::Put { .. } => "StorageDriver.PutContent",
        Change::Move { .. } => "StorageDriver.Move",
        Change::Remove { .. } | Change::RemoveTree { .. } => "StorageDriver.Delete",
    }
}

/// Reports the changes of a batch. Each has the same share of the time, so that counts and sums are
/// right although nobody measures single changes. Of a failed batch the changes up to the one that
/// the error is about are reported, and that one has the error.
fn report_batch(
    observer: &dyn Observer,
    changes: &[Change],
    elapsed: Duration,
    error: Option<&Error>,
) {
    let failed = error.and_then(|error| {
        changes.iter().position(|change| change.keys().any(|key| key == error.key()))
    });
    let tried = failed.map_or(changes.len(), |index| index + 1);
    let share = elapsed.as_secs_f64() / tried.max(1) as f64;
    for (index, change) in changes[..tried].iter().enumerate() {
        let error = error.filter(|_| index + 1 == tried);
        observer.observe(operation(change), share, error);
    }
}

#[async_trait]
impl<D: Driver> Driver for Observed<D> {
    fn name(&self) -> &'static str {
        self.driver.name()
    }

    fn guarantees(&self) -> Guarantees {
        self.driver.guarantees()
    }

    async fn stat(&self, key: &Key) -> Result<Meta> {
        let start = Instant::now();
        report(&*self.observer, "StorageDriver.Stat", start, self.driver.stat(key).await)
    }

    async fn read(&self, key: &Key, limit: usize) -> Result<Bytes> {
        let start = Instant::now();
        let result = self.driver.read(key, limit).await;
        report(&*self.observer, "StorageDriver.GetContent", start, result)
    }

    async fn open(&self, key: &Key, offset: u64, len: Option<u64>) -> Result<Content> {
        let start = Instant::now();
        let result = self.driver.open(key, offset, len).await;
        report(&*self.observer, "StorageDriver.Reader", start, result)
    }

    async fn list(&self, directory: &Key, after: Option<&str>, limit: usize) -> Result<Listing> {
        let start = Instant::now();
        let result = self.driver.list(directory, after, limit).await;
        report(&*self.observer, "StorageDriver.List", start, result)
    }

    async fn apply(&self, batch: Batch) -> Result<()> {
        // Keys and bytes are reference counted: no content is copied.
        let changes = batch.clone();
        let start = Instant::now();
        let result = self.driver.apply(batch).await;
        report_batch(&*self.observer, &changes, start.elapsed(), result.as_ref().err());
        result
    }

    async fn create_upload(&self, key: &Key, hint: UploadHint) -> Result<Box<dyn Upload>> {
        let start = Instant::now();
        let result = self.driver.create_upload(key, hint).await;
        self.observe_upload(start, result)
    }

    async fn resume_upload(&self, key: &Key, offset: u64, note: Bytes) -> Result<Box<dyn Upload>> {
        let start = Instant::now();
        let result = self.driver.resume_upload(key, offset, note).await;
        self.observe_upload(start, result)
    }

    async fn redirect(&self, key: &Key, method: &str, valid: Duration) -> Result<Option<String>> {
        let start = Instant::now();
        let result = self.driver.redirect(key, method, valid).await;
        // A driver without redirects is no failure (registry.md 6.1: "unsupported" is not counted).
        report(&*self.observer, "StorageDriver.URLFor", start, result)
    }
}

impl<D: Driver> Observed<D> {
    fn observe_upload(
        &self,
        start: Instant,
        result: Result<Box<dyn Upload>>,
    ) -> Result<Box<dyn Upload>> {
        let upload = report(&*self.observer, "StorageDriver.Writer", start, result)?;
        Ok(Box::new(ObservedUpload { upload, observer: Arc::clone(&self.observer) }))
    }
}

struct ObservedUpload {
    upload: Box<dyn Upload>,
    observer: Arc<dyn Observer>,
}

#[async_trait]
impl Upload for ObservedUpload {
    fn offset(&self) -> u64 {
        self.upload.offset()
    }

    async fn write(&mut self, data: Bytes) -> Result<()> {
        let start = Instant::now();
        report(&*self.observer, "FileWriter.Write", start, self.upload.write(data).await)
    }

    async fn suspend(self: Box<Self>) -> Result<Bytes> {
        let start = Instant::now();
        report(&*self.observer, "FileWriter.Close", start, self.upload.suspend().await)
    }

    async fn finish(self: Box<Self>) -> Result<()> {
        let start = Instant::now();
        report(&*self.observer, "FileWriter.Commit", start, self.upload.finish().await)
    }

    async fn cancel(self: Box<Self>) -> Result<()> {
        let start = Instant::now();
        report(&*self.observer, "FileWriter.Cancel", start, self.upload.cancel().await)
    }
}
