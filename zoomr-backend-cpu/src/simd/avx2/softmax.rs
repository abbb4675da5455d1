//! The maximum of a block of scores, and their exponentials.
//!
//! `e^x` is `2^n e^r`, with `n` whole and `|r| <= ln(2) / 2`.
//! `e^r` is its Taylor polynomial of degree 7, whose remainder there, `r^8 / 8! < 6e-9`, is a tenth of the f32
//! rounding error. Results below the smallest normal f32 become 0.

use std::arch::x86_64::{
    __m256, _CMP_LT_OQ, _MM_FROUND_NO_EXC, _MM_FROUND_TO_NEAREST_INT, _mm256_add_epi32, _mm256_add_ps,
    _mm256_andnot_ps, _mm256_castsi256_ps, _mm256_cmp_ps, _mm256_cvtps_epi32, _mm256_fmadd_ps,
    _mm256_fnmadd_ps, _mm256_loadu_ps, _mm256_max_ps, _mm256_mul_ps, _mm256_round_ps, _mm256_set1_epi32,
    _mm256_set1_ps, _mm256_setzero_ps, _mm256_slli_epi32, _mm256_storeu_ps, _mm256_sub_ps,
};

/// Just above the logarithm of the smallest normal f32: here `n >= -126`, an exponent that f32 has.
const LOWEST: f32 = -87.33;

/// The upper bits of ln(2), few enough that `n` times it is exact.
const LN_2_HIGH: f32 = 355.0 / 512.0;

/// What they leave of ln(2).
const LN_2_LOW: f32 = -2.121_944_4e-4;

/// `1 / k!` for `k` from 7 down to 0.
const TAYLOR: [f32; 8] = [1.0 / 5040.0, 1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0];

#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn scale_max(scores: &mut [f32], scale: f32) -> f32 {
    let mut lanes = [f32::NEG_INFINITY; 8];
    let (blocks, tail) = scores.as_chunks_mut::<8>();
    let factor = _mm256_set1_ps(scale);
    let mut highest = _mm256_set1_ps(f32::NEG_INFINITY);
    for block in blocks {
        // SAFETY: an array of eight f32 has, and takes, the eight lanes.
        let scaled = _mm256_mul_ps(unsafe { _mm256_loadu_ps(block.as_ptr()) }, factor);
        // SAFETY: as above.
        unsafe { _mm256_storeu_ps(block.as_mut_ptr(), scaled) };
        // The maximum returns its second operand where one is NaN.
        highest = _mm256_max_ps(scaled, highest);
    }
    // SAFETY: as above.
    unsafe { _mm256_storeu_ps(lanes.as_mut_ptr(), highest) };
    tail.iter_mut().for_each(|score| *score *= scale);
    lanes.iter().chain(tail.iter()).copied().fold(f32::NEG_INFINITY, f32::max)
}

#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn exp_sum(scores: &mut [f32], reference: f32) -> f32 {
    let reference = _mm256_set1_ps(reference);
    let mut sums = _mm256_setzero_ps();
    let (blocks, tail) = scores.as_chunks_mut::<8>();
    for block in blocks {
        sums = _mm256_add_ps(sums, exp_in_place(block, reference));
    }
    if !tail.is_empty() {
        // Minus infinity fills the block up: its exponential adds nothing.
        let mut block = [f32::NEG_INFINITY; 8];
        block[..tail.len()].copy_from_slice(tail);
        sums = _mm256_add_ps(sums, exp_in_place(&mut block, reference));
        tail.copy_from_slice(&block[..tail.len()]);
    }
    let mut lanes = [0.0; 8];
    // SAFETY: an array of eight f32 takes the eight lanes.
    unsafe { _mm256_storeu_ps(lanes.as_mut_ptr(), sums) };
    lanes.iter().sum()
}

#[target_feature(enable = "avx2,fma,f16c")]
fn exp_in_place(block: &mut [f32; 8], reference: __m256) -> __m256 {
    // SAFETY: an array of eight f32 has the eight lanes.
    let scores = unsafe { _mm256_loadu_ps(block.as_ptr()) };
    let exps = exp(_mm256_sub_ps(scores, reference));
    // SAFETY: as above.
    unsafe { _mm256_storeu_ps(block.as_mut_ptr(), exps) };
    exps
}

/// `e^x` for `x <= 0`; NaN stays NaN.
#[target_feature(enable = "avx2,fma,f16c")]
fn exp(x: __m256) -> __m256 {
    let lowest = _mm256_set1_ps(LOWEST);
    let vanishes = _mm256_cmp_ps::<_CMP_LT_OQ>(x, lowest);
    // As above: NaN comes second, and is returned.
    let x = _mm256_max_ps(lowest, x);
    let n = _mm256_round_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(_mm256_mul_ps(
        x,
        _mm256_set1_ps(std::f32::consts::LOG2_E),
    ));
    let r = _mm256_fnmadd_ps(n, _mm256_set1_ps(LN_2_HIGH), x);
    let r = _mm256_fnmadd_ps(n, _mm256_set1_ps(LN_2_LOW), r);
    let mut polynomial = _mm256_setzero_ps();
    for coefficient in TAYLOR {
        polynomial = _mm256_fmadd_ps(polynomial, r, _mm256_set1_ps(coefficient));
    }
    let exponent = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
    let power = _mm256_castsi256_ps(_mm256_slli_epi32::<23>(exponent));
    _mm256_andnot_ps(vanishes, _mm256_mul_ps(polynomial, power))
}
