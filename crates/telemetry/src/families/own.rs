// SPDX-License-Identifier: Apache-2.0
//! `berth_*`: what the registry we replace had no metrics for.
//!
//! Everything that is bounded has a metric that shows how near the bound is or how often it was
//! hit.

use std::sync::Arc;
use std::time::Duration;

use super::http::InFlight;
use crate::metrics::{
    Counter, Desc, Gauge, Histogram, MetricVec, RegisterError, Registry, exponential_buckets,
};

/// The families with the prefix `berth_`.
#[derive(Debug)]
pub struct OwnMetrics {
    upload_rereads: MetricVec<Counter>,
    upload_reread_bytes: MetricVec<Counter>,
    journal_syncs: MetricVec<Histogram>,
    journal_records: MetricVec<Histogram>,
    cache_requests: MetricVec<Counter>,
    cache_evictions: MetricVec<Counter>,
    cache_entries: MetricVec<Gauge>,
    cache_bytes: MetricVec<Gauge>,
    connections: MetricVec<Gauge>,
    refused: MetricVec<Counter>,
    tls_failures: MetricVec<Counter>,
    queue_length: MetricVec<Gauge>,
    queue_dropped: MetricVec<Counter>,
}

impl OwnMetrics {
    pub(super) fn new(registry: &Registry) -> Result<Self, RegisterError> {
        Ok(Self {
            upload_rereads: registry.counter(Desc::new(
                "berth_upload_rereads_total",
                "Uploads whose data had to be read again to compute the digest.",
            ))?,
            upload_reread_bytes: registry.counter(Desc::new(
                "berth_upload_reread_bytes_total",
                "Bytes of uploads that were read again to compute the digest.",
            ))?,
            journal_syncs: registry.histogram(
                Desc::new(
                    "berth_journal_sync_seconds",
                    "Time that the storage device took to make a batch of the journal durable.",
                ),
                &exponential_buckets(0.0001, 2.0, 15),
            )?,
            journal_records: registry.histogram(
                Desc::new(
                    "berth_journal_batch_records",
                    "Records of the journal made durable together.",
                ),
                &exponential_buckets(1.0, 2.0, 10),
            )?,
            cache_requests: registry.counter(Desc::with_labels(
                "berth_cache_requests_total",
                "Look-ups in a cache by result.",
                &["cache", "result"],
            ))?,
            cache_evictions: registry.counter(Desc::with_labels(
                "berth_cache_evictions_total",
                "Entries that a cache gave up to stay within its limit.",
                &["cache"],
            ))?,
            cache_entries: registry.gauge(Desc::with_labels(
                "berth_cache_entries",
                "Entries in a cache.",
                &["cache"],
            ))?,
            cache_bytes: registry.gauge(Desc::with_labels(
                "berth_cache_bytes",
                "Memory that the entries of a cache take, as the cache counts it.",
                &["cache"],
            ))?,
            connections: registry.gauge(Desc::with_labels(
                "berth_open_connections",
                "Connections that clients have open, by listener.",
                &["listener"],
            ))?,
            refused: registry.counter(Desc::with_labels(
                "berth_requests_refused_total",
                "Requests and connections refused because a limit was reached.",
                &["limit"],
            ))?,
            tls_failures: registry.counter(Desc::with_labels(
                "berth_tls_handshake_failures_total",
                "TLS handshakes that failed.",
                &["reason"],
            ))?,
            queue_length: registry.gauge(Desc::with_labels(
                "berth_notification_queue_events",
                "Events waiting for a notification endpoint.",
                &["endpoint"],
            ))?,
            queue_dropped: registry.counter(Desc::with_labels(
                "berth_notification_dropped_events_total",
                "Events that were not delivered to a notification endpoint and given up.",
                &["endpoint"],
            ))?,
        })
    }

    /// The data of an upload was read again, because the digest's state was gone or its algorithm
    /// became known only at the end.
    pub fn upload_reread(&self, bytes: u64) {
        self.upload_rereads.with(&[]).inc();
        self.upload_reread_bytes.with(&[]).add(bytes);
    }

    /// The recorder for the journal.
    pub fn journal(&self) -> JournalMetrics {
        JournalMetrics {
            sync: self.journal_syncs.with(&[]),
            records: self.journal_records.with(&[]),
        }
    }

    /// The recorder for a cache.
    pub fn cache(&self, name: &'static str) -> CacheMetrics {
        CacheMetrics {
            hits: self.cache_requests.with(&[name, "hit"]),
            misses: self.cache_requests.with(&[name, "miss"]),
            evictions: self.cache_evictions.with(&[name]),
            entries: self.cache_entries.with(&[name]),
            bytes: self.cache_bytes.with(&[name]),
        }
    }

    /// A client connected to a listener; the connection is open until the guard is dropped.
    pub fn connection(&self, listener: &'static str) -> InFlight {
        InFlight::new(&self.connections.with(&[listener]))
    }

    /// A request or connection was refused because of this limit.
    pub fn refused(&self, limit: &'static str) {
        self.refused.with(&[limit]).inc();
    }

    /// A TLS handshake failed for this reason (a class, not a message).
    pub fn tls_handshake_failed(&self, reason: &'static str) {
        self.tls_failures.with(&[reason]).inc();
    }

    /// The recorder for the queue of a notification endpoint.
    pub fn notifications(&self, endpoint: &str) -> QueueMetrics {
        QueueMetrics {
            length: self.queue_length.with(&[endpoint]),
            dropped: self.queue_dropped.with(&[endpoint]),
        }
    }
}

/// Records what the journal does.
#[derive(Clone, Debug)]
pub struct JournalMetrics {
    sync: Arc<Histogram>,
    records: Arc<Histogram>,
}

impl JournalMetrics {
    /// This many records were made durable in this time.
    pub fn synced(&self, records: u64, duration: Duration) {
        self.sync.observe(duration.as_secs_f64());
        self.records.observe(records as f64);
    }
}

/// Records what a cache does.
#[derive(Clone, Debug)]
pub struct CacheMetrics {
    hits: Arc<Counter>,
    misses: Arc<Counter>,
    evictions: Arc<Counter>,
    entries: Arc<Gauge>,
    bytes: Arc<Gauge>,
}

impl CacheMetrics {
    /// An entry was found.
    pub fn hit(&self) {
        self.hits.inc();
    }

    /// No entry was found.
    pub fn miss(&self) {
        self.misses.inc();
    }

    /// An entry was given up to make room.
    pub fn evicted(&self) {
        self.evictions.inc();
    }

    /// How large the cache is.
    pub fn size(&self, entries: u64, bytes: u64) {
        self.entries.set_size(entries);
        self.bytes.set_size(bytes);
    }
}

/// Records the state of a queue of notifications.
#[derive(Clone, Debug)]
pub struct QueueMetrics {
    length: Arc<Gauge>,
    dropped: Arc<Counter>,
}

impl QueueMetrics {
    /// How many events wait.
    pub fn length(&self, events: u64) {
        self.length.set_size(events);
    }

    /// Events were given up.
    pub fn dropped(&self, events: u64) {
        self.dropped.add(events);
    }
}
