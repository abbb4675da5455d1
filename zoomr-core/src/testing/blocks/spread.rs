//! How keys spread, in f64.

use std::ops::Range;

use crate::testing::oracle::{self, DenseKv};

/// Mean, deviation and variance within blocks, each `[kv_heads, head_dim]`.
pub(super) type Spread = [Vec<f64>; 3];

/// The spread of the keys of `blocks`.
pub(super) fn spread(dense: &DenseKv, blocks: &[Range<usize>]) -> Spread {
    let width = dense.kv_heads * dense.head_dim;
    let tokens: Vec<usize> = blocks.iter().flat_map(Clone::clone).collect();
    let count = tokens.len() as f64;
    let mean: Vec<f64> =
        (0..width).map(|i| tokens.iter().map(|t| dense.keys[t * width + i]).sum::<f64>() / count).collect();
    let square = |i: usize| tokens.iter().map(|t| (dense.keys[t * width + i] - mean[i]).powi(2)).sum::<f64>();
    let mut deviation: Vec<f64> = (0..width).map(|i| (square(i) / count).sqrt()).collect();
    for head in deviation.chunks_exact_mut(dense.head_dim) {
        let largest = head.iter().copied().fold(0.0, f64::max);
        head.iter_mut().for_each(|s| *s = s.max(largest * 1e-3));
    }
    let within = |i: usize| {
        let of = |block: &Range<usize>| {
            let mean = oracle::mean_key(dense, block.clone())[i];
            block.clone().map(|t| (dense.keys[t * width + i] - mean).powi(2)).sum::<f64>()
        };
        blocks.iter().map(of).sum::<f64>() / count
    };
    let within = (0..width).map(within).collect();
    [mean, deviation, within]
}
