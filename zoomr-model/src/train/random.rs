//! Random numbers that are the same on every backend and every machine.

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{RngCore, SeedableRng},
};

/// Uniform numbers.
#[derive(Clone, Debug)]
pub(super) struct Uniform(ChaCha8Rng);

impl Uniform {
    /// The numbers of one purpose (`stream`) and one `seed`.
    pub(super) fn seeded(seed: u64, stream: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(stream);
        Self(rng)
    }

    /// In `0.0..1.0`.
    pub(super) fn sample(&mut self) -> f64 {
        // The upper 53 bits are a double's precision.
        (self.0.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// In `0..end`; `end` is at least 1.
    pub(super) fn below(&mut self, end: usize) -> usize {
        // The bias of a product is below 2^-32 for any count that fits into memory.
        (((u128::from(self.0.next_u64())) * end as u128) >> 64) as usize
    }
}

/// Normally distributed numbers: mean 0, deviation 1 (Box and Muller, 1958).
#[derive(Clone, Debug)]
pub(super) struct Normal(Uniform);

impl Normal {
    /// The numbers of one `seed`.
    pub(super) fn seeded(seed: u64) -> Self {
        Self(Uniform::seeded(seed, 0))
    }

    /// The next number.
    pub(super) fn sample(&mut self) -> f64 {
        // 1 - u is never 0, whose logarithm is infinite. libm: the platform's functions may differ in the last bit.
        let radius = libm::sqrt(-2.0 * libm::log(1.0 - self.0.sample()));
        radius * libm::cos(std::f64::consts::TAU * self.0.sample())
    }
}
