// SPDX-License-Identifier: Apache-2.0
//! Removing trees: the name at once, the content afterwards.

use std::io;
use std::ops::ControlFlow;

use rustix::fs::{AtFlags, FileType};
use rustix::io::Errno;

use super::errors::is_absent;
use super::tree::split;
use super::{Filesystem, Inner, errors};
use crate::driver::{Key, Result};

/// How often a directory is read again although nothing could be removed from it: others add to it.
const STUCK_PASSES: usize = 64;

/// A tree that has lost its name and waits to be emptied. If that never happens,
/// [`Filesystem::reclaim_temporaries`] finds it.
#[derive(Debug)]
#[must_use = "the tree takes space until it is deleted"]
pub struct DetachedTree {
    path: String,
    key: Key,
}

impl Filesystem {
    /// Takes a tree out of the store with one rename, without syncing; `None` if there is none.
    /// Readers see all of it or nothing, and so does whoever comes after a crash.
    pub fn detach_tree(&self, key: &Key) -> Result<Option<DetachedTree>> {
        let detached = self
            .inner
            .detach(key.relative())
            .map_err(|error| errors::classify("remove tree", key, error))?;
        Ok(detached.map(|path| DetachedTree { path, key: key.clone() }))
    }

    /// Deletes what [`Self::detach_tree`] took out.
    pub fn delete_detached(&self, tree: &DetachedTree) -> Result<()> {
        self.inner
            .delete_tree(&tree.path)
            .map(|_| ())
            .map_err(|error| errors::classify("remove tree", &tree.key, error))
    }

    /// Removes a directory that is expected to hold at most objects of these names, one after the
    /// other and without syncing: a third of the work of [`Self::remove_tree`], which is used if it
    /// holds anything else. Readers may see part of it meanwhile.
    pub fn remove_flat(&self, key: &Key, names: &[&str]) -> Result<()> {
        let failed = |error| errors::classify("remove tree", key, error);
        let (parent, name) = split(key.relative()).map_err(failed)?;
        let parent = match self.inner.tree.open_dir_path(parent) {
            Err(error) if is_absent(&error) => return Ok(()),
            other => other.map_err(failed)?,
        };
        let unlink = |path: &str, flags| match rustix::fs::unlinkat(&parent, path, flags) {
            Ok(()) | Err(Errno::NOENT) => Ok(true),
            Err(Errno::NOTEMPTY | Errno::EXIST | Errno::NOTDIR | Errno::ISDIR) => Ok(false),
            Err(error) => Err(failed(error.into())),
        };
        let mut gone = true;
        for object in names {
            gone &= unlink(&format!("{name}/{object}"), AtFlags::empty())?;
        }
        if gone && unlink(name, AtFlags::REMOVEDIR)? {
            self.inner.known.forget(key.relative());
            return Ok(());
        }
        self.remove_tree(key).map(drop)
    }

    /// Removes a directory, or an object of that name, with all that it holds, without syncing;
    /// tells whether it was there.
    pub fn remove_tree(&self, key: &Key) -> Result<bool> {
        match self.detach_tree(key)? {
            Some(tree) => self.delete_detached(&tree).map(|()| true),
            None => Ok(false),
        }
    }
}

impl Inner {
    /// Renames a tree to a temporary name and tells that; `None` if there is no tree.
    ///
    /// Where the tree cannot be renamed it is deleted where it is, bottom up: overlayfs refuses
    /// (EXDEV) for directories of a lower layer, and `.berth` may be a mount of its own.
    pub(super) fn detach(&self, path: &str) -> io::Result<Option<String>> {
        let (directory, name) = split(path)?;
        let directory = match self.tree.open_dir_path(directory) {
            Ok(directory) => directory,
            Err(error) if is_absent(&error) => return Ok(None),
            Err(error) => return Err(error),
        };
        match rustix::fs::statat(&directory, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(_) => {}
            Err(Errno::NOENT) => return Ok(None),
            Err(error) => return Err(error.into()),
        }
        let detached = self.names.next();
        let moved = self.in_temporary_directory(|| {
            match rustix::fs::renameat(&directory, name, self.tree.root(), &*detached) {
                Ok(()) => Ok(true),
                // Either of the two names; which one decides whether there is anything to do.
                Err(Errno::NOENT) => {
                    match rustix::fs::statat(&directory, name, AtFlags::SYMLINK_NOFOLLOW) {
                        Err(Errno::NOENT) => Ok(false),
                        _ => Err(Errno::NOENT.into()),
                    }
                }
                Err(error) => Err(error.into()),
            }
        });
        self.known.forget(path);
        match moved {
            Ok(true) => Ok(Some(detached)),
            Ok(false) => Ok(None),
            Err(error) if Errno::from_io_error(&error) == Some(Errno::XDEV) => {
                let existed = self.delete_tree(path)?;
                // An absent temporary name is what the caller finds deleted already.
                Ok(existed.then_some(detached))
            }
            Err(error) => Err(error),
        }
    }

    /// Deletes a tree where it is. It needs two descriptors whatever the depth: below the directory
    /// at hand only its path is kept, and a directory is read again after one below it has gone.
    /// What others remove meanwhile is as good as removed here; what they add is removed too.
    pub(super) fn delete_tree(&self, path: &str) -> io::Result<bool> {
        match self.unlink(path)? {
            Unlinked::Gone => return Ok(false),
            Unlinked::Removed => return Ok(true),
            Unlinked::Occupied => {}
        }
        let mut at = path.to_owned();
        let mut stuck = 0;
        loop {
            let mut below = None;
            let mut progress = false;
            match self.empty_directory(&at, &mut below, &mut progress) {
                Err(error) if is_absent(&error) => {}
                other => other?,
            }
            stuck = if progress || below.is_some() { 0 } else { stuck + 1 };
            if let Some(name) = below {
                at.push('/');
                at.push_str(&name);
                continue;
            }
            match self.unlink(&at)? {
                Unlinked::Occupied if stuck < STUCK_PASSES => continue,
                Unlinked::Occupied => return Err(Errno::NOTEMPTY.into()),
                Unlinked::Gone | Unlinked::Removed => {}
            }
            if at.len() == path.len() {
                return Ok(true);
            }
            at.truncate(super::tree::parent(&at).len());
        }
    }

    /// Unlinks what is in a directory until a directory is met that is not empty.
    fn empty_directory(
        &self,
        path: &str,
        below: &mut Option<String>,
        progress: &mut bool,
    ) -> io::Result<()> {
        let directory = self.tree.open_dir(path)?;
        let mut failed = None;
        self.visit(&directory, |name, file_type| {
            let flags = match file_type {
                FileType::Directory => AtFlags::REMOVEDIR,
                _ => AtFlags::empty(),
            };
            let unlinked = match rustix::fs::unlinkat(&directory, name, flags) {
                // A type that the directory did not tell.
                Err(Errno::ISDIR) => rustix::fs::unlinkat(&directory, name, AtFlags::REMOVEDIR),
                other => other,
            };
            match unlinked {
                Ok(()) => *progress = true,
                Err(Errno::NOENT | Errno::NOTDIR) => {}
                Err(Errno::NOTEMPTY | Errno::EXIST) => {
                    match name.to_str() {
                        Ok(name) => *below = Some(name.to_owned()),
                        Err(_) => failed = Some(Errno::NOTEMPTY),
                    }
                    return ControlFlow::Break(());
                }
                Err(error) => {
                    failed = Some(error);
                    return ControlFlow::Break(());
                }
            }
            ControlFlow::Continue(())
        })?;
        failed.map_or(Ok(()), |error| Err(error.into()))
    }

    fn unlink(&self, path: &str) -> io::Result<Unlinked> {
        let root = self.tree.root();
        let unlinked = match rustix::fs::unlinkat(root, path, AtFlags::empty()) {
            Err(Errno::ISDIR) => rustix::fs::unlinkat(root, path, AtFlags::REMOVEDIR),
            other => other,
        };
        match unlinked {
            Ok(()) => Ok(Unlinked::Removed),
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(Unlinked::Gone),
            Err(Errno::NOTEMPTY | Errno::EXIST) => Ok(Unlinked::Occupied),
            Err(error) => Err(error.into()),
        }
    }
}

enum Unlinked {
    Removed,
    Gone,
    Occupied,
}
