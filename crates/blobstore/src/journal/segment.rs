// SPDX-License-Identifier: Apache-2.0
//! One of the two files that the journal writes in turn.
//!
//! A segment's blocks are written with zeros before records reach them and are then reused for
//! ever: the sync of a record has no file metadata to commit, which is several times faster than
//! growing a file (performance.md 6). It keeps its space even when the device fills up, so
//! deletes go on working.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use storage::filesystem::Filesystem;

use super::record::{HEADER, Header, HeaderError};
use crate::error::{Error, Result};

/// Space is written with zeros in steps of this size.
const STEP: u64 = 1024 * 1024;

/// Largest size of a segment; small filesystems get smaller ones.
const MAX_CAPACITY: u64 = 32 * STEP;

/// A segment is at most this part of its filesystem.
const PART_OF_DEVICE: u64 = 128;

const PATHS: [&str; 2] = [".berth/journal/a", ".berth/journal/b"];

/// One segment.
pub(super) struct Segment {
    file: Arc<File>,
    capacity: u64,
    allocated: u64,
    position: u64,
    seed: u32,
    /// The header for the next append is written, though not yet synced.
    header: Option<Header>,
    begun: bool,
}

/// Reads and empties a segment from beside the writer.
pub(super) struct Handle(Arc<File>);

impl Handle {
    /// The header and what follows it, if the segment holds records.
    pub(super) fn read(&self) -> Result<Option<(Header, Vec<u8>)>> {
        let length = self.0.metadata().map_err(Error::Journal)?.len();
        if length < HEADER as u64 {
            return Ok(None);
        }
        let mut header = [0; HEADER];
        self.0.read_exact_at(&mut header, 0).map_err(Error::Journal)?;
        let header = match Header::decode(&header) {
            Ok(header) => header,
            Err(HeaderError::Absent) => return Ok(None),
            Err(HeaderError::Version(version)) => {
                return Err(Error::Journal(io::Error::other(format!(
                    "the journal has format {version}, this Berth reads format {}: start the newer \
                     Berth once and stop it cleanly, or go on with it",
                    super::record::VERSION
                ))));
            }
        };
        let mut body = vec![0; (length - HEADER as u64) as usize];
        self.0.read_exact_at(&mut body, HEADER as u64).map_err(Error::Journal)?;
        Ok(Some((header, body)))
    }

    /// Makes the segment's records count no more.
    pub(super) fn erase(&self) -> storage::driver::Result<()> {
        let erase = || {
            self.0.write_all_at(&[0; HEADER], 0)?;
            self.0.sync_data()
        };
        erase().map_err(failed)
    }
}

/// An I/O error of a segment as an error of the store.
pub(super) fn failed(source: io::Error) -> storage::driver::Error {
    storage::filesystem::classify("journal", &storage::driver::Key::root(), source)
}

/// Opens both segments, creating what is missing.
pub(super) fn open(filesystem: &Filesystem) -> Result<[Segment; 2]> {
    let root = filesystem.root();
    let make = |path: &str| match rustix::fs::mkdirat(root, path, Mode::from(0o777)) {
        Err(Errno::EXIST) | Ok(()) => Ok(()),
        Err(error) => Err(Error::Journal(error.into())),
    };
    make(".berth")?;
    make(".berth/journal")?;
    let device = rustix::fs::fstatvfs(root).map_err(|error| Error::Journal(error.into()))?;
    let capacity = (device.f_blocks * device.f_frsize / PART_OF_DEVICE).clamp(STEP, MAX_CAPACITY);
    let open = |path: &str| {
        rustix::fs::openat(
            root,
            path,
            OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC,
            Mode::from(0o666),
        )
        .map_err(io::Error::from)
        .and_then(|fd| {
            let file = File::from(fd);
            let allocated = file.metadata()?.len();
            Ok(Segment {
                file: Arc::new(file),
                capacity,
                allocated,
                position: HEADER as u64,
                seed: 0,
                header: None,
                begun: false,
            })
        })
        .map_err(Error::Journal)
    };
    let [a, b] = PATHS;
    Ok([open(a)?, open(b)?])
}

/// Whether a segment has a header, without creating or changing anything.
pub(super) fn any_begun(filesystem: &Filesystem) -> Result<bool> {
    for path in PATHS {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        match rustix::fs::openat(filesystem.root(), path, flags, Mode::empty()) {
            Ok(fd) => {
                if Handle(Arc::new(File::from(fd))).read()?.is_some_and(|(header, body)| {
                    super::record::Records::new(&body, header.seed).next().is_some()
                }) {
                    return Ok(true);
                }
            }
            Err(Errno::NOENT | Errno::NOTDIR) => {}
            Err(error) => return Err(Error::Journal(error.into())),
        }
    }
    Ok(false)
}

impl Segment {
    pub(super) fn handle(&self) -> Handle {
        Handle(Arc::clone(&self.file))
    }

    /// Takes the least space a segment needs, so that it can be written when the device is full.
    pub(super) fn reserve(&mut self) -> io::Result<()> {
        self.allocate(STEP)
    }

    /// Starts the segment anew: what it held counts no more.
    pub(super) fn begin(&mut self, generation: u64) -> io::Result<()> {
        self.position = HEADER as u64;
        self.seed = rand_seed();
        self.header = Some(Header { generation, seed: self.seed });
        self.begun = false;
        self.write_header()
    }

    fn write_header(&mut self) -> io::Result<()> {
        if self.begun {
            return Ok(());
        }
        let Some(header) = self.header else {
            return Err(io::Error::other("the segment was never begun"));
        };
        self.allocate(STEP)?;
        self.file.write_all_at(&header.encode(), 0)?;
        self.begun = true;
        Ok(())
    }

    fn allocate(&mut self, end: u64) -> io::Result<()> {
        let zeros = [0; 64 * 1024];
        let end = end.next_multiple_of(STEP);
        while self.allocated < end {
            let length = (end - self.allocated).min(zeros.len() as u64);
            self.file.write_all_at(&zeros[..length as usize], self.allocated)?;
            self.allocated += length;
        }
        Ok(())
    }

    /// The check behind which the next record is chained.
    pub(super) fn seed(&self) -> u32 {
        self.seed
    }

    pub(super) fn has_records(&self) -> bool {
        self.position > HEADER as u64
    }

    /// Whether so many bytes fit. An empty segment takes anything.
    pub(super) fn has_room(&self, length: usize) -> bool {
        !self.has_records() || self.position + length as u64 <= self.capacity
    }

    /// Writes records and makes them durable; `seed` is the check of the last of them. After an
    /// error nothing counts as written and the next append takes the same place.
    pub(super) fn append(&mut self, records: &[u8], seed: u32) -> io::Result<()> {
        self.write_header()?;
        let end = self.position + records.len() as u64;
        self.allocate(end)?;
        self.file.write_all_at(records, self.position)?;
        self.file.sync_data()?;
        self.position = end;
        self.seed = seed;
        Ok(())
    }
}

/// A seed that no earlier life of the segment had.
fn rand_seed() -> u32 {
    uuid::Uuid::new_v4().as_fields().0
}
