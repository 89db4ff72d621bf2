// SPDX-License-Identifier: Apache-2.0
//! Summaries: quantiles of the last ten minutes, sum and number of everything.
//!
//! ```text
//!   observe ─▶ shard of the thread (a short list) ──full, slot over, scrape──▶ Window
//! ```
//!
//! Sorting observations into the quantile streams is dear compared with making one, so it is done
//! in batches. A thread appends to the list of its shard, under a lock that other threads hardly
//! ever want; the streams have a lock of their own which a full list only tries.

use std::cell::Cell;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::Mutex;

use super::window::{Window, slot_at};
use super::{Metric, Objective, Reading};
use crate::clock::Clock;

/// The quantiles of every summary of the contract (registry.md 6.1).
pub const SUMMARY_OBJECTIVES: &[Objective] = &[
    Objective { quantile: 0.5, epsilon: 0.05 },
    Objective { quantile: 0.9, epsilon: 0.01 },
    Objective { quantile: 0.99, epsilon: 0.001 },
];

/// Observations that a shard collects before they are moved on.
const BATCH: usize = 128;

/// Observations that a shard holds at most while the streams are busy.
const BACKLOG: usize = 8 * BATCH;

/// More shards than this bring nothing but memory.
const MAX_SHARDS: usize = 16;

/// Observations summed up as quantiles.
pub struct Summary {
    clock: Arc<dyn Clock>,
    shards: Box<[Shard]>,
    window: Mutex<Window>,
}

/// Alone on its cache lines (two, because processors fetch them in pairs).
#[derive(Default)]
#[repr(align(128))]
struct Shard(Mutex<Pending>);

/// Observations of one slot.
#[derive(Default)]
struct Pending {
    slot: u64,
    values: Vec<f64>,
}

fn shard_count() -> usize {
    static COUNT: OnceLock<usize> = OnceLock::new();
    *COUNT.get_or_init(|| {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        processors.min(MAX_SHARDS).next_power_of_two()
    })
}

/// A number that differs between the threads of a runtime.
fn thread_number() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static NUMBER: Cell<Option<usize>> = const { Cell::new(None) };
    }
    NUMBER.get().unwrap_or_else(|| {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        NUMBER.set(Some(number));
        number
    })
}

impl Summary {
    /// A summary without observations.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let window = Mutex::new(Window::new(SUMMARY_OBJECTIVES, slot_at(clock.now())));
        let shards = (0..shard_count()).map(|_| Shard::default()).collect();
        Self { clock, shards, window }
    }

    /// Adds an observation. Not a number is no observation.
    pub fn observe(&self, value: f64) {
        if value.is_nan() {
            return;
        }
        let slot = slot_at(self.clock.now());
        let Shard(shard) = &self.shards[thread_number() & (self.shards.len() - 1)];
        let mut pending = shard.lock();
        if pending.slot != slot {
            let over = std::mem::replace(&mut *pending, Pending { slot, values: Vec::new() });
            if !over.values.is_empty() {
                pending.values.push(value);
                drop(pending);
                return self.flush(over);
            }
        }
        pending.values.push(value);
        let waiting = pending.values.len();
        if waiting < BATCH {
            return;
        }
        // Somebody else is at the streams: come back with the next observation.
        let window = match self.window.try_lock() {
            Some(window) => Some(window),
            None if waiting < BACKLOG => return,
            None => None,
        };
        let mut values = std::mem::replace(&mut pending.values, Vec::with_capacity(BATCH));
        drop(pending);
        // No shard is locked while waiting here.
        window.unwrap_or_else(|| self.window.lock()).add(slot, &mut values);
    }

    /// Adds a duration in seconds.
    pub fn observe_duration(&self, duration: Duration) {
        self.observe(duration.as_secs_f64());
    }

    fn flush(&self, Pending { slot, mut values }: Pending) {
        self.window.lock().add(slot, &mut values);
    }
}

impl Metric for Summary {
    fn read(&self) -> Reading {
        for Shard(shard) in &self.shards {
            let pending = std::mem::take(&mut *shard.lock());
            if !pending.values.is_empty() {
                self.flush(pending);
            }
        }
        let mut window = self.window.lock();
        window.advance(slot_at(self.clock.now()));
        let (quantiles, sum, count) = window.read();
        Reading::Summary { quantiles, sum, count }
    }
}

impl fmt::Debug for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Summary").field("shards", &self.shards.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;

    fn read(summary: &Summary) -> ([f64; 3], f64, u64) {
        let Reading::Summary { quantiles, sum, count } = summary.read() else {
            panic!("a summary reads as one")
        };
        ([quantiles[0].1, quantiles[1].1, quantiles[2].1], sum, count)
    }

    #[test]
    fn quantiles_sum_and_count() {
        let summary = Summary::new(ManualClock::new());
        assert!(read(&summary).0[0].is_nan());
        for value in 1..=100 {
            summary.observe(f64::from(value));
        }
        summary.observe(f64::NAN);
        assert_eq!(read(&summary), ([50.0, 90.0, 99.0], 5050.0, 100));
        summary.observe_duration(Duration::from_millis(500));
        assert_eq!((read(&summary).1, read(&summary).2), (5050.5, 101));
    }

    #[test]
    fn only_the_last_ten_minutes_count_for_quantiles() {
        let clock = ManualClock::new();
        let summary = Summary::new(clock.clone());
        summary.observe(1.0);
        summary.observe(1.0);
        // Nobody scrapes; the pending observations keep their age.
        clock.advance(Duration::from_secs(500));
        summary.observe(2.0);
        assert_eq!(read(&summary).0[0], 1.0);
        clock.advance(Duration::from_secs(100));
        assert_eq!(read(&summary).0[0], 2.0);
        clock.advance(Duration::from_secs(3600));
        let (quantiles, sum, count) = read(&summary);
        assert!(quantiles.iter().all(|value| value.is_nan()));
        assert_eq!((sum, count), (4.0, 3));
    }

    #[test]
    fn no_observation_is_lost_between_threads() {
        let summary = Summary::new(ManualClock::new());
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for value in 1..=5000 {
                        summary.observe(f64::from(value));
                    }
                });
            }
            for _ in 0..50 {
                summary.read();
            }
        });
        let (quantiles, sum, count) = read(&summary);
        assert_eq!((sum, count), (8.0 * 12_502_500.0, 40_000));
        assert!((quantiles[2] - 4950.0).abs() <= 10.0, "{quantiles:?}");
    }
}
