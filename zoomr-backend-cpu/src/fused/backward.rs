//! The gradients of attention, one KV head per task, in blocks of rows.
//!
//! A block gathers the keys and values that any of its rows sees, so that a sparse mask costs what it shows
//! rather than the whole square; what remains are five products of small matrices and one pass of exponentials:
//! `P = softmax(S)`, `dV = P^T dO`, `dS = P * (dO V^T - rowsum(dO * O))`, `dQ = dS K`, `dK = dS^T Q`
//! (FlashAttention-2, arXiv 2307.08691, algorithm 2).

use std::ops::Range;

use rayon::prelude::*;
use zoomr_core::positions::PositionSet;

use super::strided::Strided;
use crate::simd::Simd;

/// Rows per block. Products of this many rows run at most of the speed of large ones, while scores and their
/// gradients for 1,000 tokens (512 KiB) stay in the second-level cache.
const BLOCK_ROWS: usize = 64;

/// The inputs of one call, row-major. `[rows, heads, head_dim]` means that of the queries, or of keys and values.
pub(crate) struct Backward<'a> {
    /// Which inner loops to use.
    pub(crate) simd: Simd,
    /// Queries, `[rows, heads, head_dim]`.
    pub(crate) q: &'a [f32],
    /// Keys, `[rows, kv_heads, head_dim]`.
    pub(crate) k: &'a [f32],
    /// Values, `[rows, kv_heads, head_dim]`.
    pub(crate) v: &'a [f32],
    /// The forward pass's output, `[rows, heads, head_dim]`.
    pub(crate) output: &'a [f32],
    /// The output's gradient, `[rows, heads, head_dim]`.
    pub(crate) gradient: &'a [f32],
    /// Query heads, KV heads, elements per head.
    pub(crate) sizes: [usize; 3],
    /// What products of queries and keys were multiplied by.
    pub(crate) scale: f32,
}

/// The gradients that one KV head has a part in.
struct HeadGradients {
    /// `[rows, group, head_dim]`: the query heads that read this KV head.
    q: Vec<f32>,
    /// `[rows, head_dim]`.
    k: Vec<f32>,
    /// `[rows, head_dim]`.
    v: Vec<f32>,
}

/// The tokens that a block's rows see: their keys and values, gathered, and the gradients of these.
struct Seen {
    /// Runs of positions, in order; token `i` of the block is the `i`-th position of the runs.
    tokens: PositionSet,
    /// `[tokens, head_dim]` each.
    k: Vec<f32>,
    v: Vec<f32>,
    dk: Vec<f32>,
    dv: Vec<f32>,
}

impl Backward<'_> {
    /// The gradients of `q`, `k` and `v`, in their layouts; `visible` is what each row sees.
    pub(crate) fn run(&self, visible: &[PositionSet]) -> [Vec<f32>; 3] {
        let [heads, kv_heads, head_dim] = self.sizes;
        let found: Vec<HeadGradients> =
            (0..kv_heads).into_par_iter().map(|kv_head| self.head(kv_head, visible)).collect();
        let width = heads / kv_heads * head_dim;
        [
            side_by_side(found.iter().map(|head| &head.q[..]), width),
            side_by_side(found.iter().map(|head| &head.k[..]), head_dim),
            side_by_side(found.iter().map(|head| &head.v[..]), head_dim),
        ]
    }

    fn head(&self, kv_head: usize, visible: &[PositionSet]) -> HeadGradients {
        let [heads, kv_heads, head_dim] = self.sizes;
        let (rows, group) = (visible.len(), heads / kv_heads);
        let mut sums = HeadGradients {
            q: vec![0.0; rows * group * head_dim],
            k: vec![0.0; rows * head_dim],
            v: vec![0.0; rows * head_dim],
        };
        for first in (0..rows).step_by(BLOCK_ROWS) {
            let block = first..rows.min(first + BLOCK_ROWS);
            let visible = &visible[block.clone()];
            let mut seen = self.gather(kv_head, visible);
            if seen.tokens.is_empty() {
                continue;
            }
            for member in 0..group {
                let dq = &mut sums.q[(first * group + member) * head_dim..];
                self.block(kv_head * group + member, block.clone(), visible, &mut seen, dq, group * head_dim);
            }
            scatter(&seen, head_dim, &mut sums);
        }
        sums
    }

    /// What the rows of a block see of a KV head.
    fn gather(&self, kv_head: usize, visible: &[PositionSet]) -> Seen {
        let [_, kv_heads, head_dim] = self.sizes;
        let mut tokens = PositionSet::default();
        visible.iter().for_each(|set| tokens.extend(set));
        let rows = |x: &[f32]| -> Vec<f32> {
            let vector = |t: usize| &x[(t * kv_heads + kv_head) * head_dim..][..head_dim];
            tokens.ranges().iter().cloned().flatten().flat_map(vector).copied().collect()
        };
        let (k, v) = (rows(self.k), rows(self.v));
        let zeros = vec![0.0; k.len()];
        Seen { k, v, dk: zeros.clone(), dv: zeros, tokens }
    }

    /// One query head's part: adds to the gradients in `seen`, writes those of its queries to `dq`, whose rows
    /// begin `stride` elements apart.
    fn block(
        &self,
        head: usize,
        rows: Range<usize>,
        visible: &[PositionSet],
        seen: &mut Seen,
        dq: &mut [f32],
        stride: usize,
    ) {
        let [heads, _, head_dim] = self.sizes;
        let count = seen.tokens.len();
        let own = |x| {
            let from = &<[f32]>::split_at(x, (rows.start * heads + head) * head_dim).1;
            Strided::new(from, [rows.len(), head_dim], heads * head_dim)
        };
        let (q, gradient) = (own(self.q), own(self.gradient));
        let (k, v) = (matrix(&seen.k, head_dim), matrix(&seen.v, head_dim));

        // 1. The weights of the forward pass, P `[rows, tokens]`.
        let mut weights = vec![0.0; rows.len() * count];
        q.times(k.transposed(), &mut weights, count, false);
        for (set, weights) in visible.iter().zip(weights.chunks_exact_mut(count)) {
            self.weigh(weights, set, &seen.tokens);
        }

        // 2. dV = P^T dO.
        let p = matrix(&weights, count);
        p.transposed().times(gradient, &mut seen.dv, head_dim, true);

        // 3. dS = P * (dO V^T - rowsum(dO * O)), scaled.
        let mut scores = vec![0.0; weights.len()];
        gradient.times(v.transposed(), &mut scores, count, false);
        for ((row, weights), scores) in
            rows.zip(weights.chunks_exact(count)).zip(scores.chunks_exact_mut(count))
        {
            let own = (row * heads + head) * head_dim..(row * heads + head + 1) * head_dim;
            let pairs = self.output[own.clone()].iter().zip(&self.gradient[own]);
            let inner: f32 = pairs.map(|(o, d)| o * d).sum();
            for (score, weight) in scores.iter_mut().zip(weights) {
                *score = weight * (*score - inner) * self.scale;
            }
        }

        // 4. dQ = dS K, dK = dS^T Q.
        let ds = matrix(&scores, count);
        ds.times(k, dq, stride, false);
        ds.transposed().times(q, &mut seen.dk, head_dim, true);
    }

    /// Turns a row's products with `tokens` into its softmax weights: those of tokens outside of `set` are zero.
    ///
    /// The softmax is computed anew rather than from the forward pass's log-sum-exp, whose products were rounded
    /// in another order: with large scores the weights would not sum to one.
    fn weigh(&self, products: &mut [f32], set: &PositionSet, tokens: &PositionSet) {
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
            return;
        }
        let sums = runs.iter().map(|run| self.simd.exp_sum(&mut products[run.clone()], max));
        let inverse = sums.sum::<f32>().recip();
        runs.iter().for_each(|run| products[run.clone()].iter_mut().for_each(|weight| *weight *= inverse));
    }
}

/// All of `x` as a matrix of so many columns.
fn matrix(x: &[f32], columns: usize) -> Strided<'_> {
    Strided::new(x, [x.len() / columns, columns], columns)
}

/// Adds a block's gradients of keys and values where its tokens lie.
fn scatter(seen: &Seen, head_dim: usize, sums: &mut HeadGradients) {
    let mut first = 0;
    for run in seen.tokens.ranges() {
        let (from, to) =
            (first * head_dim..(first + run.len()) * head_dim, run.start * head_dim..run.end * head_dim);
        add(&seen.dk[from.clone()], &mut sums.k[to.clone()]);
        add(&seen.dv[from], &mut sums.v[to]);
        first += run.len();
    }
}

fn add(more: &[f32], sum: &mut [f32]) {
    sum.iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
}

/// `[rows, width]` of each head, as `[rows, heads, width]`.
fn side_by_side<'a>(heads: impl Iterator<Item = &'a [f32]>, width: usize) -> Vec<f32> {
    let heads: Vec<_> = heads.map(|head| head.chunks_exact(width)).collect();
    let rows = heads.first().map_or(0, ExactSizeIterator::len);
    let mut all = Vec::with_capacity(rows * heads.len() * width);
    let mut heads = heads;
    for _ in 0..rows {
        heads.iter_mut().filter_map(Iterator::next).for_each(|row| all.extend_from_slice(row));
    }
    all
}
