// SPDX-License-Identifier: Apache-2.0
//! What can go wrong in the store, by what a caller does about it.

use oci::Digest;
use storage::driver;

/// Why an operation on the store did not happen. Absence is not an error: it is `None` or `false`.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The bytes do not have the digest that was named. The upload session is gone.
    #[error("the content has digest {actual}, not {expected}")]
    DigestMismatch {
        /// The digest the client named.
        expected: Box<Digest>,
        /// The digest of the bytes received.
        actual: Box<Digest>,
    },
    /// No session of that id exists in that repository.
    #[error("no upload session has this id")]
    UploadUnknown,
    /// The session holds another number of bytes than the client's state says.
    #[error("the upload session holds {actual} bytes, not {expected}")]
    UploadOffset {
        /// What the client believed.
        expected: u64,
        /// What the session holds; where the client may go on.
        actual: u64,
    },
    /// Another request is sending to the session right now.
    #[error("another request is using this upload session")]
    UploadBusy,
    /// The bytes in the store no longer have the digest of their name.
    #[error("the stored content of {0} is damaged; push it again to repair it")]
    Damaged(Digest),
    /// The store is stopping and takes no more writes.
    #[error("the store is stopping")]
    Stopping,
    /// The journal could not be read, at a start, or written: nothing of this operation happened.
    #[error("the journal cannot be read or written")]
    Journal(#[source] std::io::Error),
    /// The driver failed.
    #[error(transparent)]
    Storage(#[from] driver::Error),
}

impl Error {
    /// Whether the cause is a full device or a used-up quota.
    pub fn is_no_space(&self) -> bool {
        match self {
            Self::Storage(driver::Error::NoSpace { .. }) => true,
            Self::Journal(source) => matches!(
                source.kind(),
                std::io::ErrorKind::StorageFull
                    | std::io::ErrorKind::QuotaExceeded
                    | std::io::ErrorKind::FileTooLarge
            ),
            _ => false,
        }
    }
}

/// Result of an operation on the store.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Reads `NotFound` as absence.
pub(crate) fn present<T>(result: driver::Result<T>) -> Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error.into()),
    }
}
