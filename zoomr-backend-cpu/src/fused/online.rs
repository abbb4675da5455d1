//! The online softmax: attention over tokens that come block by block, in one pass.
//!
//! For each query: the highest score so far `m`, the sum of `e^(s - m)`, and the values summed by `e^(s - m)`.
//! A block with a higher score first rescales both sums by `e^(old m - new m)`. Two runs over disjoint tokens
//! merge by the same rule.

use std::ops::Range;

use crate::{simd::Simd, stored::Stored};

/// The running softmax of some queries.
pub(super) struct Online<'a> {
    head_dim: usize,
    /// The highest score so far; minus infinity before the first.
    max: &'a mut [f32],
    /// The sum of exponentials.
    sum: &'a mut [f32],
    /// The weighted sums of values, `[queries, head_dim]`.
    weighted: &'a mut [f32],
}

impl<'a> Online<'a> {
    /// How many numbers it takes.
    pub(super) fn len(queries: usize, head_dim: usize) -> usize {
        queries * (head_dim + 2)
    }

    /// What lies in `numbers`, at least [`len`](Self::len) of them.
    pub(super) fn new(queries: usize, head_dim: usize, numbers: &'a mut [f32]) -> Self {
        let (max, rest) = numbers.split_at_mut(queries);
        let (sum, rest) = rest.split_at_mut(queries);
        Self { head_dim, max, sum, weighted: &mut rest[..queries * head_dim] }
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.max.fill(f32::NEG_INFINITY);
        self.sum.fill(0.0);
        self.weighted.fill(0.0);
    }

    /// Goes on from what the queries have found so far: log-sum-exps and outputs.
    pub(super) fn resume(&mut self, lse: &[f32], outputs: &[f32]) {
        for (query, &lse) in lse.iter().enumerate() {
            self.max[query] = lse;
            self.sum[query] = if lse == f32::NEG_INFINITY { 0.0 } else { 1.0 };
        }
        self.weighted.copy_from_slice(outputs);
    }

    /// How many queries there are.
    pub(super) fn queries(&self) -> usize {
        self.max.len()
    }

    /// Turns a block's `scores` for `query`, not yet scaled, into weights of its values, to be passed on to
    /// [`add`](Self::add).
    pub(super) fn weigh(&mut self, simd: Simd, query: usize, scores: &mut [f32], scale: f32) {
        let max = simd.scale_max(scores, scale);
        if max > self.max[query] {
            self.raise(query, max);
        }
        self.sum[query] += simd.exp_sum(scores, finite(self.max[query]));
    }

    /// Adds `values` to each of `queries`, by its own of the weights, of which each query has `stride`.
    pub(super) fn add(
        &mut self,
        simd: Simd,
        queries: Range<usize>,
        weights: &[f32],
        stride: usize,
        values: Stored<'_>,
    ) {
        let weighted = &mut self.weighted[queries.start * self.head_dim..queries.end * self.head_dim];
        values.add_weighted(simd, weights, stride, self.head_dim, weighted);
    }

    /// What the same queries find over the tokens of both.
    pub(super) fn merge(mut self, mut other: Self) -> Self {
        for query in 0..self.queries() {
            let max = self.max[query].max(other.max[query]);
            self.raise(query, max);
            other.raise(query, max);
            self.sum[query] += other.sum[query];
        }
        self.weighted.iter_mut().zip(other.weighted.iter()).for_each(|(ours, theirs)| *ours += theirs);
        self
    }

    /// Writes the attention output of `query` to `out` `[head_dim]` and returns the log-sum-exp.
    pub(super) fn finish(&self, query: usize, out: &mut [f32]) -> f32 {
        let sum = self.sum[query];
        if sum == 0.0 {
            out.fill(0.0);
            return f32::NEG_INFINITY;
        }
        let weighted = &self.weighted[query * self.head_dim..][..self.head_dim];
        out.iter_mut().zip(weighted).for_each(|(out, weighted)| *out = weighted / sum);
        finite(self.max[query]) + sum.ln()
    }

    /// Makes `max`, no lower than before, what the exponentials of `query` refer to.
    fn raise(&mut self, query: usize, max: f32) {
        let factor = (self.max[query] - finite(max)).exp();
        self.max[query] = max;
        self.sum[query] *= factor;
        let weighted = &mut self.weighted[query * self.head_dim..][..self.head_dim];
        weighted.iter_mut().for_each(|weighted| *weighted *= factor);
    }
}

/// A reference for exponentials: where every score is minus infinity, any finite one keeps them 0, not NaN.
fn finite(max: f32) -> f32 {
    if max == f32::NEG_INFINITY { 0.0 } else { max }
}
