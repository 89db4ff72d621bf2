// SPDX-License-Identifier: Apache-2.0
//! What the store tells about itself, for metrics.

use std::sync::atomic::Ordering;

use crate::journal::Journal;
use crate::store::BlobStore;

/// How full one cache is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheUsage {
    /// The cache's name: a label value.
    pub cache: &'static str,
    /// Entries.
    pub entries: u64,
    /// Bytes, where entries are weighed in bytes, else entries.
    pub weight: u64,
}

/// Counters and gauges of an open store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Usage {
    /// Records written to the journal.
    pub journal_records: u64,
    /// Syncs that made them durable: records per sync is the size of a group commit.
    pub journal_syncs: u64,
    /// Segments whose content was synced into the layout.
    pub journal_cuts: u64,
    /// Journal writes or syncs that failed.
    pub journal_failures: u64,
    /// Uploads that were read again to be hashed, because their running hash was missing or the
    /// algorithm was first named at the end.
    pub upload_rereads: u64,
    /// Bytes read again for that.
    pub upload_reread_bytes: u64,
    /// Requests that ended without putting their upload session down.
    pub abandoned_uploads: u64,
    /// Blobs found damaged while serving.
    pub damaged_blobs: u64,
    /// Upload sessions held in memory.
    pub upload_sessions: u64,
    /// Every cache.
    pub caches: Vec<CacheUsage>,
}

impl BlobStore {
    /// Counters and gauges of this store.
    pub fn usage(&self) -> Usage {
        let inner = &self.inner;
        let load = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
        let journal = inner.engine.journal().map(Journal::stats);
        let cache = |cache, (entries, weight): (usize, u64)| CacheUsage {
            cache,
            entries: entries as u64,
            weight,
        };
        let names = |name, (_, names): (usize, usize)| cache(name, (names, names as u64));
        Usage {
            journal_records: journal.map_or(0, |stats| load(&stats.records)),
            journal_syncs: journal.map_or(0, |stats| load(&stats.syncs)),
            journal_cuts: journal.map_or(0, |stats| load(&stats.cuts)),
            journal_failures: journal.map_or(0, |stats| load(&stats.failures)),
            upload_rereads: load(&inner.stats.rereads),
            upload_reread_bytes: load(&inner.stats.reread_bytes),
            abandoned_uploads: load(&inner.stats.abandoned_uploads),
            damaged_blobs: load(&inner.stats.damaged),
            upload_sessions: inner.sessions.count() as u64,
            caches: vec![
                cache("blobs", inner.blobs.usage()),
                cache("revisions", inner.revisions.usage()),
                cache("tags", inner.tags.usage()),
                cache("manifests", inner.manifests.usage()),
                cache("small_blobs", inner.small.usage()),
                cache("open_files", inner.files.usage()),
                names("tag_names", inner.tag_names.usage()),
                names("repository_names", inner.repository_names.usage()),
            ],
        }
    }
}
