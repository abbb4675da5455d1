//! RMS norms, one vector after another, each while it is in the first-level cache.

use crate::simd::Simd;

/// Normalises each vector of `x` `[vectors, weight.len()]` in place.
pub(crate) fn rms_norm(simd: Simd, x: &mut [f32], weight: &[f32], eps: f32) {
    for vector in x.chunks_exact_mut(weight.len()) {
        let mean_square = simd.square_sum(vector) / vector.len() as f32;
        // 0, or NaN where the mean square is infinite.
        let lost = mean_square * 0.0;
        simd.scale_by(vector, 1.0 / (mean_square + eps).sqrt() + lost, weight);
    }
}
