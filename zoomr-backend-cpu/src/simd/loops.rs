//! Loops whose arithmetic is the same on every machine: written once, compiled for the baseline and, inlined into
//! `avx2::loops`, for AVX2.
//!
//! No multiplication is fused with an addition, and sums are taken in the order of the reference, which is
//! burn-ndarray's: eight lanes. So results are equal to those of Burn's own operations, bit for bit.
//! What each computes is said at [`Simd`](super::Simd).

/// Lanes of a sum.
const LANES: usize = 8;

#[inline(always)]
pub(super) fn square_sum(x: &[f32]) -> f32 {
    let (blocks, tail) = x.as_chunks::<LANES>();
    let mut lanes = [0.0_f32; LANES];
    for block in blocks {
        for (lane, x) in lanes.iter_mut().zip(block) {
            *lane += x * x;
        }
    }
    let [a, b, c, d, e, f, g, h] = lanes;
    let whole = (a + e) + (b + f) + (c + g) + (d + h);
    tail.iter().fold(whole, |sum, x| sum + x * x)
}

#[inline(always)]
pub(super) fn scale_by(x: &mut [f32], factor: f32, weight: &[f32]) {
    for (x, weight) in x.iter_mut().zip(weight) {
        *x = *x * factor * weight;
    }
}

#[inline(always)]
pub(super) fn add_scaled(sum: &mut [f32], x: &[f32], factor: f32) {
    for (sum, x) in sum.iter_mut().zip(x) {
        *sum += x * factor;
    }
}

#[inline(always)]
pub(super) fn turn(vector: &mut [f32], cos: &[f32], sin: &[f32]) {
    let half = vector.len() / 2;
    let (first, second) = vector.split_at_mut(half);
    let ((cos, other_cos), (sin, other_sin)) = (cos.split_at(half), sin.split_at(half));
    let angles = cos.iter().zip(sin).zip(other_cos.iter().zip(other_sin));
    for ((a, b), ((cos, sin), (other_cos, other_sin))) in first.iter_mut().zip(second).zip(angles) {
        (*a, *b) = (*a * cos + *b * sin, *b * other_cos + *a * other_sin);
    }
}
