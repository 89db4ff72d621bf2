// SPDX-License-Identifier: Apache-2.0
//! Between the parts that know figures and the families that show them.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use blobstore::BlobStore;
use storage::observed::{Observer, code};
use telemetry::clock::MonotonicClock;
use telemetry::families::{
    BuildInfo, RegistryMetrics, StorageErrorCode, StorageOperation, StorageRecorder,
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

/// Shows how full the store's caches are at every scrape.
pub(super) fn show_usage(metrics: &Arc<RegistryMetrics>, store: &BlobStore) {
    let names = ["blobs", "revisions", "tags", "manifests", "small_blobs", "open_files"];
    let names = names.into_iter().chain(["tag_names", "repository_names"]);
    let caches: Vec<_> = names.map(|name| (name, metrics.own.cache(name))).collect();
    let store = store.clone();
    metrics.registry().before_scrape(move || {
        let usage = store.usage();
        for (name, cache) in &caches {
            if let Some(found) = usage.caches.iter().find(|usage| usage.cache == *name) {
                cache.size(found.entries, found.weight);
            }
        }
    });
}

/// Tells the storage families what a driver does.
pub(super) struct StorageObserver(StorageRecorder);

impl StorageObserver {
    pub(super) fn new(recorder: StorageRecorder) -> Self {
        Self(recorder)
    }
}

impl Observer for StorageObserver {
    fn observe(&self, operation: &'static str, seconds: f64, error: Option<&storage::driver::Error>) {
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
