// SPDX-License-Identifier: Apache-2.0
//! Families about other servers: the registries that images are pulled through from, and the
//! cluster's API.

use std::sync::Arc;
use std::time::Duration;

use super::labels::RemoteOperation;
use super::storage::CacheCounters;
use crate::clock::Clock;
use crate::metrics::{
    Counter, Desc, Histogram, LabelValue as _, MetricVec, RegisterError, Registry, Summary,
    exponential_buckets,
};

/// `imageregistry_pullthrough_*`.
#[derive(Debug)]
pub struct PullthroughMetrics {
    duration: MetricVec<Summary>,
    errors: MetricVec<Counter>,
    /// Hits and misses of the cache that remembers which remote repository has a blob.
    pub blobstore_cache: CacheCounters,
}

impl PullthroughMetrics {
    pub(super) fn new(registry: &Registry, clock: &Arc<dyn Clock>) -> Result<Self, RegisterError> {
        Ok(Self {
            duration: registry.summary(
                Desc::with_labels(
                    "imageregistry_pullthrough_repository_duration_seconds",
                    "Latency of operations with remote registries in seconds.",
                    &["registry", "operation"],
                ),
                clock,
            )?,
            errors: registry.counter(Desc::with_labels(
                "imageregistry_pullthrough_repository_errors_total",
                "Cumulative number of failed operations with remote registries.",
                &["registry", "operation", "code"],
            ))?,
            blobstore_cache: CacheCounters::new(
                registry,
                "imageregistry_pullthrough_blobstore_cache_requests_total",
                "Total number of requests to the BlobStore cache.",
            )?,
        })
    }

    /// An operation with the registry at `host` took this long, failed or not. The host is in
    /// lower case and as after the mapping of Docker Hub's names.
    pub fn observe(&self, host: &str, operation: RemoteOperation, duration: Duration) {
        self.duration.with(&[host, operation.as_str()]).observe_duration(duration);
    }

    /// An operation with a registry failed with a registry error code, `UNAUTHORIZED` or
    /// `UNKNOWN`.
    pub fn failed(&self, host: &str, operation: RemoteOperation, code: &'static str) {
        self.errors.with(&[host, operation.as_str(), code]).inc();
    }
}

/// `rest_client_*`: requests to the cluster's API.
#[derive(Debug)]
pub struct RestClientMetrics {
    latency: MetricVec<Histogram>,
    requests: MetricVec<Counter>,
}

impl RestClientMetrics {
    pub(super) fn new(registry: &Registry) -> Result<Self, RegisterError> {
        Ok(Self {
            latency: registry.histogram(
                Desc::with_labels(
                    "rest_client_request_latency_seconds",
                    "Request latency in seconds. Broken down by verb and URL.",
                    &["verb", "url"],
                ),
                &exponential_buckets(0.001, 2.0, 10),
            )?,
            requests: registry.counter(Desc::with_labels(
                "rest_client_requests_total",
                "Number of HTTP requests, partitioned by status code, method, and host.",
                &["code", "method", "host"],
            ))?,
        })
    }

    /// A request was answered, or failed after this long. `url` has the variable parts of the path
    /// replaced (`https://host/%7Bprefix%7D`).
    pub fn latency(&self, verb: &str, url: &str, duration: Duration) {
        self.latency.with(&[verb, url]).observe(duration.as_secs_f64());
    }

    /// A request ended with a status code, or with the word `<error>`.
    pub fn request(&self, code: &str, method: &str, host: &str) {
        self.requests.with(&[code, method, host]).inc();
    }
}
