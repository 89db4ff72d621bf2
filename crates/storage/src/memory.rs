// SPDX-License-Identifier: Apache-2.0
//! The in-memory driver (`inmemory`, registry.md 5.5): for tests and demonstrations.
//!
//! It keeps every rule of the contract but durability beyond the process. Directories are not things
//! of their own here: one exists while something lies below it. Objects are handed out as reference
//! counted slices, so reading a range costs no copy.

use std::collections::BTreeMap;
use std::io;
use std::ops::Bound;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use parking_lot::Mutex;
use rustix::io::Errno;

use crate::driver::{
    Batch, Change, Content, Driver, Error, Guarantees, Key, Kind, Listing, Meta, Result, Upload,
    UploadHint,
};

/// A store in memory. Clones are the same store.
#[derive(Clone)]
pub struct Memory {
    state: Arc<Mutex<State>>,
}

struct State {
    objects: BTreeMap<Key, Object>,
    uploads: BTreeMap<Key, Partial>,
    /// Bytes of all objects and uploads.
    used: u64,
    capacity: u64,
    /// Distinguishes an upload from a later one under the same key.
    next_upload: u64,
}

#[derive(Clone)]
struct Object {
    bytes: Bytes,
    modified: SystemTime,
}

struct Partial {
    id: u64,
    bytes: BytesMut,
}

impl Default for Memory {
    fn default() -> Self {
        Self::with_capacity(u64::MAX)
    }
}

impl Memory {
    /// A store that holds at most `capacity` bytes of objects and uploads together; beyond that
    /// writing answers [`Error::NoSpace`].
    pub fn with_capacity(capacity: u64) -> Self {
        let state = State {
            objects: BTreeMap::new(),
            uploads: BTreeMap::new(),
            used: 0,
            capacity,
            next_upload: 0,
        };
        Self { state: Arc::new(Mutex::new(state)) }
    }
}

impl State {
    fn object(&self, key: &Key) -> Result<&Object> {
        self.objects.get(key).ok_or_else(|| Error::NotFound { key: key.clone() })
    }

    /// Accounts for `taken` more and `given` fewer bytes, if there is room.
    fn account(&mut self, key: &Key, taken: u64, given: u64) -> Result<()> {
        let used = self.used.saturating_add(taken).saturating_sub(given);
        if used > self.capacity && taken > given {
            let source = Errno::NOSPC.into();
            return Err(Error::NoSpace { key: key.clone(), source });
        }
        self.used = used;
        Ok(())
    }

    fn put(&mut self, key: Key, bytes: Bytes) -> Result<()> {
        if key == Key::root() {
            let source = io::Error::new(io::ErrorKind::InvalidInput, "the root is not an object");
            return Err(Error::Io { operation: "write", key, source });
        }
        let old = self.objects.get(&key).map_or(0, |object| object.bytes.len() as u64);
        self.account(&key, bytes.len() as u64, old)?;
        self.objects.insert(key, Object { bytes, modified: SystemTime::now() });
        Ok(())
    }

    fn remove(&mut self, key: &Key) {
        if let Some(object) = self.objects.remove(key) {
            self.used -= object.bytes.len() as u64;
        }
    }

    fn remove_upload(&mut self, key: &Key) {
        if let Some(partial) = self.uploads.remove(key) {
            self.used -= partial.bytes.len() as u64;
        }
    }

    fn apply(&mut self, change: Change) -> Result<()> {
        match change {
            Change::Put { key, bytes } => self.put(key, bytes),
            Change::Move { from, to } => {
                if from == to || !self.objects.contains_key(&from) {
                    return self.object(&to).map(drop).map_err(|_| Error::NotFound { key: from });
                }
                self.remove(&to);
                let moved = self.objects.remove(&from).expect("it was there a moment ago");
                self.objects.insert(to, moved);
                Ok(())
            }
            Change::Remove { key } => {
                self.remove(&key);
                Ok(())
            }
            Change::RemoveTree { key } => {
                for object in below(&self.objects, &key) {
                    self.remove(&object);
                }
                for upload in below(&self.uploads, &key) {
                    self.remove_upload(&upload);
                }
                self.remove(&key);
                self.remove_upload(&key);
                Ok(())
            }
        }
    }

    fn upload(&mut self, key: &Key, id: u64) -> Result<&mut Partial> {
        let partial = self.uploads.get_mut(key).filter(|partial| partial.id == id);
        partial.ok_or_else(|| Error::NotFound { key: key.clone() })
    }
}

/// Text that the keys below a directory begin with.
fn prefix(directory: &Key) -> String {
    if *directory == Key::root() { "/".to_owned() } else { format!("{directory}/") }
}

/// The keys below a directory.
fn below<V>(map: &BTreeMap<Key, V>, directory: &Key) -> Vec<Key> {
    let prefix = prefix(directory);
    map.range((Bound::Excluded(directory), Bound::Unbounded))
        .map(|(key, _)| key)
        // Between a directory and what is below it lie names like `dir-x`: `-` sorts before `/`.
        .skip_while(|key| key.as_str() < prefix.as_str())
        .take_while(|key| key.as_str().starts_with(&prefix))
        .cloned()
        .collect()
}

/// Whether anything is below a directory; the root is always there.
fn is_directory<V>(map: &BTreeMap<Key, V>, directory: &Key) -> bool {
    let prefix = prefix(directory);
    map.range((Bound::Excluded(directory), Bound::Unbounded))
        .map(|(key, _)| key)
        .find(|key| key.as_str() >= prefix.as_str())
        .is_some_and(|key| key.as_str().starts_with(&prefix))
        || *directory == Key::root()
}

#[async_trait]
impl Driver for Memory {
    fn name(&self) -> &'static str {
        "inmemory"
    }

    fn guarantees(&self) -> Guarantees {
        Guarantees { read_after_write: true, cheap_move: true, redirects: false }
    }

    async fn stat(&self, key: &Key) -> Result<Meta> {
        let state = self.state.lock();
        if let Ok(object) = state.object(key) {
            let size = object.bytes.len() as u64;
            return Ok(Meta { kind: Kind::Object, size, modified: object.modified });
        }
        if is_directory(&state.objects, key) {
            let modified = SystemTime::UNIX_EPOCH;
            return Ok(Meta { kind: Kind::Directory, size: 0, modified });
        }
        Err(Error::NotFound { key: key.clone() })
    }

    async fn read(&self, key: &Key, limit: usize) -> Result<Bytes> {
        let bytes = self.state.lock().object(key)?.bytes.clone();
        if bytes.len() > limit {
            return Err(Error::TooLarge { key: key.clone(), limit });
        }
        Ok(bytes)
    }

    async fn open(&self, key: &Key, offset: u64, len: Option<u64>) -> Result<Content> {
        let bytes = self.state.lock().object(key)?.bytes.clone();
        let cut = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(bytes.len());
        let start = cut(offset);
        let end = cut(offset.saturating_add(len.unwrap_or(u64::MAX)));
        Ok(Content::Bytes(bytes.slice(start..end)))
    }

    async fn list(&self, directory: &Key, after: Option<&str>, limit: usize) -> Result<Listing> {
        let state = self.state.lock();
        if !is_directory(&state.objects, directory) {
            return Err(Error::NotFound { key: directory.clone() });
        }
        let prefix = prefix(directory);
        let after = after.unwrap_or_default();
        // Keys are not in the order of names (`a-b/x` sorts before `a/x`), so a page needs them all.
        let mut names: Vec<&str> = state
            .objects
            .keys()
            .filter_map(|key| key.as_str().strip_prefix(&prefix))
            .map(|rest| rest.split_once('/').map_or(rest, |(name, _)| name))
            .filter(|name| *name > after)
            .collect();
        names.sort_unstable();
        names.dedup();
        let more = names.len() > limit;
        Ok(Listing { names: names.into_iter().take(limit).map(str::to_owned).collect(), more })
    }

    async fn apply(&self, batch: Batch) -> Result<()> {
        let mut state = self.state.lock();
        batch.into_iter().try_for_each(|change| state.apply(change))
    }

    async fn create_upload(&self, key: &Key, _: UploadHint) -> Result<Box<dyn Upload>> {
        let mut state = self.state.lock();
        state.remove_upload(key);
        state.remove(key);
        let id = state.next_upload;
        state.next_upload += 1;
        state.uploads.insert(key.clone(), Partial { id, bytes: BytesMut::new() });
        Ok(Box::new(MemoryUpload { memory: self.clone(), key: key.clone(), id, offset: 0 }))
    }

    async fn resume_upload(&self, key: &Key, offset: u64, _: Bytes) -> Result<Box<dyn Upload>> {
        let state = self.state.lock();
        let partial = state.uploads.get(key).ok_or_else(|| Error::NotFound { key: key.clone() })?;
        let actual = partial.bytes.len() as u64;
        if actual != offset {
            return Err(Error::Offset { key: key.clone(), expected: offset, actual });
        }
        let id = partial.id;
        Ok(Box::new(MemoryUpload { memory: self.clone(), key: key.clone(), id, offset }))
    }

    async fn redirect(&self, _: &Key, _: &str, _: Duration) -> Result<Option<String>> {
        Ok(None)
    }
}

struct MemoryUpload {
    memory: Memory,
    key: Key,
    id: u64,
    offset: u64,
}

#[async_trait]
impl Upload for MemoryUpload {
    fn offset(&self) -> u64 {
        self.offset
    }

    async fn write(&mut self, data: Bytes) -> Result<()> {
        let mut state = self.memory.state.lock();
        state.upload(&self.key, self.id)?;
        state.account(&self.key, data.len() as u64, 0)?;
        state.upload(&self.key, self.id)?.bytes.extend_from_slice(&data);
        self.offset += data.len() as u64;
        Ok(())
    }

    async fn suspend(self: Box<Self>) -> Result<Bytes> {
        self.memory.state.lock().upload(&self.key, self.id)?;
        Ok(Bytes::new())
    }

    async fn finish(self: Box<Self>) -> Result<()> {
        let mut state = self.memory.state.lock();
        let bytes = std::mem::take(&mut state.upload(&self.key, self.id)?.bytes).freeze();
        state.uploads.remove(&self.key);
        state.used -= bytes.len() as u64;
        state.put(self.key.clone(), bytes)
    }

    async fn cancel(self: Box<Self>) -> Result<()> {
        let mut state = self.memory.state.lock();
        if state.upload(&self.key, self.id).is_ok() {
            state.remove_upload(&self.key);
        }
        Ok(())
    }
}
