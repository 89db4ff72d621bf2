// SPDX-License-Identifier: Apache-2.0
//! Changing names without syncing them, and the lock that makes a store exclusive or shared.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs::{AtFlags, FileType, FlockOperation, OFlags, RenameFlags};
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

/// A lock on a file, held until it is dropped or the process ends.
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
        self.lock(key, FlockOperation::NonBlockingLockExclusive)
    }

    /// Locks a file, which is created if it is missing, against those who want it for themselves.
    pub fn lock_shared(&self, key: &Key) -> Result<FileLock> {
        self.lock(key, FlockOperation::NonBlockingLockShared)
    }

    fn lock(&self, key: &Key, operation: FlockOperation) -> Result<FileLock> {
        let locked = self.inner.lock(key.relative(), operation);
        locked.map_err(|error| errors::classify("lock", key, error))
    }
}

/// How an object got its name.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Named {
    /// Its former name is gone.
    Moved,
    /// Its former name has the object that it replaced.
    Exchanged,
}

/// Renames without asking for durability. Where the target exists the two are exchanged: ext4 takes
/// a plain rename over an existing file as a wish for its data to be written out at once
/// (`auto_da_alloc`), which costs more than everything else here and is not needed.
fn name_unsynced(from: (BorrowedFd<'_>, &str), to: (BorrowedFd<'_>, &str)) -> io::Result<Named> {
    let rename = |flags| rustix::fs::renameat_with(from.0, from.1, to.0, to.1, flags);
    match rename(RenameFlags::NOREPLACE) {
        Ok(()) => return Ok(Named::Moved),
        Err(Errno::EXIST) if is_file(to) => match rename(RenameFlags::EXCHANGE) {
            Ok(()) => return Ok(Named::Exchanged),
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOENT) => {}
            Err(error) => return Err(error.into()),
        },
        // What the filesystem does not know, and what cannot be done, comes out the plain way.
        Err(Errno::EXIST | Errno::INVAL | Errno::NOSYS) => {}
        Err(error) => return Err(error.into()),
    }
    rename(RenameFlags::empty())?;
    Ok(Named::Moved)
}

/// An exchange would move a directory away where a plain rename refuses.
fn is_file(name: (BorrowedFd<'_>, &str)) -> bool {
    rustix::fs::statat(name.0, name.1, AtFlags::SYMLINK_NOFOLLOW)
        .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile)
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
                let from = (self.tree.root(), temporary.path());
                match durability {
                    Durability::Unsynced => name_unsynced(from, (directory.as_fd(), name)),
                    Durability::Durable => {
                        rustix::fs::renameat(from.0, from.1, directory, name)?;
                        Ok(Named::Moved)
                    }
                }
            });
            match renamed {
                Err(error) if is_absent(&error) => self.known.forget(directory),
                other => {
                    // After an exchange the temporary name has the old object and is removed.
                    if other? == Named::Moved {
                        temporary.named();
                    }
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

    fn lock(&self, path: &str, operation: FlockOperation) -> io::Result<FileLock> {
        for _ in 0..RACE_ATTEMPTS {
            let flags = OFlags::RDWR | OFlags::CREATE;
            let file = self.with_directory_of(path, || self.tree.open_file(path, flags))?;
            rustix::io::retry_on_intr(|| rustix::fs::flock(&file, operation))?;
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
