// SPDX-License-Identifier: Apache-2.0
//! The trait and what it speaks of.

use std::pin::Pin;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_core::Stream;

use crate::Error;

/// A point in the store's one history; grows by every write. 0 is before the first.
pub type Revision = u64;

/// A key, its value, and when it was made and last changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyValue {
    /// The key.
    pub key: String,
    /// The value.
    pub value: Bytes,
    /// The revision that created the key.
    pub created: Revision,
    /// The revision that last changed it.
    pub modified: Revision,
}

/// What an update or delete demands of the key that it finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    /// The key is there at just this revision.
    Modified(Revision),
    /// The key is there.
    Exists,
}

/// What a list asks for.
#[derive(Debug, Clone, Default)]
pub struct List {
    /// Read as of this revision; none: the newest (linearizable).
    pub revision: Option<Revision>,
    /// At most so many items; 0: all.
    pub limit: usize,
    /// Begin after this key (which must have the list's prefix).
    pub after: Option<String>,
}

/// One page of a list.
#[derive(Debug, Clone)]
pub struct Page {
    /// In the order of their keys.
    pub items: Vec<KeyValue>,
    /// The revision at which this is true.
    pub revision: Revision,
    /// How many items follow this page; none when nothing does.
    pub remaining: Option<u64>,
}

/// A change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The key was created or changed; `previous` is what it was (none: created).
    Put {
        /// What is there now.
        now: KeyValue,
        /// What was there before.
        previous: Option<KeyValue>,
    },
    /// The key was deleted.
    Delete {
        /// What was there before.
        previous: KeyValue,
        /// The revision of the deletion.
        revision: Revision,
    },
}

impl Event {
    /// The revision of the change.
    #[must_use]
    pub fn revision(&self) -> Revision {
        match self {
            Self::Put { now, .. } => now.modified,
            Self::Delete { revision, .. } => *revision,
        }
    }

    /// The key that changed.
    #[must_use]
    pub fn key(&self) -> &str {
        match self {
            Self::Put { now, .. } => &now.key,
            Self::Delete { previous, .. } => &previous.key,
        }
    }

    /// About the memory it takes.
    pub(crate) fn size(&self) -> usize {
        let of = |item: &KeyValue| item.value.len() + item.key.len() + 64;
        match self {
            Self::Put { now, previous } => of(now) + previous.as_ref().map_or(0, of),
            Self::Delete { previous, .. } => of(previous),
        }
    }
}

/// What a watch yields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WatchItem {
    /// A change.
    Event(Event),
    /// Everything up to this revision was delivered.
    Progress(Revision),
}

/// A watch: ends after an error ([`Error::Compacted`] when the reader was too slow or began too early).
///
/// A reader that is slow costs no memory: what does not fit into its bounded queue is read again from history, and
/// it is cut only when compaction has overtaken it. After any error but that one, a new watch from the last revision
/// received goes on without gap or duplicate.
pub type Watch = Pin<Box<dyn Stream<Item = Result<WatchItem, Error>> + Send>>;

/// A store of keys with one history.
///
/// Guarantees (the conformance suite of this crate shows each): a write that was acknowledged survives a crash; a read
/// without a revision sees every write acknowledged before it began; two writes never share a revision; a watch
/// delivers every change of its prefix after its revision exactly once and in order, and never one that a reader at
/// that revision could not see.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// The key's newest value. Linearizable.
    async fn get(&self, key: &str) -> Result<Option<KeyValue>, Error>;

    /// The keys with that prefix.
    ///
    /// # Errors
    /// [`Error::Compacted`], [`Error::Future`] for a revision that cannot be read.
    async fn list(&self, prefix: &str, list: List) -> Result<Page, Error>;

    /// How many keys have that prefix now.
    async fn count(&self, prefix: &str) -> Result<u64, Error>;

    /// Puts a key that must not exist; with `ttl` it goes away by itself, not before that time.
    ///
    /// # Errors
    /// [`Error::Exists`], [`Error::TooLarge`].
    async fn create(
        &self,
        key: &str,
        value: Bytes,
        ttl: Option<Duration>,
    ) -> Result<KeyValue, Error>;

    /// Replaces the value of a key that is as expected; `ttl` as in `create` (none: the key stays).
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Conflict`], [`Error::TooLarge`].
    async fn update(
        &self,
        key: &str,
        value: Bytes,
        expect: Expect,
        ttl: Option<Duration>,
    ) -> Result<KeyValue, Error>;

    /// Deletes a key that is as expected; answers what it was and the revision of the deletion.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Conflict`].
    async fn delete(&self, key: &str, expect: Expect) -> Result<(KeyValue, Revision), Error>;

    /// Changes of keys with that prefix after revision `after`.
    ///
    /// # Errors
    /// [`Error::Compacted`] when history since then is gone. A future revision waits.
    async fn watch(&self, prefix: &str, after: Revision) -> Result<Watch, Error>;

    /// The newest revision. Linearizable.
    async fn revision(&self) -> Result<Revision, Error>;

    /// Asks every watch of this store to say how far it is: those that begin before the revision answered yield a
    /// [`WatchItem::Progress`] of at least it, or an event after it, soon. None: this store cannot promise that; a
    /// reader that must know asks the store itself.
    async fn progress(&self) -> Result<Option<Revision>, Error>;

    /// Forgets history before `revision`; the newest value of each key stays. What is forgotten already stays so.
    ///
    /// # Errors
    /// [`Error::Future`].
    async fn compact(&self, revision: Revision) -> Result<(), Error>;
}
