//! Scores of thoughts, in blocks of index vectors.

use zoomr_core::kernels::ScoreGroup;

use super::scratch;
use crate::{simd::Simd, store::Part, view::Queries};

/// Rows above which scores and votes are spread over threads. One row's few hundred thoughts take some 20 us, most
/// of it voting: about what waking another thread costs.
pub(crate) const SERIAL_ROWS: usize = 2;

/// Gives `take` the scores of the candidates of the group's row `r`, `[query_heads, candidates]`.
pub(crate) fn scores(
    simd: Simd,
    q: &Queries<'_>,
    index: &Part<'_>,
    group: &ScoreGroup<'_>,
    r: usize,
    scale: f32,
    take: impl FnOnce(&[f32]),
) {
    let candidates = group.candidates[r];
    let shared = q.heads / index.kv_heads();
    scratch::scores(q.heads * candidates, |scores| {
        // NaN never wins: a candidate that no span holds gets no vote.
        scores.fill(f32::NAN);
        for span in group.spans.iter().filter(|span| span.position < candidates) {
            let count = span.len.min(candidates - span.position);
            for kv_head in 0..index.kv_heads() {
                let heads = kv_head * shared..(kv_head + 1) * shared;
                let vectors = index.run(span.page, kv_head, span.start..span.start + count);
                let place = &mut scores[heads.start * candidates + span.position..];
                let queries = q.heads(group.first_row + r, heads);
                vectors.dots(simd, queries, q.head_dim, place, candidates);
            }
        }
        scores.iter_mut().for_each(|score| *score *= scale);
        take(scores);
    });
}
