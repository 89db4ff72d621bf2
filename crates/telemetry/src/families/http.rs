// SPDX-License-Identifier: Apache-2.0
//! `imageregistry_http_*`, `imageregistry_request_duration_seconds`, and the per-route families
//! that `http.debug.prometheus` adds.

use std::sync::Arc;
use std::time::Duration;

use super::labels::{Method, Operation};
use crate::clock::Clock;
use crate::metrics::{
    Counter, Desc, Gauge, Histogram, LabelValue as _, MetricCell, MetricSet, MetricVec,
    RegisterError, Registry, Summary, exponential_buckets,
};

/// Counts something that is going on; ends it when dropped.
#[must_use = "it is over when the guard is dropped"]
#[derive(Debug)]
pub struct InFlight {
    gauge: Arc<Gauge>,
}

impl InFlight {
    pub(super) fn new(gauge: &Arc<Gauge>) -> Self {
        gauge.inc();
        Self { gauge: Arc::clone(gauge) }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.gauge.dec();
    }
}

/// What is known of a request when its answer is over.
#[derive(Clone, Copy, Debug)]
pub struct Finished<'a> {
    /// Request method as sent.
    pub method: &'a str,
    /// Status of the answer.
    pub status: u16,
    /// From the first byte of the request to the last of the answer.
    pub duration: Duration,
    /// Size of the request: request line, header fields and body, roughly.
    pub request_size: u64,
    /// Size of the answer's body.
    pub response_size: u64,
}

/// The families about requests as a whole.
#[derive(Debug)]
pub struct HttpMetrics {
    in_flight: Arc<Gauge>,
    requests: MetricVec<Counter>,
    duration: MetricSet<Method, Summary>,
    request_size: MetricCell<Summary>,
    response_size: MetricCell<Summary>,
    header_written: MetricCell<Summary>,
    operations: MetricSet<Operation, Summary>,
}

impl HttpMetrics {
    pub(super) fn new(registry: &Registry, clock: &Arc<dyn Clock>) -> Result<Self, RegisterError> {
        let in_flight = registry.gauge(Desc::new(
            "imageregistry_http_in_flight_requests",
            "A gauge of requests currently being served by the registry.",
        ))?;
        let requests = registry.counter(Desc::with_labels(
            "imageregistry_http_requests_total",
            "A counter for requests to the registry.",
            &["code", "method"],
        ))?;
        let duration = registry.summary(
            Desc::with_labels(
                "imageregistry_http_request_duration_seconds",
                "A histogram of latencies for requests to the registry.",
                &["method"],
            ),
            clock,
        )?;
        let request_size = registry.summary(
            Desc::new(
                "imageregistry_http_request_size_bytes",
                "A histogram of sizes of requests to the registry.",
            ),
            clock,
        )?;
        let response_size = registry.summary(
            Desc::new(
                "imageregistry_http_response_size_bytes",
                "A histogram of response sizes for requests to the registry.",
            ),
            clock,
        )?;
        let header_written = registry.summary(
            Desc::new(
                "imageregistry_http_time_to_write_header_seconds",
                "A histogram of request durations until the response headers are written.",
            ),
            clock,
        )?;
        let operations = registry.summary(
            Desc::with_labels(
                "imageregistry_request_duration_seconds",
                "Request latency in seconds for each operation.",
                &["operation"],
            ),
            clock,
        )?;
        Ok(Self {
            in_flight: in_flight.with(&[]),
            requests,
            duration: MetricSet::new(&duration),
            request_size: MetricCell::new(request_size),
            response_size: MetricCell::new(response_size),
            header_written: MetricCell::new(header_written),
            operations: MetricSet::new(&operations),
        })
    }

    /// A request came in; it is being served until the guard is dropped.
    pub fn started(&self) -> InFlight {
        InFlight::new(&self.in_flight)
    }

    /// The answer's header was written this long after the request came in.
    pub fn header_written(&self, after: Duration) {
        self.header_written.get().observe_duration(after);
    }

    /// The answer is over.
    pub fn finished(&self, request: &Finished<'_>) {
        let method = Method::of(request.method);
        let code = Code::new(request.status);
        self.requests.with(&[code.as_str(), method.as_str()]).inc();
        self.duration.get(method).observe_duration(request.duration);
        self.request_size.get().observe(request.request_size as f64);
        self.response_size.get().observe(request.response_size as f64);
    }

    /// An operation of the registry took this long, failed or not.
    pub fn operation(&self, operation: Operation, duration: Duration) {
        self.operations.get(operation).observe_duration(duration);
    }
}

/// The digits of a status code.
struct Code([u8; 3]);

impl Code {
    fn new(status: u16) -> Self {
        let status = status.min(999);
        let digit = |value: u16| b'0' + (value % 10) as u8;
        Self([digit(status / 100), digit(status / 10), digit(status)])
    }

    fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("")
    }
}

/// The families by route, `registry_http_*` (registry.md 4.1).
#[derive(Debug)]
pub struct RouteMetrics {
    in_flight: MetricVec<Gauge>,
    requests: MetricVec<Counter>,
    duration: MetricVec<Histogram>,
    request_size: MetricVec<Histogram>,
    response_size: MetricVec<Histogram>,
}

/// Bounds in seconds that distribution's metrics library uses for requests.
const ROUTE_DURATION: &[f64] =
    &[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0, 60.0];

impl RouteMetrics {
    pub(super) fn new(registry: &Registry) -> Result<Self, RegisterError> {
        let sizes = exponential_buckets(1024.0, 2.0, 22);
        Ok(Self {
            in_flight: registry.gauge(Desc::with_labels(
                "registry_http_in_flight_requests",
                "The in-flight HTTP requests",
                &["handler"],
            ))?,
            requests: registry.counter(Desc::with_labels(
                "registry_http_requests_total",
                "Total number of HTTP requests made.",
                &["handler", "code", "method"],
            ))?,
            duration: registry.histogram(
                Desc::with_labels(
                    "registry_http_request_duration_seconds",
                    "The HTTP request latencies in seconds.",
                    &["handler", "method"],
                ),
                ROUTE_DURATION,
            )?,
            request_size: registry.histogram(
                Desc::with_labels(
                    "registry_http_request_size_bytes",
                    "The HTTP request sizes in bytes.",
                    &["handler"],
                ),
                &sizes,
            )?,
            response_size: registry.histogram(
                Desc::with_labels(
                    "registry_http_response_size_bytes",
                    "The HTTP response sizes in bytes.",
                    &["handler"],
                ),
                &sizes,
            )?,
        })
    }

    /// A request for a route came in. `handler` is the route's name with underscores
    /// (`blob_upload_chunk`).
    pub fn started(&self, handler: &'static str) -> InFlight {
        InFlight::new(&self.in_flight.with(&[handler]))
    }

    /// The answer is over.
    pub fn finished(&self, handler: &'static str, request: &Finished<'_>) {
        let method = Method::of(request.method).as_str();
        let code = Code::new(request.status);
        self.requests.with(&[handler, code.as_str(), method]).inc();
        self.duration.with(&[handler, method]).observe(request.duration.as_secs_f64());
        self.request_size.with(&[handler]).observe(request.request_size as f64);
        self.response_size.with(&[handler]).observe(request.response_size as f64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes() {
        for (status, want) in [(200, "200"), (404, "404"), (99, "099"), (0, "000"), (1234, "999")] {
            assert_eq!(Code::new(status).as_str(), want);
        }
    }
}
