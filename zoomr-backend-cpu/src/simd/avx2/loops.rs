//! [`loops`](crate::simd::loops), compiled for AVX2: the same arithmetic, eight lanes at a time.

use crate::simd::loops;

#[target_feature(enable = "avx2")]
pub(super) fn square_sum(x: &[f32]) -> f32 {
    loops::square_sum(x)
}

#[target_feature(enable = "avx2")]
pub(super) fn scale_by(x: &mut [f32], factor: f32, weight: &[f32]) {
    loops::scale_by(x, factor, weight);
}

#[target_feature(enable = "avx2")]
pub(super) fn add_scaled(sum: &mut [f32], x: &[f32], factor: f32) {
    loops::add_scaled(sum, x, factor);
}

#[target_feature(enable = "avx2")]
pub(super) fn turn(vector: &mut [f32], cos: &[f32], sin: &[f32]) {
    loops::turn(vector, cos, sin);
}
