// SPDX-License-Identifier: Apache-2.0
//! From what the kernel answers to what a caller of a driver decides upon: the only such mapping.

use std::io;

use rustix::io::Errno;

use crate::driver::{Error, Key};

/// Sorts an I/O error into the kinds that callers treat differently (reliability.md T-05).
pub fn classify(operation: &'static str, key: &Key, source: io::Error) -> Error {
    let key = key.clone();
    let Some(errno) = source.raw_os_error().map(Errno::from_raw_os_error) else {
        return Error::Io { operation, key, source };
    };
    match errno {
        Errno::NOENT | Errno::NOTDIR => Error::NotFound { key },
        Errno::NOSPC | Errno::DQUOT | Errno::FBIG => Error::NoSpace { key, source },
        // ELOOP: the last element is a symbolic link, which is never followed.
        Errno::ROFS | Errno::ACCESS | Errno::PERM | Errno::LOOP => Error::Forbidden { key, source },
        Errno::MFILE | Errno::NFILE | Errno::NOMEM | Errno::AGAIN => {
            Error::Busy { operation, key, source }
        }
        _ => Error::Io { operation, key, source },
    }
}

/// Whether something is missing on the way to a name: the name, or a directory above it.
pub(super) fn is_absent(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::NOENT | Errno::NOTDIR))
}

/// An object stands where a directory is needed. It has no errno, so that nobody reads it as the
/// absence of what was to be written.
pub(super) fn not_a_directory(path: &str) -> io::Error {
    io::Error::new(io::ErrorKind::NotADirectory, format!("/{path} is not a directory"))
}

/// Others removed what was needed, again and again: to be tried later.
pub(super) fn outrun() -> io::Error {
    Errno::AGAIN.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_errno_has_its_kind() {
        let key = Key::root();
        let kind = |errno: Errno| match classify("write", &key, errno.into()) {
            Error::NotFound { .. } => "not found",
            Error::NoSpace { .. } => "no space",
            Error::Forbidden { .. } => "forbidden",
            Error::Busy { .. } => "busy",
            Error::Io { .. } => "io",
            other => panic!("{other:?}"),
        };
        let cases: [(&str, &[Errno]); 5] = [
            ("not found", &[Errno::NOENT, Errno::NOTDIR]),
            ("no space", &[Errno::NOSPC, Errno::DQUOT, Errno::FBIG]),
            ("forbidden", &[Errno::ROFS, Errno::ACCESS, Errno::PERM, Errno::LOOP]),
            ("busy", &[Errno::MFILE, Errno::NFILE, Errno::NOMEM, Errno::AGAIN]),
            ("io", &[Errno::IO, Errno::XDEV, Errno::STALE, Errno::NAMETOOLONG, Errno::ISDIR]),
        ];
        for (expected, errnos) in cases {
            for errno in errnos {
                assert_eq!(kind(*errno), expected, "{errno}");
            }
        }
        // What we say ourselves is never taken for absence.
        assert!(!classify("write", &key, not_a_directory("a")).is_not_found());
        assert!(!classify("write", &key, outrun()).is_not_found());
    }
}
