//! Scores of thoughts, one dot product after another.

use zoomr_core::{kernels::ScoreGroup, select::Tally};

use super::dot;
use crate::view::{Queries, Slabs};

/// One tally per row of the groups, in the rows' order.
pub(crate) fn tally(
    q: &Queries<'_>,
    index: &Slabs<'_>,
    groups: &[ScoreGroup<'_>],
    votes: usize,
    scale: f32,
) -> Vec<Tally> {
    let rows = groups.iter().flat_map(|group| (0..group.candidates.len()).map(move |r| (group, r)));
    rows.map(|(group, r)| {
        let scores = scores(q, index, group, r, scale);
        Tally::from_scores(&scores, group.candidates[r], votes)
    })
    .collect()
}

/// The scores of the candidates of the group's row `r`, `[query_heads, candidates]`.
fn scores(q: &Queries<'_>, index: &Slabs<'_>, group: &ScoreGroup<'_>, r: usize, scale: f32) -> Vec<f32> {
    let candidates = group.candidates[r];
    let mut scores = vec![f32::NAN; q.heads * candidates];
    for head in 0..q.heads {
        let kv_head = head / (q.heads / index.kv_heads);
        let query = q.heads(group.first_row + r, head..head + 1);
        for span in group.spans {
            for thought in span.positions().filter(|thought| *thought < candidates) {
                let slot = span.start + thought - span.position;
                let vector = index.run(span.page, kv_head, slot..slot + 1);
                scores[head * candidates + thought] = (dot(query, vector) * f64::from(scale)) as f32;
            }
        }
    }
    scores
}
