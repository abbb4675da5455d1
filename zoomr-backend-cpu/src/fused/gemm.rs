//! The product of many rows with a weight matrix: blocks of it widened to f32, then a blocked product.
//!
//! The arithmetic is the [`matrixmultiply`] crate's, which finds its instructions itself (AVX-512 makes it half
//! as fast again); a block's widening costs as much as one of its input rows or two.

use rayon::prelude::*;
use zoomr_core::weight::StoredWeight;

use super::{columns::interleave, matrix::widen, strided::Strided};
use crate::simd::Simd;

/// Weight rows per task: at 1,536 columns, 400 KB of f32, which stay in a core's second-level cache.
const BLOCK_ROWS: usize = 64;

/// `x` `[rows, columns]` times a matrix `[out, columns]` transposed: `[rows, out]`.
pub(super) fn multiply(simd: Simd, x: &[f32], weight: &StoredWeight) -> Vec<f32> {
    let (columns, out) = (weight.columns(), weight.rows());
    let rows = x.len() / columns;
    let mut blocks = vec![0.0; rows * out];
    blocks.par_chunks_mut(rows * BLOCK_ROWS).enumerate().for_each_init(Vec::new, |wide, (i, block)| {
        let (first, count) = (i * BLOCK_ROWS, block.len() / rows);
        wide.resize(count * columns, 0.0);
        widen(simd, weight, first..first + count, wide);
        product(x, wide, columns, block);
    });
    interleave(blocks, rows, out, BLOCK_ROWS)
}

/// `x` `[m, columns]` times `weights` `[n, columns]` transposed, into `out` `[m, n]`.
fn product(x: &[f32], weights: &[f32], columns: usize, out: &mut [f32]) {
    let (m, n) = (x.len() / columns, weights.len() / columns);
    let weights = Strided::new(weights, [n, columns], columns).transposed();
    Strided::new(x, [m, columns], columns).times(weights, out, n, false);
}
