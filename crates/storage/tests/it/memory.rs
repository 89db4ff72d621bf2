// SPDX-License-Identifier: Apache-2.0
//! The bound of the in-memory driver.

use bytes::Bytes;
use storage::driver::{Change, Driver, Error, UploadHint};
use storage::memory::Memory;

use crate::key;

fn put(name: &str, len: usize) -> Vec<Change> {
    vec![Change::Put { key: key(name), bytes: vec![7; len].into() }]
}

#[tokio::test]
async fn a_full_store_refuses_and_recovers() {
    let store = Memory::with_capacity(100);
    store.apply(put("/a", 60)).await.unwrap();
    let full = store.apply(put("/b", 41)).await;
    assert!(matches!(full, Err(Error::NoSpace { .. })), "{full:?}");
    // What is replaced gives its space back.
    store.apply(put("/a", 100)).await.unwrap();
    store.apply(put("/a", 60)).await.unwrap();
    let mut upload = store.create_upload(&key("/u"), UploadHint::default()).await.unwrap();
    upload.write(Bytes::from(vec![1; 40])).await.unwrap();
    assert!(matches!(upload.write(Bytes::from_static(b"x")).await, Err(Error::NoSpace { .. })));
    assert_eq!(upload.offset(), 40);
    upload.finish().await.unwrap();
    assert_eq!(store.stat(&key("/u")).await.unwrap().size, 40);
    store.apply(vec![Change::RemoveTree { key: key("/u") }]).await.unwrap();
    store.apply(put("/b", 40)).await.unwrap();
}
