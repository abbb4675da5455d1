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

/// Puts blocks of columns, `[rows, width]` each and one after another, into rows of `out` columns.
pub(super) fn interleave(blocks: Vec<f32>, rows: usize, out: usize, width: usize) -> Vec<f32> {
    if rows == 1 {
        return blocks;
    }
    let mut joined = vec![0.0; blocks.len()];
    for (first, block) in (0..out).step_by(width).zip(blocks.chunks(rows * width)) {
        let width = block.len() / rows;
        for (row, block) in joined.chunks_exact_mut(out).zip(block.chunks_exact(width)) {
            row[first..first + width].copy_from_slice(block);
        }
    }
    joined
}
