//! Attention over a whole sequence, one KV head per task, in [`blocks`](super::blocks) of rows: for training, where
//! rows are many and products of matrices pay.

use rayon::prelude::*;
use zoomr_core::positions::PositionSet;

use super::blocks::{Blocks, blocks, matrix, side_by_side};

/// What the query heads that read one KV head found.
struct Found {
    /// `[rows, group, head_dim]`.
    output: Vec<f32>,
    /// `[rows, group]`.
    lse: Vec<f32>,
}

/// The outputs `[rows, heads, head_dim]` and log-sum-exps `[rows, heads]`; `visible` is what each row sees of each KV
/// head.
pub(crate) fn run(inputs: Blocks<'_>, visible: &[&[PositionSet]]) -> (Vec<f32>, Vec<f32>) {
    let [heads, kv_heads, head_dim] = inputs.sizes;
    let group = heads / kv_heads;
    let found: Vec<Found> =
        (0..kv_heads).into_par_iter().map(|kv_head| head(inputs, kv_head, visible[kv_head])).collect();
    (
        side_by_side(found.iter().map(|head| &head.output[..]), group * head_dim),
        side_by_side(found.iter().map(|head| &head.lse[..]), group),
    )
}

fn head(inputs: Blocks<'_>, kv_head: usize, visible: &[PositionSet]) -> Found {
    let [heads, kv_heads, head_dim] = inputs.sizes;
    let (rows, group) = (visible.len(), heads / kv_heads);
    let mut output = vec![0.0; rows * group * head_dim];
    let mut lse = vec![f32::NEG_INFINITY; rows * group];
    let mut weights = Vec::new();
    for block in blocks(rows) {
        let visible = &visible[block.clone()];
        let seen = inputs.gather(kv_head, visible);
        if seen.tokens.is_empty() {
            continue;
        }
        for member in 0..group {
            let query_head = kv_head * group + member;
            let own = |row: usize, found: f32| lse[row * group + member] = found;
            inputs.weigh(query_head, &block, visible, &seen, &mut weights, own);
            let output = &mut output[(block.start * group + member) * head_dim..];
            let weights = matrix(&weights, seen.tokens.len());
            weights.times(matrix(&seen.v, head_dim), output, group * head_dim, false);
        }
    }
    Found { output, lse }
}
