// SPDX-License-Identifier: Apache-2.0
//! The filesystem driver.
//!
//! It has two faces. [`Driver`](crate::driver::Driver) is the *shared* mode of design.md 5: several
//! processes may write to the volume, and every name is durable when the call returns. The inherent
//! methods of [`Filesystem`] are blocking, and those with `unsynced` in their name leave durability
//! to the caller: the journal of the exclusive mode is built from them.
//!
//! # Order of a batch
//!
//! The contract is that at any moment, also after a power cut, a *prefix* of the batch is what is
//! found. A name may be on disk as soon as it is visible, so everything before it has to be durable
//! before it becomes visible. No order between directories is assumed of the filesystem.
//!
//! 1. The content of every `Put` is written to `.berth/tmp` and then each file is fdatasync'ed.
//!    Nothing refers to these files, so they need no order among themselves: all are written before
//!    the first is synced, and the kernel can write them out together.
//! 2. The directories of all targets are created. An empty directory names nothing, so these are
//!    legal in every prefix; the directories that hold their names are synced once each, however many
//!    changes need them. This is the first merge.
//! 3. The names, in order: rename, then fsync of the target's directory, before the next rename.
//!    Neighbours in one directory are *not* merged: entries of one directory may lie in different
//!    blocks, and the second name may be there because of the first.
//! 4. The source directory of a `Move` is synced after the target's: never neither name, and never
//!    an old name under which an upload could be continued into what is now a blob. It is left out
//!    when a later change of the batch removes the tree in which the source lies: the sync of that
//!    removal takes the old name away as well. This is the second merge.
//! 5. A tree is renamed to `.berth/tmp` and the directory that named it is synced: it goes at once
//!    or not at all. Emptying it needs no sync and comes after all names.
//!
//! Whether a directory's own name is durable is not concluded from "it exists": another process, or
//! another thread of this one, may have created it and not have synced it yet, or may have died
//! before. A directory counts as durable only when this process has synced the directories above it
//! since it started; `known` remembers that, within a bound, for that very directory.
//!
//! # Failed syncs
//!
//! After a failed fsync the kernel marks the pages clean and answers success to the next one, so a
//! sync is never tried again on the same data. A temporary file is thrown away; an upload whose sync
//! failed is removed, so that nobody can resume it. A directory cannot be written afresh, so it is
//! remembered as suspect: its next sync first changes its time, to give the filesystem something to
//! commit, and ends with `syncfs`. Journalling filesystems commit in order and stop for good when a
//! commit fails, so that a later success proves the earlier change.

mod batch;
mod directories;
mod errors;
mod face;
mod known;
mod names;
mod read;
mod remove;
mod temporary;
mod tree;
mod upload;
mod write;

use std::os::fd::BorrowedFd;
use std::path::Path;
use std::sync::Arc;

use tokio::sync::Semaphore;

use self::directories::Suspects;
use self::known::Known;
use self::temporary::Names;
use self::tree::Tree;
use crate::driver::{Key, Result};

pub use self::errors::classify;
pub use self::names::FileLock;
pub use self::remove::DetachedTree;

/// How often an operation is repeated whose directory was removed under its hands.
const RACE_ATTEMPTS: usize = 64;

/// Settings of the driver.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Operations of the [`Driver`](crate::driver::Driver) face at work at the same time
    /// (`maxthreads`, registry.md 5.5); below 25 it is 25.
    pub max_threads: usize,
    /// How many directories are remembered, at most.
    pub known_directories: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { max_threads: 100, known_directories: 65_536 }
    }
}

/// A root directory. Cheap to clone; all clones share what they know.
#[derive(Clone)]
pub struct Filesystem {
    inner: Arc<Inner>,
}

struct Inner {
    tree: Tree,
    known: Known,
    suspects: Suspects,
    names: Names,
    permits: Arc<Semaphore>,
}

impl Filesystem {
    /// Opens the root directory once and for all; it is created if it is missing.
    ///
    /// Nothing is written into an existing one, so a read-only volume can be opened.
    pub fn open(root: &Path, options: Options) -> Result<Self> {
        let tree =
            Tree::open(root).map_err(|error| errors::classify("open", &Key::root(), error))?;
        Ok(Self {
            inner: Arc::new(Inner {
                tree,
                known: Known::new(options.known_directories / 2),
                suspects: Suspects::default(),
                names: Names::new(),
                permits: Arc::new(Semaphore::new(options.max_threads.max(25))),
            }),
        })
    }

    /// The root directory.
    pub fn root(&self) -> BorrowedFd<'_> {
        self.inner.tree.root()
    }
}
