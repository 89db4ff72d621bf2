// SPDX-License-Identifier: Apache-2.0
//! What recording costs. Run with `--release -- --ignored --nocapture cost`; figures depend on the
//! machine, so nothing is asserted that a busy one could break by a little.

use std::hint::black_box;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use telemetry::clock::MonotonicClock;
use telemetry::families::{BuildInfo, Finished, RegistryMetrics};
use telemetry::log::{Format, Level, Line, LogConfig, Logger, Sink};
use telemetry::metrics::Summary;

const ROUNDS: u32 = 1_000_000;

fn measure(what: &str, bound: Duration, mut once: impl FnMut(u32)) {
    let start = Instant::now();
    for round in 0..ROUNDS {
        once(round);
    }
    let each = start.elapsed() / ROUNDS;
    println!("{what}: {each:?}");
    assert!(each < bound, "{what}: {each:?}");
}

struct Nowhere;

impl Sink for Nowhere {
    fn write_line(&self, line: &[u8]) -> io::Result<()> {
        black_box(line);
        Ok(())
    }
}

fn access_line(logger: &Arc<Logger>, level: Level) {
    Line::to(Some(Arc::clone(logger)), level, "response")
        .field("http.request.contenttype", "application/octet-stream")
        .field("http.request.host", "127.0.0.1:5000")
        .field("http.request.id", "d512ada7-c77e-4a92-b3c9-594f0a790815")
        .field("http.request.method", "PUT")
        .field("http.request.remoteaddr", "127.0.0.1:58752")
        .field(
            "http.request.uri",
            "/v2/r-log/app/blobs/uploads/9edfe7f6-ea9a-4e17-8ad2-85af821f63ca?_state=[redacted]\
             &digest=sha256:1104f0765ca2fbea2f7818b45b83cf617c085093a7e86710456ccef07aef85fe",
        )
        .field("http.request.useragent", "containers/5.30.0 (github.com/containers/image)")
        .field("http.response.duration", Duration::from_nanos(121_108_094))
        .field("http.response.status", 201_u16)
        .field("http.response.written", 0_u64)
        .emit();
}

#[test]
#[ignore = "a measurement"]
fn cost_of_a_line() {
    for format in [Format::Text, Format::Json, Format::Logstash] {
        let config = LogConfig { format, ..LogConfig::default() };
        let logger = Arc::new(Logger::new(&config, Box::new(Nowhere)));
        let what = format!("access line, {format:?}");
        measure(&what, Duration::from_micros(4), |_| access_line(&logger, Level::Info));
        measure("line below the level", Duration::from_nanos(400), |_| {
            access_line(&logger, Level::Debug);
        });
    }
}

#[test]
#[ignore = "a measurement"]
fn cost_of_an_observation() {
    let clock = MonotonicClock::shared();
    let summary = Summary::new(Arc::clone(&clock));
    let value = |round: u32| f64::from(round.wrapping_mul(2_654_435_761)) * 1e-9;
    measure("clock", Duration::from_nanos(200), |_| {
        black_box(clock.now());
    });
    measure("observe, one thread", Duration::from_nanos(400), |round| {
        summary.observe(value(round));
    });
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    let start = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| (0..ROUNDS).for_each(|round| summary.observe(value(round))));
        }
    });
    println!("observe, {threads} threads: {:?} each", start.elapsed() / ROUNDS);
    let metrics = RegistryMetrics::new(&BuildInfo::default(), false, &clock).expect("names");
    measure("request finished", Duration::from_nanos(2000), |round| {
        metrics.http.finished(&Finished {
            method: "GET",
            status: 200,
            duration: Duration::from_nanos(u64::from(round.wrapping_mul(2_654_435_761))),
            request_size: u64::from(round % 1000),
            response_size: u64::from(round),
        });
    });
    let start = Instant::now();
    black_box(metrics.scrape());
    println!("scrape: {:?}", start.elapsed());
}
