//! The product of few rows with weight matrices: each matrix streams through once, in the form it is stored.
//!
//! A decode step is this, over all weights of the model: what it takes is what reading them takes.

use std::cell::RefCell;

use zoomr_core::weight::StoredWeight;

use super::{columns::interleave, gate, matrix::Inputs};
use crate::{simd::Simd, team};

/// Bytes of weights per task: a few microseconds of reading, so that threads finish together.
const TASK_BYTES: usize = 32 << 10;

/// The products of the inputs with several matrices, `[rows, out]` each: their tasks lie in one pile, so that threads meet
/// once, not once for each.
pub(super) fn multiply<const N: usize>(inputs: &Inputs<'_>, weights: [&StoredWeight; N]) -> [Vec<f32>; N] {
    let rows = inputs.rows();
    let mut blocks = weights.map(|weight| vec![0.0; rows * weight.rows()]);
    let mut weight = weights.iter();
    let outs = blocks.each_mut().map(|block| {
        let width = weight.next().map_or(1, |weight| width(weight));
        (&mut block[..], rows * width)
    });
    team::run_chunks_of_each(outs, |which, i, block| {
        let (first, count) = (i * width(weights[which]), block.len() / rows);
        inputs.dots(weights[which], first..first + count, block, count);
    });
    let mut weight = weights.iter();
    blocks.map(|block| match weight.next() {
        Some(weight) => interleave(block, rows, weight.rows(), width(weight)),
        None => block,
    })
}

thread_local! {
    /// A task's part of the product with `up`, kept from call to call.
    static UP: RefCell<Vec<f32>> = RefCell::default();
}

/// `silu(x G^T) * (x U^T)`, `[rows, out]`: a task has the same rows of both matrices, and what it makes of them.
pub(super) fn gated(simd: Simd, inputs: &Inputs<'_>, gate: &StoredWeight, up: &StoredWeight) -> Vec<f32> {
    let (rows, width) = (inputs.rows(), width(gate));
    let mut blocks = vec![0.0; rows * gate.rows()];
    team::run_chunks(&mut blocks, rows * width, |i, block| {
        let (first, count) = (i * width, block.len() / rows);
        inputs.dots(gate, first..first + count, block, count);
        UP.with_borrow_mut(|product| {
            product.resize(block.len(), 0.0);
            inputs.dots(up, first..first + count, product, count);
            gate::forward(simd, block, product);
        });
    });
    interleave(blocks, rows, gate.rows(), width)
}

/// Weight rows per task.
fn width(weight: &StoredWeight) -> usize {
    (TASK_BYTES / weight.row_bytes().max(1)).max(1)
}
