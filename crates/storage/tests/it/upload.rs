// SPDX-License-Identifier: Apache-2.0
//! Uploads to files: what the common cases cannot see.

use std::os::unix::fs::MetadataExt;

use bytes::Bytes;
use futures_util::FutureExt;
use storage::driver::{Driver, Error, UploadHint};
use storage::filesystem::{Filesystem, Options};

use crate::key;

fn store() -> (tempfile::TempDir, Filesystem) {
    let directory = tempfile::tempdir().unwrap();
    let store = Filesystem::open(directory.path(), Options::default()).unwrap();
    (directory, store)
}

#[tokio::test]
async fn a_write_nobody_waits_for_is_not_lost() {
    let (_directory, store) = store();
    let mut upload = store.create_upload(&key("/u/data"), UploadHint::default()).await.unwrap();
    let first = Bytes::from(vec![1; 1 << 20]);
    // Polled once, then dropped: a client that went away in the middle of a body.
    drop(upload.write(first.clone()).now_or_never());
    upload.write(Bytes::from_static(b"second")).await.unwrap();
    assert_eq!(upload.offset(), (1 << 20) + 6);
    drop(upload.write(Bytes::from_static(b"third")).now_or_never());
    upload.suspend().await.unwrap();
    let end = (1 << 20) + 6 + 5;
    let upload = store.resume_upload(&key("/u/data"), end, Bytes::new()).await.unwrap();
    upload.finish().await.unwrap();
    let all = store.read(&key("/u/data"), 2 << 20).await.unwrap();
    assert_eq!(all[..1 << 20], first);
    assert_eq!(all[1 << 20..], b"secondthird"[..]);
}

#[tokio::test]
async fn a_discarded_upload_cannot_be_finished() {
    let (_directory, store) = store();
    let mut first = store.create_upload(&key("/u/data"), UploadHint::default()).await.unwrap();
    first.write(Bytes::from_static(b"first")).await.unwrap();
    let mut second = store.create_upload(&key("/u/data"), UploadHint::default()).await.unwrap();
    second.write(Bytes::from_static(b"second")).await.unwrap();
    first.write(Bytes::from_static(b" and more")).await.unwrap();
    assert!(matches!(first.finish().await, Err(Error::NotFound { .. })));
    second.finish().await.unwrap();
    assert_eq!(store.read(&key("/u/data"), 100).await.unwrap(), "second");
}

#[tokio::test]
async fn reserved_space_is_given_back() {
    let (directory, store) = store();
    let hint = UploadHint { size: Some(8 << 20), destination: None };
    let mut upload = store.create_upload(&key("/u/data"), hint).await.unwrap();
    let blocks = || std::fs::metadata(directory.path().join("u/data")).unwrap().blocks();
    if blocks() == 0 {
        println!("skipped: this filesystem does not reserve space");
        return;
    }
    upload.write(Bytes::from_static(b"less than announced")).await.unwrap();
    assert_eq!(std::fs::metadata(directory.path().join("u/data")).unwrap().len(), 19);
    upload.finish().await.unwrap();
    assert!(blocks() * 512 < 1 << 20, "{} blocks", blocks());
}

#[tokio::test]
async fn an_offset_is_held_against_the_file() {
    let (directory, store) = store();
    let mut upload = store.create_upload(&key("/u/data"), UploadHint::default()).await.unwrap();
    upload.write(Bytes::from_static(b"0123456789")).await.unwrap();
    upload.suspend().await.unwrap();
    // The bytes of a crashed process that the client's state does not know of.
    std::fs::write(directory.path().join("u/data"), b"0123456789abc").unwrap();
    match store.resume_upload(&key("/u/data"), 10, Bytes::new()).await.map(drop) {
        Err(Error::Offset { expected: 10, actual: 13, .. }) => {}
        other => panic!("{other:?}"),
    }
    std::fs::create_dir(directory.path().join("u/dir")).unwrap();
    assert!(store.resume_upload(&key("/u/dir"), 0, Bytes::new()).await.is_err());
}
