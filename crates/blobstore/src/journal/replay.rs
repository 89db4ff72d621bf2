// SPDX-License-Identifier: Apache-2.0
//! What a crash left in the journal is made true before anything is served.
//!
//! The layout may hold any part of what the records say: all of it, if only the process was
//! killed, or as little as nothing of the last seconds, if the power failed. So replay must lead
//! to the same end from every such state, and applying the records one by one would not:
//!
//! ```text
//!   remove D · move upload/data → D        both applied before the crash
//!   replayed naively: D is removed, and the move has nothing left to move
//! ```
//!
//! Therefore an operation is skipped if a later record defines the same name: only the last word
//! on each name is spoken, in the order of the records. A `Move` whose source is gone has been
//! applied already, because source and target are one rename. Directories of ended sessions are
//! removed last, when what was taken out of them is durable: nothing is assumed of the order in
//! which the filesystem makes changes of two directories durable.

use std::collections::HashMap;
use std::ops::ControlFlow;

use storage::driver::Key;
use storage::filesystem::Filesystem;

use super::record::{Op, Records};
use super::segment::Handle;
use crate::error::Result;

/// Applies what the segments hold, syncs it and empties them. Returns the generation to go on with.
pub(super) fn replay(filesystem: &Filesystem, segments: &[Handle; 2]) -> Result<u64> {
    let (generation, ops) = read(segments, [usize::MAX; 2])?;
    if !ops.is_empty() {
        let steps = plan(&ops);
        tracing::info!(operations = ops.len(), applied = steps.len(), "replaying the journal");
        let (sessions, others): (Vec<_>, Vec<_>) =
            steps.into_iter().partition(|step| step.ended_session().is_some());
        others.iter().try_for_each(|step| apply(filesystem, step))?;
        filesystem.sync_filesystem()?;
        for session in sessions.iter().filter_map(Step::ended_session) {
            super::remove_session(filesystem, session);
        }
        for segment in segments {
            segment.erase()?;
        }
    }
    Ok(generation + 1)
}

/// Writes again what was applied, after the layout could not be synced: the kernel forgets what it
/// failed to write back, so only bytes that are written anew can be synced. `applied` says how many
/// records of each segment the layout holds; a later record must not be made visible here, because
/// an earlier one that is applied afterwards could undo it.
pub(super) fn reapply(
    filesystem: &Filesystem,
    segments: &[Handle; 2],
    applied: [usize; 2],
) -> Result<()> {
    let (_, ops) = read(segments, applied)?;
    for step in plan(&ops) {
        match step {
            Step::Do(Op::Put { key, bytes } | Op::Adopt { to: key, bytes, .. }) => {
                filesystem.rewrite_unsynced(key, bytes)?;
            }
            step if step.ended_session().is_some() => {}
            step => apply(filesystem, &step)?,
        }
    }
    Ok(())
}

/// The highest generation (0: none) and the first records of each segment, in order.
fn read(segments: &[Handle; 2], counts: [usize; 2]) -> Result<(u64, Vec<Op>)> {
    let mut lives = Vec::new();
    for (segment, count) in segments.iter().zip(counts) {
        lives.extend(segment.read()?.map(|(header, body)| (header, body, count)));
    }
    lives.sort_by_key(|(header, _, _)| header.generation);
    let generation = lives.last().map_or(0, |(header, _, _)| header.generation);
    let ops = lives
        .iter()
        .flat_map(|(header, body, count)| Records::new(body, header.seed).take(*count))
        .flatten()
        .collect();
    Ok((generation, ops))
}

/// A step of the replay.
#[derive(Debug, PartialEq, Eq)]
enum Step<'a> {
    /// Apply as it stands.
    Do(&'a Op),
    /// Remove a tree but for these names, which later records define.
    RemoveTreeExcept(&'a Key, Vec<&'a Key>),
}

impl Step<'_> {
    fn ended_session(&self) -> Option<&Key> {
        match self {
            Self::Do(op) => op.ended_session(),
            Self::RemoveTreeExcept(..) => None,
        }
    }
}

/// The last word on each name, in order.
fn plan(ops: &[Op]) -> Vec<Step<'_>> {
    let mut last_definition = HashMap::new();
    for (index, op) in ops.iter().enumerate() {
        if let Some(key) = op.defines() {
            last_definition.insert(key, index);
        }
    }
    let defined_later =
        |key: &Key, index: usize| last_definition.get(key).is_some_and(|last| *last > index);
    let mut steps = Vec::new();
    for (index, op) in ops.iter().enumerate() {
        match op {
            Op::RemoveTree { key } => {
                let prefix = format!("{key}/");
                let kept: Vec<&Key> = last_definition
                    .iter()
                    .filter(|(name, last)| **last > index && name.as_str().starts_with(&prefix))
                    .map(|(name, _)| *name)
                    .collect();
                if kept.is_empty() {
                    steps.push(Step::Do(op));
                } else {
                    steps.push(Step::RemoveTreeExcept(key, kept));
                }
            }
            Op::Remove { key } if defined_later(key, index) => {}
            _ if op.defines().is_some_and(|key| defined_later(key, index)) => {}
            _ => steps.push(Step::Do(op)),
        }
    }
    steps
}

fn apply(filesystem: &Filesystem, step: &Step<'_>) -> Result<()> {
    match step {
        Step::Do(op @ Op::Adopt { to, bytes, .. }) => {
            // The adopted file was not synced: after a power failure only the record has the bytes.
            filesystem.write_unsynced(to, bytes, true)?;
            if let Op::Adopt { from, .. } = op {
                filesystem.remove(from)?;
            }
        }
        Step::Do(op @ Op::Move { from, to }) => match super::apply(filesystem, op) {
            Err(error) if error.is_not_found() => {
                if filesystem.stat(to).is_err_and(|error| error.is_not_found()) {
                    tracing::error!(%from, %to, "neither name of a journalled move exists");
                }
            }
            other => other?,
        },
        Step::Do(op) => super::apply(filesystem, op)?,
        Step::RemoveTreeExcept(key, kept) => {
            remove_except(filesystem, key, kept)?;
        }
    }
    Ok(())
}

/// Removes what lies below a directory, except the kept names and the directories that lead there.
fn remove_except(filesystem: &Filesystem, directory: &Key, kept: &[&Key]) -> Result<()> {
    let mut names = Vec::new();
    let listed = filesystem.list_dir(directory, |name, _| {
        names.push(name.to_owned());
        ControlFlow::Continue(())
    });
    match listed {
        Err(error) if error.is_not_found() => return Ok(()),
        other => other?,
    }
    for name in names {
        let Ok(key) = directory.join(&name) else { continue };
        if kept.contains(&&key) {
            continue;
        }
        let prefix = format!("{key}/");
        if kept.iter().any(|name| name.as_str().starts_with(&prefix)) {
            remove_except(filesystem, &key, kept)?;
        } else {
            filesystem.remove_tree(&key)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn key(text: &str) -> Key {
        Key::parse(text).unwrap()
    }

    fn put(name: &str, bytes: &'static str) -> Op {
        Op::Put { key: key(name), bytes: Bytes::from(bytes) }
    }

    #[test]
    fn only_the_last_word_on_a_name_is_spoken() {
        let ops = [
            put("/a", "1"),
            Op::Remove { key: key("/d") },
            put("/a", "2"),
            Op::Move { from: key("/u/data"), to: key("/d") },
            Op::RemoveTree { key: key("/u") },
        ];
        assert_eq!(plan(&ops), vec![Step::Do(&ops[2]), Step::Do(&ops[3]), Step::Do(&ops[4])]);
    }

    #[test]
    fn a_removed_name_that_nobody_defines_again_stays_removed() {
        let ops = [put("/a", "1"), Op::Remove { key: key("/a") }];
        assert_eq!(plan(&ops), vec![Step::Do(&ops[0]), Step::Do(&ops[1])]);
    }

    #[test]
    fn a_tree_is_removed_around_what_came_later() {
        let ops = [put("/t/x/old", "1"), Op::RemoveTree { key: key("/t/x") }, put("/t/x/new", "2")];
        let new = key("/t/x/new");
        let tree = key("/t/x");
        assert_eq!(
            plan(&ops),
            vec![Step::Do(&ops[0]), Step::RemoveTreeExcept(&tree, vec![&new]), Step::Do(&ops[2])]
        );
    }
}
