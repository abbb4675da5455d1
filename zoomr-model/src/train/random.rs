//! What training draws at random: the same on every backend and every machine.

use crate::data::synth::draw::Draw;

/// What a step draws random numbers for: each has numbers of its own, so that no example always meets one mask. (What a
/// model starts from shares numbers with the very first text, which nothing comes of.)
#[derive(Clone, Copy, Debug)]
pub(super) enum Purpose {
    /// Which texts are learnt.
    Texts,
    /// Which masks they are learnt under.
    Masks,
}

/// The random numbers of place `place` in step `step` of a run.
pub(super) fn of_step(seed: u64, purpose: Purpose, step: usize, place: usize) -> Draw {
    Draw::new(seed, ((purpose as u64) << 63) | ((step as u64) << 32) | place as u64)
}

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
