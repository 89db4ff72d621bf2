// SPDX-License-Identifier: Apache-2.0
//! Several at once: old bytes or new ones, never a mixture, never less.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use tokio::task::JoinSet;

use super::support::{Harness, collect, is_whole, pattern, whole};
use crate::driver::{Change, UploadHint};

const WRITERS: u64 = 6;
const ROUNDS: u64 = 12;

/// Ends the readers when the writers are done.
#[derive(Clone, Default)]
struct Done(Arc<AtomicBool>);

impl Done {
    fn set(&self) {
        self.0.store(true, Ordering::Release);
    }

    fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

async fn join(mut tasks: JoinSet<()>) {
    while let Some(ended) = tasks.join_next().await {
        ended.expect("a task of the case fails");
    }
}

pub(super) async fn writers_of_one_name(harness: Harness) {
    harness.put("name", whole(0)).await;
    let (mut writers, mut readers, done) = (JoinSet::new(), JoinSet::new(), Done::default());
    for writer in 1..=WRITERS {
        // Every second one is another process.
        let harness = if writer % 2 == 0 { harness.another() } else { harness.clone() };
        writers.spawn(async move {
            for round in 0..ROUNDS {
                harness.put("name", whole(writer * 1000 + round)).await;
            }
        });
    }
    for _ in 0..2 {
        let (harness, done) = (harness.clone(), done.clone());
        readers.spawn(async move {
            let key = harness.key("name");
            while !done.is_set() {
                let read = harness.driver().read(&key, 1 << 20).await.expect("the name is there");
                assert!(is_whole(&read), "{} mixed bytes", read.len());
                let opened = harness.bytes("name", 0, None).await.expect("the name is there");
                assert!(is_whole(&opened), "{} mixed bytes", opened.len());
            }
        });
    }
    join(writers).await;
    done.set();
    join(readers).await;
    let last = harness.bytes("name", 0, None).await.expect("the name is there");
    assert!(is_whole(&last));
    harness.expect_content("name", &last).await;
    harness.expect_names("", &["name"]).await;
}

pub(super) async fn readers_during_replacement(harness: Harness) {
    // What was opened stays what it was, though the name gets other bytes or goes.
    harness.put("name", whole(1)).await;
    harness.expect_content("name", &whole(1)).await;
    let key = harness.key("name");
    let first = harness.driver().open(&key, 0, None).await.expect("open");
    harness.put("name", whole(2)).await;
    harness.expect_content("name", &whole(2)).await;
    let second = harness.driver().open(&key, 0, None).await.expect("open");
    harness.remove("name").await;
    harness.put("name", whole(3)).await;
    assert_eq!(collect(first).await, whole(1));
    assert_eq!(collect(second).await, whole(2));
    harness.expect_content("name", &whole(3)).await;
}

pub(super) async fn removal_during_writes(harness: Harness) {
    let mut tasks = JoinSet::new();
    for task in 0..WRITERS {
        let harness = if task % 2 == 0 { harness.another() } else { harness.clone() };
        tasks.spawn(async move {
            for round in 0..ROUNDS {
                match task % 3 {
                    0 => harness.put("dir/sub/name", whole(task * 1000 + round)).await,
                    1 => harness.remove("dir/sub/name").await,
                    _ => harness.remove_tree("dir").await,
                }
                match harness.bytes("dir/sub/name", 0, None).await {
                    Ok(bytes) => assert!(is_whole(&bytes), "{} mixed bytes", bytes.len()),
                    Err(error) => assert!(error.is_not_found(), "{error:?}"),
                }
            }
        });
    }
    join(tasks).await;
    harness.put("dir/sub/name", whole(7)).await;
    harness.expect_content("dir/sub/name", &whole(7)).await;
    harness.remove_tree("dir").await;
    harness.expect_absent("dir").await;
}

pub(super) async fn the_same_blob_from_many(harness: Harness) {
    // registry.md 5.4, trap 6: uploads of one digest race to one name.
    let bytes = pattern(9, 150_000);
    let mut tasks = JoinSet::new();
    for task in 0..WRITERS {
        let harness = if task % 2 == 0 { harness.another() } else { harness.clone() };
        let bytes = Bytes::from(bytes.clone());
        tasks.spawn(async move {
            let session = format!("u/{task}");
            let path = format!("{session}/data");
            let mut upload = harness.begin(&path, UploadHint::default()).await;
            upload.write(bytes).await.expect("write");
            upload.finish().await.expect("finish");
            let batch = vec![
                Change::Move { from: harness.key(&path), to: harness.key("blob/data") },
                Change::Put { key: harness.key(&format!("l/{task}/link")), bytes: "blob".into() },
                Change::RemoveTree { key: harness.key(&session) },
            ];
            harness.driver().apply(batch).await.expect("apply");
        });
    }
    join(tasks).await;
    harness.expect_content("blob/data", &bytes).await;
    for task in 0..WRITERS {
        harness.expect_content(&format!("l/{task}/link"), b"blob").await;
        harness.expect_absent(&format!("u/{task}/data")).await;
    }
}
