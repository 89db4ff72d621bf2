// SPDX-License-Identifier: Apache-2.0
//! File data for replies without blocking a worker thread.
//!
//! `sendfile` and `read` sleep when a page is not in the page cache, and a worker that sleeps stops
//! every connection it carries. So each MiB is probed first with reads of one byte that may not
//! wait (`RWF_NOWAIT`; five per MiB, 1.5 µs each on a loaded machine, some 5 % of what sending the
//! MiB costs). What is there goes by `sendfile`, or by a read on the worker; what is not is read on
//! the blocking pool into a pooled buffer, while the kernel is asked to fetch what follows.

use std::fs::File;
use std::io::{self, IoSliceMut};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use rustix::fs::Advice;
use rustix::io::{Errno, ReadWriteFlags};

use crate::buffers::Buffer;

/// What one probe vouches for, and one `sendfile` is asked to send.
pub(crate) const WINDOW: u64 = 1024 * 1024;
/// Distance of the probes. Files are cold as a whole or in long runs; a hole between two probes
/// costs one wait for the disk on the worker.
const STRIDE: u64 = 256 * 1024;
/// How much is fetched ahead of a cold read.
const AHEAD: u64 = 1024 * 1024;

/// `f_type` of filesystems that live in memory, where nothing has to be waited for but
/// `RWF_NOWAIT` is not known.
const IN_MEMORY: [u64; 2] = [0x0102_1994, 0x8584_58f6];

/// What is known about waiting for a file's data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// The kernel tells whether it would have to wait.
    Probed,
    /// Never waits.
    Memory,
    /// Does not tell: treated as cold.
    Unknown,
}

/// A file being sent.
#[derive(Debug)]
pub(crate) struct Source {
    file: Arc<File>,
    kind: Kind,
}

impl Source {
    pub(crate) fn new(file: Arc<File>) -> Self {
        Self { file, kind: Kind::Probed }
    }

    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// True when `len` bytes at `offset` can be had without waiting (as far as probes tell: pages
    /// can be evicted at any time, which costs a wait but nothing else).
    pub(crate) fn is_resident(&mut self, offset: u64, len: u64) -> bool {
        let end = offset + len;
        let mut at = offset;
        while at < end {
            match self.read_nowait(&mut [0], at) {
                Ok(Some(_)) => {}
                Ok(None) => return false,
                // Let the real read report it.
                Err(_) => return true,
            }
            if self.kind == Kind::Memory {
                return true;
            }
            let next = at + STRIDE;
            at = if next >= end && at + 1 < end && at != end - 1 { end - 1 } else { next };
        }
        true
    }

    /// Reads at `offset`, on the worker if that does not wait. 0 is the end of the file.
    pub(crate) async fn read(
        &mut self,
        mut buffer: Buffer,
        offset: u64,
        len: usize,
    ) -> io::Result<(Buffer, usize)> {
        let len = len.min(buffer.len());
        if let Some(n) = self.read_nowait(&mut buffer[..len], offset)? {
            return Ok((buffer, n));
        }
        let file = Arc::clone(&self.file);
        let reading = tokio::task::spawn_blocking(move || {
            // A hint: where it is not supported, the read below does all the work.
            let ahead = std::num::NonZeroU64::new(len as u64 + AHEAD);
            let _ = rustix::fs::fadvise(&*file, offset, ahead, Advice::WillNeed);
            let n = loop {
                match file.read_at(&mut buffer[..len], offset) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    done => break done?,
                }
            };
            Ok((buffer, n))
        });
        match reading.await {
            Ok(done) => done,
            Err(error) => Err(io::Error::other(error)),
        }
    }

    /// Reads what is in memory: `None` when the kernel would have to wait for the first byte.
    pub(crate) fn read_nowait(
        &mut self,
        buffer: &mut [u8],
        offset: u64,
    ) -> io::Result<Option<usize>> {
        loop {
            match self.kind {
                Kind::Unknown => return Ok(None),
                Kind::Memory => return self.file.read_at(buffer, offset).map(Some),
                Kind::Probed => {}
            }
            let mut slices = [IoSliceMut::new(buffer)];
            match rustix::io::preadv2(&*self.file, &mut slices, offset, ReadWriteFlags::NOWAIT) {
                Ok(n) => return Ok(Some(n)),
                Err(Errno::AGAIN) => return Ok(None),
                Err(Errno::INTR) => {}
                Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => self.kind = self.look_up(),
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn look_up(&self) -> Kind {
        match rustix::fs::fstatfs(&*self.file) {
            Ok(stat) if IN_MEMORY.contains(&(stat.f_type as u64)) => Kind::Memory,
            _ => Kind::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::buffers::Buffers;

    #[tokio::test]
    async fn cold_files_are_noticed_and_read_on_the_blocking_pool() {
        let mut file = tempfile::tempfile().expect("a file");
        let content: Vec<u8> = (0..3 * STRIDE as usize).map(|i| (i % 251) as u8).collect();
        file.write_all(&content).expect("written");
        file.sync_all().expect("synced");
        let file = Arc::new(file);
        let mut source = Source::new(Arc::clone(&file));
        assert!(source.kind == Kind::Unknown || source.is_resident(0, content.len() as u64));

        rustix::fs::fadvise(&*file, 0, None, Advice::DontNeed).expect("dropped from the cache");
        // In a filesystem in memory, or one that cannot tell, there is nothing to notice.
        if source.kind == Kind::Probed {
            assert!(!source.is_resident(0, content.len() as u64));
        }
        let pool = Buffers::new(1);
        let mut read = Vec::new();
        while read.len() < content.len() {
            let (buffer, n) =
                source.read(pool.large(), read.len() as u64, usize::MAX).await.expect("read");
            assert_ne!(n, 0);
            read.extend_from_slice(&buffer[..n]);
        }
        assert!(read == content);
        let (_, n) = source.read(pool.large(), content.len() as u64, 1).await.expect("read");
        assert_eq!(n, 0, "the end");
    }
}
