// SPDX-License-Identifier: Apache-2.0
//! What this process remembers of directories: that they exist, and that their names are durable.
//!
//! Both are hints that save system calls. Existence is corrected by the ENOENT of the operation that
//! relied on it. Durability is stated for one [`Identity`]: a directory that another process removed
//! and made again has another one and is synced anew.

use std::collections::BTreeMap;
use std::ops::Bound;

use parking_lot::Mutex;

use super::tree::Identity;

/// Two generations of entries, bounded without bookkeeping per use: when the young one is full it
/// becomes the old one and the old one is dropped; what is still used moves to the young one.
struct Generations {
    young: BTreeMap<Box<str>, Option<Identity>>,
    old: BTreeMap<Box<str>, Option<Identity>>,
}

/// The memory of directories.
pub(super) struct Known {
    capacity: usize,
    entries: Mutex<Generations>,
}

impl Known {
    /// Remembers at most `2 * capacity` directories.
    pub(super) fn new(capacity: usize) -> Self {
        let entries = Generations { young: BTreeMap::new(), old: BTreeMap::new() };
        Self { capacity: capacity.max(1), entries: Mutex::new(entries) }
    }

    /// Whether the directory was there when last seen.
    pub(super) fn exists(&self, path: &str) -> bool {
        path.is_empty() || self.entries.lock().get(path, self.capacity).is_some()
    }

    /// Which directory had this path when its name was last made durable.
    pub(super) fn durable(&self, path: &str) -> Option<Identity> {
        self.entries.lock().get(path, self.capacity).flatten()
    }

    /// The directory is there.
    pub(super) fn note_exists(&self, path: &str) {
        let mut entries = self.entries.lock();
        if entries.get(path, self.capacity).is_none() {
            entries.put(path.into(), None, self.capacity);
        }
    }

    /// The name of that very directory is durable, and so are those above it.
    pub(super) fn note_durable(&self, path: &str, identity: Identity) {
        self.entries.lock().put(path.into(), Some(identity), self.capacity);
    }

    /// Forgets a directory and everything below it.
    pub(super) fn forget(&self, path: &str) {
        let mut entries = self.entries.lock();
        let entries = &mut *entries;
        let below = format!("{path}/");
        for map in [&mut entries.young, &mut entries.old] {
            map.remove(path);
            let range = map.range::<str, _>((Bound::Excluded(&*below), Bound::Unbounded));
            let gone: Vec<Box<str>> = range
                .map(|(name, _)| name)
                .take_while(|name| name.starts_with(&below))
                .cloned()
                .collect();
            for name in gone {
                map.remove(&name);
            }
        }
    }
}

impl Generations {
    fn get(&mut self, path: &str, capacity: usize) -> Option<Option<Identity>> {
        if let Some(found) = self.young.get(path) {
            return Some(*found);
        }
        let (name, found) = self.old.remove_entry(path)?;
        self.put(name, found, capacity);
        Some(found)
    }

    fn put(&mut self, name: Box<str>, identity: Option<Identity>, capacity: usize) {
        if self.young.len() >= capacity && !self.young.contains_key(&name) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(name, identity);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_bounded_and_keeps_what_is_used() {
        let known = Known::new(4);
        known.note_exists("kept");
        for number in 0..100 {
            known.note_exists(&format!("d{number}"));
            assert!(known.exists("kept"));
        }
        let entries = known.entries.lock();
        assert!(entries.young.len() + entries.old.len() <= 8);
    }

    #[test]
    fn forgetting_takes_the_subtree_and_nothing_beside_it() {
        let known = Known::new(16);
        for path in ["a", "a/b", "a/b/c", "a/b-c", "a/bc", "a/c"] {
            known.note_exists(path);
        }
        known.forget("a/b");
        let left: Vec<_> = ["a", "a/b", "a/b/c", "a/b-c", "a/bc", "a/c"]
            .into_iter()
            .filter(|path| known.exists(path))
            .collect();
        assert_eq!(left, ["a", "a/b-c", "a/bc", "a/c"]);
    }
}
