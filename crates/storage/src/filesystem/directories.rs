// SPDX-License-Identifier: Apache-2.0
//! Making directories, and making the names in them durable.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;

use parking_lot::Mutex;
use rustix::fs::{OFlags, Timespec, Timestamps, UTIME_NOW};
use rustix::io::Errno;

use super::errors::{self, is_absent};
use super::tree::{DIRECTORY_MODE, Identity, parent};
use super::{Filesystem, Inner, RACE_ATTEMPTS};
use crate::driver::{Error, Key, Result};

const CREATE_DIRECTORY: &str = "create directory";

/// Suspect directories remembered by name; beyond it all are suspect.
const MAX_SUSPECTS: usize = 1024;

/// Directories whose last sync failed.
#[derive(Default)]
pub(super) struct Suspects(Mutex<Suspicion>);

#[derive(Default)]
struct Suspicion {
    paths: BTreeSet<String>,
    all: bool,
}

impl Suspects {
    fn contains(&self, path: &str) -> bool {
        let suspicion = self.0.lock();
        suspicion.all || suspicion.paths.contains(path)
    }

    fn add(&self, path: &str) {
        let mut suspicion = self.0.lock();
        if suspicion.paths.len() < MAX_SUSPECTS {
            suspicion.paths.insert(path.to_owned());
        } else {
            suspicion.all = true;
        }
    }

    fn clear(&self, path: &str) {
        self.0.lock().paths.remove(path);
    }
}

impl Filesystem {
    /// Makes a directory and those above it, and tells which of them this instance meets for the
    /// first time, topmost first.
    ///
    /// Their names are not durable yet. Who calls with several threads had better not keep account
    /// of that with what is told here, because another thread may have been told; [`Self::sync_names`]
    /// finds out by itself.
    pub fn make_dirs(&self, key: &Key) -> Result<Vec<Key>> {
        let met = self
            .inner
            .make_dirs(key.relative())
            .map_err(|error| errors::classify(CREATE_DIRECTORY, key, error))?;
        met.iter()
            .map(|path| {
                Key::parse(&format!("/{path}")).map_err(|error| Error::Io {
                    operation: CREATE_DIRECTORY,
                    key: key.clone(),
                    source: io::Error::new(io::ErrorKind::InvalidInput, error),
                })
            })
            .collect()
    }

    /// Makes a directory with all above it and returns when their names are durable.
    pub fn make_dirs_durable(&self, key: &Key) -> Result<()> {
        self.inner
            .make_durable_dirs(&[key.relative()])
            .map_err(|error| errors::classify(CREATE_DIRECTORY, key, error))
    }

    /// Makes the names in these directories durable, and the names of the directories themselves,
    /// whoever made them. Each directory is synced once. One that is gone has no names to keep.
    pub fn sync_names<'a>(&self, directories: impl IntoIterator<Item = &'a Key>) -> Result<()> {
        let directories = directories.into_iter().map(Key::relative);
        self.inner
            .sync_names(directories)
            .map_err(|error| errors::classify("sync", &Key::root(), error))
    }

    /// Makes the names directly in a directory durable, but not its own name.
    pub fn sync_dir(&self, key: &Key) -> Result<()> {
        self.inner.sync_dir(key.relative()).map_err(|error| errors::classify("sync", key, error))
    }

    /// Makes everything in the filesystem durable.
    ///
    /// After an error nothing that was written since the last success may be taken as durable, even
    /// when a later call succeeds: it has to be written again.
    pub fn sync_filesystem(&self) -> Result<()> {
        rustix::fs::syncfs(self.inner.tree.root())
            .map_err(|error| errors::classify("sync", &Key::root(), error.into()))
    }
}

impl Inner {
    /// See [`Filesystem::make_dirs`].
    pub(super) fn make_dirs(&self, path: &str) -> io::Result<Vec<String>> {
        if self.known.exists(path) {
            return Ok(Vec::new());
        }
        for _ in 0..RACE_ATTEMPTS {
            match self.try_make_dirs(path) {
                // Somebody removes directories on the way.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
                    return Err(errors::not_a_directory(path));
                }
                other => return other,
            }
        }
        Err(errors::outrun())
    }

    fn try_make_dirs(&self, path: &str) -> io::Result<Vec<String>> {
        // New directories mostly stand in one that is known; a wrong memory costs one look more.
        let mut end = parent(path).len();
        while !self.known.exists(&path[..end]) {
            end = parent(&path[..end]).len();
        }
        let mut directory = loop {
            match self.tree.open_dir_path(&path[..end]) {
                Ok(directory) => break directory,
                Err(error) if error.kind() == io::ErrorKind::NotFound && end > 0 => {
                    end = parent(&path[..end]).len();
                }
                Err(error) => return Err(error),
            }
        };
        while end < path.len() {
            let start = if end == 0 { 0 } else { end + 1 };
            end = path[start..].find('/').map_or(path.len(), |length| start + length);
            let name = &path[start..end];
            let made = match rustix::fs::mkdirat(&directory, name, DIRECTORY_MODE) {
                Ok(()) => true,
                // Perhaps something else than a directory: opening it tells.
                Err(Errno::EXIST) => false,
                Err(error) => return Err(error.into()),
            };
            let is_last = end == path.len();
            if is_last && made {
                break;
            }
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            directory = rustix::fs::openat(&directory, name, flags, rustix::fs::Mode::empty())?;
        }
        let mut met = Vec::new();
        let mut at = path;
        while !self.known.exists(at) {
            met.push(at.to_owned());
            at = parent(at);
        }
        for path in &met {
            self.known.note_exists(path);
        }
        met.reverse();
        Ok(met)
    }

    /// Makes directories and returns when their names are durable. The directories that hold the
    /// names are synced once, topmost first.
    pub(super) fn make_durable_dirs(&self, paths: &[&str]) -> io::Result<()> {
        for _ in 0..RACE_ATTEMPTS {
            let mut unsynced = Unsynced::default();
            let made = paths.iter().try_for_each(|path| {
                self.make_dirs(path)?;
                unsynced.add_ancestors(self, path)
            });
            match made.and_then(|()| unsynced.sync(self)) {
                Err(error) if is_absent(&error) => {
                    paths.iter().for_each(|path| self.known.forget(path));
                }
                other => return other,
            }
        }
        Err(errors::outrun())
    }

    /// See [`Filesystem::sync_names`].
    pub(super) fn sync_names<'a>(
        &self,
        directories: impl Iterator<Item = &'a str>,
    ) -> io::Result<()> {
        let mut unsynced = Unsynced::default();
        for path in directories {
            match unsynced.add_ancestors(self, path) {
                Ok(()) => unsynced.holders.insert(path),
                Err(error) if is_absent(&error) => continue,
                Err(error) => return Err(error),
            };
        }
        unsynced.sync(self)
    }

    /// See [`Filesystem::sync_dir`].
    pub(super) fn sync_dir(&self, path: &str) -> io::Result<()> {
        self.sync_open_dir(path, &self.tree.open_dir(path)?)
    }

    /// Syncs a directory that is open. A descriptor is used for one sync only.
    pub(super) fn sync_open_dir(&self, path: &str, directory: &impl AsFd) -> io::Result<()> {
        let suspect = self.suspects.contains(path);
        let result = self.try_sync_dir(directory, suspect);
        match &result {
            Ok(()) if suspect => self.suspects.clear(path),
            Ok(()) => {}
            Err(_) => self.suspects.add(path),
        }
        result
    }

    fn try_sync_dir(&self, directory: &impl AsFd, suspect: bool) -> io::Result<()> {
        if suspect {
            let now = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
            rustix::fs::futimens(
                directory,
                &Timestamps { last_access: now, last_modification: now },
            )?;
        }
        rustix::io::retry_on_intr(|| rustix::fs::fsync(directory))?;
        if suspect {
            rustix::fs::syncfs(self.tree.root())?;
        }
        Ok(())
    }
}

/// Directories to sync so that the names of others are durable.
#[derive(Default)]
struct Unsynced<'a> {
    /// In byte order, hence each before those below it.
    holders: BTreeSet<&'a str>,
    /// What is durable when all of them have been synced.
    named: Vec<(&'a str, Identity)>,
}

impl<'a> Unsynced<'a> {
    /// Adds what holds the name of a directory and the names above it, as far as not known durable.
    /// Identities are taken before the syncs: a directory that is replaced meanwhile has another.
    fn add_ancestors(&mut self, inner: &Inner, path: &'a str) -> io::Result<()> {
        let mut at = path;
        while !at.is_empty() {
            let identity = inner.tree.identity(at)?;
            if identity.is_some() && inner.known.durable(at) == identity {
                break;
            }
            self.named.extend(identity.map(|identity| (at, identity)));
            at = parent(at);
            self.holders.insert(at);
        }
        Ok(())
    }

    fn sync(self, inner: &Inner) -> io::Result<()> {
        for holder in self.holders {
            match inner.sync_dir(holder) {
                // It was removed, and with it the names that were to be kept.
                Err(error) if is_absent(&error) => {}
                other => other?,
            }
        }
        for (path, identity) in self.named {
            inner.known.note_durable(path, identity);
        }
        Ok(())
    }
}

/// Makes the bytes of a file durable. It is called once for what was written; see the module's text.
pub(super) fn sync_data(file: &File) -> io::Result<()> {
    file.sync_data()
}
