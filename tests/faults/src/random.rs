// SPDX-License-Identifier: Apache-2.0
//! Random numbers that are the same for a seed on every machine and with every version of every
//! crate, because a seed is what a violation is reported with.

/// splitmix64.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// A sequence of its own for each seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    /// Below `bound`, which must not be 0.
    pub fn below(&mut self, bound: usize) -> usize {
        (self.draw() % bound as u64) as usize
    }

    /// True once in `parts` times.
    pub fn one_in(&mut self, parts: usize) -> bool {
        self.below(parts) == 0
    }

    /// `count` of `items`, in their order; all of them if there are fewer.
    pub fn sample<T>(&mut self, items: Vec<T>, count: usize) -> Vec<T> {
        let total = items.len();
        let mut left = count.min(total);
        items
            .into_iter()
            .enumerate()
            .filter(|(index, _)| {
                let take = left > 0 && self.below(total - index) < left;
                left -= usize::from(take);
                take
            })
            .map(|(_, item)| item)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_has_the_wanted_size_and_keeps_the_order() {
        for seed in 0..50 {
            let sample = Random::new(seed).sample((0..100).collect::<Vec<_>>(), 17);
            assert_eq!(sample.len(), 17);
            assert!(sample.is_sorted());
        }
        assert_eq!(Random::new(1).sample(vec![1, 2], 5), vec![1, 2]);
    }
}
