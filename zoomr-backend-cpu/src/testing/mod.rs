//! Unit tests of whole kernels against dense f64 loops, and what the unit tests share.
//!
//! * [`attention`], [`tally`], [`linear`]: every provider on hostile shapes.
//! * [`block`]: norms, heads and sums against Burn's own operations, bit for bit.
//! * [`pool`]: sequences scattered over pages whose other slots are NaN.

mod attention;
mod block;
mod linear;
mod pool;
mod tally;

use crate::{CpuKernels, simd::Simd};

/// The largest relative error of rounding to f32.
pub(crate) const ROUNDING: f64 = f32::EPSILON as f64 / 2.0;

/// `count` numbers between -1 and 1, the same for the same `seed` (a 64-bit linear congruential generator).
pub(crate) fn noise(count: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    (0..count)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 40) as f32 / (1_u64 << 23) as f32 - 1.0
        })
        .collect()
}

/// The portable loops, and what this machine has beyond them.
pub(crate) fn paths() -> Vec<Simd> {
    match Simd::detect() {
        Simd::Portable => vec![Simd::Portable],
        #[cfg(target_arch = "x86_64")]
        best @ Simd::Avx2(_) => vec![Simd::Portable, best],
    }
}

/// The fused provider without and with what this machine has beyond the baseline.
fn fused() -> [CpuKernels; 2] {
    [CpuKernels::portable(), CpuKernels::new()]
}
