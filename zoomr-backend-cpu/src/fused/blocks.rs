//! A whole sequence's attention in blocks of rows: what forward and backward share.
//!
//! A block gathers the keys and values that any of its rows sees, so that a sparse mask costs what it shows
//! rather than the whole square; what remains are products of small matrices and one pass of exponentials.

use std::ops::Range;

use zoomr_core::positions::PositionSet;

use super::strided::Strided;
use crate::simd::Simd;

/// Rows per block. Products of this many rows run at most of the speed of large ones, while scores and their
/// gradients for 1,000 tokens (512 KiB) stay in the second-level cache.
const BLOCK_ROWS: usize = 64;

/// The inputs of attention, row-major. `[rows, heads, head_dim]` means that of the queries, or of keys and values.
#[derive(Clone, Copy)]
pub(crate) struct Blocks<'a> {
    /// Which inner loops to use.
    pub(crate) simd: Simd,
    /// Queries, `[rows, heads, head_dim]`.
    pub(crate) q: &'a [f32],
    /// Keys, `[rows, kv_heads, head_dim]`.
    pub(crate) k: &'a [f32],
    /// Values, `[rows, kv_heads, head_dim]`.
    pub(crate) v: &'a [f32],
    /// Query heads, KV heads, elements per head.
    pub(crate) sizes: [usize; 3],
    /// What products of queries and keys are multiplied by.
    pub(crate) scale: f32,
}

/// The tokens that a block's rows see, with their keys and values.
pub(super) struct Gathered {
    /// Runs of positions, in order; token `i` of the block is the `i`-th position of the runs.
    pub(super) tokens: PositionSet,
    /// `[tokens, head_dim]`.
    pub(super) k: Vec<f32>,
    /// `[tokens, head_dim]`.
    pub(super) v: Vec<f32>,
}

/// So many rows, block by block.
pub(super) fn blocks(rows: usize) -> impl Iterator<Item = Range<usize>> {
    (0..rows).step_by(BLOCK_ROWS).map(move |first| first..rows.min(first + BLOCK_ROWS))
}

impl Blocks<'_> {
    /// What the rows of a block see of a KV head.
    pub(super) fn gather(&self, kv_head: usize, visible: &[PositionSet]) -> Gathered {
        let [_, kv_heads, head_dim] = self.sizes;
        let mut tokens = PositionSet::default();
        visible.iter().for_each(|set| tokens.extend(set));
        let rows = |x: &[f32]| {
            let mut gathered = Vec::with_capacity(tokens.len() * head_dim);
            for t in tokens.ranges().iter().cloned().flatten() {
                gathered.extend_from_slice(&x[(t * kv_heads + kv_head) * head_dim..][..head_dim]);
            }
            gathered
        };
        Gathered { k: rows(self.k), v: rows(self.v), tokens }
    }

    /// The vectors of one query head in `x`, which is laid out as queries are.
    pub(super) fn head<'x>(&self, x: &'x [f32], head: usize, rows: &Range<usize>) -> Strided<'x> {
        let [heads, _, head_dim] = self.sizes;
        let from = &x[(rows.start * heads + head) * head_dim..];
        Strided::new(from, [rows.len(), head_dim], heads * head_dim)
    }

    /// The softmax weights of one query head in the rows of a block, `[rows, tokens]`, into `weights`; a row's
    /// log-sum-exp goes to `lse`.
    pub(super) fn weigh(
        &self,
        head: usize,
        rows: &Range<usize>,
        visible: &[PositionSet],
        seen: &Gathered,
        weights: &mut Vec<f32>,
        mut lse: impl FnMut(usize, f32),
    ) {
        let [_, _, head_dim] = self.sizes;
        let count = seen.tokens.len();
        weights.resize(rows.len() * count, 0.0);
        let keys = matrix(&seen.k, head_dim).transposed();
        self.head(self.q, head, rows).times(keys, weights, count, false);
        for ((row, set), weights) in rows.clone().zip(visible).zip(weights.chunks_exact_mut(count)) {
            lse(row, self.softmax(weights, set, &seen.tokens));
        }
    }

    /// Turns a row's products with `tokens` into its softmax weights: those of tokens outside of `set` are zero.
    /// Returns the log-sum-exp.
    fn softmax(&self, products: &mut [f32], set: &PositionSet, tokens: &PositionSet) -> f32 {
        let (mut runs, mut first, mut hidden) = (Vec::new(), 0, 0);
        for run in tokens.ranges() {
            for seen in set.clipped(run.clone()) {
                let seen = first + seen.start - run.start..first + seen.end - run.start;
                products[hidden..seen.start].fill(0.0);
                hidden = seen.end;
                runs.push(seen);
            }
            first += run.len();
        }
        products[hidden..].fill(0.0);

        let scaled = runs.iter().map(|run| self.simd.scale_max(&mut products[run.clone()], self.scale));
        let max = scaled.fold(f32::NEG_INFINITY, f32::max);
        if max == f32::NEG_INFINITY {
            return max;
        }
        let sums = runs.iter().map(|run| self.simd.exp_sum(&mut products[run.clone()], max));
        let sum = sums.sum::<f32>();
        let inverse = sum.recip();
        runs.iter().for_each(|run| products[run.clone()].iter_mut().for_each(|weight| *weight *= inverse));
        max + sum.ln()
    }
}

/// All of `x` as a matrix of so many columns.
pub(super) fn matrix(x: &[f32], columns: usize) -> Strided<'_> {
    Strided::new(x, [x.len() / columns, columns], columns)
}

/// `[rows, width]` of each head, as `[rows, heads, width]`.
pub(super) fn side_by_side<'a>(heads: impl Iterator<Item = &'a [f32]>, width: usize) -> Vec<f32> {
    let heads: Vec<_> = heads.map(|head| head.chunks_exact(width)).collect();
    let rows = heads.first().map_or(0, ExactSizeIterator::len);
    let mut all = Vec::with_capacity(rows * heads.len() * width);
    let mut heads = heads;
    for _ in 0..rows {
        heads.iter_mut().filter_map(Iterator::next).for_each(|row| all.extend_from_slice(row));
    }
    all
}
