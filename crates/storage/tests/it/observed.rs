// SPDX-License-Identifier: Apache-2.0
//! What an observer is told.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use storage::driver::{Change, Driver, Error, UploadHint};
use storage::memory::Memory;
use storage::observed::{Observed, Observer, code};

use crate::key;

#[derive(Default)]
struct Record(Mutex<Vec<(&'static str, Option<&'static str>)>>);

impl Observer for Record {
    fn observe(&self, operation: &'static str, seconds: f64, error: Option<&Error>) {
        assert!(seconds >= 0.0);
        self.0.lock().push((operation, error.map(code)));
    }
}

fn observed() -> (Observed<Memory>, Arc<Record>) {
    let record = Arc::new(Record::default());
    (Observed::new(Memory::with_capacity(100), record.clone()), record)
}

#[tokio::test]
async fn operations_have_their_old_names() {
    let (store, record) = observed();
    let put = Change::Put { key: key("/a"), bytes: "x".into() };
    store.apply(vec![put]).await.unwrap();
    store.stat(&key("/a")).await.unwrap();
    store.read(&key("/a"), 10).await.unwrap();
    store.open(&key("/a"), 0, None).await.unwrap();
    store.list(&key("/"), None, 10).await.unwrap();
    store.redirect(&key("/a"), "GET", Duration::from_secs(1)).await.unwrap();
    let mut upload = store.create_upload(&key("/u"), UploadHint::default()).await.unwrap();
    upload.write(Bytes::from_static(b"x")).await.unwrap();
    let note = upload.suspend().await.unwrap();
    store.resume_upload(&key("/u"), 1, note).await.unwrap().finish().await.unwrap();
    let upload = store.create_upload(&key("/u"), UploadHint::default()).await.unwrap();
    upload.cancel().await.unwrap();
    let names: Vec<_> = record.0.lock().iter().map(|(name, _)| *name).collect();
    assert_eq!(
        names,
        [
            "StorageDriver.PutContent",
            "StorageDriver.Stat",
            "StorageDriver.GetContent",
            "StorageDriver.Reader",
            "StorageDriver.List",
            "StorageDriver.URLFor",
            "StorageDriver.Writer",
            "FileWriter.Write",
            "FileWriter.Close",
            "StorageDriver.Writer",
            "FileWriter.Commit",
            "StorageDriver.Writer",
            "FileWriter.Cancel",
        ]
    );
    assert!(record.0.lock().iter().all(|(_, error)| error.is_none()));
}

#[tokio::test]
async fn a_failed_batch_blames_the_change_that_failed() {
    let (store, record) = observed();
    let batch = vec![
        Change::Put { key: key("/a"), bytes: "x".into() },
        Change::Move { from: key("/missing"), to: key("/b") },
        Change::RemoveTree { key: key("/a") },
    ];
    store.apply(batch).await.unwrap_err();
    assert_eq!(
        *record.0.lock(),
        [("StorageDriver.PutContent", None), ("StorageDriver.Move", Some("PATH_NOT_FOUND")),]
    );
}

#[tokio::test]
async fn errors_have_their_old_codes() {
    let (store, record) = observed();
    store.stat(&key("/missing")).await.unwrap_err();
    let too_much = Change::Put { key: key("/a"), bytes: vec![0; 101].into() };
    store.apply(vec![too_much]).await.unwrap_err();
    store.create_upload(&key("/u"), UploadHint::default()).await.unwrap();
    let wrong = store.resume_upload(&key("/u"), 5, Bytes::new()).await;
    assert!(wrong.is_err());
    let codes: Vec<_> = record.0.lock().iter().filter_map(|(_, code)| *code).collect();
    assert_eq!(codes, ["PATH_NOT_FOUND", "DEVICE_OUT_OF_SPACE", "INVALID_OFFSET"]);
}

#[test]
fn the_cause_decides_among_refusals() {
    let forbidden =
        |errno: rustix::io::Errno| Error::Forbidden { key: key("/a"), source: errno.into() };
    assert_eq!(code(&forbidden(rustix::io::Errno::ROFS)), "READ_ONLY_FILESYSTEM");
    assert_eq!(code(&forbidden(rustix::io::Errno::ACCESS)), "UNKNOWN");
    let source = rustix::io::Errno::FBIG.into();
    assert_eq!(code(&Error::NoSpace { key: key("/a"), source }), "FILE_TOO_LARGE");
    let source = rustix::io::Errno::NAMETOOLONG.into();
    assert_eq!(code(&Error::Io { operation: "open", key: key("/a"), source }), "INVALID_PATH");
}
