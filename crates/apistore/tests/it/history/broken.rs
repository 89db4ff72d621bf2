// SPDX-License-Identifier: Apache-2.0
//! Stores with one fault each, to show that the checker sees it.
//!
//! Every call lets others run first and after, as a store on a disk does; without that there is nothing to find.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use apistore::{Error, Expect, KeyValue, List, Memory, Page, Revision, Store, Watch, WatchItem};
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt;
use parking_lot::Mutex;
use tokio::task::yield_now;

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// A read answers what was there before.
    StaleRead,
    /// A list at the newest revision is a revision late.
    StaleList,
    /// A write is acknowledged and not done.
    LostWrite,
    /// An update does not look at the revision it expects.
    BlindUpdate,
    /// A refused update shows an older value as what is there.
    StaleConflict,
    /// A watch leaves out an event.
    LostEvent,
    /// A watch sends an event twice.
    SameEventTwice,
    /// A watch sends two events in the wrong order.
    EventsSwapped,
    /// A list at a revision shows another.
    WrongPast,
}

impl Fault {
    pub const ALL: [Self; 9] = [
        Self::StaleRead,
        Self::StaleList,
        Self::LostWrite,
        Self::BlindUpdate,
        Self::StaleConflict,
        Self::LostEvent,
        Self::SameEventTwice,
        Self::EventsSwapped,
        Self::WrongPast,
    ];
}

pub struct Broken {
    inner: Memory,
    fault: Option<Fault>,
    turn: AtomicU64,
    /// What reads answered before.
    old: Mutex<HashMap<String, KeyValue>>,
}

impl Broken {
    pub fn new(fault: Option<Fault>) -> Self {
        Self { inner: Memory::default(), fault, turn: AtomicU64::new(0), old: Mutex::default() }
    }

    /// Now and then, when the fault is that.
    fn is_now(&self, fault: Fault) -> bool {
        self.fault == Some(fault) && self.turn.fetch_add(1, SeqCst) % 37 == 36
    }
}

#[async_trait]
impl Store for Broken {
    async fn get(&self, key: &str) -> Result<Option<KeyValue>, Error> {
        let found = self.inner.get(key).await?;
        yield_now().await;
        if self.is_now(Fault::StaleRead)
            && let Some(old) = self.old.lock().get(key)
        {
            return Ok(Some(old.clone()));
        }
        if let Some(found) = &found {
            self.old.lock().insert(key.to_owned(), found.clone());
        }
        Ok(found)
    }

    async fn list(&self, prefix: &str, mut list: List) -> Result<Page, Error> {
        yield_now().await;
        if list.revision.is_none() && self.is_now(Fault::StaleList) {
            list.revision = Some(self.inner.revision().await? - 1);
        }
        if let Some(asked) = list.revision
            && self.is_now(Fault::WrongPast)
        {
            let page = self.inner.list(prefix, List::default()).await?;
            return Ok(Page { revision: asked, ..page });
        }
        self.inner.list(prefix, list).await
    }

    async fn count(&self, prefix: &str) -> Result<u64, Error> {
        self.inner.count(prefix).await
    }

    async fn create(
        &self,
        key: &str,
        value: Bytes,
        ttl: Option<Duration>,
    ) -> Result<KeyValue, Error> {
        yield_now().await;
        let made = self.inner.create(key, value, ttl).await;
        yield_now().await;
        made
    }

    async fn update(
        &self,
        key: &str,
        value: Bytes,
        expect: Expect,
        ttl: Option<Duration>,
    ) -> Result<KeyValue, Error> {
        yield_now().await;
        if self.is_now(Fault::LostWrite)
            && let Some(now) = self.inner.get(key).await?
        {
            return Ok(KeyValue { value, modified: self.inner.revision().await? + 1, ..now });
        }
        if self.is_now(Fault::BlindUpdate) {
            return self.inner.update(key, value, Expect::Exists, ttl).await;
        }
        match self.inner.update(key, value, expect, ttl).await {
            Err(Error::Conflict(now)) if self.is_now(Fault::StaleConflict) => {
                let modified = now.created.min(now.modified - 1);
                Err(Error::Conflict(Box::new(KeyValue { modified, ..*now })))
            }
            other => other,
        }
    }

    async fn delete(&self, key: &str, expect: Expect) -> Result<(KeyValue, Revision), Error> {
        yield_now().await;
        let deleted = self.inner.delete(key, expect).await;
        yield_now().await;
        deleted
    }

    async fn watch(&self, prefix: &str, after: Revision) -> Result<Watch, Error> {
        let (fault, mut turn, mut held) = (self.fault, 0_u64, None);
        let changes = self.inner.watch(prefix, after).await?;
        Ok(Box::pin(changes.flat_map(move |item| {
            turn += 1;
            let now = turn % 101 == 100;
            let items: Vec<Result<WatchItem, Error>> = match (fault, item) {
                (Some(Fault::LostEvent), Ok(_)) if now => Vec::new(),
                (Some(Fault::SameEventTwice), Ok(item)) if now => vec![Ok(item.clone()), Ok(item)],
                (Some(Fault::EventsSwapped), Ok(item)) if now => {
                    held = Some(item);
                    Vec::new()
                }
                (_, Ok(item)) => std::iter::once(item).chain(held.take()).map(Ok).collect(),
                (_, error) => vec![error],
            };
            futures_util::stream::iter(items)
        })))
    }

    async fn revision(&self) -> Result<Revision, Error> {
        self.inner.revision().await
    }

    async fn progress(&self) -> Result<Option<Revision>, Error> {
        self.inner.progress().await
    }

    async fn compact(&self, revision: Revision) -> Result<(), Error> {
        self.inner.compact(revision).await
    }
}
