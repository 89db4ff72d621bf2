// SPDX-License-Identifier: Apache-2.0
//! Reading content from end to end, for hashes.

use std::os::unix::fs::FileExt;

use futures_util::StreamExt;
use oci::{Digest, Hasher};
use storage::driver::{Content, Error as DriverError, Key};
use tokio::task::spawn_blocking;

use crate::buffer::BUFFER_SIZE;
use crate::error::{Error, Result};

/// Shows all bytes to `visit`, in order, without holding more than a buffer of them.
pub(crate) async fn for_each<T: Send + 'static>(
    content: Content,
    mut state: T,
    visit: fn(&mut T, &[u8]),
) -> Result<T> {
    let failed = |source| DriverError::Io { operation: "read", key: Key::root(), source };
    match content {
        Content::Bytes(bytes) => {
            visit(&mut state, &bytes);
            Ok(state)
        }
        Content::File { file, offset, len } => {
            let read = move || {
                let mut buffer = vec![0; BUFFER_SIZE.min(len.max(1) as usize)];
                let (mut at, end) = (offset, offset + len);
                while at < end {
                    let want = buffer.len().min((end - at) as usize);
                    let got = file.read_at(&mut buffer[..want], at)?;
                    if got == 0 {
                        break;
                    }
                    visit(&mut state, &buffer[..got]);
                    at += got as u64;
                }
                Ok(state)
            };
            let result: std::io::Result<T> =
                spawn_blocking(read).await.map_err(|_| Error::Stopping)?;
            Ok(result.map_err(failed)?)
        }
        Content::Stream { mut stream, .. } => {
            while let Some(chunk) = stream.next().await {
                visit(&mut state, &chunk.map_err(failed)?);
            }
            Ok(state)
        }
    }
}

/// Whether the content has the digest, and its size.
pub(crate) async fn verify(content: Content, digest: &Digest) -> Result<(bool, u64)> {
    let hasher = for_each(content, Hasher::new(digest.algorithm()), Hasher::update).await?;
    let length = hasher.length();
    Ok((hasher.finish() == *digest, length))
}
