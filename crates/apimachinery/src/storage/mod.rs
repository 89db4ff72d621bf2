// SPDX-License-Identifier: Apache-2.0
//! Objects over a store of keys and bytes: caches, lists, watches.
//!
//! ```text
//!  writes ──────────────────────────────▶ Store (SQLite, etcd)
//!  one watch on all keys ◀───────────────────┘
//!     └─▶ Cache of each resource ─▶ lists, gets          (after the feed reached the store's newest revision)
//!                                └▶ queues of watchers
//!  exact revisions, later pages, watches from long ago ─▶ Store
//! ```
//!
//! A read that must be linearizable asks the store for its newest revision and waits until the feed has come so far:
//! on one machine that is a comparison of two numbers, on etcd one round trip.

mod cache;
mod entry;

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use apistore::{Event, KeyValue, List, Revision, Store, WatchItem};
use futures_core::Stream;
use futures_util::StreamExt as _;
use parking_lot::{Mutex, RwLock};
use tokio::sync::watch;

pub use cache::{Cache, Listed, Selection, Subscription, Told, tell};
pub use entry::{Change, Entry, Field, Undecodable, decode, encode, set_resource_version};

/// How long a read waits for the feed before it answers that the version is too new.
const FRESH_WAIT: Duration = Duration::from_secs(3);
/// The pause before the feed is begun anew after the store failed it.
const FEED_PAUSE: Duration = Duration::from_millis(200);

/// Why a read could not be served.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The store's own reason.
    #[error(transparent)]
    Store(#[from] apistore::Error),
    /// The version asked for was not reached in time.
    #[error("Too large resource version: {asked}, current: {current}")]
    TooNew {
        /// What was asked.
        asked: Revision,
        /// What is known.
        current: Revision,
    },
    /// A stored value is damaged.
    #[error(transparent)]
    Undecodable(#[from] Undecodable),
}

/// How fresh a read must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    /// As new as anything acknowledged.
    Newest,
    /// Whatever is at hand.
    Any,
    /// At least that revision.
    NotOlderThan(Revision),
}

/// A stream of what a watcher is told.
pub type ToldStream = Pin<Box<dyn Stream<Item = Result<Told, apistore::Error>> + Send>>;

/// The store with its caches.
pub struct Storage {
    store: Arc<dyn Store>,
    root: String,
    caches: RwLock<BTreeMap<String, Arc<ResourceCache>>>,
    fed: watch::Sender<Revision>,
    feed: Mutex<Option<tokio::task::JoinHandle<()>>>,
}

/// A resource's cache and what is needed to fill it.
struct ResourceCache {
    prefix: String,
    fields: &'static [Field],
    cache: Cache,
    loading: tokio::sync::Mutex<()>,
}

/// One resource's place in the storage.
#[derive(Clone)]
pub struct ResourceStorage {
    storage: Arc<Storage>,
    resource: Arc<ResourceCache>,
}

impl Storage {
    /// Storage for all keys below `root`, which ends with `/`. Call [`Storage::start`] before the first read.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, root: &str) -> Arc<Self> {
        Arc::new(Self {
            store,
            root: root.to_owned(),
            caches: RwLock::default(),
            fed: watch::Sender::new(0),
            feed: Mutex::default(),
        })
    }

    /// The store below.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// Begins to follow the store. The task ends when the storage is dropped.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn start(self: &Arc<Self>) -> Result<(), apistore::Error> {
        let from = self.store.revision().await?;
        self.fed.send_replace(from);
        let weak = Arc::downgrade(self);
        let task = tokio::spawn(async move {
            let mut after = from;
            loop {
                let Some(storage) = weak.upgrade() else { return };
                let watch = storage.store.watch(&storage.root, after).await;
                drop(storage);
                let failure = match watch {
                    Ok(watch) => Self::follow(&weak, watch, &mut after).await,
                    Err(failure) => Some(failure),
                };
                let Some(storage) = weak.upgrade() else { return };
                if let Some(failure) = failure {
                    tracing::warn!(error = %failure, "the watch on the store ended; it is begun anew");
                }
                tokio::time::sleep(FEED_PAUSE).await;
                if let Ok(newest) = storage.restart(after).await {
                    after = newest;
                }
            }
        });
        *self.feed.lock() = Some(task);
        Ok(())
    }

    /// Hands on what the store tells until it tells no more; answers why.
    async fn follow(
        weak: &std::sync::Weak<Self>,
        mut watch: apistore::Watch,
        after: &mut Revision,
    ) -> Option<apistore::Error> {
        while let Some(item) = watch.next().await {
            let storage = weak.upgrade()?;
            match item {
                Ok(WatchItem::Event(event)) => {
                    *after = event.revision();
                    storage.take(&event);
                    storage.fed.send_replace(*after);
                }
                Ok(WatchItem::Progress(revision)) if revision >= *after => {
                    *after = revision;
                    storage.fed.send_replace(revision);
                }
                Ok(WatchItem::Progress(_)) => {}
                Err(failure) => return Some(failure),
            }
        }
        None
    }

    /// After the feed broke: goes on where it ended when the store still has that history; otherwise every cache is
    /// filled anew and its watchers are cut, so that they list again.
    async fn restart(&self, after: Revision) -> Result<Revision, apistore::Error> {
        match self.store.watch(&self.root, after).await {
            Ok(_) => Ok(after),
            Err(apistore::Error::Compacted { .. }) => {
                let newest = self.store.revision().await?;
                for resource in self.caches.read().values() {
                    resource.cache.reset();
                }
                self.fed.send_replace(newest);
                Ok(newest)
            }
            Err(other) => Err(other),
        }
    }

    /// One change of the store into the cache that it belongs to.
    fn take(&self, event: &Event) {
        let key = match event {
            Event::Put { now, .. } => &now.key,
            Event::Delete { previous, .. } => &previous.key,
        };
        let Some(resource) = self.find(key) else { return };
        let read = |kv: &KeyValue, at| {
            Entry::decode(&resource.prefix, kv, at, resource.fields).map(Arc::new)
        };
        let change =
            match event {
                Event::Put { now, previous } => read(now, now.modified).map(|now| Change {
                    revision: now.revision,
                    previous: previous.as_ref().and_then(|kv| read(kv, kv.modified).ok()),
                    now: Some(now),
                }),
                Event::Delete { previous, revision } => read(previous, *revision)
                    .map(|gone| Change { revision: *revision, now: None, previous: Some(gone) }),
            };
        match change {
            Ok(change) => resource.cache.apply(change),
            Err(error) => tracing::error!(%error, "a stored object is damaged"),
        }
    }

    /// The resource that a key belongs to.
    fn find(&self, key: &str) -> Option<Arc<ResourceCache>> {
        let caches = self.caches.read();
        let (prefix, resource) = caches
            .range::<str, _>((std::ops::Bound::Unbounded, std::ops::Bound::Included(key)))
            .next_back()?;
        key.starts_with(prefix.as_str()).then(|| resource.clone())
    }

    /// The place of a resource whose keys begin with `prefix` (`/registry/pods/`). No resource's prefix may begin with
    /// another's.
    #[must_use]
    pub fn resource(self: &Arc<Self>, prefix: &str, fields: &'static [Field]) -> ResourceStorage {
        let mut caches = self.caches.write();
        let resource = caches.entry(prefix.to_owned()).or_insert_with(|| {
            Arc::new(ResourceCache {
                prefix: prefix.to_owned(),
                fields,
                cache: Cache::default(),
                loading: tokio::sync::Mutex::default(),
            })
        });
        ResourceStorage { storage: self.clone(), resource: resource.clone() }
    }

    /// Waits until the feed has come to `revision`.
    async fn reached(&self, revision: Revision) -> Result<Revision, ReadError> {
        let mut fed = self.fed.subscribe();
        let current = *fed.borrow_and_update();
        if current >= revision {
            return Ok(current);
        }
        let wait = tokio::time::timeout(FRESH_WAIT, fed.wait_for(|fed| *fed >= revision)).await;
        match wait {
            Ok(Ok(reached)) => Ok(*reached),
            _ => Err(ReadError::TooNew { asked: revision, current: *self.fed.borrow() }),
        }
    }

    /// A revision up to which the caches hold everything, as fresh as asked.
    async fn fresh(&self, freshness: Freshness) -> Result<Revision, ReadError> {
        match freshness {
            Freshness::Any => Ok(*self.fed.borrow()),
            Freshness::NotOlderThan(revision) => self.reached(revision).await,
            Freshness::Newest => {
                let newest = self.store.revision().await?;
                self.reached(newest).await
            }
        }
    }
}

impl Drop for Storage {
    fn drop(&mut self) {
        if let Some(task) = self.feed.lock().take() {
            task.abort();
        }
    }
}

impl ResourceStorage {
    /// The store's key of an object.
    #[must_use]
    pub fn key(&self, key: &str) -> String {
        format!("{}{key}", self.resource.prefix)
    }

    /// The store below.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.storage.store
    }

    /// The fields that selectors may name.
    #[must_use]
    pub fn fields(&self) -> &'static [Field] {
        self.resource.fields
    }

    /// Fills the cache at its first use.
    async fn loaded(&self) -> Result<&Cache, ReadError> {
        let cache = &self.resource.cache;
        if cache.is_loaded() {
            return Ok(cache);
        }
        let _one = self.resource.loading.lock().await;
        if cache.is_loaded() {
            return Ok(cache);
        }
        cache.begin_load();
        let page = self.storage.store.list(&self.resource.prefix, List::default()).await?;
        let mut entries = Vec::with_capacity(page.items.len());
        for kv in &page.items {
            match Entry::decode(&self.resource.prefix, kv, kv.modified, self.resource.fields) {
                Ok(entry) => entries.push(Arc::new(entry)),
                // One damaged object must not take the whole resource away; a get of it says what is wrong.
                Err(error) => tracing::error!(%error, "a stored object is damaged"),
            }
        }
        cache.load(entries, page.revision);
        Ok(cache)
    }

    /// One object.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn get(
        &self,
        key: &str,
        freshness: Freshness,
    ) -> Result<Option<Arc<Entry>>, ReadError> {
        self.storage.fresh(freshness).await?;
        Ok(self.loaded().await?.get(key).0)
    }

    /// The newest state straight from the store, for writes that begin with it.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn read(&self, key: &str) -> Result<Option<KeyValue>, ReadError> {
        Ok(self.storage.store.get(&self.key(key)).await?)
    }

    /// A list as fresh as asked, from the cache.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn list(
        &self,
        selection: &Selection,
        limit: usize,
        after: Option<&str>,
        freshness: Freshness,
    ) -> Result<Listed, ReadError> {
        // First the cache, then its freshness: a load that takes long must not make the answer older than asked.
        self.loaded().await?;
        let now = self.storage.fresh(freshness).await?;
        Ok(self.loaded().await?.list(selection, limit, after, now))
    }

    /// A list at just that revision, from the store's history.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn list_at(
        &self,
        selection: &Selection,
        limit: usize,
        after: Option<&str>,
        revision: Revision,
    ) -> Result<Listed, ReadError> {
        let prefix = format!("{}{}", self.resource.prefix, selection.key_prefix());
        let mut after = after.map(|key| self.key(key));
        let mut listed = Listed { entries: Vec::new(), revision, next: None, remaining: None };
        loop {
            let wanted = if limit == 0 { 0 } else { limit - listed.entries.len() };
            let list = List { revision: Some(revision), limit: wanted, after: after.take() };
            let page = self.storage.store.list(&prefix, list).await?;
            for kv in &page.items {
                let entry =
                    Entry::decode(&self.resource.prefix, kv, kv.modified, self.resource.fields)?;
                if selection.contains(&entry) {
                    listed.entries.push(Arc::new(entry));
                }
            }
            let (Some(last), Some(remaining)) = (page.items.last(), page.remaining) else {
                return Ok(listed);
            };
            if limit > 0 && listed.entries.len() >= limit {
                listed.next = last.key.strip_prefix(&self.resource.prefix).map(str::to_owned);
                listed.remaining = selection.matches.is_none().then_some(remaining);
                return Ok(listed);
            }
            after = Some(last.key.clone());
        }
    }

    /// Changes after a revision; with `initial`, the present objects first, followed by a [`Told::Progress`].
    ///
    /// # Errors
    /// [`ReadError`]; [`apistore::Error::Compacted`] for history that is gone.
    pub async fn watch(
        &self,
        selection: Selection,
        after: Option<Revision>,
        freshness: Freshness,
    ) -> Result<Watching, ReadError> {
        self.loaded().await?;
        let now = match after {
            // A future revision is no error for a watch: it waits.
            Some(_) => *self.storage.fed.borrow(),
            None => self.storage.fresh(freshness).await?,
        };
        let cache = self.loaded().await?;
        let skip = after.unwrap_or(0);
        if let Some(subscription) = cache.subscribe(selection.clone(), after, now) {
            let Subscription { first, revision, mut events, id } = subscription;
            let tail = futures_util::stream::poll_fn(move |context| events.poll_recv(context));
            let stream = futures_util::stream::iter(first).chain(tail).map(Ok);
            let stream: ToldStream = Box::pin(stream.filter(move |told: &Result<Told, _>| {
                let keep =
                    told.as_ref().map_or(true, |told| told.revision() > skip || after.is_none());
                std::future::ready(keep)
            }));
            return Ok(Watching { stream, revision, progress: Some((self.clone(), id)) });
        }
        let watch = self.storage.store.watch(&self.resource.prefix, skip).await?;
        let resource = self.resource.clone();
        let stream = watch.filter_map(move |item| {
            let told = match item {
                Ok(WatchItem::Progress(revision)) => Some(Ok(Told::Progress(revision))),
                Ok(WatchItem::Event(event)) => resource.tell(&event, &selection).map(Ok),
                Err(error) => Some(Err(error)),
            };
            std::future::ready(told)
        });
        Ok(Watching { stream: Box::pin(stream), revision: skip, progress: None })
    }
}

impl ResourceCache {
    /// What a change of the store means for a watcher that is not fed by the cache.
    fn tell(&self, event: &Event, selection: &Selection) -> Option<Told> {
        let read =
            |kv: &KeyValue, at| Entry::decode(&self.prefix, kv, at, self.fields).ok().map(Arc::new);
        let change = match event {
            Event::Put { now, previous } => Change {
                revision: now.modified,
                now: read(now, now.modified),
                previous: previous.as_ref().and_then(|kv| read(kv, kv.modified)),
            },
            Event::Delete { previous, revision } => {
                Change { revision: *revision, now: None, previous: read(previous, *revision) }
            }
        };
        tell(&change, selection)
    }
}

impl Told {
    /// The revision of what is told.
    #[must_use]
    pub fn revision(&self) -> Revision {
        match self {
            Self::Added(e) | Self::Modified(e) | Self::Deleted(e) => e.revision,
            Self::Progress(revision) => *revision,
        }
    }
}

/// A watch under way.
pub struct Watching {
    /// What is told.
    pub stream: ToldStream,
    /// The revision at which it began.
    pub revision: Revision,
    progress: Option<(ResourceStorage, u64)>,
}

impl Watching {
    /// Asks for a [`Told::Progress`] behind what is queued: a watcher's bookmark.
    pub fn ask_progress(&self) {
        if let Some((storage, id)) = &self.progress {
            storage.resource.cache.ask_progress(*id, *storage.storage.fed.borrow());
        }
    }
}
