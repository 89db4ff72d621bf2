// SPDX-License-Identifier: Apache-2.0
//! What the cases share: names, contents that can be recognised, and checks that wait where the
//! backend is late.

use std::future::Future;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::StreamExt;

use crate::driver::{Change, Content, Driver, Error, Key, Kind, Result, Upload, UploadHint};

/// How long a late backend may take to show what was written.
const PATIENCE: Duration = Duration::from_secs(60);

/// A driver under test and a directory for one case.
#[derive(Clone)]
pub struct Harness {
    open: Arc<dyn Fn() -> Arc<dyn Driver> + Send + Sync>,
    driver: Arc<dyn Driver>,
    base: Key,
}

impl Harness {
    pub(super) fn new(open: Arc<dyn Fn() -> Arc<dyn Driver> + Send + Sync>, base: &str) -> Self {
        let driver = open();
        Self { open, driver, base: Key::parse(base).expect("the cases use legal names") }
    }

    pub(super) fn driver(&self) -> &dyn Driver {
        &*self.driver
    }

    /// The same store as another process has it.
    pub(super) fn another(&self) -> Self {
        Self { driver: (self.open)(), ..self.clone() }
    }

    /// The key with this path below the case's directory; empty for the directory.
    pub(super) fn key(&self, path: &str) -> Key {
        path.split('/')
            .filter(|element| !element.is_empty())
            .fold(self.base.clone(), |key, element| {
                key.join(element).expect("the cases use legal names")
            })
    }

    pub(super) async fn put(&self, path: &str, bytes: impl Into<Bytes>) {
        let change = Change::Put { key: self.key(path), bytes: bytes.into() };
        self.driver.apply(vec![change]).await.expect("put");
    }

    pub(super) async fn rename(&self, from: &str, to: &str) -> Result<()> {
        let (from, to) = (self.key(from), self.key(to));
        self.driver.apply(vec![Change::Move { from, to }]).await
    }

    pub(super) async fn remove(&self, path: &str) {
        self.driver.apply(vec![Change::Remove { key: self.key(path) }]).await.expect("remove");
    }

    pub(super) async fn remove_tree(&self, path: &str) {
        let change = Change::RemoveTree { key: self.key(path) };
        self.driver.apply(vec![change]).await.expect("remove tree");
    }

    pub(super) async fn remove_everything(&self) {
        self.remove_tree("").await;
    }

    pub(super) async fn begin(&self, path: &str, hint: UploadHint) -> Box<dyn Upload> {
        self.driver.create_upload(&self.key(path), hint).await.expect("create upload")
    }

    /// Stores an object by an upload.
    pub(super) async fn upload(&self, path: &str, bytes: &[u8]) {
        let mut upload = self.begin(path, UploadHint::default()).await;
        upload.write(Bytes::copy_from_slice(bytes)).await.expect("write");
        upload.finish().await.expect("finish");
    }

    /// The bytes of an object or of a range of it.
    pub(super) async fn bytes(&self, path: &str, offset: u64, len: Option<u64>) -> Result<Vec<u8>> {
        Ok(collect(self.driver.open(&self.key(path), offset, len).await?).await)
    }

    pub(super) async fn expect_content(&self, path: &str, expected: &[u8]) {
        self.eventually(async || {
            let key = self.key(path);
            let meta = self.driver.stat(&key).await.map_err(|error| error.to_string())?;
            let whole = self.bytes(path, 0, None).await.map_err(|error| error.to_string())?;
            let read = self.driver.read(&key, expected.len()).await.map_err(|e| e.to_string())?;
            if meta.kind != Kind::Object || meta.size != expected.len() as u64 {
                return Err(format!("{key}: {meta:?} where {} bytes are expected", expected.len()));
            }
            if whole != expected || read != expected {
                return Err(format!("{key} holds other bytes than were written"));
            }
            Ok(())
        })
        .await;
    }

    pub(super) async fn expect_absent(&self, path: &str) {
        let key = self.key(path);
        self.eventually(async || {
            expect_not_found("stat", &self.driver.stat(&key).await)?;
            expect_not_found("read", &self.driver.read(&key, 1 << 20).await)?;
            expect_not_found("open", &self.driver.open(&key, 0, None).await.map(drop))
        })
        .await;
    }

    pub(super) async fn expect_names(&self, path: &str, expected: &[&str]) {
        self.eventually(async || match self.driver.list(&self.key(path), None, 1000).await {
            Ok(listing) if listing.names == expected && !listing.more => Ok(()),
            Err(error) if error.is_not_found() && expected.is_empty() => Ok(()),
            other => Err(format!("{path}: {other:?} where {expected:?} is expected")),
        })
        .await;
    }

    /// Repeats a check until it holds. Where what was written is to be seen at once, it has one try.
    pub(super) async fn eventually<F>(&self, mut check: impl FnMut() -> F)
    where
        F: Future<Output = Result<(), String>>,
    {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let Err(reason) = check().await else { return };
            if self.driver.guarantees().read_after_write || Instant::now() > deadline {
                panic!("{reason}");
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }
}

/// Rule 3: absence is `NotFound` and nothing else.
pub(super) fn expect_not_found<T: std::fmt::Debug>(
    operation: &str,
    result: &Result<T>,
) -> Result<(), String> {
    match result {
        Err(Error::NotFound { .. }) => Ok(()),
        other => Err(format!("{operation} of an absent name answers {other:?}")),
    }
}

/// All bytes of a content, which must be as many as it says.
pub(super) async fn collect(content: Content) -> Vec<u8> {
    match content {
        Content::File { file, offset, len } => {
            let mut bytes = vec![0; usize::try_from(len).expect("tests are small")];
            file.read_exact_at(&mut bytes, offset).expect("the file is as long as stated");
            bytes
        }
        Content::Bytes(bytes) => bytes.to_vec(),
        Content::Stream { len, mut stream } => {
            let mut bytes = Vec::new();
            while let Some(chunk) = stream.next().await {
                bytes.extend_from_slice(&chunk.expect("the stream does not break"));
            }
            assert_eq!(bytes.len() as u64, len, "the stream is as long as stated");
            bytes
        }
    }
}

/// Bytes that look like no others: the same for the same seed, and not periodic in powers of two.
pub(super) fn pattern(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

/// Content that tells by itself whether it is whole: a seed, and a pattern as long as that says.
pub(super) fn whole(seed: u64) -> Vec<u8> {
    let len = 1 + usize::try_from(seed % 97).expect("below 97") * 173;
    [&seed.to_le_bytes()[..], &pattern(seed, len)].concat()
}

/// Whether bytes are what [`whole`] makes for some seed.
pub(super) fn is_whole(bytes: &[u8]) -> bool {
    bytes.first_chunk().is_some_and(|seed| whole(u64::from_le_bytes(*seed)) == bytes)
}
