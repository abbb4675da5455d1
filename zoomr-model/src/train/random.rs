//! Normally distributed numbers that are the same on every backend and every machine.

use crate::data::synth::draw::Draw;

/// Normally distributed numbers: mean 0, deviation 1 (Box and Muller, 1958).
#[derive(Clone, Debug)]
pub(super) struct Normal(Draw);

impl Normal {
    /// The numbers of one `seed`.
    pub(super) fn seeded(seed: u64) -> Self {
        Self(Draw::new(seed, 0))
    }

    /// The next number.
    pub(super) fn sample(&mut self) -> f64 {
        // 1 - u is never 0, whose logarithm is infinite. libm: the platform's functions may differ in the last bit.
        let radius = libm::sqrt(-2.0 * libm::log(1.0 - self.0.share()));
        radius * libm::cos(std::f64::consts::TAU * self.0.share())
    }
}
