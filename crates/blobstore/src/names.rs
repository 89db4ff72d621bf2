// SPDX-License-Identifier: Apache-2.0
//! Ordered names below a directory, kept in memory so that a page is a seek and n steps.
//!
//! Tag lists and the catalog are directory listings in distribution's layout. Here a directory is
//! read once, on demand, into an ordered map; our own writes keep it true, and in a shared store
//! it is read again when its time stamp has changed. Each name carries a mark of 64 bits whose
//! meaning is its user's (0 = not yet looked at): the fingerprint of a tag's digest, or what is
//! known of a repository.
//!
//! Memory is bounded by the number of names over all directories; the directory that was not asked
//! for longest goes first. Authorization never comes from here.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime};

use parking_lot::Mutex;
use storage::driver::{Driver, Key};

use crate::cache::Trust;
use crate::error::{Result, present};

/// Names asked of the driver at once: a filesystem reads the whole directory for each page, so one
/// page is meant to do.
const READ_PAGE: usize = 2_000_000;

/// A directory time stamp younger than this when it was read may hide a later change (design 5).
const UNTRUSTED_AGE: Duration = Duration::from_secs(2);

/// A mark that says nothing.
pub(crate) const UNMARKED: u64 = 0;

enum Edit {
    Insert(Box<str>, u64),
    Remove(Box<str>),
}

struct Index {
    names: BTreeMap<Box<str>, u64>,
    read: Instant,
    read_at: SystemTime,
    modified: SystemTime,
}

impl Index {
    fn edit(&mut self, edit: Edit) {
        match edit {
            Edit::Insert(name, mark) => {
                self.names.insert(name, mark);
            }
            Edit::Remove(name) => {
                self.names.remove(&name);
            }
        }
    }
}

#[derive(Default)]
struct State {
    index: Option<Index>,
    /// While the directory is being read: what our own writes changed meanwhile.
    edits: Option<Vec<Edit>>,
}

#[derive(Default)]
struct Directory {
    state: Mutex<State>,
    reading: tokio::sync::Mutex<()>,
    used: AtomicU64,
    size: AtomicUsize,
    /// No longer in the table: whoever still reads it counts for nothing.
    detached: AtomicBool,
}

/// All directories that are held in memory.
pub(crate) struct Names {
    driver: Arc<dyn Driver>,
    trust: Trust,
    directories: Mutex<HashMap<Key, Arc<Directory>>>,
    clock: AtomicU64,
    total: AtomicUsize,
    limit: usize,
}

/// Names with their marks, in order.
pub(crate) type Marked = Vec<(Box<str>, u64)>;

impl Names {
    /// Holds at most about `limit` names.
    pub(crate) fn new(driver: Arc<dyn Driver>, trust: Trust, limit: usize) -> Self {
        Self {
            driver,
            trust,
            directories: Mutex::new(HashMap::new()),
            clock: AtomicU64::new(0),
            total: AtomicUsize::new(0),
            limit,
        }
    }

    /// Names behind `after` (or from the start), at most `limit`, and whether more follow.
    /// `None`: there is no such directory.
    pub(crate) async fn page(
        &self,
        directory: &Key,
        after: Bound<&str>,
        limit: usize,
    ) -> Result<Option<(Marked, bool)>> {
        self.with(directory, |names| {
            let mut range = names.range::<str, _>((after, Bound::Unbounded));
            let page: Marked =
                range.by_ref().take(limit).map(|(name, mark)| (name.clone(), *mark)).collect();
            (page, range.next().is_some())
        })
        .await
    }

    /// Looks at the whole ordered map. `None`: there is no such directory.
    pub(crate) async fn with<T>(
        &self,
        directory: &Key,
        look: impl Fn(&BTreeMap<Box<str>, u64>) -> T,
    ) -> Result<Option<T>> {
        let existing = self.directories.lock().get(directory).cloned();
        if let Some(entry) = &existing {
            entry.used.store(self.clock.fetch_add(1, Ordering::Relaxed), Ordering::Relaxed);
            if let Some(index) = &entry.state.lock().index
                && self.trust.believes(index.read)
            {
                return Ok(Some(look(&index.names)));
            }
        }
        let entry = existing.unwrap_or_else(|| {
            Arc::clone(self.directories.lock().entry(directory.clone()).or_default())
        });
        // One reader of the directory at a time; who waited finds it done.
        let _reading = entry.reading.lock().await;
        if let Some(index) = &entry.state.lock().index
            && self.trust.believes(index.read)
        {
            return Ok(Some(look(&index.names)));
        }
        if !self.confirm(directory, &entry).await? && !self.read(directory, &entry).await? {
            self.directories.lock().remove(directory);
            return Ok(None);
        }
        let result = entry.state.lock().index.as_ref().map(|index| look(&index.names));
        self.evict(directory);
        Ok(result)
    }

    /// Whether a held index is still true because the directory has not changed.
    async fn confirm(&self, directory: &Key, entry: &Directory) -> Result<bool> {
        let Some((modified, read_at)) =
            entry.state.lock().index.as_ref().map(|index| (index.modified, index.read_at))
        else {
            return Ok(false);
        };
        let settled = read_at.duration_since(modified).is_ok_and(|age| age >= UNTRUSTED_AGE);
        if modified == SystemTime::UNIX_EPOCH || !settled {
            return Ok(false);
        }
        let now = present(self.driver.stat(directory).await)?;
        let mut state = entry.state.lock();
        match (now, state.index.as_mut()) {
            (Some(meta), Some(index)) if meta.modified == modified => {
                index.read = Instant::now();
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    async fn read(&self, directory: &Key, entry: &Directory) -> Result<bool> {
        entry.state.lock().edits = Some(Vec::new());
        let result = self.read_names(directory).await;
        let mut state = entry.state.lock();
        let edits = state.edits.take().unwrap_or_default();
        let Some((names, modified, read_at)) = result? else {
            state.index = None;
            self.resize(entry, 0);
            return Ok(false);
        };
        let mut index = Index { names, read: Instant::now(), read_at, modified };
        for edit in edits {
            index.edit(edit);
        }
        self.resize(entry, index.names.len());
        state.index = Some(index);
        Ok(true)
    }

    async fn read_names(
        &self,
        directory: &Key,
    ) -> Result<Option<(BTreeMap<Box<str>, u64>, SystemTime, SystemTime)>> {
        let Some(meta) = present(self.driver.stat(directory).await)? else {
            return Ok(None);
        };
        let read_at = SystemTime::now();
        let mut names = BTreeMap::new();
        let mut after: Option<String> = None;
        loop {
            let listing = self.driver.list(directory, after.as_deref(), READ_PAGE).await;
            let Some(listing) = present(listing)? else {
                return Ok(None);
            };
            after = listing.names.last().cloned();
            names.extend(listing.names.into_iter().map(|name| (name.into_boxed_str(), UNMARKED)));
            if !listing.more {
                return Ok(Some((names, meta.modified, read_at)));
            }
        }
    }

    fn detach(&self, entry: &Directory) {
        self.resize(entry, 0);
        entry.detached.store(true, Ordering::Relaxed);
    }

    fn resize(&self, entry: &Directory, size: usize) {
        if entry.detached.load(Ordering::Relaxed) {
            return;
        }
        let before = entry.size.swap(size, Ordering::Relaxed);
        self.total.fetch_add(size, Ordering::Relaxed);
        self.total.fetch_sub(before, Ordering::Relaxed);
    }

    /// Lets go of the directories used longest ago, never of `keep`.
    fn evict(&self, keep: &Key) {
        while self.total.load(Ordering::Relaxed) > self.limit {
            let mut directories = self.directories.lock();
            let oldest = directories
                .iter()
                .filter(|(key, entry)| *key != keep && entry.size.load(Ordering::Relaxed) > 0)
                .min_by_key(|(_, entry)| entry.used.load(Ordering::Relaxed))
                .map(|(key, _)| key.clone());
            let Some(entry) = oldest.and_then(|key| directories.remove(&key)) else { return };
            self.detach(&entry);
        }
    }

    fn edit(&self, directory: &Key, edit: impl Fn() -> Edit) {
        let Some(entry) = self.directories.lock().get(directory).cloned() else { return };
        let mut state = entry.state.lock();
        if let Some(edits) = &mut state.edits {
            edits.push(edit());
        }
        if let Some(index) = &mut state.index {
            index.edit(edit());
            self.resize(&entry, index.names.len());
        }
    }

    /// A write of ours has made this name exist, with this mark.
    pub(crate) fn insert(&self, directory: &Key, name: &str, mark: u64) {
        self.edit(directory, || Edit::Insert(name.into(), mark));
    }

    /// A write of ours has removed this name.
    pub(crate) fn remove(&self, directory: &Key, name: &str) {
        self.edit(directory, || Edit::Remove(name.into()));
    }

    /// Notes what was found out about a name; nothing happens if a write has marked it meanwhile.
    pub(crate) fn mark(&self, directory: &Key, name: &str, mark: u64) {
        let Some(entry) = self.directories.lock().get(directory).cloned() else { return };
        let mut state = entry.state.lock();
        if let Some(known) = state
            .index
            .as_mut()
            .and_then(|index| index.names.get_mut(name))
            .filter(|m| **m == UNMARKED)
        {
            *known = mark;
        }
    }

    /// Forgets what is known of a name, so that it is looked at again.
    pub(crate) fn unmark(&self, directory: &Key, name: &str) {
        let Some(entry) = self.directories.lock().get(directory).cloned() else { return };
        let mut state = entry.state.lock();
        if let Some(known) = state.index.as_mut().and_then(|index| index.names.get_mut(name)) {
            *known = UNMARKED;
        }
    }

    /// The mark of a name, if the directory is held and has it.
    pub(crate) fn mark_of(&self, directory: &Key, name: &str) -> Option<u64> {
        let entry = self.directories.lock().get(directory).cloned()?;
        let state = entry.state.lock();
        state.index.as_ref()?.names.get(name).copied()
    }

    /// Forgets everything. A directory that is being read just now is read again.
    pub(crate) fn forget_all(&self) {
        let entries: Vec<_> = self.directories.lock().drain().map(|(_, entry)| entry).collect();
        for entry in entries {
            self.detach(&entry);
        }
    }

    /// Whether the directory is held at all.
    pub(crate) fn holds(&self, directory: &Key) -> bool {
        self.directories.lock().contains_key(directory)
    }

    /// Directories and names held, for metrics.
    pub(crate) fn usage(&self) -> (usize, usize) {
        (self.directories.lock().len(), self.total.load(Ordering::Relaxed))
    }
}
