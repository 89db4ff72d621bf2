// SPDX-License-Identifier: Apache-2.0
//! Writing: small objects as a whole, files for uploads.

use std::fs::File;
use std::io::{self, Write};

use rustix::fs::OFlags;

use super::errors::is_absent;
use super::names::Durability;
use super::temporary::Temporary;
use super::tree::split;
use super::{Filesystem, Inner, RACE_ATTEMPTS, errors};
use crate::driver::{Key, Result};

impl Filesystem {
    /// Writes a small object and its directories, without syncing anything.
    ///
    /// With `replace`, or when the name is taken, the bytes go to a temporary file that is renamed:
    /// readers see the old bytes or the new ones. Without it a new name is created where it belongs,
    /// which saves a rename but lets a reader who guesses the name see it grow, and a crash leave it
    /// short: for the caller whose journal and indexes rule out both.
    ///
    /// An object that has these very bytes already is left alone: renaming over it would cost ten
    /// times as much as looking.
    pub fn write_unsynced(&self, key: &Key, bytes: &[u8], replace: bool) -> Result<()> {
        let inner = &*self.inner;
        let path = key.relative();
        let write = || {
            if !replace && inner.write_new(path, bytes)? {
                return Ok(());
            }
            if self.read_small(key, bytes.len()).is_ok_and(|present| present == bytes) {
                return Ok(());
            }
            let (temporary, _) = inner.write_temporary(bytes)?;
            inner.name_temporary(temporary, path, Durability::Unsynced)
        };
        write().map_err(|error| errors::classify("write", key, error))
    }

    /// Writes a small object anew even if it has these bytes: after a failed sync the kernel takes
    /// bytes for written that are not.
    pub fn rewrite_unsynced(&self, key: &Key, bytes: &[u8]) -> Result<()> {
        let write = || {
            let (temporary, _) = self.inner.write_temporary(bytes)?;
            self.inner.name_temporary(temporary, key.relative(), Durability::Unsynced)
        };
        write().map_err(|error| errors::classify("write", key, error))
    }

    /// Creates an empty file for an upload, opened for reading and writing, and its directories. An
    /// older one of that name loses the name; who still has it open writes into nothing.
    pub fn create_file(&self, key: &Key) -> Result<File> {
        self.inner
            .create_file(key.relative())
            .map_err(|error| errors::classify("create", key, error))
    }

    /// Opens the file of an upload for reading and writing.
    pub fn open_write(&self, key: &Key) -> Result<File> {
        self.inner
            .tree
            .open_file(key.relative(), OFlags::RDWR)
            .map_err(|error| errors::classify("open", key, error))
    }
}

impl Inner {
    /// Writes a file under a temporary name.
    pub(super) fn write_temporary(&self, bytes: &[u8]) -> io::Result<(Temporary<'_>, File)> {
        let (temporary, mut file) = self.create_temporary()?;
        file.write_all(bytes)?;
        Ok((temporary, file))
    }

    /// Writes a file under its final name unless that is taken. A failed one is removed.
    fn write_new(&self, path: &str, bytes: &[u8]) -> io::Result<bool> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
        let mut file = match self.with_directory_of(path, || self.tree.open_file(path, flags)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(false),
            Err(error) => return Err(error),
        };
        if let Err(error) = file.write_all(bytes) {
            if let Err(error) = self.remove(path) {
                tracing::error!(path, %error, "a file written in part could not be removed");
            }
            return Err(error);
        }
        Ok(true)
    }

    pub(super) fn create_file(&self, path: &str) -> io::Result<File> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL;
        for _ in 0..RACE_ATTEMPTS {
            match self.with_directory_of(path, || self.tree.open_file(path, flags)) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    self.remove(path)?;
                }
                other => return other,
            }
        }
        Err(errors::outrun())
    }

    /// Runs what creates `path`, with its directory in place.
    pub(super) fn with_directory_of<T>(
        &self,
        path: &str,
        run: impl Fn() -> io::Result<T>,
    ) -> io::Result<T> {
        let (directory, _) = split(path)?;
        for _ in 0..RACE_ATTEMPTS {
            self.make_dirs(directory)?;
            match run() {
                Err(error) if is_absent(&error) => self.known.forget(directory),
                other => return other,
            }
        }
        Err(errors::outrun())
    }
}
