//! Scores of thoughts, one dot product after another.

use zoomr_core::kernels::ScoreGroup;

use super::dot;
use crate::{store::Part, view::Queries};

/// The scores of the candidates of the group's row `r`, `[query_heads, candidates]`.
pub(crate) fn scores(
    q: &Queries<'_>,
    index: &Part<'_>,
    group: &ScoreGroup<'_>,
    r: usize,
    scale: f32,
) -> Vec<f32> {
    let candidates = group.candidates[r];
    let mut scores = vec![f32::NAN; q.heads * candidates];
    for head in 0..q.heads {
        let kv_head = head / (q.heads / index.kv_heads());
        let query = q.heads(group.first_row + r, head..head + 1);
        for span in group.spans {
            for thought in span.positions().filter(|thought| *thought < candidates) {
                let slot = span.start + thought - span.position;
                let vector = index.run(span.page, kv_head, slot..slot + 1).widened(q.head_dim);
                scores[head * candidates + thought] = (dot(query, &vector) * f64::from(scale)) as f32;
            }
        }
    }
    scores
}
