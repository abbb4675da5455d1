//! Products with weight matrices as stored: which way, for how many rows.

use zoomr_core::weight::StoredWeight;

use super::{gemm, matrix::Inputs, stream};
use crate::simd::Simd;

/// Input rows up to which the weights, read once, are what costs; with more, arithmetic is, and the blocked
/// product has the better of it.
const STREAM_ROWS: usize = 12;

/// The products `x W^T` of `x` `[rows, in]` with several matrices, `[rows, out]` each.
pub(crate) fn linear<const N: usize>(
    simd: Simd,
    x: &[f32],
    rows: usize,
    weights: [&StoredWeight; N],
) -> [Vec<f32>; N] {
    if x.is_empty() {
        return weights.map(|weight| vec![0.0; rows * weight.rows()]);
    }
    if rows > STREAM_ROWS {
        return weights.map(|weight| gemm::multiply(simd, x, weight));
    }
    stream::multiply(&Inputs::new(simd, x, &weights), weights)
}

/// `silu(x G^T) * (x U^T)`, `[rows, out]`.
pub(crate) fn gated(simd: Simd, x: &[f32], rows: usize, gate: &StoredWeight, up: &StoredWeight) -> Vec<f32> {
    if x.is_empty() || rows > STREAM_ROWS {
        let [mut product, up] = linear(simd, x, rows, [gate, up]);
        super::gate::forward(simd, &mut product, &up);
        return product;
    }
    stream::gated(simd, &Inputs::new(simd, x, &[gate, up]), gate, up)
}
