// SPDX-License-Identifier: Apache-2.0
//! Every metric family of the registry, with typed methods to record.
//!
//! Names, types, labels and help texts are a contract (registry.md 6.1): dashboards and alerts of
//! existing clusters use them. A series appears with its first use, as it did there; the families
//! with the prefix `berth_` are ours.
//!
//! `go_*` is left out, since nothing here is a Go program; `process_*` is kept.

mod http;
mod labels;
mod own;
mod remote;
mod storage;

use std::sync::Arc;

pub use http::{Finished, HttpMetrics, InFlight, RouteMetrics};
pub use labels::{
    CacheResult, DescriptorCacheEvent, Method, Operation, RemoteOperation, ScrapeCode,
    StorageAction, StorageErrorCode, StorageOperation,
};
pub use own::{OwnMetrics, QueueMetrics, Total};
pub use remote::{PullthroughMetrics, RestClientMetrics};
pub use storage::{CacheCounters, StorageMetrics, StorageRecorder};

use crate::clock::Clock;
use crate::metrics::{
    Counter, Desc, Gauge, LabelValue, MetricSet, ProcessCollector, RegisterError, Registry,
};

/// The labels of `imageregistry_build_info`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BuildInfo<'a> {
    /// Commit built from.
    pub git_commit: &'a str,
    /// Version as `git describe` gives it.
    pub git_version: &'a str,
    /// First part of the version.
    pub major: &'a str,
    /// Second part of the version.
    pub minor: &'a str,
}

/// All families of the registry.
#[derive(Debug)]
pub struct RegistryMetrics {
    registry: Registry,
    scrapes: MetricSet<ScrapeCode, Counter>,
    scraping: Arc<Gauge>,
    /// Requests and operations.
    pub http: HttpMetrics,
    /// Requests by route, when `http.debug.prometheus` is enabled.
    pub routes: Option<RouteMetrics>,
    /// Storage.
    pub storage: StorageMetrics,
    /// Look-ups of a digest in any repository.
    pub digest_cache: CacheCounters,
    /// Look-ups of a digest in one repository.
    pub digest_cache_scoped: CacheCounters,
    /// Remote registries.
    pub pullthrough: PullthroughMetrics,
    /// The cluster's API.
    pub rest_client: RestClientMetrics,
    /// What is ours.
    pub own: OwnMetrics,
}

impl RegistryMetrics {
    /// Registers all families; those by route only if `per_route`.
    ///
    /// Fails only if a name is declared twice or against the grammar.
    pub fn new(
        build: &BuildInfo<'_>,
        per_route: bool,
        clock: &Arc<dyn Clock>,
    ) -> Result<Self, RegisterError> {
        let registry = Registry::new();
        registry.register(&ProcessCollector::DESCS, Arc::new(ProcessCollector))?;
        registry
            .gauge(Desc::with_labels(
                "imageregistry_build_info",
                "A metric with a constant '1' value labeled by major, minor, git commit & git \
                 version from which the image registry was built.",
                &["gitCommit", "gitVersion", "major", "minor"],
            ))?
            .with(&[build.git_commit, build.git_version, build.major, build.minor])
            .set(1);
        let scrapes = registry.counter(Desc::with_labels(
            "promhttp_metric_handler_requests_total",
            "Total number of scrapes by HTTP status code.",
            &["code"],
        ))?;
        let scrapes = MetricSet::new(&scrapes);
        for code in ScrapeCode::ALL {
            scrapes.get(*code);
        }
        let scraping = registry.gauge(Desc::new(
            "promhttp_metric_handler_requests_in_flight",
            "Current number of scrapes being served.",
        ))?;
        Ok(Self {
            scrapes,
            scraping: scraping.with(&[]),
            http: HttpMetrics::new(&registry, clock)?,
            routes: per_route.then(|| RouteMetrics::new(&registry)).transpose()?,
            storage: StorageMetrics::new(&registry, clock)?,
            digest_cache: CacheCounters::new(
                &registry,
                "imageregistry_digest_cache_requests_total",
                "Total number of requests without scope to the digest cache.",
            )?,
            digest_cache_scoped: CacheCounters::new(
                &registry,
                "imageregistry_digest_cache_scoped_requests_total",
                "Total number of scoped requests to the digest cache.",
            )?,
            pullthrough: PullthroughMetrics::new(&registry, clock)?,
            rest_client: RestClientMetrics::new(&registry)?,
            own: OwnMetrics::new(&registry)?,
            registry,
        })
    }

    /// The registry underneath, for families of other parts of the process and for hooks.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Makes the page and counts the scrape as served; a page does not count itself.
    pub fn scrape(&self) -> String {
        let _serving = InFlight::new(&self.scraping);
        let page = self.registry.render();
        self.scrapes.get(ScrapeCode::Ok).inc();
        page
    }

    /// Counts a scrape that was not served with a page.
    pub fn scrape_failed(&self, code: ScrapeCode) {
        self.scrapes.get(code).inc();
    }
}
