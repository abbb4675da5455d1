//! The product of few rows with a weight matrix: the matrix streams through once, in the form it is stored.
//!
//! A decode step is this, over all weights of the model: what it takes is what reading them takes.

use rayon::prelude::*;

use super::columns::interleave;
use crate::simd::{Element, Simd};

/// Bytes of weights per task: a few microseconds of reading, so that threads finish together.
const TASK_BYTES: usize = 32 << 10;

/// Weight rows per task are a multiple of this, so that the inner loop's tiles are whole.
const TILE: usize = 4;

/// `x` `[rows, columns]` times `weights` `[out, columns]` transposed, `[rows, out]`, on all threads.
pub(super) fn multiply<E: Element>(simd: Simd, x: &[f32], weights: &[E::Unit], columns: usize) -> Vec<f32> {
    let (rows, out) = (x.len() / columns, weights.len() / columns);
    let row_bytes = columns * size_of::<E::Unit>();
    let width = (TASK_BYTES / row_bytes).next_multiple_of(TILE).max(TILE);
    let mut blocks = vec![0.0; rows * out];
    blocks
        .par_chunks_mut(rows * width)
        .zip(weights.par_chunks(width * columns))
        .for_each(|(block, weights)| simd.dots::<E>(x, weights, columns, block, weights.len() / columns));
    interleave(blocks, rows, out, width)
}

/// [`multiply`] on this thread alone.
pub(super) fn multiply_alone<E: Element>(
    simd: Simd,
    x: &[f32],
    weights: &[E::Unit],
    columns: usize,
) -> Vec<f32> {
    let (rows, out) = (x.len() / columns, weights.len() / columns);
    let mut product = vec![0.0; rows * out];
    simd.dots::<E>(x, weights, columns, &mut product, out);
    product
}
