//! Products with a weight matrix as stored: which way, for how many rows and which element type.

use zoomr_core::weight::{StoredWeight, WeightDtype};

use super::{gemm, stream};
use crate::simd::{Bf16, Element, F16, F32, Simd};

/// Input rows up to which the weights, read once, are what costs; with more, arithmetic is, and the blocked
/// product has the better of it.
const STREAM_ROWS: usize = 12;

/// `x W^T` for `x` `[rows, in]`: `[rows, out]`.
pub(crate) fn linear(simd: Simd, x: &[f32], rows: usize, weight: &StoredWeight) -> Vec<f32> {
    if x.is_empty() || weight.rows() == 0 {
        return vec![0.0; rows * weight.rows()];
    }
    let (bytes, columns) = (weight.bytes(), weight.columns());
    match weight.dtype() {
        WeightDtype::F32 => multiply::<F32>(simd, x, bytes.as_chunks().0, columns),
        WeightDtype::F16 => multiply::<F16>(simd, x, bytes.as_chunks().0, columns),
        WeightDtype::Bf16 => multiply::<Bf16>(simd, x, bytes.as_chunks().0, columns),
    }
}

fn multiply<E: Element>(simd: Simd, x: &[f32], weights: &[E::Unit], columns: usize) -> Vec<f32> {
    if x.len() <= STREAM_ROWS * columns {
        stream::multiply::<E>(simd, x, weights, columns)
    } else {
        gemm::multiply::<E>(simd, x, weights, columns)
    }
}
