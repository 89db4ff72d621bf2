// SPDX-License-Identifier: Apache-2.0
//! What a failure of SQLite means to a caller.

use rusqlite::{ErrorCode, ffi};

use crate::Error;

/// A read that failed. Nothing was lost by it.
pub(super) fn reading(error: &rusqlite::Error) -> Error {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            Error::Failed(error.to_string())
        }
        _ => Error::Unavailable(error.to_string()),
    }
}

/// A write that failed. After [`Error::Failed`] no other may be tried: the kernel reports a lost page once, and the
/// next sync would claim success.
pub(super) fn writing(error: &rusqlite::Error) -> Error {
    let extended = error.sqlite_error().map_or(0, |error| error.extended_code);
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => Error::Full(error.to_string()),
        // The index of the write-ahead log is a file that is never synced; it could not grow.
        Some(ErrorCode::SystemIoFailure) if extended == ffi::SQLITE_IOERR_SHMSIZE => {
            Error::Full(error.to_string())
        }
        Some(ErrorCode::SystemIoFailure | ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            Error::Failed(error.to_string())
        }
        _ => Error::Unavailable(error.to_string()),
    }
}

/// The same failure for one more of those who shared the transaction.
pub(super) fn again(error: &Error) -> Error {
    match error {
        Error::Full(text) => Error::Full(text.clone()),
        Error::Failed(text) => Error::Failed(text.clone()),
        other => Error::Unavailable(other.to_string()),
    }
}
