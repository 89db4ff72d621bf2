// SPDX-License-Identifier: Apache-2.0
//! What upstream does not have: the families with the prefix `berth_`.
//!
//! The store and the HTTP engine keep their own totals, on their own hot paths; a scrape copies
//! them here ([`OwnMetrics::advance`]), so neither crate knows what a metric is.

use std::sync::Arc;

use crate::metrics::{Counter, Desc, Gauge, MetricVec, RegisterError, Registry};

/// Totals that only rise, in the order of [`TOTALS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Total {
    /// Records written to the journal.
    JournalRecords,
    /// Syncs that made them durable; records per sync is the size of a group commit.
    JournalSyncs,
    /// Segments whose content was synced into the layout.
    JournalCuts,
    /// Journal writes and syncs that failed.
    JournalFailures,
    /// Uploads that were read again to be hashed.
    UploadRereads,
    /// Bytes read again for that.
    UploadRereadBytes,
    /// Requests that ended without putting their upload session down.
    UploadsAbandoned,
    /// Blobs found damaged while serving.
    DamagedBlobs,
    /// Connections accepted.
    Connections,
    /// Accepts that failed.
    AcceptErrors,
    /// Request heads that the engine refused.
    RefusedHeads,
    /// TLS handshakes that failed.
    HandshakeFailures,
    /// Log lines that could not be written.
    LostLogLines,
}

const TOTALS: [(&str, &str); 13] = [
    ("berth_journal_records_total", "Records written to the journal."),
    ("berth_journal_syncs_total", "Syncs that made records of the journal durable."),
    ("berth_journal_cuts_total", "Journal segments whose content was synced into the layout."),
    ("berth_journal_failures_total", "Writes and syncs of the journal that failed."),
    (
        "berth_upload_rereads_total",
        "Uploads whose data had to be read again to compute the digest.",
    ),
    (
        "berth_upload_reread_bytes_total",
        "Bytes of uploads that were read again to compute the digest.",
    ),
    (
        "berth_upload_abandoned_requests_total",
        "Requests that ended without putting their upload session down.",
    ),
    ("berth_damaged_blobs_total", "Blobs found damaged while they were served."),
    ("berth_connections_total", "Connections accepted."),
    ("berth_accept_errors_total", "Accepts that failed, mostly for lack of file descriptors."),
    ("berth_refused_heads_total", "Request heads refused before anything was asked to serve them."),
    ("berth_tls_handshake_failures_total", "TLS handshakes that failed or took too long."),
    ("berth_log_lines_lost_total", "Log lines that could not be written."),
];

/// The families with the prefix `berth_`.
#[derive(Debug)]
pub struct OwnMetrics {
    totals: Vec<Arc<Counter>>,
    cache_entries: MetricVec<Gauge>,
    cache_weight: MetricVec<Gauge>,
    upload_sessions: Arc<Gauge>,
    connections: Arc<Gauge>,
    refused: MetricVec<Counter>,
    queue_length: MetricVec<Gauge>,
    queue_dropped: MetricVec<Counter>,
}

impl OwnMetrics {
    pub(super) fn new(registry: &Registry) -> Result<Self, RegisterError> {
        let totals = TOTALS
            .iter()
            .map(|(name, help)| Ok(registry.counter(Desc::new(name, help))?.with(&[])))
            .collect::<Result<_, RegisterError>>()?;
        Ok(Self {
            totals,
            cache_entries: registry.gauge(Desc::with_labels(
                "berth_cache_entries",
                "Entries in a cache.",
                &["cache"],
            ))?,
            cache_weight: registry.gauge(Desc::with_labels(
                "berth_cache_weight",
                "Weight of the entries of a cache: bytes where content is kept, else entries.",
                &["cache"],
            ))?,
            upload_sessions: registry
                .gauge(Desc::new(
                    "berth_upload_sessions",
                    "Upload sessions that this process remembers.",
                ))?
                .with(&[]),
            connections: registry
                .gauge(Desc::new("berth_open_connections", "Connections that clients have open."))?
                .with(&[]),
            refused: registry.counter(Desc::with_labels(
                "berth_requests_refused_total",
                "Requests refused because a limit was reached.",
                &["limit"],
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

    /// Brings a total up to where its owner has it.
    pub fn advance(&self, total: Total, to: u64) {
        let counter = &self.totals[total as usize];
        counter.add(to.saturating_sub(counter.get()));
    }

    /// How large a cache is.
    pub fn cache(&self, name: &'static str, entries: u64, weight: u64) {
        self.cache_entries.with(&[name]).set_size(entries);
        self.cache_weight.with(&[name]).set_size(weight);
    }

    /// How many upload sessions are remembered.
    pub fn upload_sessions(&self, count: u64) {
        self.upload_sessions.set_size(count);
    }

    /// How many connections are open.
    pub fn open_connections(&self, count: u64) {
        self.connections.set_size(count);
    }

    /// A request was refused because of this limit.
    pub fn refused(&self, limit: &'static str) {
        self.refused.with(&[limit]).inc();
    }

    /// The recorder for the queue of a notification endpoint.
    pub fn notifications(&self, endpoint: &str) -> QueueMetrics {
        QueueMetrics {
            length: self.queue_length.with(&[endpoint]),
            dropped: self.queue_dropped.with(&[endpoint]),
        }
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
