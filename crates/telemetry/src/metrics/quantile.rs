// SPDX-License-Identifier: Apache-2.0
//! Quantiles of a stream in bounded memory, with a bound on the error that is given per quantile.
//!
//! The method is that of Cormode, Korn, Muthukrishnan and Srivastava, "Effective Computation of
//! Biased Quantiles over Data Streams" (ICDE 2005), section 4, targeted quantiles. The Go client
//! uses it too, with the same targets. The stream keeps some of the observations in order; each
//! stands for a number of neighbours, few near a target and many far from all.

/// A quantile that is to be known, and by how much its rank may be wrong.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Objective {
    /// The quantile, above 0 and below 1.
    pub quantile: f64,
    /// Error of the rank, as a part of the number of observations.
    pub epsilon: f64,
}

/// Up to this many observations are kept as they are, so quantiles of few are exact.
const EXACT: usize = 500;

/// An observation that stands for itself and for others just below it.
///
/// Its rank is at least the sum of the widths up to and including its own, and at most that plus
/// `delta`. 32 bits hold more than seven million observations a second for ten minutes.
#[derive(Clone, Copy, Debug)]
struct Sample {
    value: f64,
    width: u32,
    delta: u32,
}

/// The kept observations of a stream.
#[derive(Debug)]
pub struct Stream {
    objectives: &'static [Objective],
    samples: Vec<Sample>,
    count: u64,
}

impl Stream {
    /// A stream without observations.
    pub fn new(objectives: &'static [Objective]) -> Self {
        Self { objectives, samples: Vec::new(), count: 0 }
    }

    /// Observations seen.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Observations kept.
    pub fn kept(&self) -> usize {
        self.samples.len()
    }

    /// Adds observations, which are in ascending order and are all numbers.
    pub fn insert(&mut self, batch: &[f64]) {
        debug_assert!(batch.is_sorted());
        let mut merged = Vec::with_capacity(self.samples.len() + batch.len());
        let mut old = self.samples.iter().copied().peekable();
        for &value in batch {
            while let Some(sample) = old.next_if(|sample| sample.value <= value) {
                merged.push(sample);
            }
            // What is known of its rank is what is known of the observation above it. A new
            // smallest or largest one has a rank that is known exactly.
            let delta = match old.peek() {
                Some(above) if !merged.is_empty() => above.width + above.delta - 1,
                _ => 0,
            };
            merged.push(Sample { value, width: 1, delta });
        }
        merged.extend(old);
        self.samples = merged;
        self.count += batch.len() as u64;
        if self.samples.len() > EXACT {
            self.compress();
        }
    }

    /// Joins neighbours as far as the permitted error allows. Smallest and largest stay.
    fn compress(&mut self) {
        let Some(mut keep) = self.samples.pop() else { return };
        let mut kept = Vec::with_capacity(self.samples.len());
        // The rank below the sample being looked at.
        let mut below = self.count - u64::from(keep.width);
        for at in (0..self.samples.len()).rev() {
            let sample = self.samples[at];
            below -= u64::from(sample.width);
            let width = u64::from(keep.width) + u64::from(sample.width);
            let joined = (width + u64::from(keep.delta)) as f64;
            if at > 0 && joined <= self.permitted(below as f64) {
                keep.width += sample.width;
            } else {
                kept.push(keep);
                keep = sample;
            }
        }
        kept.push(keep);
        kept.reverse();
        self.samples = kept;
    }

    /// How many ranks an observation at `rank` may cover: the paper's function f, made tighter.
    ///
    /// Half of f at the target's own rank is the error wanted. But the sample that answers may lie
    /// off that rank by the error, where f is larger by the parts epsilon/q and epsilon/(1-q);
    /// these are at most a tenth for our targets.
    fn permitted(&self, rank: f64) -> f64 {
        let count = self.count as f64;
        let of = |target: &Objective| {
            if target.quantile * count <= rank {
                2.0 * target.epsilon * rank / target.quantile
            } else {
                2.0 * target.epsilon * (count - rank) / (1.0 - target.quantile)
            }
        };
        0.9 * self.objectives.iter().map(of).fold(f64::INFINITY, f64::min)
    }

    /// The value at a quantile, or NaN when nothing was observed.
    ///
    /// It is the kept observation whose possible ranks are nearest to the wanted one.
    pub fn query(&self, quantile: f64) -> f64 {
        let wanted = (quantile * self.count as f64).ceil().max(1.0);
        let mut best = (f64::INFINITY, f64::NAN);
        let mut least = 0_u64;
        for sample in &self.samples {
            least += u64::from(sample.width);
            let most = least + u64::from(sample.delta);
            let error = (wanted - least as f64).max(most as f64 - wanted);
            if error < best.0 {
                best = (error, sample.value);
            }
        }
        best.1
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::SUMMARY_OBJECTIVES;
    use super::*;

    fn feed(stream: &mut Stream, values: &[f64], batch: usize) {
        for chunk in values.chunks(batch) {
            let mut chunk = chunk.to_vec();
            chunk.sort_by(f64::total_cmp);
            stream.insert(&chunk);
        }
    }

    /// By how many ranks the answer for a quantile is off; 0 when one of the equal values fits.
    fn rank_error(values: &[f64], quantile: f64, answer: f64) -> f64 {
        let wanted = (quantile * values.len() as f64).ceil().max(1.0);
        let first = values.iter().filter(|value| **value < answer).count() as f64 + 1.0;
        let last = values.iter().filter(|value| **value <= answer).count() as f64;
        assert!(first <= last, "{answer} was never observed");
        (first - wanted).max(wanted - last).max(0.0)
    }

    #[test]
    fn few_observations_are_exact() {
        let mut stream = Stream::new(SUMMARY_OBJECTIVES);
        assert!(stream.query(0.5).is_nan());
        let values: Vec<f64> = (1..=500).rev().map(f64::from).collect();
        feed(&mut stream, &values[..1], 1);
        assert_eq!(stream.query(0.99), 500.0);
        feed(&mut stream, &values[1..], 7);
        assert_eq!([0.5, 0.9, 0.99].map(|q| stream.query(q)), [250.0, 450.0, 495.0]);
        // As in a recorded page: of two observations the lower is the median.
        let mut two = Stream::new(SUMMARY_OBJECTIVES);
        two.insert(&[0.00623082, 0.006755843]);
        assert_eq!([0.5, 0.9].map(|q| two.query(q)), [0.00623082, 0.006755843]);
    }

    #[test]
    fn memory_stays_bounded() {
        let mut stream = Stream::new(SUMMARY_OBJECTIVES);
        let mut state = 1_u64;
        for _ in 0..5_000 {
            let mut batch: Vec<f64> = (0..100)
                .map(|_| {
                    state =
                        state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                    (state >> 11) as f64
                })
                .collect();
            batch.sort_by(f64::total_cmp);
            stream.insert(&batch);
            assert!(stream.kept() <= EXACT + 100);
        }
        assert_eq!(stream.count(), 500_000);
    }

    fn shape() -> impl Strategy<Value = Vec<f64>> {
        let value = prop_oneof![
            Just(0.0),
            0.0..1.0_f64,
            (0.0..8.0_f64).prop_map(|power| 10.0_f64.powf(power)),
            (0..5_i32).prop_map(f64::from),
        ];
        (prop::collection::vec(value, 1..8000), 0..3_u8).prop_map(|(mut values, order)| {
            match order {
                0 => {}
                1 => values.sort_by(f64::total_cmp),
                _ => values.sort_by(|left, right| right.total_cmp(left)),
            }
            values
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn rank_error_is_within_epsilon(values in shape(), batch in 1..700_usize) {
            let mut stream = Stream::new(SUMMARY_OBJECTIVES);
            feed(&mut stream, &values, batch);
            prop_assert_eq!(stream.count(), values.len() as u64);
            for target in SUMMARY_OBJECTIVES {
                let error = rank_error(&values, target.quantile, stream.query(target.quantile));
                // Ranks are whole numbers, so less than one is no error that could be avoided.
                let allowed = (target.epsilon * values.len() as f64).max(1.0);
                prop_assert!(error <= allowed, "{target:?}: {error} > {allowed}");
            }
        }
    }
}
