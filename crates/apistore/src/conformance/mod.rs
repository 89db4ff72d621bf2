// SPDX-License-Identifier: Apache-2.0
//! What every [`Store`] must show: run [`all`] over a store of your own.
//!
//! Each case gets an empty store (its revision need not be 0), and panics where the store breaks a promise. Nothing
//! here waits for time to pass, except for keys with a time to live; what should come is waited for, up to a limit.
#![allow(clippy::missing_panics_doc)]

mod load;
mod values;
mod watches;

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::{Error, Event, Expect, KeyValue, Revision, Store, Watch, WatchItem};

/// How long something may take that must come.
const SOON: Duration = Duration::from_secs(30);

type Case = fn(Arc<dyn Store>) -> Pin<Box<dyn Future<Output = ()> + Send>>;

macro_rules! cases {
    ($($module:ident: $($name:ident)*;)*) => {
        &[$($((
            concat!(stringify!($module), "::", stringify!($name)),
            (|store| Box::pin($module::$name(store))) as Case,
        )),*),*]
    };
}

const CASES: &[(&str, Case)] = cases! {
    values: life_of_a_key conflicts prefixes pages history_is_readable compaction_forgets too_large ttl_ends_a_key
        ttl_is_replaced counts odd_keys;
    watches: sees_all_in_order begins_anywhere only_its_prefix future_waits compacted_is_told resumes_from_any_revision
        never_ahead_of_reads slow_reader_loses_nothing progress_is_true survives_compaction;
    load: writers_of_one_key writers_of_many_keys dropped_calls reads_see_acknowledged_writes;
};

/// Every case, one after the other, each with a store that `fresh` makes; one of them with so many watchers.
pub async fn all<F>(watchers: usize, mut fresh: impl FnMut() -> F)
where
    F: Future<Output = Arc<dyn Store>>,
{
    for (name, case) in CASES {
        let store = fresh().await;
        tracing::info!(name, "conformance");
        // In a task, so that the panic can be told apart by the case's name.
        if let Err(error) = tokio::spawn(case(store)).await {
            panic!("conformance case {name}: {error}");
        }
    }
    load::many_watchers(fresh().await, watchers).await;
}

fn bytes(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

async fn create(store: &dyn Store, key: &str, value: &str) -> KeyValue {
    store
        .create(key, bytes(value), None)
        .await
        .unwrap_or_else(|error| panic!("create {key}: {error}"))
}

async fn update(store: &dyn Store, now: &KeyValue, value: &str) -> KeyValue {
    let expect = Expect::Modified(now.modified);
    let answer = store.update(&now.key, bytes(value), expect, None).await;
    answer.unwrap_or_else(|error| panic!("update {}: {error}", now.key))
}

async fn delete(store: &dyn Store, key: &str) -> Revision {
    let answer = store.delete(key, Expect::Exists).await;
    answer.unwrap_or_else(|error| panic!("delete {key}: {error}")).1
}

async fn watch(store: &dyn Store, prefix: &str, after: Revision) -> Watch {
    store
        .watch(prefix, after)
        .await
        .unwrap_or_else(|error| panic!("watch {prefix} after {after}: {error}"))
}

async fn item(watch: &mut Watch) -> Option<Result<WatchItem, Error>> {
    let next = std::future::poll_fn(|context| watch.as_mut().poll_next(context));
    tokio::time::timeout(SOON, next).await.unwrap_or_else(|_| panic!("the watch was silent"))
}

/// The next event; progress is skipped.
async fn event(watch: &mut Watch) -> Event {
    loop {
        match item(watch).await {
            Some(Ok(WatchItem::Event(event))) => return event,
            Some(Ok(WatchItem::Progress(_))) => {}
            Some(Err(error)) => panic!("the watch failed: {error}"),
            None => panic!("the watch ended"),
        }
    }
}

/// How a watch that must end does it.
async fn end(mut watch: Watch) -> Error {
    loop {
        match item(&mut watch).await {
            Some(Ok(_)) => {}
            Some(Err(error)) => {
                assert!(item(&mut watch).await.is_none(), "a watch goes on after its error");
                return error;
            }
            None => panic!("the watch ended without an error"),
        }
    }
}
