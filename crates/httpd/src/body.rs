// SPDX-License-Identifier: Apache-2.0
//! Request bodies as handlers read them, whichever protocol carries them.

use bytes::{Buf, Bytes, BytesMut};

use crate::message::BodyError;
use crate::{h1, h2};

/// How much [`Body::collect`] reserves before it has seen a byte.
const COLLECT_RESERVE: u64 = 64 * 1024;
/// How much [`Body::collect`] reads at a time.
const COLLECT_STEP: usize = 16 * 1024;

/// A request body being received.
pub struct Body<'c> {
    inner: Inner<'c>,
}

pub(crate) enum Inner<'c> {
    H1(h1::Receiver<'c>),
    H2(h2::Receiver),
    Memory(Bytes),
}

impl Body<'static> {
    /// A body that is already in memory: for calling a [`crate::Service`] without a connection.
    pub fn from_bytes(bytes: impl Into<Bytes>) -> Self {
        Self { inner: Inner::Memory(bytes.into()) }
    }
}

impl<'c> Body<'c> {
    pub(crate) fn new(inner: Inner<'c>) -> Self {
        Self { inner }
    }

    pub(crate) fn into_inner(self) -> Inner<'c> {
        self.inner
    }

    /// The length announced by `Content-Length`; `None` when chunked or not announced (HTTP/2).
    /// An HTTP/1.1 request with neither field has no body: `Some(0)`.
    pub fn announced(&self) -> Option<u64> {
        match &self.inner {
            Inner::H1(receiver) => receiver.announced(),
            Inner::H2(receiver) => receiver.announced(),
            Inner::Memory(bytes) => Some(bytes.len() as u64),
        }
    }

    /// True when it is known that no byte is left.
    pub fn is_finished(&self) -> bool {
        match &self.inner {
            Inner::H1(receiver) => receiver.is_finished(),
            Inner::H2(receiver) => receiver.is_finished(),
            Inner::Memory(bytes) => bytes.is_empty(),
        }
    }

    /// Reads some bytes; 0 is the end. The first call sends `100 Continue` if the client waits.
    ///
    /// Over cleartext HTTP/1.1 the bytes go from the socket straight into `buffer`.
    pub async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, BodyError> {
        match &mut self.inner {
            Inner::H1(receiver) => receiver.read(buffer).await,
            Inner::H2(receiver) => receiver.read(buffer).await,
            Inner::Memory(bytes) => {
                let n = bytes.len().min(buffer.len());
                bytes.copy_to_slice(&mut buffer[..n]);
                Ok(n)
            }
        }
    }

    /// Reads the whole body. Fails with [`BodyError::TooLarge`] at once when the announced length
    /// is above `limit`, and never holds more than `limit` bytes.
    pub async fn collect(&mut self, limit: usize) -> Result<Bytes, BodyError> {
        let announced = self.announced().unwrap_or(0);
        if announced > limit as u64 {
            return Err(BodyError::TooLarge { limit });
        }
        // The client's number is a hint; memory follows what really arrives.
        let reserve = usize::try_from(announced.min(COLLECT_RESERVE)).unwrap_or(0);
        let mut whole = BytesMut::with_capacity(reserve);
        loop {
            let have = whole.len();
            if self.is_finished() {
                return Ok(whole.freeze());
            }
            // One byte above the limit is enough to know that it is exceeded.
            let step = COLLECT_STEP.min(limit - have + 1);
            whole.resize(have + step, 0);
            let n = self.read(&mut whole[have..]).await?;
            whole.truncate(have + n);
            if n == 0 {
                return Ok(whole.freeze());
            }
            if whole.len() > limit {
                return Err(BodyError::TooLarge { limit });
            }
        }
    }
}
