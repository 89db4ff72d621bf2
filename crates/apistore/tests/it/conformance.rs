// SPDX-License-Identifier: Apache-2.0
//! The conformance suite over each store.

use std::sync::Arc;

use apistore::{Memory, Store};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory() {
    apistore::conformance::all(10_000, async || Arc::new(Memory::default()) as Arc<dyn Store>)
        .await;
}

#[cfg(feature = "sqlite")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite() {
    let dir = tempfile::tempdir().unwrap();
    let mut number = 0;
    apistore::conformance::all(10_000, || {
        number += 1;
        let dir = dir.path().join(number.to_string());
        async move {
            Arc::new(apistore::Sqlite::open(&dir, &Default::default()).unwrap()) as Arc<dyn Store>
        }
    })
    .await;
}

#[cfg(feature = "etcd")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn etcd() {
    let Some(server) = crate::etcd_server::Etcd::start().await else { return };
    let mut number = 0;
    apistore::conformance::all(500, || {
        number += 1;
        let store = server.store(&format!("/case-{number}"));
        async move { Arc::new(store) as Arc<dyn Store> }
    })
    .await;
}
