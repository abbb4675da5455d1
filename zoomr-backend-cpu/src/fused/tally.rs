//! Scores of thoughts in blocks of index vectors, and the votes.

use rayon::prelude::*;
use zoomr_core::{kernels::ScoreGroup, select::Tally};

use crate::{
    simd::{Native, Simd},
    view::{Queries, Slabs},
};

/// Rows above which they are spread over threads. One row's few hundred thoughts take some 20 us, most of it
/// voting: about what waking another thread costs.
const SERIAL_ROWS: usize = 2;

/// One tally per row of the groups, in the rows' order.
pub(crate) fn tally(
    simd: Simd,
    q: &Queries<'_>,
    index: &Slabs<'_>,
    groups: &[ScoreGroup<'_>],
    votes: usize,
    scale: f32,
) -> Vec<Tally> {
    let row = |&(group, r): &(&ScoreGroup<'_>, usize)| {
        let scores = scores(simd, q, index, group, r, scale);
        Tally::from_scores(&scores, group.candidates[r], votes)
    };
    let rows: Vec<_> =
        groups.iter().flat_map(|group| (0..group.candidates.len()).map(move |r| (group, r))).collect();
    if rows.len() <= SERIAL_ROWS {
        rows.iter().map(row).collect()
    } else {
        rows.par_iter().map(row).collect()
    }
}

/// The scores of the candidates of the group's row `r`, `[query_heads, candidates]`.
fn scores(
    simd: Simd,
    q: &Queries<'_>,
    index: &Slabs<'_>,
    group: &ScoreGroup<'_>,
    r: usize,
    scale: f32,
) -> Vec<f32> {
    let candidates = group.candidates[r];
    let shared = q.heads / index.kv_heads;
    // NaN never wins: a candidate that no span holds gets no vote.
    let mut scores = vec![f32::NAN; q.heads * candidates];
    for span in group.spans.iter().filter(|span| span.position < candidates) {
        let count = span.len.min(candidates - span.position);
        for kv_head in 0..index.kv_heads {
            let heads = kv_head * shared..(kv_head + 1) * shared;
            let vectors = index.run(span.page, kv_head, span.start..span.start + count);
            let place = &mut scores[heads.start * candidates + span.position..];
            let queries = q.heads(group.first_row + r, heads);
            simd.dots::<Native>(queries, vectors, q.head_dim, place, candidates);
        }
    }
    scores.iter_mut().for_each(|score| *score *= scale);
    scores
}
