// SPDX-License-Identifier: Apache-2.0
//! Pooled buffers: connections hold one only while bytes flow.
//!
//! Two sizes. Small ones (16 KiB) carry request heads and are always to be had; large ones
//! (256 KiB) carry file data that the kernel cannot send by itself and are limited in number, so
//! that ten thousand slow readers cost ten thousand small buffers at most.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;

/// Size of a small buffer.
pub(crate) const SMALL: usize = 16 * 1024;
/// Size of a large buffer.
pub(crate) const LARGE: usize = 256 * 1024;
/// Small buffers kept for reuse (2 MiB); more are given back to the allocator.
const SMALL_KEPT: usize = 128;
/// Large buffers kept for reuse (4 MiB).
const LARGE_KEPT: usize = 16;

/// The buffers of one server.
#[derive(Debug)]
pub(crate) struct Buffers {
    small: Mutex<Vec<Box<[u8]>>>,
    large: Mutex<Vec<Box<[u8]>>>,
    large_left: AtomicUsize,
}

impl Buffers {
    pub(crate) fn new(large: usize) -> Arc<Self> {
        Arc::new(Self {
            small: Mutex::new(Vec::new()),
            large: Mutex::new(Vec::new()),
            large_left: AtomicUsize::new(large),
        })
    }

    /// A 16 KiB buffer with unspecified content.
    pub(crate) fn small(self: &Arc<Self>) -> Buffer {
        let bytes = self.small.lock().pop().unwrap_or_else(|| vec![0; SMALL].into_boxed_slice());
        Buffer { bytes, pool: Arc::clone(self) }
    }

    /// A 256 KiB buffer, or a small one when all large ones are out. Content unspecified.
    pub(crate) fn large(self: &Arc<Self>) -> Buffer {
        let taken = self
            .large_left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1))
            .is_ok();
        if !taken {
            return self.small();
        }
        let bytes = self.large.lock().pop().unwrap_or_else(|| vec![0; LARGE].into_boxed_slice());
        Buffer { bytes, pool: Arc::clone(self) }
    }
}

/// A buffer that returns to its pool when dropped.
#[derive(Debug)]
pub(crate) struct Buffer {
    bytes: Box<[u8]>,
    pool: Arc<Buffers>,
}

impl Deref for Buffer {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let bytes = std::mem::take(&mut self.bytes);
        let (list, kept) = match bytes.len() {
            LARGE => {
                self.pool.large_left.fetch_add(1, Ordering::Relaxed);
                (&self.pool.large, LARGE_KEPT)
            }
            _ => (&self.pool.small, SMALL_KEPT),
        };
        let mut list = list.lock();
        if list.len() < kept {
            list.push(bytes);
        }
    }
}

/// A prefix of a pooled buffer, for handing it to `Bytes::from_owner`.
pub(crate) struct Filled {
    buffer: Buffer,
    len: usize,
}

impl Filled {
    pub(crate) fn new(buffer: Buffer, len: usize) -> Self {
        Self { buffer, len }
    }
}

impl AsRef<[u8]> for Filled {
    fn as_ref(&self) -> &[u8] {
        &self.buffer[..self.len]
    }
}

/// Bytes read from the connection and not yet consumed. Holds no memory while empty.
#[derive(Debug, Default)]
pub(crate) struct Input {
    store: Store,
    start: usize,
    end: usize,
}

#[derive(Debug, Default)]
enum Store {
    #[default]
    None,
    Pooled(Buffer),
    /// A head that outgrew the small buffer.
    Own(Box<[u8]>),
}

impl Input {
    pub(crate) fn filled(&self) -> &[u8] {
        let bytes: &[u8] = match &self.store {
            Store::None => &[],
            Store::Pooled(buffer) => buffer,
            Store::Own(bytes) => bytes,
        };
        &bytes[self.start..self.end]
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.start == self.end
    }

    pub(crate) fn consume(&mut self, n: usize) {
        debug_assert!(n <= self.end - self.start);
        self.start += n;
        if self.start == self.end {
            self.start = 0;
            self.end = 0;
        }
    }

    /// Gives the memory back if nothing is buffered.
    pub(crate) fn release(&mut self) {
        if self.is_empty() {
            *self = Self::default();
        }
    }

    /// Room for at least one more byte, growing up to `max` bytes in total. Empty when `max` is
    /// reached.
    pub(crate) fn space(&mut self, pool: &Arc<Buffers>, max: usize) -> &mut [u8] {
        if let Store::None = self.store {
            self.store = Store::Pooled(pool.small());
        }
        let size = self.capacity();
        if self.end == size && self.start > 0 {
            let (start, end) = (self.start, self.end);
            self.bytes_mut().copy_within(start..end, 0);
            self.start = 0;
            self.end = end - start;
        }
        if self.end == size && size < max {
            let mut grown = vec![0; (size * 2).min(max)].into_boxed_slice();
            grown[..self.end].copy_from_slice(self.filled());
            self.store = Store::Own(grown);
        }
        let end = self.end;
        &mut self.bytes_mut()[end..]
    }

    /// Counts `n` bytes written into [`Input::space`].
    pub(crate) fn added(&mut self, n: usize) {
        debug_assert!(self.end + n <= self.capacity());
        self.end += n;
    }

    fn capacity(&self) -> usize {
        match &self.store {
            Store::None => 0,
            Store::Pooled(buffer) => buffer.len(),
            Store::Own(bytes) => bytes.len(),
        }
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        match &mut self.store {
            Store::None => &mut [],
            Store::Pooled(buffer) => buffer,
            Store::Own(bytes) => bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_buffers_run_out_and_come_back() {
        let pool = Buffers::new(1);
        let first = pool.large();
        assert_eq!(first.len(), LARGE);
        assert_eq!(pool.large().len(), SMALL);
        drop(first);
        assert_eq!(pool.large().len(), LARGE);
    }

    #[test]
    fn input_grows_to_its_maximum_and_keeps_the_bytes() {
        let pool = Buffers::new(0);
        let mut input = Input::default();
        let mut written = 0u32;
        loop {
            let space = input.space(&pool, 40_000);
            if space.is_empty() {
                break;
            }
            space[0] = written as u8;
            input.added(1);
            written += 1;
        }
        assert_eq!(written, 40_000);
        assert!(input.filled().iter().enumerate().all(|(i, b)| *b == i as u8));
        input.consume(39_999);
        assert!(!input.space(&pool, 40_000).is_empty());
        assert_eq!(input.filled(), [39_999u32 as u8]);
    }
}
