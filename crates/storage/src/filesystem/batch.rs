// SPDX-License-Identifier: Apache-2.0
//! A batch in shared mode: every name durable before the next one appears. The order and what is
//! merged in it are explained at the top of the [filesystem driver](super).

use std::collections::VecDeque;
use std::io;

use super::Inner;
use super::directories::sync_data;
use super::errors::{classify, is_absent};
use super::names::Durability;
use super::temporary::Temporary;
use super::tree::parent;
use crate::driver::{Change, Key, Result};

/// Files written before they are synced together; more would only cost descriptors.
const STAGED_TOGETHER: usize = 32;

impl Inner {
    /// Makes the changes, in order, durably.
    pub(super) fn apply(&self, batch: &[Change]) -> Result<()> {
        let mut staged = self.stage(batch)?;
        self.make_target_dirs(batch)?;
        let mut detached = Vec::new();
        let applied = batch.iter().enumerate().try_for_each(|(index, change)| {
            let later = &batch[index + 1..];
            self.apply_one(change, later, &mut staged, &mut detached)
        });
        // Their names are gone durably; whether they are emptied now or later changes nothing.
        for path in detached {
            if let Err(error) = self.delete_tree(&path) {
                tracing::warn!(path, %error, "a removed tree could not be emptied");
            }
        }
        applied
    }

    /// Step 1: the contents, durable under temporary names, in the order of the puts.
    fn stage(&self, batch: &[Change]) -> Result<VecDeque<Temporary<'_>>> {
        let puts: Vec<_> = batch
            .iter()
            .filter_map(|change| match change {
                Change::Put { key, bytes } => Some((key, bytes)),
                _ => None,
            })
            .collect();
        let mut staged = VecDeque::with_capacity(puts.len());
        for group in puts.chunks(STAGED_TOGETHER) {
            let mut files = Vec::with_capacity(group.len());
            for (key, bytes) in group {
                let (temporary, file) =
                    self.write_temporary(bytes).map_err(|error| classify("write", key, error))?;
                staged.push_back(temporary);
                files.push((key, file));
            }
            for (key, file) in files {
                sync_data(&file).map_err(|error| classify("sync", key, error))?;
            }
        }
        Ok(staged)
    }

    /// Step 2: the directories of all targets, with durable names.
    fn make_target_dirs(&self, batch: &[Change]) -> Result<()> {
        let targets: Vec<&Key> = batch
            .iter()
            .filter_map(|change| match change {
                Change::Put { key, .. } | Change::Move { to: key, .. } => Some(key),
                Change::Remove { .. } | Change::RemoveTree { .. } => None,
            })
            .collect();
        let Some(first) = targets.first() else { return Ok(()) };
        let directories: Vec<&str> = targets.iter().map(|key| parent(key.relative())).collect();
        self.make_durable_dirs(&directories)
            .map_err(|error| classify("create directory", first, error))
    }

    fn apply_one(
        &self,
        change: &Change,
        later: &[Change],
        staged: &mut VecDeque<Temporary<'_>>,
        detached: &mut Vec<String>,
    ) -> Result<()> {
        match change {
            Change::Put { key, .. } => {
                let temporary = staged.pop_front().expect("every put of the batch was staged");
                self.name_temporary(temporary, key.relative(), Durability::Durable)
                    .map_err(|error| classify("rename", key, error))?;
                self.sync_parent(key)
            }
            Change::Move { from, to } => {
                self.rename(from.relative(), to.relative(), Durability::Durable)
                    .map_err(|error| classify("rename", from, error))?;
                // Also after a move that had happened already: its own sync may have failed.
                self.sync_parent(to)?;
                let same = parent(from.relative()) == parent(to.relative());
                if same || tree_is_removed(from, later) { Ok(()) } else { self.sync_parent(from) }
            }
            Change::Remove { key } => {
                self.remove(key.relative()).map_err(|error| classify("remove", key, error))?;
                self.sync_parent(key)
            }
            Change::RemoveTree { key } => {
                let tree = self
                    .detach(key.relative())
                    .map_err(|error| classify("remove tree", key, error))?;
                detached.extend(tree);
                self.sync_parent(key)
            }
        }
    }

    /// Makes the latest change of a name durable. If the directory is gone, so are its names, and
    /// whoever removed it answers for that.
    fn sync_parent(&self, key: &Key) -> Result<()> {
        absent_is_done(self.sync_dir(parent(key.relative())))
            .map_err(|error| classify("sync", key, error))
    }
}

fn absent_is_done(result: io::Result<()>) -> io::Result<()> {
    result.or_else(|error| if is_absent(&error) { Ok(()) } else { Err(error) })
}

/// Whether a later change removes a tree in which the key lies.
fn tree_is_removed(key: &Key, later: &[Change]) -> bool {
    later.iter().any(|change| match change {
        Change::RemoveTree { key: tree } => {
            key.as_str().strip_prefix(tree.as_str()).is_some_and(|below| below.starts_with('/'))
        }
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_tree_above_the_source_covers_it() {
        let key = |text| Key::parse(text).unwrap();
        let covered = |tree| {
            let later = [Change::RemoveTree { key: key(tree) }];
            tree_is_removed(&key("/u/1/data"), &later)
        };
        assert!(covered("/u/1") && covered("/u"));
        assert!(!covered("/u/1/data") && !covered("/u/10") && !covered("/u/1/d"));
        assert!(!tree_is_removed(&key("/u/1/data"), &[Change::Remove { key: key("/u/1/data") }]));
    }
}
