// SPDX-License-Identifier: Apache-2.0
//! The common cases on every driver that needs no service.

use std::path::Path;
use std::sync::Arc;

use storage::driver::{Driver, Error};
use storage::filesystem::{Filesystem, Options};
use storage::memory::Memory;
use storage::observed::{Observed, Observer};

async fn on_filesystem(root: &Path) {
    let root = root.to_owned();
    // Every instance opens the root anew, as another process would.
    storage::conformance::run(move || -> Arc<dyn Driver> {
        Arc::new(Filesystem::open(&root, Options::default()).expect("a root that can be opened"))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn filesystem() {
    let directory = tempfile::tempdir().unwrap();
    on_filesystem(directory.path()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn filesystem_on_tmpfs() {
    let Ok(directory) = tempfile::tempdir_in("/dev/shm") else {
        println!("skipped: /dev/shm cannot be written to");
        return;
    };
    on_filesystem(directory.path()).await;
}

/// With next to no memory of directories every path that finds out again is taken.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn filesystem_that_forgets() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().to_owned();
    let options = Options { known_directories: 2, ..Options::default() };
    storage::conformance::run(move || -> Arc<dyn Driver> {
        Arc::new(Filesystem::open(&root, options).unwrap())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn inmemory() {
    let store = Memory::default();
    storage::conformance::run(move || -> Arc<dyn Driver> { Arc::new(store.clone()) }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn observed() {
    struct Ignore;
    impl Observer for Ignore {
        fn observe(&self, _: &'static str, _: f64, _: Option<&Error>) {}
    }
    let store = Memory::default();
    storage::conformance::run(move || -> Arc<dyn Driver> {
        Arc::new(Observed::new(store.clone(), Arc::new(Ignore)))
    })
    .await;
}
