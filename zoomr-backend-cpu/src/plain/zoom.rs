//! Level 2 as its definition says: estimate every block, share, choose, and attend to all that is seen at once.

use zoomr_core::{
    kernels::{AttendGroup, Candidates, GroupTable, Slot},
    select::{BlockRule, HostBallot, block_shares, log_partition},
};

use super::attend::{Token, attend_tokens, tokens};
use crate::{blocks::Vectors, store::Part, view::Queries};

/// The inputs of one call.
pub(crate) struct Zooming<'a> {
    pub(crate) q: Queries<'a>,
    pub(crate) keys: Part<'a>,
    pub(crate) values: Part<'a>,
    pub(crate) scale: f32,
    pub(crate) vectors: Vectors<'a>,
    pub(crate) spreads: Part<'a>,
    pub(crate) rule: BlockRule,
}

impl Zooming<'_> {
    /// Replaces outputs and log-sum-exps of the rows that choose blocks.
    pub(crate) fn run(
        &self,
        table: &GroupTable,
        (output, lse): (&mut [f32], &mut [f32]),
        mut ballot: Option<&mut HostBallot>,
    ) {
        let (heads, head_dim) = (self.q.heads, self.q.head_dim);
        for group in table.groups() {
            let Some(candidates) = &group.candidates else { continue };
            for (r, &count) in candidates.counts.iter().enumerate().filter(|(_, count)| **count > 0) {
                let row = group.first_row + r;
                let own = row * heads..(row + 1) * heads;
                let choices = self.choose(row, candidates, count, &lse[own.clone()]);
                if let (Some(ballot), Some(at), true) =
                    (&mut ballot, candidates.ballot_row, r + 1 == candidates.counts.len())
                {
                    for (shares, chosen) in &choices {
                        let kv_heads = self.keys.kv_heads() / choices.len();
                        candidates.tell(&mut ballot.rows_mut()[at], kv_heads, shares, chosen);
                    }
                }
                for (head, at) in own.enumerate() {
                    let (_, chosen) = &choices[head * choices.len() / heads];
                    let seen = self.seen(&group, r, chosen);
                    let out = &mut output[at * head_dim..][..head_dim];
                    lse[at] =
                        attend_tokens(&self.q, &self.keys, &self.values, row, head, &seen, self.scale, out);
                }
            }
        }
    }

    /// What a row sees anyway, and the blocks chosen.
    fn seen(&self, group: &AttendGroup<'_>, r: usize, chosen: &[usize]) -> Vec<Token> {
        let Some(candidates) = &group.candidates else { return Vec::new() };
        let blocks = chosen.iter().filter_map(|&u| candidates.blocks[u].span);
        let blocks: Vec<Slot> = blocks.flat_map(|span| span.slots()).collect();
        tokens(group, r).chain(blocks.into_iter().map(|slot| (slot.page, slot.slot))).collect()
    }

    /// Steps 5 to 7 for one row: the shares that each set of heads finds, and the blocks that it chooses.
    fn choose(
        &self,
        row: usize,
        candidates: &Candidates<'_>,
        count: usize,
        base: &[f32],
    ) -> Vec<(Vec<u32>, Vec<usize>)> {
        let base: Vec<f64> = base.iter().map(|&lse| lse.into()).collect();
        let estimates: Vec<Vec<f64>> =
            (0..self.q.heads).map(|head| self.estimates(row, head, candidates, count)).collect();
        let sharing = self.q.heads / self.rule.sets(self.keys.kv_heads());
        let sets = estimates.chunks(sharing).zip(base.chunks(sharing)).map(|(estimates, base)| {
            let (mut shares, mut chosen) = (Vec::new(), Vec::new());
            block_shares(&estimates.concat(), base, &mut shares);
            self.rule.choose(&shares, |u| candidates.blocks[u].at_hand(), &mut chosen);
            (shares, chosen)
        });
        sets.collect()
    }

    /// Step 5: the log-mass that each of the first `count` candidates would bring to a query head.
    fn estimates(&self, row: usize, head: usize, candidates: &Candidates<'_>, count: usize) -> Vec<f64> {
        let (kv_head, scale) = (head / (self.q.heads / self.keys.kv_heads()), f64::from(self.scale));
        let query = self.q.heads(row, head..head + 1);
        let spread = candidates.spread;
        let part =
            |slot: usize| self.spreads.run(spread.page, kv_head, slot..slot + 1).widened(self.q.head_dim);
        let [mean, deviation, within] = [0, 1, 2].map(|i| part(spread.start + i));
        let sum = |term: &dyn Fn(usize) -> f64| (0..self.q.head_dim).map(term).sum::<f64>();
        let q = |i: usize| f64::from(query[i]);
        let around = sum(&|i| q(i) * f64::from(mean[i]));
        let variance = sum(&|i| q(i) * q(i) * f64::from(within[i])) * scale * scale;
        let mut estimates = vec![f64::NEG_INFINITY; count];
        for span in candidates.vectors {
            for u in span.positions().filter(|&u| u < count) {
                let slot = span.start + u - span.position;
                let (vector, step) = self.vectors.run(span.page, kv_head, slot..slot + 1);
                let product =
                    sum(&|i| q(i) * f64::from(deviation[i]) * f64::from(vector[i])) * f64::from(step[0]);
                estimates[u] =
                    (product + around) * scale + log_partition(candidates.blocks[u].tokens, variance);
            }
        }
        estimates
    }
}
