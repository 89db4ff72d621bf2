// SPDX-License-Identifier: Apache-2.0
//! Changing names without syncing them, and the lock that makes a store exclusive.

use std::fs::File;
use std::io;

use rustix::fs::{AtFlags, FlockOperation, OFlags};
use rustix::io::Errno;

use super::errors::is_absent;
use super::temporary::Temporary;
use super::tree::split;
use super::{Filesystem, Inner, RACE_ATTEMPTS, errors};
use crate::driver::{Key, Result};

/// What directories that have to be made for a name need.
#[derive(Clone, Copy)]
pub(super) enum Durability {
    /// To be there.
    Unsynced,
    /// To have durable names themselves.
    Durable,
}

/// An exclusive lock on a file, held until it is dropped or the process ends.
#[derive(Debug)]
pub struct FileLock(File);

impl FileLock {
    /// The locked file, for instance to write into it who holds the lock.
    pub fn file(&self) -> &File {
        &self.0
    }
}

impl Filesystem {
    /// Gives an object a new name, replacing what had that name, without syncing anything. A missing
    /// source is no error when the target exists: then it has happened already.
    pub fn rename_unsynced(&self, from: &Key, to: &Key) -> Result<()> {
        self.inner
            .rename(from.relative(), to.relative(), Durability::Unsynced)
            .map(drop)
            .map_err(|error| errors::classify("rename", from, error))
    }

    /// Removes an object without syncing; tells whether it was there.
    pub fn remove(&self, key: &Key) -> Result<bool> {
        self.inner.remove(key.relative()).map_err(|error| errors::classify("remove", key, error))
    }

    /// Locks a file, which is created if it is missing, against every other process.
    /// [`Error::Busy`](crate::driver::Error::Busy) says that another one holds it.
    pub fn lock_exclusive(&self, key: &Key) -> Result<FileLock> {
        self.inner.lock(key.relative()).map_err(|error| errors::classify("lock", key, error))
    }
}

impl Inner {
    /// Renames. `Ok(false)`: the source is gone and the target is there.
    pub(super) fn rename(&self, from: &str, to: &str, durability: Durability) -> io::Result<bool> {
        let (source_directory, source) = split(from)?;
        let (target_directory, target) = split(to)?;
        for _ in 0..RACE_ATTEMPTS {
            self.make_dirs_as(target_directory, durability)?;
            let renamed = self.tree.open_dir_path(source_directory).and_then(|from| {
                let to = self.tree.open_dir_path(target_directory)?;
                Ok(rustix::fs::renameat(from, source, to, target)?)
            });
            match renamed {
                Ok(()) => return Ok(true),
                Err(error) if is_absent(&error) => self.known.forget(target_directory),
                Err(error) => return Err(error),
            }
            match self.stat_raw(from) {
                Ok(_) => {}
                Err(error) if is_absent(&error) => {
                    self.stat_raw(to)?;
                    return Ok(false);
                }
                Err(error) => return Err(error),
            }
        }
        Err(errors::outrun())
    }

    /// Gives a temporary file its name. It keeps its temporary one until that has succeeded.
    pub(super) fn name_temporary(
        &self,
        mut temporary: Temporary<'_>,
        path: &str,
        durability: Durability,
    ) -> io::Result<()> {
        let (directory, name) = split(path)?;
        for _ in 0..RACE_ATTEMPTS {
            self.make_dirs_as(directory, durability)?;
            let renamed = self.tree.open_dir_path(directory).and_then(|directory| {
                Ok(rustix::fs::renameat(self.tree.root(), temporary.path(), directory, name)?)
            });
            match renamed {
                Err(error) if is_absent(&error) => self.known.forget(directory),
                other => {
                    other?;
                    temporary.named();
                    return Ok(());
                }
            }
        }
        Err(errors::outrun())
    }

    fn make_dirs_as(&self, path: &str, durability: Durability) -> io::Result<()> {
        match durability {
            Durability::Unsynced => self.make_dirs(path).map(drop),
            Durability::Durable => self.make_durable_dirs(&[path]),
        }
    }

    pub(super) fn remove(&self, path: &str) -> io::Result<bool> {
        let (directory, name) = split(path)?;
        let removed = self
            .tree
            .open_dir_path(directory)
            .and_then(|fd| Ok(rustix::fs::unlinkat(fd, name, AtFlags::empty())?));
        match removed {
            Ok(()) => Ok(true),
            Err(error) if is_absent(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn lock(&self, path: &str) -> io::Result<FileLock> {
        for _ in 0..RACE_ATTEMPTS {
            let flags = OFlags::RDWR | OFlags::CREATE;
            let file = self.with_directory_of(path, || self.tree.open_file(path, flags))?;
            rustix::io::retry_on_intr(|| {
                rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive)
            })?;
            // A file that lost its name between open and lock locks nobody out.
            let locked = rustix::fs::fstat(&file)?;
            match rustix::fs::statat(self.tree.root(), path, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(named) if (named.st_dev, named.st_ino) == (locked.st_dev, locked.st_ino) => {
                    return Ok(FileLock(file));
                }
                Ok(_) | Err(Errno::NOENT) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(errors::outrun())
    }
}
