//! Votes and attention: gather what rows see, then plain matrix products.

use burn::tensor::{Device, Tensor, backend::Backend};

use super::{Portable, PortableStore, seen::attend_spans, zoom::zoom};
use crate::{
    kernels::{
        AttendGroup, AttentionKernels, GroupTable, KvStore, PageShape, PageSpan, ScoreGroup, Zoom,
        by_kv_head, by_row,
    },
    kv::KvDtype,
    select::{HostBallot, Tally},
    state::AttentionState,
};

impl<B: Backend> AttentionKernels<B> for Portable {
    type Ballot = HostBallot;
    type Blocks = PortableStore<B>;
    type Store = PortableStore<B>;
    type Table = GroupTable;

    fn store(&self, shape: PageShape, kv: KvDtype, device: &Device<B>) -> Self::Store {
        PortableStore::new(shape, kv, device.clone())
    }

    fn blocks(&self, shape: PageShape, device: &Device<B>) -> Self::Blocks {
        PortableStore::new(shape, KvDtype::F32, device.clone())
    }

    fn table(&self, groups: &[AttendGroup<'_>]) -> GroupTable {
        GroupTable::new(groups)
    }

    fn ballot(&self, candidates: &[usize]) -> HostBallot {
        HostBallot::new(candidates)
    }

    fn vote(
        &self,
        q: &Tensor<B, 3>,
        index: &Self::Store,
        layer: usize,
        groups: &[ScoreGroup<'_>],
        votes: usize,
        scale: f32,
        into: &mut HostBallot,
    ) {
        for group in groups {
            let ballots = &mut into.rows_mut()[group.ballot_row..][..group.candidates.len()];
            vote_group(q, index, layer, group, votes, scale, ballots);
        }
    }

    fn attend(
        &self,
        q: &Tensor<B, 3>,
        kv: &Self::Store,
        layer: usize,
        table: &GroupTable,
        scale: f32,
        mut chosen_by: Option<Zoom<'_, B, Self>>,
    ) -> AttentionState<B> {
        let groups = table.groups().filter(|group| !group.visible.is_empty());
        let states = groups.map(|group| {
            let base = attend_group(q, kv, layer, &group, scale);
            match (&mut chosen_by, &group.candidates) {
                (Some(by), Some(candidates)) => zoom(q, kv, layer, &group, candidates, scale, base, by),
                _ => base,
            }
        });
        let (outputs, lses) = states.map(|s| (s.output, s.lse)).unzip();
        AttentionState { output: Tensor::cat(outputs, 0), lse: Tensor::cat(lses, 0) }
    }
}

fn vote_group<B: Backend>(
    q: &Tensor<B, 3>,
    index: &PortableStore<B>,
    layer: usize,
    group: &ScoreGroup<'_>,
    votes: usize,
    scale: f32,
    ballots: &mut [Tally],
) {
    let rows = group.candidates.len();
    let most = group.candidates.iter().copied().max().unwrap_or(0);
    if most == 0 {
        return;
    }
    let heads = q.dims()[1];
    let q = q.clone().slice(group.first_row..group.first_row + rows);
    let spans: Vec<_> = group.spans.iter().filter_map(|span| clip(span, most)).collect();
    let keys = index.keys(layer, &spans);
    let order: Vec<usize> = spans.iter().flat_map(PageSpan::positions).collect();
    // [kv_heads, rows * group, thoughts] -> [rows, query_heads, thoughts]
    let scores = by_kv_head(q, keys.dims()[1]).matmul(keys.permute([1, 2, 0])) * scale;
    let scores: Vec<f32> = by_row(scores, rows).into_data().iter().collect();
    for (r, (ballot, &candidates)) in ballots.iter_mut().zip(group.candidates).enumerate() {
        let mut own = vec![f32::NAN; heads * candidates];
        for (h, all) in
            scores[r * heads * order.len()..][..heads * order.len()].chunks(order.len()).enumerate()
        {
            let seen = order.iter().zip(all).filter(|(j, _)| **j < candidates);
            seen.for_each(|(j, score)| own[h * candidates + j] = *score);
        }
        ballot.vote(&own, votes);
    }
}

/// The part of `span` before position `end`.
fn clip(span: &PageSpan, end: usize) -> Option<PageSpan> {
    let len = end.saturating_sub(span.position).min(span.len);
    (len > 0).then_some(PageSpan { len, ..*span })
}

fn attend_group<B: Backend>(
    q: &Tensor<B, 3>,
    kv: &PortableStore<B>,
    layer: usize,
    group: &AttendGroup<'_>,
    scale: f32,
) -> AttentionState<B> {
    let rows = group.visible.len();
    let [_, heads, head_dim] = q.dims();
    let q = q.clone().slice(group.first_row..group.first_row + rows);
    if group.spans.is_empty() {
        let lse = Tensor::full([rows, heads], f32::NEG_INFINITY, &q.device());
        return AttentionState { output: Tensor::zeros([rows, heads, head_dim], &q.device()), lse };
    }
    attend_spans(&q, kv, layer, group.spans, std::slice::from_ref(&group.visible), scale)
}
