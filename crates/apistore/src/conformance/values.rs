// SPDX-License-Identifier: Apache-2.0
//! Keys and values: what was written is there, at every revision, and nothing else.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::{bytes, create, delete, event, update, watch};
use crate::{Error, Event, Expect, List, Revision, Store};

/// Short, and not below what etcd grants.
const TTL: Duration = Duration::from_secs(2);

pub(super) async fn life_of_a_key(store: Arc<dyn Store>) {
    let base = store.revision().await.expect("a revision");
    assert_eq!(store.get("/a/x").await.expect("get"), None);
    let first = create(&*store, "/a/x", "one").await;
    assert_eq!((first.key.as_str(), &first.value[..]), ("/a/x", &b"one"[..]));
    assert!(first.modified > base);
    assert_eq!(first.created, first.modified);
    assert_eq!(store.get("/a/x").await.expect("get"), Some(first.clone()));
    let second = update(&*store, &first, "two").await;
    assert!(second.modified > first.modified);
    assert_eq!((second.created, &second.value[..]), (first.created, &b"two"[..]));
    assert_eq!(store.get("/a/x").await.expect("get"), Some(second.clone()));
    let third = store.update("/a/x", Bytes::new(), Expect::Exists, None).await.expect("update");
    assert!(third.value.is_empty());
    let (previous, revision) =
        store.delete("/a/x", Expect::Modified(third.modified)).await.expect("delete");
    assert_eq!(previous, third);
    assert!(revision > third.modified);
    assert_eq!(store.get("/a/x").await.expect("get"), None);
    assert_eq!(store.revision().await.expect("a revision"), revision);
    let again = create(&*store, "/a/x", "again").await;
    assert!(again.created > revision, "a key that is made again is a new one");
}

pub(super) async fn conflicts(store: Arc<dyn Store>) {
    let missing = store.update("/c", bytes("x"), Expect::Exists, None).await;
    assert!(matches!(missing, Err(Error::NotFound)), "{missing:?}");
    assert!(matches!(
        store.update("/c", bytes("x"), Expect::Modified(1), None).await,
        Err(Error::NotFound)
    ));
    assert!(matches!(store.delete("/c", Expect::Exists).await, Err(Error::NotFound)));
    assert!(matches!(store.delete("/c", Expect::Modified(1)).await, Err(Error::NotFound)));
    let first = create(&*store, "/c", "one").await;
    assert!(matches!(store.create("/c", bytes("x"), None).await, Err(Error::Exists)));
    let second = update(&*store, &first, "two").await;
    let before = store.revision().await.expect("a revision");
    match store.update("/c", bytes("x"), Expect::Modified(first.modified), None).await {
        Err(Error::Conflict(now)) => assert_eq!(*now, second),
        other => panic!("{other:?}"),
    }
    match store.delete("/c", Expect::Modified(first.modified)).await {
        Err(Error::Conflict(now)) => assert_eq!(*now, second),
        other => panic!("{other:?}"),
    }
    assert_eq!(store.revision().await.expect("a revision"), before, "a refusal is no revision");
    assert_eq!(store.get("/c").await.expect("get"), Some(second));
}

pub(super) async fn prefixes(store: Arc<dyn Store>) {
    // In the order of their bytes; '-' and '.' sort before '/', '0' after it.
    let keys =
        ["/pods-x/a", "/pods.x/a", "/pods/", "/pods/a", "/pods/a/b", "/pods/b", "/pods0", "/podsx"];
    for key in keys.iter().rev() {
        create(&*store, key, key).await;
    }
    let list = async |prefix: &str| {
        let page = store.list(prefix, List::default()).await.expect("list");
        page.items.into_iter().map(|item| item.key).collect::<Vec<_>>()
    };
    assert_eq!(list("/pods/").await, ["/pods/", "/pods/a", "/pods/a/b", "/pods/b"]);
    assert_eq!(list("/pods/a").await, ["/pods/a", "/pods/a/b"]);
    assert_eq!(list("/pods").await, keys);
    assert_eq!(list("/nothing").await, [""; 0]);
    assert_eq!(list("").await, keys);
}

pub(super) async fn odd_keys(store: Arc<dyn Store>) {
    let keys = [
        "/k/\u{1}",
        "/k/ ",
        "/k/%",
        "/k/_",
        "/k/é",
        "/k/\u{ffff}",
        "/k/\u{10ffff}",
        "/k/\u{10ffff}a",
    ];
    for key in keys {
        create(&*store, key, key).await;
        assert!(store.get(key).await.expect("get").is_some());
    }
    let page = store.list("/k/", List::default()).await.expect("list");
    assert_eq!(page.items.iter().map(|item| item.key.as_str()).collect::<Vec<_>>(), keys);
    assert_eq!(store.count("/k/\u{10ffff}").await.expect("count"), 2);
    assert_eq!(store.count("/k/%").await.expect("count"), 1);
    let binary: Vec<u8> = (0..=255).collect();
    create(&*store, "/binary", "").await;
    store.update("/binary", binary.clone().into(), Expect::Exists, None).await.expect("update");
    assert_eq!(&store.get("/binary").await.expect("get").expect("there").value[..], &binary[..]);
}

pub(super) async fn pages(store: Arc<dyn Store>) {
    for number in 0..700 {
        create(&*store, &format!("/p/{number:03}"), "x").await;
    }
    create(&*store, "/q", "x").await;
    let whole = store.list("/p/", List::default()).await.expect("list");
    assert_eq!((whole.items.len(), whole.remaining), (700, None));
    let mut list = List { limit: 300, ..List::default() };
    let mut seen = Vec::new();
    for remaining in [Some(400), Some(100), None] {
        let page = store.list("/p/", list.clone()).await.expect("list");
        assert_eq!(page.remaining, remaining);
        assert_eq!(page.revision, whole.revision);
        list.after = page.items.last().map(|item| item.key.clone());
        list.revision = Some(page.revision);
        seen.extend(page.items);
        // What happens between pages is not seen by them.
        create(&*store, &format!("/p/{}x", seen.len()), "x").await;
        delete(&*store, &format!("/p/{:03}", 699 - seen.len() / 3)).await;
    }
    assert_eq!(seen, whole.items);
    let exact = store
        .list("/p/", List { limit: 700, revision: Some(whole.revision), after: None })
        .await
        .expect("list");
    assert_eq!((exact.items.len(), exact.remaining), (700, None));
    let last = List { after: Some("/p/699".to_owned()), revision: Some(whole.revision), limit: 1 };
    assert!(store.list("/p/", last).await.expect("list").items.is_empty());
}

pub(super) async fn history_is_readable(store: Arc<dyn Store>) {
    let base = store.revision().await.expect("a revision");
    let first = create(&*store, "/h/a", "1").await;
    let other = create(&*store, "/h/b", "1").await;
    let second = update(&*store, &first, "2").await;
    let gone = delete(&*store, "/h/a").await;
    let back = create(&*store, "/h/a", "3").await;
    let at = async |revision: Revision| {
        let list = List { revision: Some(revision), ..List::default() };
        let page = store.list("/h/", list).await.expect("list");
        assert_eq!(page.revision, revision);
        page.items
    };
    assert!(base == 0 || at(base).await.is_empty());
    assert_eq!(at(first.modified).await, std::slice::from_ref(&first));
    assert_eq!(at(other.modified).await, [first, other.clone()]);
    assert_eq!(at(second.modified).await, [second, other.clone()]);
    assert_eq!(at(gone).await, std::slice::from_ref(&other));
    assert_eq!(at(back.modified).await, [back.clone(), other]);
    let future = List { revision: Some(back.modified + 1000), ..List::default() };
    match store.list("/h/", future).await {
        Err(Error::Future { asked, newest }) => {
            assert_eq!((asked, newest), (back.modified + 1000, back.modified));
        }
        other => panic!("{other:?}"),
    }
}

pub(super) async fn compaction_forgets(store: Arc<dyn Store>) {
    let first = create(&*store, "/f/a", "1").await;
    let kept = create(&*store, "/f/kept", "1").await;
    let gone = create(&*store, "/f/gone", "1").await;
    let second = update(&*store, &first, "2").await;
    let deleted = delete(&*store, "/f/gone").await;
    let third = update(&*store, &second, "3").await;
    store.compact(deleted).await.expect("compact");
    store.compact(gone.modified).await.expect("what is compacted stays so");
    let list = |revision| store.list("/f/", List { revision: Some(revision), ..List::default() });
    assert!(
        matches!(list(second.modified).await, Err(Error::Compacted { asked, .. }) if asked == second.modified)
    );
    assert_eq!(list(deleted).await.expect("list").items, [second, kept.clone()]);
    assert_eq!(
        store.list("/f/", List::default()).await.expect("list").items,
        [third.clone(), kept.clone()]
    );
    assert_eq!(store.get("/f/kept").await.expect("get"), Some(kept.clone()));
    let future = store.compact(third.modified + 1000).await;
    assert!(matches!(future, Err(Error::Future { .. })), "{future:?}");
    // To the very last revision, a deletion: the next one is greater nevertheless.
    let last = delete(&*store, "/f/a").await;
    store.compact(last).await.expect("compact");
    assert_eq!(store.revision().await.expect("a revision"), last);
    assert!(create(&*store, "/f/a", "4").await.created > last);
    assert_eq!(store.count("/f/").await.expect("count"), 2);
}

pub(super) async fn too_large(store: Arc<dyn Store>) {
    let first = create(&*store, "/large", "x").await;
    let huge = Bytes::from(vec![b'x'; (32 << 20) + 1]);
    let check = |answer: Result<_, Error>| match answer {
        Err(Error::TooLarge { size, limit }) => {
            assert!(size > limit && size == huge.len(), "{size} {limit}");
        }
        other => panic!("{other:?}"),
    };
    check(store.create("/larger", huge.clone(), None).await);
    check(store.update("/large", huge.clone(), Expect::Exists, None).await);
    assert_eq!(store.get("/large").await.expect("get"), Some(first));
    let large = Bytes::from(vec![b'y'; 1 << 20]);
    store
        .update("/large", large.clone(), Expect::Exists, None)
        .await
        .expect("a MiB is not too large");
    assert_eq!(store.get("/large").await.expect("get").expect("there").value, large);
}

pub(super) async fn ttl_ends_a_key(store: Arc<dyn Store>) {
    let begun = Instant::now();
    let stays = create(&*store, "/t/stays", "x").await;
    let mut changes = watch(&*store, "/t/", stays.modified).await;
    let goes = store.create("/t/goes", bytes("x"), Some(TTL)).await.expect("create");
    assert_eq!(store.get("/t/goes").await.expect("get"), Some(goes.clone()));
    assert_eq!(event(&mut changes).await, Event::Put { now: goes.clone(), previous: None });
    let Event::Delete { previous, revision } = event(&mut changes).await else {
        panic!("no deletion")
    };
    assert!(begun.elapsed() >= TTL, "too early");
    assert_eq!(previous, goes);
    assert!(revision > goes.modified);
    assert_eq!(store.get("/t/goes").await.expect("get"), None);
    assert_eq!(store.get("/t/stays").await.expect("get"), Some(stays));
}

pub(super) async fn ttl_is_replaced(store: Arc<dyn Store>) {
    let fence = store.create("/t/fence", bytes("x"), Some(TTL)).await.expect("create");
    let mut fences = watch(&*store, "/t/fence", fence.modified).await;
    let key = store.create("/t/key", bytes("x"), Some(TTL)).await.expect("create");
    let kept = update(&*store, &key, "y").await;
    let longer = store.create("/t/longer", bytes("x"), Some(TTL)).await.expect("create");
    let expect = Expect::Modified(longer.modified);
    let longer =
        store.update("/t/longer", bytes("y"), expect, Some(TTL * 1000)).await.expect("update");
    // One more that was written after both and goes when they would have gone.
    store
        .update("/t/fence", bytes("y"), Expect::Exists, Some(TTL + TTL / 2))
        .await
        .expect("update");
    while !matches!(event(&mut fences).await, Event::Delete { .. }) {}
    assert_eq!(store.get("/t/key").await.expect("get"), Some(kept));
    assert_eq!(store.get("/t/longer").await.expect("get"), Some(longer));
}

pub(super) async fn counts(store: Arc<dyn Store>) {
    assert_eq!(store.count("/n/").await.expect("count"), 0);
    for number in 0..5 {
        let made = create(&*store, &format!("/n/{number}"), "x").await;
        update(&*store, &made, "y").await;
    }
    create(&*store, "/n", "x").await;
    create(&*store, "/n0", "x").await;
    delete(&*store, "/n/3").await;
    assert_eq!(store.count("/n/").await.expect("count"), 4);
    assert_eq!(store.count("/n").await.expect("count"), 6);
}
