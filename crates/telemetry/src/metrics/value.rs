// SPDX-License-Identifier: Apache-2.0
//! Counters, gauges and histograms, all made of atomics.
//!
//! Relaxed ordering suffices: no value guards another, and a scrape may see an observation in one
//! series before it sees another.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};

use super::{Metric, Reading};

/// A number that goes up.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds one.
    pub fn inc(&self) {
        self.add(1);
    }

    /// Adds `n`.
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Relaxed);
    }

    /// The present value.
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

impl Metric for Counter {
    fn read(&self) -> Reading {
        Reading::Number(self.get() as f64)
    }
}

/// A number that goes up and down.
#[derive(Debug, Default)]
pub struct Gauge(AtomicI64);

impl Gauge {
    /// Sets the value.
    pub fn set(&self, value: i64) {
        self.0.store(value, Relaxed);
    }

    /// Sets a size or number of items.
    pub fn set_size(&self, value: u64) {
        self.set(i64::try_from(value).unwrap_or(i64::MAX));
    }

    /// Adds one.
    pub fn inc(&self) {
        self.add(1);
    }

    /// Takes one away.
    pub fn dec(&self) {
        self.add(-1);
    }

    /// Adds `n`, which may be negative.
    pub fn add(&self, n: i64) {
        self.0.fetch_add(n, Relaxed);
    }

    /// The present value.
    pub fn get(&self) -> i64 {
        self.0.load(Relaxed)
    }
}

impl Metric for Gauge {
    fn read(&self) -> Reading {
        Reading::Number(self.get() as f64)
    }
}

/// Bucket bounds in seconds that the Prometheus libraries use when none are given.
pub const DEFAULT_BUCKETS: &[f64] =
    &[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// `count` bounds, of which the first is `start` and each is `factor` times the one before.
pub fn exponential_buckets(start: f64, factor: f64, count: usize) -> Vec<f64> {
    std::iter::successors(Some(start), |bound| Some(bound * factor)).take(count).collect()
}

/// Observations counted by upper bound.
#[derive(Debug)]
pub struct Histogram {
    /// Ascending.
    bounds: Box<[f64]>,
    /// One more than bounds; the last takes what is above all of them.
    cells: Box<[AtomicU64]>,
    /// Bits of an `f64`.
    sum: AtomicU64,
}

impl Histogram {
    /// A histogram with these upper bounds; they are put in order.
    pub fn new(bounds: &[f64]) -> Self {
        let mut bounds = bounds.to_vec();
        bounds.sort_by(f64::total_cmp);
        let cells = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Self { bounds: bounds.into(), cells, sum: AtomicU64::new(0) }
    }

    /// Counts one observation. Not a number is no observation.
    pub fn observe(&self, value: f64) {
        if value.is_nan() {
            return;
        }
        let at = self.bounds.partition_point(|bound| *bound < value);
        self.cells[at].fetch_add(1, Relaxed);
        let add = |bits| Some((f64::from_bits(bits) + value).to_bits());
        // The closure never declines, so the update always happens.
        let _ = self.sum.fetch_update(Relaxed, Relaxed, add);
    }
}

impl Metric for Histogram {
    fn read(&self) -> Reading {
        let mut count = 0;
        let mut up_to = |cell: &AtomicU64| {
            count += cell.load(Relaxed);
            count
        };
        let buckets = self
            .bounds
            .iter()
            .zip(&self.cells)
            .map(|(bound, cell)| (*bound, up_to(cell)))
            .collect();
        let count = up_to(&self.cells[self.bounds.len()]);
        Reading::Histogram { buckets, sum: f64::from_bits(self.sum.load(Relaxed)), count }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_inclusive() {
        let histogram = Histogram::new(&[1.0, 0.5]);
        for value in [0.5, 0.50001, 1.0, 2.0, f64::NAN] {
            histogram.observe(value);
        }
        assert_eq!(
            histogram.read(),
            Reading::Histogram { buckets: vec![(0.5, 1), (1.0, 3)], sum: 4.00001, count: 4 }
        );
    }

    #[test]
    fn buckets_double() {
        let bounds = exponential_buckets(0.001, 2.0, 10);
        assert_eq!(bounds.len(), 10);
        assert_eq!((bounds[0], bounds[9]), (0.001, 0.512));
    }
}
