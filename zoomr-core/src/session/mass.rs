//! True attention mass: what policy `oracle` chooses by.

use std::ops::Range;

use burn::tensor::{Tensor, backend::Backend};

use super::{Layer, Session, step::Group};
use crate::{
    Error,
    cache::{KEYS, VALUES},
    kernels::{AttendGroup, AttentionKernels, PagedKv},
    positions::PositionSet,
    select::Tally,
};

impl<B: Backend, K: AttentionKernels<B>> Session<B, K> {
    /// The share of each candidate in the rows' full attention, as tallies without votes. Each candidate is
    /// attended alone; its share follows from the log-sum-exps.
    pub(super) fn true_mass(
        &mut self,
        layer: usize,
        group: &Group,
        q: &Tensor<B, 3>,
    ) -> Result<Vec<Tally>, Error> {
        let Layer { spec, pool, .. } = &self.layers[layer];
        let sequence = self.sequence(group.sequence)?;
        let (thoughts, state) = (sequence.grammar.stream().thoughts(), &sequence.layers[layer]);
        let kv = PagedKv { keys: pool.slabs(KEYS), values: pool.slabs(VALUES) };
        let mut tallies = Vec::with_capacity(group.base.len());
        for (row, (base, &candidates)) in group.base.iter().zip(&group.candidates).enumerate() {
            let details = thoughts[..candidates].iter().map(|t| outside(t.detail.clone(), base));
            let sets: Vec<PositionSet> = std::iter::once(base.clone()).chain(details).collect();
            let spans: Vec<_> = sets.iter().map(|set| state.cache.spans(&sequence.layout, set)).collect();
            let groups: Vec<_> = (sets.iter().zip(&spans).enumerate())
                .map(|(i, (set, spans))| AttendGroup {
                    first_row: i,
                    spans,
                    visible: std::slice::from_ref(set),
                })
                .collect();
            let row = group.first_row + row;
            let copies = q.clone().slice(row..row + 1).repeat_dim(0, sets.len());
            let lse: Vec<f32> =
                self.kernels.attend(&copies, kv, &groups, spec.scale).lse.into_data().iter().collect();
            tallies.push(mass_tally(&lse, spec.query_heads));
        }
        Ok(tallies)
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

/// From log-sum-exps `[1 + candidates, heads]` (what is visible anyway, then each candidate) to the
/// candidates' shares, summed over the heads.
fn mass_tally(lse: &[f32], heads: usize) -> Tally {
    let candidates = lse.len() / heads - 1;
    let mut mass = vec![0.0; candidates];
    for head in 0..heads {
        let of = |i: usize| f64::from(lse[i * heads + head]);
        let max = (0..=candidates).map(of).fold(f64::NEG_INFINITY, f64::max);
        let total: f64 = (0..=candidates).map(|i| (of(i) - max).exp()).sum();
        (0..candidates).for_each(|j| mass[j] += (of(j + 1) - max).exp() / total);
    }
    Tally { votes: vec![0; candidates], mass, heads: heads as u32 }
}
