// SPDX-License-Identifier: Apache-2.0
//! Temporary names in `.berth/tmp`: on the filesystem of the store, out of sight of every listing.

use std::fs::File;
use std::io;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use rustix::fs::{AtFlags, OFlags};
use rustix::io::Errno;

use super::errors::{self, is_absent};
use super::read::modified;
use super::{Filesystem, Inner, RACE_ATTEMPTS};
use crate::driver::{Key, Result};

/// Our own directory below the root. [`crate::driver::Driver::list`] does not show it.
pub(super) const PRIVATE: &str = ".berth";
/// Where temporary names are.
pub(super) const DIRECTORY: &str = ".berth/tmp";

/// Makes names that no other process, on whatever machine, makes: process id for the reader, a
/// random UUID for this instance, a count.
pub(super) struct Names {
    prefix: String,
    count: AtomicU64,
}

impl Names {
    pub(super) fn new() -> Self {
        let id = uuid::Uuid::new_v4();
        Self {
            prefix: format!("{DIRECTORY}/{}-{}", std::process::id(), id.simple()),
            count: AtomicU64::new(0),
        }
    }

    pub(super) fn next(&self) -> String {
        format!("{}-{}", self.prefix, self.count.fetch_add(1, Ordering::Relaxed))
    }
}

/// A temporary file, removed when dropped unless it got its name.
pub(super) struct Temporary<'a> {
    inner: &'a Inner,
    path: String,
    named: bool,
}

impl Temporary<'_> {
    /// Path below the root.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// The file has been renamed: nothing is left to remove.
    pub(super) fn named(&mut self) {
        self.named = true;
    }
}

impl Drop for Temporary<'_> {
    fn drop(&mut self) {
        if self.named {
            return;
        }
        if let Err(error) =
            rustix::fs::unlinkat(self.inner.tree.root(), &*self.path, AtFlags::empty())
        {
            tracing::warn!(path = self.path, %error, "a temporary file could not be removed");
        }
    }
}

impl Inner {
    /// Creates an empty temporary file.
    pub(super) fn create_temporary(&self) -> io::Result<(Temporary<'_>, File)> {
        let path = self.names.next();
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
        let file = self.in_temporary_directory(|| self.tree.open_file(&path, flags))?;
        Ok((Temporary { inner: self, path, named: false }, file))
    }

    /// Runs what needs the directory of temporary names, making it when it is missing.
    pub(super) fn in_temporary_directory<T>(
        &self,
        run: impl Fn() -> io::Result<T>,
    ) -> io::Result<T> {
        for _ in 0..RACE_ATTEMPTS {
            match run() {
                Err(error) if is_absent(&error) => {
                    self.known.forget(PRIVATE);
                    self.make_dirs(DIRECTORY)?;
                }
                other => return other,
            }
        }
        Err(errors::outrun())
    }
}

impl Filesystem {
    /// Removes temporary files and detached trees that were last changed before `cutoff`, and tells
    /// how many. Processes that died left them; a living one holds a temporary file for moments.
    pub fn reclaim_temporaries(&self, cutoff: SystemTime) -> Result<u64> {
        let key = Key::root();
        self.inner
            .reclaim_temporaries(cutoff)
            .map_err(|error| errors::classify("reclaim temporary files", &key, error))
    }
}

impl Inner {
    fn reclaim_temporaries(&self, cutoff: SystemTime) -> io::Result<u64> {
        let directory = match self.tree.open_dir(DIRECTORY) {
            Ok(directory) => directory,
            Err(error) if is_absent(&error) => return Ok(0),
            Err(error) => return Err(error),
        };
        let mut removed = 0;
        let mut failed = None;
        self.visit(&directory, |name, _| {
            let Ok(name) = name.to_str() else { return ControlFlow::Continue(()) };
            let stat = match rustix::fs::statat(&directory, name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) => stat,
                Err(Errno::NOENT) => return ControlFlow::Continue(()),
                Err(error) => {
                    failed = Some(error.into());
                    return ControlFlow::Continue(());
                }
            };
            if modified(&stat) < cutoff {
                match self.delete_tree(&format!("{DIRECTORY}/{name}")) {
                    Ok(true) => removed += 1,
                    Ok(false) => {}
                    Err(error) => failed = Some(error),
                }
            }
            ControlFlow::Continue(())
        })?;
        failed.map_or(Ok(removed), Err)
    }
}
