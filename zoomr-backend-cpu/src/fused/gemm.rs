//! The product of many rows with a weight matrix: blocks of it widened to f32, then a blocked product.
//!
//! The arithmetic is the [`matrixmultiply`] crate's, which finds its instructions itself (AVX-512 makes it half
//! as fast again); a block's widening costs as much as one of its input rows or two.

use rayon::prelude::*;
use zoomr_core::weight::StoredWeight;

use super::{columns::interleave, strided::Strided};
use crate::simd::{Element, Simd};

/// Weight rows per task: at 1,536 columns, 400 KB of f32, which stay in a core's second-level cache.
const BLOCK_ROWS: usize = 64;

/// `x` `[rows, columns]` times `weights` `[out, columns]` transposed: `[rows, out]`.
pub(super) fn multiply<E: Element>(simd: Simd, x: &[f32], weights: &[E::Unit], columns: usize) -> Vec<f32> {
    let (rows, out) = (x.len() / columns, weights.len() / columns);
    let mut blocks = vec![0.0; rows * out];
    blocks.par_chunks_mut(rows * BLOCK_ROWS).zip(weights.par_chunks(BLOCK_ROWS * columns)).for_each_init(
        Vec::new,
        |wide, (block, weights)| {
            wide.resize(weights.len(), 0.0);
            simd.widen::<E>(weights, wide);
            product(x, wide, columns, block);
        },
    );
    interleave(blocks, rows, out, BLOCK_ROWS)
}

/// [`multiply`] for a matrix of blocks.
pub(super) fn decoded(x: &[f32], weight: &StoredWeight) -> Vec<f32> {
    let (rows, out) = (x.len() / weight.columns(), weight.rows());
    let mut blocks = vec![0.0; rows * out];
    blocks.par_chunks_mut(rows * BLOCK_ROWS).enumerate().for_each(|(i, block)| {
        let first = i * BLOCK_ROWS;
        let wide = weight.to_f32(first..first + block.len() / rows);
        product(x, &wide, weight.columns(), block);
    });
    interleave(blocks, rows, out, BLOCK_ROWS)
}

/// `x` `[m, columns]` times `weights` `[n, columns]` transposed, into `out` `[m, n]`.
fn product(x: &[f32], weights: &[f32], columns: usize, out: &mut [f32]) {
    let (m, n) = (x.len() / columns, weights.len() / columns);
    let weights = Strided::new(weights, [n, columns], columns).transposed();
    Strided::new(x, [m, columns], columns).times(weights, out, n, false);
}
