// SPDX-License-Identifier: Apache-2.0
//! Many at once: nothing is lost, nothing is done twice.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{bytes, create, delete, event, watch};
use crate::{Error, Expect, List, Store};

const WRITERS: usize = 16;

pub(super) async fn writers_of_one_key(store: Arc<dyn Store>) {
    create(&*store, "/counter", "0").await;
    let tasks: Vec<_> = (0..WRITERS)
        .map(|_| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                let mut revisions = Vec::new();
                let mut now = store.get("/counter").await.expect("get").expect("there");
                while revisions.len() < 20 {
                    let count: u64 =
                        std::str::from_utf8(&now.value).expect("text").parse().expect("a number");
                    let next = bytes(&(count + 1).to_string());
                    match store.update("/counter", next, Expect::Modified(now.modified), None).await
                    {
                        Ok(done) => {
                            revisions.push(done.modified);
                            now = done;
                        }
                        Err(Error::Conflict(found)) => {
                            assert!(found.modified > now.modified, "a conflict with the past");
                            now = *found;
                        }
                        Err(error) => panic!("{error}"),
                    }
                }
                revisions
            })
        })
        .collect();
    let mut revisions = BTreeSet::new();
    for task in tasks {
        for revision in task.await.expect("a writer") {
            assert!(revisions.insert(revision), "revision {revision} twice");
        }
    }
    let last = store.get("/counter").await.expect("get").expect("there");
    assert_eq!(&last.value[..], (WRITERS * 20).to_string().as_bytes());
    assert_eq!(revisions.last(), Some(&last.modified));
}

pub(super) async fn writers_of_many_keys(store: Arc<dyn Store>) {
    let base = store.revision().await.expect("a revision");
    let tasks: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                for number in 0..50 {
                    // Everyone tries every key: one of them makes it.
                    let key = format!("/m/{number}");
                    match store.create(&key, bytes(&writer.to_string()), None).await {
                        Ok(_) | Err(Error::Exists) => {}
                        Err(error) => panic!("{error}"),
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("a writer");
    }
    let page = store.list("/m/", List::default()).await.expect("list");
    assert_eq!(page.items.len(), 50);
    let mut changes = watch(&*store, "/m/", base).await;
    let mut seen = BTreeSet::new();
    for _ in 0..50 {
        assert!(seen.insert(event(&mut changes).await.key().to_owned()), "made twice");
    }
}

pub(super) async fn reads_see_acknowledged_writes(store: Arc<dyn Store>) {
    let acknowledged = Arc::new(AtomicU64::new(create(&*store, "/l", "x").await.modified));
    let writer = {
        let (store, acknowledged) = (Arc::clone(&store), Arc::clone(&acknowledged));
        tokio::spawn(async move {
            for _ in 0..300 {
                let done =
                    store.update("/l", bytes("x"), Expect::Exists, None).await.expect("update");
                acknowledged.fetch_max(done.modified, Ordering::SeqCst);
            }
        })
    };
    while !writer.is_finished() {
        let before = acknowledged.load(Ordering::SeqCst);
        let got = store.get("/l").await.expect("get").expect("there");
        assert!(got.modified >= before, "read {} after {before} was acknowledged", got.modified);
        let before = acknowledged.load(Ordering::SeqCst);
        let page = store.list("/l", List::default()).await.expect("list");
        assert!(page.items[0].modified >= before && page.revision >= page.items[0].modified);
        let before = acknowledged.load(Ordering::SeqCst);
        assert!(store.revision().await.expect("a revision") >= before);
        tokio::task::yield_now().await;
    }
    writer.await.expect("the writer");
}

/// A caller that goes away may have its write done or not, and harms nobody.
pub(super) async fn dropped_calls(store: Arc<dyn Store>) {
    let base = store.revision().await.expect("a revision");
    for number in 0..100 {
        let key = format!("/d/{number}");
        let write = store.create(&key, bytes("x"), None);
        // Polled at most a few times.
        for turns in 0..number % 4 {
            let _ = turns;
            tokio::task::yield_now().await;
        }
        let aborted = tokio::select! {
            biased;
            () = std::future::ready(()), if number % 3 == 0 => true,
            result = write => { result.expect("create"); false }
            () = tokio::task::yield_now() => true,
        };
        let read = store.get(&key);
        if aborted && number % 2 == 0 {
            drop(read);
        }
        let mut forgotten = watch(&*store, "/d/", base).await;
        let _ = std::future::poll_fn(|context| {
            std::task::Poll::Ready(forgotten.as_mut().poll_next(context).is_ready())
        })
        .await;
    }
    // Everything that was sent before is decided when this is.
    let fence = create(&*store, "/d/fence", "x").await;
    let page = store.list("/d/", List::default()).await.expect("list");
    let mut changes = watch(&*store, "/d/", base).await;
    let mut seen = 0;
    loop {
        seen += 1;
        if event(&mut changes).await.revision() == fence.modified {
            break;
        }
    }
    assert!(page.items.len() >= seen, "{} keys, {seen} events", page.items.len());
    delete(&*store, "/d/fence").await;
}

/// That many watches, each of which gets just what is its.
pub(super) async fn many_watchers(store: Arc<dyn Store>, many: usize) {
    let base = store.revision().await.expect("a revision");
    let mut watches = Vec::with_capacity(many);
    for number in 0..many {
        // Half of them for one key, half for all.
        let prefix = if number % 2 == 0 { "/z/".to_owned() } else { format!("/z/{number}") };
        watches.push(watch(&*store, &prefix, base).await);
    }
    let one = create(&*store, "/z/1", "x").await;
    let two = create(&*store, "/z/0", "x").await;
    for (number, changes) in watches.iter_mut().enumerate() {
        if number % 2 == 0 {
            assert_eq!(event(changes).await.revision(), one.modified);
            assert_eq!(event(changes).await.revision(), two.modified);
        } else if number == 1 {
            assert_eq!(event(changes).await.revision(), one.modified);
        }
    }
}
