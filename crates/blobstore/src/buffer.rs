// SPDX-License-Identifier: Apache-2.0
//! The bounded pool of buffers through which all uploaded bytes flow.
//!
//! A buffer is taken when bytes are about to flow and returned as soon as they are hashed and
//! stored, so memory is bounded by the pool and not by the number of uploads. Waiting for a buffer
//! is the back-pressure that a client sees as a slow connection.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Size of one buffer: large enough that a system call costs nothing beside the copy, small enough
/// that the hash finds the bytes still in the second-level cache.
pub const BUFFER_SIZE: usize = 512 * 1024;

/// Buffers kept for reuse while nobody uses them; the rest goes back to the allocator.
const KEPT: usize = 8;

/// A pool with a fixed number of buffers.
pub(crate) struct Pool {
    permits: Arc<Semaphore>,
    free: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Pool {
    /// A pool of at most `count` buffers in use at once.
    pub(crate) fn new(count: usize) -> Self {
        Self {
            permits: Arc::new(Semaphore::new(count.max(2))),
            free: Arc::new(Mutex::new(Vec::with_capacity(KEPT))),
        }
    }

    /// Takes a buffer, waiting for one if all are in use.
    pub(crate) async fn take(&self) -> Buffer {
        let permit = Arc::clone(&self.permits)
            .acquire_owned()
            .await
            .expect("the pool's semaphore is never closed");
        let reused = self.free.lock().pop();
        let bytes = reused.unwrap_or_else(|| vec![0; BUFFER_SIZE]);
        Buffer { bytes, free: Arc::clone(&self.free), _permit: permit }
    }
}

/// [`BUFFER_SIZE`] bytes of a bounded pool; they return to it when dropped.
pub struct Buffer {
    bytes: Vec<u8>,
    free: Arc<Mutex<Vec<Vec<u8>>>>,
    _permit: OwnedSemaphorePermit,
}

impl Buffer {
    /// The first `len` bytes, shared; the buffer returns to the pool with the last copy.
    pub fn freeze(self, len: usize) -> Bytes {
        Bytes::from_owner(self).slice(..len)
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
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
        let mut free = self.free.lock();
        if free.len() < KEPT {
            free.push(std::mem::take(&mut self.bytes));
        }
    }
}
