// SPDX-License-Identifier: Apache-2.0
//! Families about storage, the digest caches and the descriptor cache.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::labels::{
    CacheResult, DescriptorCacheEvent, StorageAction, StorageErrorCode, StorageOperation,
};
use crate::clock::Clock;
use crate::metrics::{
    Counter, DEFAULT_BUCKETS, Desc, Histogram, LabelValue as _, MetricSet, MetricVec,
    RegisterError, Registry, Summary,
};

/// `imageregistry_storage_*` and `registry_storage_*`.
#[derive(Debug)]
pub struct StorageMetrics {
    duration: Arc<MetricSet<StorageOperation, Summary>>,
    errors: MetricVec<Counter>,
    actions: MetricVec<Histogram>,
    descriptor_cache: MetricSet<DescriptorCacheEvent, Counter>,
}

impl StorageMetrics {
    pub(super) fn new(registry: &Registry, clock: &Arc<dyn Clock>) -> Result<Self, RegisterError> {
        let duration = registry.summary(
            Desc::with_labels(
                "imageregistry_storage_duration_seconds",
                "Latency of operations with the storage.",
                &["operation"],
            ),
            clock,
        )?;
        let errors = registry.counter(Desc::with_labels(
            "imageregistry_storage_errors_total",
            "Cumulative number of failed operations with the storage.",
            &["operation", "code"],
        ))?;
        let actions = registry.histogram(
            Desc::with_labels(
                "registry_storage_action_seconds",
                "The number of seconds that the storage action takes",
                &["driver", "action"],
            ),
            DEFAULT_BUCKETS,
        )?;
        let descriptor_cache = registry.counter(Desc::with_labels(
            "registry_storage_cache_total",
            "The number of cache request received",
            &["type"],
        ))?;
        Ok(Self {
            duration: Arc::new(MetricSet::new(&duration)),
            errors,
            actions,
            descriptor_cache: MetricSet::new(&descriptor_cache),
        })
    }

    /// The recorder for a storage driver of this name.
    pub fn driver(&self, name: &str) -> StorageRecorder {
        StorageRecorder {
            duration: Arc::clone(&self.duration),
            errors: self.errors.clone(),
            actions: MetricSet::within(&self.actions, &[name]),
        }
    }

    /// Something happened at the cache of blob descriptors.
    pub fn descriptor_cache(&self, event: DescriptorCacheEvent) {
        self.descriptor_cache.get(event).inc();
    }
}

/// Records what one storage driver does.
#[derive(Debug)]
pub struct StorageRecorder {
    duration: Arc<MetricSet<StorageOperation, Summary>>,
    errors: MetricVec<Counter>,
    actions: MetricSet<StorageAction, Histogram>,
}

impl StorageRecorder {
    /// An operation took this long, failed or not.
    pub fn observe(&self, operation: StorageOperation, duration: Duration) {
        self.duration.get(operation).observe_duration(duration);
        if let Some(action) = operation.action() {
            self.actions.get(action).observe(duration.as_secs_f64());
        }
    }

    /// An operation failed. Not to be called for what the driver does not support or at the end of
    /// a file.
    pub fn failed(&self, operation: StorageOperation, code: StorageErrorCode) {
        self.errors.with(&[operation.as_str(), code.as_str()]).inc();
    }
}

/// Hits and misses of a cache. Both series exist once the cache was asked.
pub struct CacheCounters {
    family: MetricVec<Counter>,
    counters: OnceLock<[Arc<Counter>; 2]>,
}

impl CacheCounters {
    pub(super) fn new(
        registry: &Registry,
        name: &'static str,
        help: &'static str,
    ) -> Result<Self, RegisterError> {
        let family = registry.counter(Desc::with_labels(name, help, &["type"]))?;
        Ok(Self { family, counters: OnceLock::new() })
    }

    /// The cache was asked, with this result.
    pub fn record(&self, result: CacheResult) {
        let make = |result: &CacheResult| self.family.with(&[result.as_str()]);
        let counters =
            self.counters.get_or_init(|| [make(&CacheResult::Hit), make(&CacheResult::Miss)]);
        counters[result.index()].inc();
    }
}

impl fmt::Debug for CacheCounters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CacheCounters").field(&self.family).finish()
    }
}
