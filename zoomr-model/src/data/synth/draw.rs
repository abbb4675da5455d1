//! Random numbers for data: the same seed and index give the same numbers on every machine.

use std::ops::RangeInclusive;

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{RngCore, SeedableRng},
};

/// A source of random numbers (ChaCha8).
#[derive(Clone, Debug)]
pub struct Draw {
    rng: ChaCha8Rng,
}

impl Draw {
    /// The source of example `index` of a data set: independent of all other examples, so that any part of a set
    /// can be made alone.
    pub fn new(seed: u64, index: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(index);
        Self { rng }
    }

    /// A number below `count`, all equally likely.
    ///
    /// # Panics
    /// If `count` is 0: there is nothing to choose from.
    pub fn below(&mut self, count: usize) -> usize {
        assert!(count > 0, "a number below 0 was asked for");
        let count = count as u64;
        // The high half of a product is uniform but for its first few low halves, which are drawn again.
        let unfair = count.wrapping_neg() % count;
        loop {
            let product = u128::from(self.rng.next_u64()) * u128::from(count);
            if product as u64 >= unfair {
                return (product >> 64) as usize;
            }
        }
    }

    /// A number of a range, all equally likely.
    ///
    /// # Panics
    /// If the range is empty.
    pub fn within(&mut self, range: RangeInclusive<usize>) -> usize {
        range.start() + self.below((range.end() + 1).saturating_sub(*range.start()))
    }

    /// In `0.0..1.0`.
    pub fn share(&mut self) -> f64 {
        // The upper 53 bits are a double's precision.
        (self.rng.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// True or false.
    pub fn coin(&mut self) -> bool {
        self.below(2) == 0
    }

    /// Puts items in random order.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for end in (2..=items.len()).rev() {
            items.swap(self.below(end), end - 1);
        }
    }

    /// `count` different items of a list, or all of a shorter one, in random order.
    pub fn some_of<T: Clone>(&mut self, items: &[T], count: usize) -> Vec<T> {
        let mut items = items.to_vec();
        self.shuffle(&mut items);
        items.truncate(count);
        items
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_fair_and_reproducible() {
        let draw = |seed, index| {
            let mut draw = Draw::new(seed, index);
            (0..6000).map(|_| draw.within(3..=8)).collect::<Vec<_>>()
        };
        let drawn = draw(7, 0);
        for number in 3..=8 {
            let count = drawn.iter().filter(|&&n| n == number).count();
            assert!((850..=1150).contains(&count), "{number}: {count}");
        }
        assert_eq!(drawn, draw(7, 0));
        assert_ne!(drawn, draw(7, 1));
        assert_ne!(drawn, draw(8, 0));
    }

    #[test]
    fn some_are_different_ones() {
        let mut drawn = Draw::new(1, 0).some_of(&[1, 2, 3, 4, 5], 4);
        drawn.sort_unstable();
        drawn.dedup();
        assert_eq!(drawn.len(), 4);
        assert_eq!(Draw::new(1, 0).some_of(&[1, 2], 4).len(), 2);
    }
}
