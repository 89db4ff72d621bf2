// SPDX-License-Identifier: Apache-2.0
//! Between the parts that know figures and the families that show them.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use blobstore::BlobStore;
use storage::observed::{Observer, code};
use telemetry::clock::MonotonicClock;
use telemetry::families::{
    BuildInfo, RegistryMetrics, StorageErrorCode, StorageOperation, StorageRecorder, Total,
};
use telemetry::metrics::LabelValue;

/// All families, with this build's version.
pub(super) fn families(per_route: bool) -> Result<Arc<RegistryMetrics>> {
    let version = env!("CARGO_PKG_VERSION");
    let mut parts = version.split('.');
    let build = BuildInfo {
        git_commit: option_env!("BERTH_GIT_COMMIT").unwrap_or_default(),
        git_version: concat!("v", env!("CARGO_PKG_VERSION"), "+berth"),
        major: parts.next().unwrap_or_default(),
        minor: parts.next().unwrap_or_default(),
    };
    Ok(Arc::new(RegistryMetrics::new(&build, per_route, &MonotonicClock::shared())?))
}

/// Copies what the store and the HTTP engine count about themselves, at every scrape.
pub(super) fn show(metrics: &Arc<RegistryMetrics>, store: &BlobStore, engine: &httpd::Handle) {
    let store = store.clone();
    let engine = engine.clone();
    // The hook belongs to the registry inside the metrics: a strong reference would be a circle.
    let weak = Arc::downgrade(metrics);
    metrics.registry().before_scrape(move || {
        let Some(metrics) = weak.upgrade() else { return };
        let own = &metrics.own;
        let usage = store.usage();
        let stats = engine.stats();
        for (total, value) in [
            (Total::JournalRecords, usage.journal_records),
            (Total::JournalSyncs, usage.journal_syncs),
            (Total::JournalCuts, usage.journal_cuts),
            (Total::JournalFailures, usage.journal_failures),
            (Total::UploadRereads, usage.upload_rereads),
            (Total::UploadRereadBytes, usage.upload_reread_bytes),
            (Total::UploadsAbandoned, usage.abandoned_uploads),
            (Total::DamagedBlobs, usage.damaged_blobs),
            (Total::Connections, stats.accepted),
            (Total::AcceptErrors, stats.accept_errors),
            (Total::RefusedHeads, stats.refused),
            (Total::HandshakeFailures, stats.handshake_failures),
            (Total::LostLogLines, lost_log_lines()),
        ] {
            own.advance(total, value);
        }
        own.upload_sessions(usage.upload_sessions);
        own.open_connections(stats.open);
        for cache in &usage.caches {
            own.cache(cache.cache, cache.entries, cache.weight);
        }
    });
}

fn lost_log_lines() -> u64 {
    telemetry::log::current().map_or(0, |logger| logger.lost_lines())
}

/// Tells the storage families what a driver does.
pub(super) struct StorageObserver(StorageRecorder);

impl StorageObserver {
    pub(super) fn new(recorder: StorageRecorder) -> Self {
        Self(recorder)
    }
}

impl Observer for StorageObserver {
    fn observe(
        &self,
        operation: &'static str,
        seconds: f64,
        error: Option<&storage::driver::Error>,
    ) {
        let named = StorageOperation::ALL.iter().find(|known| known.as_str() == operation);
        let Some(named) = named else { return };
        self.0.observe(*named, Duration::from_secs_f64(seconds));
        if let Some(error) = error {
            let text = code(error);
            let code = StorageErrorCode::ALL.iter().find(|known| known.as_str() == text);
            self.0.failed(*named, code.copied().unwrap_or(StorageErrorCode::Unknown));
        }
    }
}
