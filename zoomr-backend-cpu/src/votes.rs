//! From scores to votes, row by row: what both providers do around their own kernel for scores.

use rayon::prelude::*;
use zoomr_core::{kernels::ScoreGroup, select::Tally};

/// One tally per row of the groups, in the rows' order.
///
/// `scores(group, r)` gives the scores of the candidates of the group's row `r`, `[query_heads, candidates]`. More
/// than `serial` rows are spread over threads.
pub(crate) fn tally(
    groups: &[ScoreGroup<'_>],
    votes: usize,
    serial: usize,
    scores: impl Fn(&ScoreGroup<'_>, usize) -> Vec<f32> + Sync,
) -> Vec<Tally> {
    let row = |&(group, r): &(&ScoreGroup<'_>, usize)| {
        Tally::from_scores(&scores(group, r), group.candidates[r], votes)
    };
    let rows: Vec<_> =
        groups.iter().flat_map(|group| (0..group.candidates.len()).map(move |r| (group, r))).collect();
    if rows.len() <= serial { rows.iter().map(row).collect() } else { rows.par_iter().map(row).collect() }
}
