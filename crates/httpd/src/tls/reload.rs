// SPDX-License-Identifier: Apache-2.0
//! Noticing that certificate files changed.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::TlsSettings;

/// Device, inode, size and modification time; `None` for a file that cannot be looked at.
///
/// The path is followed, so swapping the `..data` link of a mounted secret shows as a new inode.
type Stamp = Option<(u64, u64, u64, i64, i64)>;

/// What the files of a configuration looked like.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fingerprint {
    pair: [Stamp; 2],
    client_cas: Vec<Stamp>,
}

impl Fingerprint {
    /// Looks at the files of `settings`. Taken before they are read: a change in between is then
    /// seen as one more reload and never missed.
    pub(super) fn of(settings: &TlsSettings) -> Self {
        Self {
            pair: [stamp(&settings.certificate), stamp(&settings.key)],
            client_cas: settings.client_cas.iter().map(|path| stamp(path)).collect(),
        }
    }

    pub(super) fn same_client_cas(&self, other: &Self) -> bool {
        self.client_cas == other.client_cas
    }
}

fn stamp(path: &Path) -> Stamp {
    let meta = std::fs::metadata(path).ok()?;
    Some((meta.dev(), meta.ino(), meta.size(), meta.mtime(), meta.mtime_nsec()))
}
