// SPDX-License-Identifier: Apache-2.0
//! Reading: objects, their size and age, and the names in a directory.

use std::ffi::CStr;
use std::fs::File;
use std::io::{self, Read};
use std::mem::MaybeUninit;
use std::ops::ControlFlow;
use std::os::fd::AsFd;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use rustix::fs::{AtFlags, FileType, OFlags, RawDir, Stat};
use rustix::io::Errno;

use super::temporary::PRIVATE;
use super::{Filesystem, Inner, errors};
use crate::driver::{Error, Key, Kind, Meta, Result};

/// Buffer for directory entries.
const ENTRIES_BUFFER: usize = 32 * 1024;

impl Filesystem {
    /// Opens an object. A directory is not one: it is answered as absent.
    pub fn open_read(&self, key: &Key) -> Result<File> {
        self.open_sized(key).map(|(file, _)| file)
    }

    /// Opens an object and tells its size, which was asked for anyway.
    pub fn open_sized(&self, key: &Key) -> Result<(File, u64)> {
        self.inner.open_sized(key.relative()).map_err(|error| errors::classify("open", key, error))
    }

    /// A whole object of at most `limit` bytes.
    pub fn read_small(&self, key: &Key, limit: usize) -> Result<Bytes> {
        let failed = |error| errors::classify("read", key, error);
        let (mut file, size) = self.inner.open_sized(key.relative()).map_err(failed)?;
        let too_large = || Error::TooLarge { key: key.clone(), limit };
        let size =
            usize::try_from(size).ok().filter(|size| *size <= limit).ok_or_else(too_large)?;
        let mut bytes = vec![0; size];
        let mut filled = 0;
        while filled < size {
            match file.read(&mut bytes[filled..]) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(failed(error)),
            }
        }
        // Our objects never change; one that another registry rewrites in place may be shorter now.
        bytes.truncate(filled);
        Ok(bytes.into())
    }

    /// Kind, size and age.
    pub fn stat(&self, key: &Key) -> Result<Meta> {
        self.inner.stat(key.relative()).map_err(|error| errors::classify("stat", key, error))
    }

    /// Shows every name in a directory, in no order, until `visit` breaks off.
    ///
    /// What is neither an object nor a directory, or whose name is no element of a key, is passed
    /// over, and so is the driver's own directory at the root. Memory does not grow with the number
    /// of names.
    pub fn list_dir(
        &self,
        key: &Key,
        visit: impl FnMut(&str, Kind) -> ControlFlow<()>,
    ) -> Result<()> {
        self.inner
            .list_dir(key.relative(), visit)
            .map_err(|error| errors::classify("list", key, error))
    }
}

impl Inner {
    pub(super) fn open_sized(&self, path: &str) -> io::Result<(File, u64)> {
        let file = self.tree.open_file(path, OFlags::RDONLY)?;
        let stat = rustix::fs::fstat(&file)?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Ok((file, size(&stat))),
            _ => Err(Errno::NOENT.into()),
        }
    }

    pub(super) fn stat(&self, path: &str) -> io::Result<Meta> {
        let stat = self.stat_raw(path)?;
        let kind = match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Kind::Object,
            FileType::Directory => Kind::Directory,
            FileType::Symlink => return Err(Errno::LOOP.into()),
            _ => return Err(Errno::NOENT.into()),
        };
        let size = if kind == Kind::Object { size(&stat) } else { 0 };
        Ok(Meta { kind, size, modified: modified(&stat) })
    }

    /// `stat` without following a link at the end.
    pub(super) fn stat_raw(&self, path: &str) -> io::Result<Stat> {
        let path = if path.is_empty() { "." } else { path };
        Ok(rustix::fs::statat(self.tree.root(), path, AtFlags::SYMLINK_NOFOLLOW)?)
    }

    pub(super) fn list_dir(
        &self,
        path: &str,
        mut visit: impl FnMut(&str, Kind) -> ControlFlow<()>,
    ) -> io::Result<()> {
        let directory = self.tree.open_dir(path)?;
        self.visit(&directory, |name, file_type| {
            // What is not UTF-8 is no element of a key.
            let Ok(name) = name.to_str() else { return ControlFlow::Continue(()) };
            if (path.is_empty() && name == PRIVATE) || !Key::is_element(name) {
                return ControlFlow::Continue(());
            }
            let file_type = match file_type {
                // Some filesystems do not tell in the directory.
                FileType::Unknown => {
                    rustix::fs::statat(&directory, name, AtFlags::SYMLINK_NOFOLLOW)
                        .map_or(FileType::Unknown, |stat| FileType::from_raw_mode(stat.st_mode))
                }
                told => told,
            };
            match file_type {
                FileType::RegularFile => visit(name, Kind::Object),
                FileType::Directory => visit(name, Kind::Directory),
                _ => ControlFlow::Continue(()),
            }
        })
    }

    /// Shows every entry of an open directory but `.` and `..`.
    pub(super) fn visit(
        &self,
        directory: &impl AsFd,
        mut visit: impl FnMut(&CStr, FileType) -> ControlFlow<()>,
    ) -> io::Result<()> {
        let mut buffer = [const { MaybeUninit::uninit() }; ENTRIES_BUFFER];
        let mut entries = RawDir::new(directory, &mut buffer);
        while let Some(entry) = entries.next() {
            let entry = match entry {
                Ok(entry) => entry,
                Err(Errno::INTR) => continue,
                // The directory was removed while it was open.
                Err(Errno::NOENT) => break,
                Err(error) => return Err(error.into()),
            };
            let name = entry.file_name();
            if name != c"." && name != c".." && visit(name, entry.file_type()).is_break() {
                break;
            }
        }
        Ok(())
    }
}

fn size(stat: &Stat) -> u64 {
    u64::try_from(stat.st_size).unwrap_or(0)
}

/// Time of last modification.
#[allow(clippy::unnecessary_cast, clippy::useless_conversion)] // The types differ by architecture.
pub(super) fn modified(stat: &Stat) -> SystemTime {
    let nanoseconds = Duration::from_nanos(stat.st_mtime_nsec as u64);
    let seconds = Duration::from_secs((stat.st_mtime as i64).unsigned_abs());
    let whole = if (stat.st_mtime as i64) < 0 {
        SystemTime::UNIX_EPOCH.checked_sub(seconds)
    } else {
        SystemTime::UNIX_EPOCH.checked_add(seconds)
    };
    whole.and_then(|time| time.checked_add(nanoseconds)).unwrap_or(SystemTime::UNIX_EPOCH)
}
