//! The gradients of attention, one KV head per task, in [`blocks`](super::blocks) of rows:
//! `P = softmax(S)`, `dV = P^T dO`, `dS = P * (dO V^T - rowsum(dO * O))`, `dQ = dS K`, `dK = dS^T Q`
//! (FlashAttention-2, arXiv 2307.08691, algorithm 2).
//!
//! The softmax is computed anew rather than from the forward pass's log-sum-exp, whose products another kernel may have
//! rounded in another order: with large scores the weights would not sum to one.

use std::ops::Range;

use rayon::prelude::*;
use zoomr_core::positions::PositionSet;

use super::blocks::{Blocks, Gathered, blocks, matrix, side_by_side};

/// The inputs of one call, row-major.
pub(crate) struct Backward<'a> {
    /// What attention was computed from.
    pub(crate) inputs: Blocks<'a>,
    /// The forward pass's output, `[rows, heads, head_dim]`.
    pub(crate) output: &'a [f32],
    /// The output's gradient, `[rows, heads, head_dim]`.
    pub(crate) gradient: &'a [f32],
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

/// What a task works with, from block to block.
#[derive(Default)]
struct Scratch {
    /// `P`, `[rows, tokens]`.
    weights: Vec<f32>,
    /// `dS`, `[rows, tokens]`.
    scores: Vec<f32>,
    /// The gradients of the keys that the block sees, `[tokens, head_dim]`.
    dk: Vec<f32>,
    /// Those of the values.
    dv: Vec<f32>,
}

impl Backward<'_> {
    /// The gradients of `q`, `k` and `v`, in their layouts; `visible` is what each row sees of each KV head.
    pub(crate) fn run(&self, visible: &[&[PositionSet]]) -> [Vec<f32>; 3] {
        let [heads, kv_heads, head_dim] = self.inputs.sizes;
        let found: Vec<HeadGradients> =
            (0..kv_heads).into_par_iter().map(|kv_head| self.head(kv_head, visible[kv_head])).collect();
        let width = heads / kv_heads * head_dim;
        [
            side_by_side(found.iter().map(|head| &head.q[..]), width),
            side_by_side(found.iter().map(|head| &head.k[..]), head_dim),
            side_by_side(found.iter().map(|head| &head.v[..]), head_dim),
        ]
    }

    fn head(&self, kv_head: usize, visible: &[PositionSet]) -> HeadGradients {
        let [heads, kv_heads, head_dim] = self.inputs.sizes;
        let (rows, group) = (visible.len(), heads / kv_heads);
        let mut sums = HeadGradients {
            q: vec![0.0; rows * group * head_dim],
            k: vec![0.0; rows * head_dim],
            v: vec![0.0; rows * head_dim],
        };
        let mut scratch = Scratch::default();
        for block in blocks(rows) {
            let visible = &visible[block.clone()];
            let seen = self.inputs.gather(kv_head, visible);
            if seen.tokens.is_empty() {
                continue;
            }
            for gradient in [&mut scratch.dk, &mut scratch.dv] {
                gradient.clear();
                gradient.resize(seen.k.len(), 0.0);
            }
            for member in 0..group {
                let dq = &mut sums.q[(block.start * group + member) * head_dim..];
                self.block(kv_head * group + member, &block, visible, &seen, &mut scratch, dq);
            }
            scatter(&seen.tokens, &scratch.dk, &mut sums.k);
            scatter(&seen.tokens, &scratch.dv, &mut sums.v);
        }
        sums
    }

    /// One query head's part: adds to the gradients in `scratch`, writes those of its queries to `dq`, whose rows
    /// begin as far apart as those of a group.
    fn block(
        &self,
        head: usize,
        rows: &Range<usize>,
        visible: &[PositionSet],
        seen: &Gathered,
        scratch: &mut Scratch,
        dq: &mut [f32],
    ) {
        let [heads, kv_heads, head_dim] = self.inputs.sizes;
        let Scratch { weights, scores, dk, dv } = scratch;
        let count = seen.tokens.len();
        let [q, gradient] = [self.inputs.q, self.gradient].map(|x| self.inputs.head(x, head, rows));
        let (k, v) = (matrix(&seen.k, head_dim), matrix(&seen.v, head_dim));

        // 1. The weights of the forward pass, P.
        self.inputs.weigh(head, rows, visible, seen, weights, |_, _| {});

        // 2. dV = P^T dO.
        matrix(weights, count).transposed().times(gradient, dv, head_dim, true);

        // 3. dS = P * (dO V^T - rowsum(dO * O)), scaled.
        scores.resize(weights.len(), 0.0);
        gradient.times(v.transposed(), scores, count, false);
        for ((row, weights), scores) in
            rows.clone().zip(weights.chunks_exact(count)).zip(scores.chunks_exact_mut(count))
        {
            let own = (row * heads + head) * head_dim..(row * heads + head + 1) * head_dim;
            let pairs = self.output[own.clone()].iter().zip(&self.gradient[own]);
            let inner: f32 = pairs.map(|(o, d)| o * d).sum();
            for (score, weight) in scores.iter_mut().zip(weights) {
                *score = weight * (*score - inner) * self.inputs.scale;
            }
        }

        // 4. dQ = dS K, dK = dS^T Q.
        let ds = matrix(scores, count);
        ds.times(k, dq, heads / kv_heads * head_dim, false);
        ds.transposed().times(q, dk, head_dim, true);
    }
}

/// Adds a block's gradients `[tokens, head_dim]` where its tokens lie.
fn scatter(tokens: &PositionSet, gradients: &[f32], sums: &mut [f32]) {
    let head_dim = gradients.len() / tokens.len();
    let mut gradients = gradients.chunks_exact(head_dim);
    for run in tokens.ranges() {
        let sums = sums[run.start * head_dim..run.end * head_dim].chunks_exact_mut(head_dim);
        for (sum, gradient) in sums.zip(&mut gradients) {
            sum.iter_mut().zip(gradient).for_each(|(sum, more)| *sum += more);
        }
    }
}
