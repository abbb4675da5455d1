//! From scores to votes, row by row: what both providers do around their own kernel for scores.

use zoomr_core::{
    kernels::ScoreGroup,
    select::{HostBallot, Tally},
};

use crate::team;

/// Lets every row of the groups vote in its row of the ballot.
///
/// `scores(group, r, take)` gives `take` the scores of the candidates of the group's row `r`,
/// `[query_heads, candidates]`. A group of more than `serial` rows is spread over threads.
pub(crate) fn vote(
    groups: &[ScoreGroup<'_>],
    votes: usize,
    serial: usize,
    ballot: &mut HostBallot,
    scores: impl Fn(&ScoreGroup<'_>, usize, &mut dyn FnMut(&[f32])) + Sync,
) {
    for group in groups {
        let row = |r: usize, tally: &mut Tally| scores(group, r, &mut |scores| tally.vote(scores, votes));
        let rows = &mut ballot.rows_mut()[group.ballot_row..][..group.candidates.len()];
        if rows.len() <= serial {
            rows.iter_mut().enumerate().for_each(|(r, tally)| row(r, tally));
        } else {
            team::run_chunks(rows, 1, |r, tally| row(r, &mut tally[0]));
        }
    }
}
