//! The product of many rows with a weight matrix: blocks of it widened to f32, then a blocked product.
//!
//! The arithmetic is [`ndarray`]'s `general_mat_mul` (the `matrixmultiply` crate), which finds its instructions
//! itself; a block's widening costs as much as one of its input rows or two.

use ndarray::{ArrayView2, ArrayViewMut2, linalg::general_mat_mul};
use rayon::prelude::*;

use super::linear::interleave;
use crate::simd::{Element, Simd};

/// Weight rows per task: at 1,536 columns, 400 KB of f32, which stay in a core's second-level cache.
const BLOCK_ROWS: usize = 64;

/// `x` `[rows, columns]` times `weights` `[out, columns]` transposed: `[rows, out]`.
pub(super) fn multiply<E: Element>(simd: Simd, x: &[f32], weights: &[E::Unit], columns: usize) -> Vec<f32> {
    let (rows, out) = (x.len() / columns, weights.len() / columns);
    let x = matrix(x, columns);
    let mut blocks = vec![0.0; rows * out];
    blocks.par_chunks_mut(rows * BLOCK_ROWS).zip(weights.par_chunks(BLOCK_ROWS * columns)).for_each_init(
        Vec::new,
        |wide, (block, weights)| {
            wide.resize(weights.len(), 0.0);
            simd.widen::<E>(weights, wide);
            let width = weights.len() / columns;
            let mut block = ArrayViewMut2::from_shape((rows, width), block)
                .expect("a block has `rows` numbers for each of its weight rows");
            general_mat_mul(1.0, &x, &matrix(wide, columns).t(), 0.0, &mut block);
        },
    );
    interleave(blocks, rows, out, BLOCK_ROWS)
}

/// `elements` as rows of `columns`.
fn matrix(elements: &[f32], columns: usize) -> ArrayView2<'_, f32> {
    ArrayView2::from_shape((elements.len() / columns, columns), elements)
        .expect("inputs and weights are whole rows")
}
