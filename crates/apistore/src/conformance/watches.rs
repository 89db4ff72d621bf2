// SPDX-License-Identifier: Apache-2.0
//! Watches: ordered, unique, reliable, atomic, resumable, and true about their progress.

use std::sync::Arc;

use super::{create, delete, end, event, item, update, watch};
use crate::{Error, Event, KeyValue, List, Revision, Store, WatchItem};

/// Some history below `/w/`, and beside it; its events.
async fn history(store: &dyn Store) -> (Revision, Vec<Event>) {
    let base = store.revision().await.expect("a revision");
    let mut events = Vec::new();
    let put = |now: &KeyValue, previous: Option<&KeyValue>| Event::Put {
        now: now.clone(),
        previous: previous.cloned(),
    };
    for round in 0..5 {
        let a = create(store, "/w/a", &format!("{round}")).await;
        events.push(put(&a, None));
        create(store, &format!("/other/{round}"), "x").await;
        let b = create(store, &format!("/w/b{round}"), "x").await;
        events.push(put(&b, None));
        let c = update(store, &a, "changed").await;
        events.push(put(&c, Some(&a)));
        let revision = delete(store, "/w/a").await;
        events.push(Event::Delete { previous: c, revision });
    }
    (base, events)
}

pub(super) async fn sees_all_in_order(store: Arc<dyn Store>) {
    let base = store.revision().await.expect("a revision");
    let mut early = watch(&*store, "/w/", base).await;
    let (_, events) = history(&*store).await;
    let mut late = watch(&*store, "/w/", base).await;
    for expected in &events {
        assert_eq!(&event(&mut early).await, expected);
        assert_eq!(&event(&mut late).await, expected);
    }
    // Nothing twice: the next is what happens next.
    let next = create(&*store, "/w/next", "x").await;
    for changes in [&mut early, &mut late] {
        assert_eq!(event(changes).await, Event::Put { now: next.clone(), previous: None });
    }
}

pub(super) async fn begins_anywhere(store: Arc<dyn Store>) {
    let (base, events) = history(&*store).await;
    let newest = store.revision().await.expect("a revision");
    let mut watches = Vec::new();
    for after in base..=newest {
        watches.push((after, watch(&*store, "/w/", after).await));
    }
    let last = create(&*store, "/w/last", "x").await;
    for (after, mut changes) in watches {
        for expected in events.iter().filter(|event| event.revision() > after) {
            assert_eq!(&event(&mut changes).await, expected);
        }
        assert_eq!(event(&mut changes).await.revision(), last.modified);
    }
}

pub(super) async fn only_its_prefix(store: Arc<dyn Store>) {
    let base = store.revision().await.expect("a revision");
    let mut narrow = watch(&*store, "/x/", base).await;
    let mut exact = watch(&*store, "/x/b", base).await;
    let mut all = watch(&*store, "", base).await;
    let keys = ["/x", "/x/a", "/x.b", "/x0", "/x/b", "/x/bc", "/y/x/b"];
    for key in keys {
        create(&*store, key, "x").await;
    }
    for key in keys {
        assert_eq!(event(&mut all).await.key(), key);
    }
    for key in ["/x/a", "/x/b", "/x/bc"] {
        assert_eq!(event(&mut narrow).await.key(), key);
    }
    for key in ["/x/b", "/x/bc"] {
        assert_eq!(event(&mut exact).await.key(), key);
    }
}

pub(super) async fn future_waits(store: Arc<dyn Store>) {
    let base = store.revision().await.expect("a revision");
    let mut changes = watch(&*store, "/u/", base + 3).await;
    let mut last = base;
    while last < base + 5 {
        last = create(&*store, &format!("/u/{last}"), "x").await.modified;
    }
    let first = event(&mut changes).await;
    assert!(first.revision() > base + 3, "an event of revision {}", first.revision());
    assert_eq!(first.revision(), base + 4);
}

pub(super) async fn compacted_is_told(store: Arc<dyn Store>) {
    let (base, events) = history(&*store).await;
    let newest = store.revision().await.expect("a revision");
    let middle = events[events.len() / 2].revision();
    store.compact(middle).await.expect("compact");
    for after in [base, middle - 2] {
        let error = match store.watch("/w/", after).await {
            Err(error) => error,
            Ok(changes) => end(changes).await,
        };
        assert!(matches!(error, Error::Compacted { oldest, .. } if oldest == middle), "{error:?}");
    }
    let mut changes = watch(&*store, "/w/", middle).await;
    for expected in events.iter().filter(|event| event.revision() > middle) {
        assert_eq!(&event(&mut changes).await, expected);
    }
    store.compact(newest).await.expect("compact");
    let mut changes = watch(&*store, "/w/", newest).await;
    let next = create(&*store, "/w/next", "x").await;
    assert_eq!(event(&mut changes).await.revision(), next.modified);
}

pub(super) async fn resumes_from_any_revision(store: Arc<dyn Store>) {
    let (base, events) = history(&*store).await;
    let mut after = base;
    // Cut after every event.
    for expected in &events {
        let mut changes = watch(&*store, "/w/", after).await;
        assert_eq!(&event(&mut changes).await, expected);
        after = expected.revision();
    }
}

pub(super) async fn never_ahead_of_reads(store: Arc<dyn Store>) {
    let base = store.revision().await.expect("a revision");
    let mut changes = watch(&*store, "/r/", base).await;
    let writer = Arc::clone(&store);
    let writing = tokio::spawn(async move {
        for number in 0..200 {
            create(&*writer, &format!("/r/{number:03}"), "x").await;
        }
    });
    for _ in 0..200 {
        let seen = event(&mut changes).await;
        let Event::Put { now, .. } = &seen else { panic!("{seen:?}") };
        assert_eq!(store.get(&now.key).await.expect("get").as_ref(), Some(now));
        let list = List { revision: Some(now.modified), limit: 1, ..List::default() };
        let page = store.list("/r/", list).await.expect("a list at the event's revision");
        assert_eq!(page.items.len(), 1);
    }
    writing.await.expect("the writer");
}

pub(super) async fn slow_reader_loses_nothing(store: Arc<dyn Store>) {
    let base = store.revision().await.expect("a revision");
    let mut slow = watch(&*store, "/s/", base).await;
    let writers: Vec<_> = (0..8)
        .map(|writer| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                for number in 0..750 {
                    create(&*store, &format!("/s/{writer}/{number}"), "x").await;
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.expect("a writer");
    }
    // 6,000 events wait; none was read.
    let mut last = base;
    for _ in 0..6000 {
        let revision = event(&mut slow).await.revision();
        assert!(revision > last, "{revision} after {last}");
        last = revision;
    }
    assert_eq!(last, store.revision().await.expect("a revision"));
    let next = create(&*store, "/s/next", "x").await;
    assert_eq!(event(&mut slow).await.revision(), next.modified);
}

pub(super) async fn progress_is_true(store: Arc<dyn Store>) {
    let base = store.revision().await.expect("a revision");
    let mut changes = watch(&*store, "/g/", base).await;
    let mut idle = watch(&*store, "/idle/", base).await;
    create(&*store, "/g/a", "x").await;
    let last = create(&*store, "/g/b", "x").await;
    let Some(promised) = store.progress().await.expect("progress") else { return };
    assert!(promised >= last.modified);
    for (changes, expected) in [(&mut changes, 2), (&mut idle, 0)] {
        let mut events = 0;
        loop {
            match item(changes).await {
                Some(Ok(WatchItem::Event(_))) => events += 1,
                Some(Ok(WatchItem::Progress(revision))) if revision >= promised => break,
                Some(Ok(WatchItem::Progress(_))) => {}
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(events, expected, "progress before the events it speaks of");
    }
}

pub(super) async fn survives_compaction(store: Arc<dyn Store>) {
    let base = store.revision().await.expect("a revision");
    let mut changes = watch(&*store, "/v/", base).await;
    for number in 0..50 {
        let made = create(&*store, &format!("/v/{number}"), "x").await;
        assert_eq!(event(&mut changes).await.revision(), made.modified);
        store.compact(made.modified).await.expect("compact");
    }
}
