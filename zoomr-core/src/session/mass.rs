//! True attention mass: what policy `oracle` chooses by.

use std::ops::Range;

use burn::tensor::{Tensor, backend::Backend};

use super::{Session, band::Home, plan::SequencePlan};
use crate::{
    Error,
    kernels::{AttendGroup, AttentionKernels},
    layer::LayerSpec,
    policy::ZoomBlocks,
    positions::PositionSet,
    select::{Selection, Tally, best, block_shares},
};

impl<B: Backend, K: AttentionKernels<B>> Session<B, K> {
    /// What each candidate's detail holds of the rows' full attention, and each head's votes for those to which, with
    /// the summaries that a vote shows, most of its attention goes. Each part is attended alone; its share follows
    /// from the log-sum-exps.
    pub(super) fn true_mass(
        &self,
        home: Home,
        plan: &SequencePlan,
        q: &Tensor<B, 3>,
        spec: LayerSpec,
    ) -> Result<Vec<Tally>, Error> {
        let thoughts = self.sequence(plan.sequence)?.grammar.stream().thoughts();
        let mut tallies = Vec::with_capacity(plan.rows());
        for (row, (base, &candidates)) in plan.base.iter().zip(&plan.candidates).enumerate() {
            let thoughts = &thoughts[..candidates];
            let details = thoughts.iter().map(|thought| outside(thought.detail.clone(), base));
            // Of a summary that is visible anyway, nothing is outside.
            let summaries =
                thoughts.iter().map(|thought| outside(thought.summary.clone().unwrap_or(0..0), base));
            let sets: Vec<PositionSet> =
                std::iter::once(base.clone()).chain(details).chain(summaries).collect();
            let lse = self.masses(home, plan, row, q, spec, &sets)?;
            tallies.push(mass_tally(&lse, spec.query_heads, self.settings.votes));
        }
        Ok(tallies)
    }

    /// The log-sum-exps of what a row of a plan finds in each of `sets`, `[sets, query_heads]`.
    fn masses(
        &self,
        home: Home,
        plan: &SequencePlan,
        row: usize,
        q: &Tensor<B, 3>,
        spec: LayerSpec,
        sets: &[PositionSet],
    ) -> Result<Vec<f32>, Error> {
        let sequence = self.sequence(plan.sequence)?;
        let (state, store) = (&sequence.bands[home.band], &self.bands[home.band].store);
        let spans: Vec<_> =
            sets.iter().map(|set| state.spans(&sequence.layout, set)).collect::<Result<_, _>>()?;
        let groups: Vec<_> = (sets.iter().zip(&spans).enumerate())
            .map(|(i, (set, spans))| AttendGroup::new(i, spans, std::slice::from_ref(set)))
            .collect();
        let row = plan.first_row + row;
        let copies = q.clone().slice(row..row + 1).repeat_dim(0, sets.len());
        let table = self.kernels.table(&groups);
        let parts = self.kernels.attend(&copies, store, home.layer, &table, spec.scale, None);
        Ok(parts.lse.into_data().iter().collect())
    }

    /// What each query head of each row sees that chooses blocks by their true mass, `[rows, query_heads]`.
    pub(super) fn block_sets(
        &self,
        home: Home,
        plan: &SequencePlan,
        blocks: ZoomBlocks,
        q: &Tensor<B, 3>,
        spec: LayerSpec,
    ) -> Result<Vec<PositionSet>, Error> {
        let ranges: Vec<Range<usize>> = self.sequence(plan.sequence)?.blocks.all()[plan.blocks.numbers()]
            .iter()
            .map(|b| b.range.clone())
            .collect();
        let heads = spec.query_heads;
        let together = heads / blocks.rule.sets(spec.kv_heads);
        let mut seen = Vec::with_capacity(plan.rows() * heads);
        for (row, (base, &count)) in plan.base.iter().zip(&plan.blocks.counts).enumerate() {
            let candidates = ranges[..count].iter().map(|range| range.clone().into());
            let sets: Vec<PositionSet> = std::iter::once(base.clone()).chain(candidates).collect();
            let lse = self.masses(home, plan, row, q, spec, &sets)?;
            let (base_lse, masses) = lse.split_at(heads);
            for first in (0..heads).step_by(together) {
                let own = first..first + together;
                let by_head: Vec<f32> =
                    own.clone().flat_map(|head| (0..count).map(move |u| masses[u * heads + head])).collect();
                let (mut shares, mut chosen) = (Vec::new(), Vec::new());
                block_shares(&by_head, &base_lse[own], &mut shares);
                blocks.rule.choose(&shares, |u| Some(ranges[u].len()), &mut chosen);
                let mut set = base.clone();
                chosen.iter().for_each(|&u| set.insert(ranges[u].clone()));
                seen.extend(std::iter::repeat_n(set, together));
            }
        }
        Ok(seen)
    }

    /// What the oracle zooms into.
    pub(super) fn most_attended(&self, sequence: usize, tally: &Tally) -> Result<Selection, Error> {
        let thoughts = self.sequence(sequence)?.grammar.stream().thoughts();
        Ok(Selection::by_mass(tally, self.settings.zoom, |j| thoughts[j].detail.clone()))
    }
}

/// The positions of `range` that are not in `set`.
fn outside(range: Range<usize>, set: &PositionSet) -> PositionSet {
    let mut left = range.start;
    let mut outside = PositionSet::default();
    for seen in set.clipped(range.clone()) {
        outside.insert(left..seen.start);
        left = seen.end;
    }
    outside.insert(left..range.end);
    outside
}

/// From log-sum-exps `[1 + 2 * candidates, heads]` (what is visible anyway, then each candidate's detail, then their
/// summaries) to the shares of the details, summed over the heads, and each head's `votes`.
fn mass_tally(lse: &[f32], heads: usize, votes: usize) -> Tally {
    let candidates = (lse.len() / heads - 1) / 2;
    let mut tally = Tally { heads: heads as u32, ..Tally::none(candidates) };
    for head in 0..heads {
        let of = |i: usize| f64::from(lse[i * heads + head]);
        let max = (0..=2 * candidates).map(of).fold(f64::NEG_INFINITY, f64::max);
        let total: f64 = (0..=2 * candidates).map(|i| (of(i) - max).exp()).sum();
        let share = |i: usize| (of(i) - max).exp() / total;
        let brought: Vec<f64> = (1..=candidates).map(|j| share(j) + share(j + candidates)).collect();
        best(&brought, votes).into_iter().for_each(|j| tally.votes[j] += 1);
        (0..candidates).for_each(|j| tally.add_share(j, share(j + 1)));
    }
    tally
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::select::SHARE_UNITS;

    /// Two heads over three thoughts, the last without a summary of its own.
    #[test]
    fn details_give_mass_and_what_a_vote_brings_gives_votes() {
        let weights: [[f32; 7]; 2] =
            [[0.2, 0.1, 0.3, 0.0, 0.4, 0.0, 0.0], [0.5, 0.0, 0.1, 0.4, 0.0, 0.0, 0.0]];
        let lse: Vec<f32> = (0..7).flat_map(|i| weights.map(|head| head[i].ln())).collect();
        let tally = mass_tally(&lse, 2, 1);
        assert_eq!((tally.votes, tally.heads), (vec![1, 0, 1], 2));
        let expected = [0.1, 0.4, 0.4].map(|share| share * f64::from(SHARE_UNITS));
        let near = tally.shares.iter().zip(expected).all(|(&share, is)| (f64::from(share) - is).abs() < 2.0);
        assert!(near, "{:?}", tally.shares);
    }
}
