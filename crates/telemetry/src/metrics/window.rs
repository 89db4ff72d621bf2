// SPDX-License-Identifier: Apache-2.0
//! Quantiles over the recent past.
//!
//! Time is cut into slots. A stream is begun with each slot and takes every observation from then
//! on; the oldest of the last [`SLOTS`] streams answers. So an answer covers between four and five
//! slots, and an observation is forgotten after five.

use std::collections::VecDeque;
use std::time::Duration;

use super::quantile::{Objective, Stream};

/// Streams kept, which is how many slots an answer may cover.
const SLOTS: u64 = 5;

/// Length of a slot: ten minutes in five slots, the defaults of the Go client.
const SLOT: Duration = Duration::from_secs(120);

/// The slot that a moment belongs to.
pub(super) fn slot_at(now: Duration) -> u64 {
    now.as_secs() / SLOT.as_secs()
}

/// Overlapping streams, and the totals since the beginning.
#[derive(Debug)]
pub(super) struct Window {
    objectives: &'static [Objective],
    /// The latest slot known.
    slot: u64,
    /// With the slot that each was begun in, oldest first; never empty.
    streams: VecDeque<(u64, Stream)>,
    sum: f64,
    count: u64,
}

impl Window {
    pub(super) fn new(objectives: &'static [Objective], slot: u64) -> Self {
        let streams = VecDeque::from([(slot, Stream::new(objectives))]);
        Self { objectives, slot, streams, sum: 0.0, count: 0 }
    }

    /// Forgets what is too old in `slot`.
    pub(super) fn advance(&mut self, slot: u64) {
        // After a long pause it suffices to begin the streams that are still of use.
        let mut begun = self.slot.max(slot.saturating_sub(SLOTS));
        while begun < slot {
            begun += 1;
            self.streams.push_back((begun, Stream::new(self.objectives)));
        }
        self.slot = self.slot.max(slot);
        while self.streams.len() > 1 && self.streams[0].0 + SLOTS <= self.slot {
            self.streams.pop_front();
        }
    }

    /// Adds observations made in `slot`, which may be one that is over; sorts them.
    pub(super) fn add(&mut self, slot: u64, values: &mut [f64]) {
        self.count += values.len() as u64;
        self.sum += values.iter().sum::<f64>();
        values.sort_unstable_by(f64::total_cmp);
        self.advance(slot);
        for (begun, stream) in &mut self.streams {
            if *begun <= slot {
                stream.insert(values);
            }
        }
    }

    /// Quantiles of the recent past, sum and number of everything.
    pub(super) fn read(&self) -> (Vec<(f64, f64)>, f64, u64) {
        let oldest = &self.streams[0].1;
        let quantiles = self
            .objectives
            .iter()
            .map(|target| (target.quantile, oldest.query(target.quantile)))
            .collect();
        (quantiles, self.sum, self.count)
    }
}

#[cfg(test)]
mod tests {
    use super::super::SUMMARY_OBJECTIVES;
    use super::*;

    fn median(window: &Window) -> f64 {
        window.read().0[0].1
    }

    #[test]
    fn observations_are_forgotten_after_five_slots() {
        let mut window = Window::new(SUMMARY_OBJECTIVES, 7);
        window.add(7, &mut [1.0, 1.0, 1.0]);
        window.add(9, &mut [2.0]);
        window.advance(11);
        assert_eq!(median(&window), 1.0);
        window.advance(12);
        assert_eq!(median(&window), 2.0);
        window.advance(14);
        assert!(median(&window).is_nan());
        assert_eq!((window.read().1, window.read().2), (5.0, 4));
    }

    #[test]
    fn a_long_pause_costs_nothing() {
        let mut window = Window::new(SUMMARY_OBJECTIVES, 0);
        window.add(0, &mut [1.0]);
        window.advance(u64::MAX / 2);
        assert!(window.streams.len() as u64 <= SLOTS);
        assert!(median(&window).is_nan());
        window.add(u64::MAX / 2, &mut [3.0]);
        assert_eq!(median(&window), 3.0);
    }

    #[test]
    fn a_late_batch_belongs_to_its_own_slot() {
        let mut window = Window::new(SUMMARY_OBJECTIVES, 0);
        window.advance(4);
        window.add(1, &mut [1.0]);
        assert_eq!(window.slot, 4);
        assert_eq!(median(&window), 1.0);
        window.advance(5);
        assert_eq!(median(&window), 1.0);
        window.advance(6);
        assert!(median(&window).is_nan());
    }
}
