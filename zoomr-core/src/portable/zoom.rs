//! Level 2: estimates as products of matrices; shares and choices on the host.

use burn::tensor::{Tensor, backend::Backend};

use super::{PortableStore, seen::attend_spans};
use crate::{
    kernels::{AttendGroup, Candidates, KvStore, PageSpan, Zoom, by_kv_head, by_row},
    portable::Portable,
    positions::PositionSet,
    select::{BlockRule, HostBallot, block_shares, log_partition},
    state::AttentionState,
};

/// Lets a group's rows choose from its candidates, and attends to what they have chosen besides what they see anyway,
/// `base`.
pub(super) fn zoom<B: Backend>(
    q: &Tensor<B, 3>,
    kv: &PortableStore<B>,
    layer: usize,
    group: &AttendGroup<'_>,
    candidates: &Candidates<'_>,
    scale: f32,
    base: AttentionState<B>,
    zoom: &mut Zoom<'_, B, Portable>,
) -> AttentionState<B> {
    let most = candidates.counts.iter().copied().max().unwrap_or(0);
    if most == 0 {
        return base;
    }
    let rows = group.visible.len();
    let [_, heads, _] = q.dims();
    let q = q.clone().slice(group.first_row..group.first_row + rows);
    let estimates = estimates(&q, layer, candidates, most, scale, zoom);
    let lse: Vec<f32> = base.lse.to_data().iter().collect();
    let kv_heads = kv.keys(layer, &candidates.blocks[..1]).dims()[1];
    // [rows, kv_heads]
    let mut chosen = Vec::with_capacity(rows * kv_heads);
    for (r, &count) in candidates.counts.iter().enumerate() {
        let own = |h: usize| &estimates[(r * heads + h) * most..][..count];
        let own: Vec<&[f32]> = (0..heads).map(own).collect();
        let blocks = choose(&own, &lse[r * heads..][..heads], candidates, zoom.rule, kv_heads);
        if let (Some(ballot), Some(row), true) = (&mut zoom.ballot, candidates.ballot_row, r + 1 == rows) {
            count_choice(ballot, row, candidates, &blocks);
        }
        chosen.extend(blocks);
    }
    let positions = |blocks: &Vec<usize>| -> PositionSet {
        blocks.iter().map(|&u| candidates.blocks[u].positions()).collect()
    };
    let visible: Vec<PositionSet> = chosen.iter().map(positions).collect();
    let mut union: Vec<usize> = chosen.concat();
    union.sort_unstable();
    union.dedup();
    let spans: Vec<PageSpan> = union.into_iter().map(|u| candidates.blocks[u]).collect();
    if spans.is_empty() {
        return base;
    }
    let of_head = |head: usize| (0..rows).map(|r| visible[r * kv_heads + head].clone()).collect();
    let by_head: Vec<Vec<PositionSet>> = (0..kv_heads).map(of_head).collect();
    base.merge(attend_spans(&q, kv, layer, &spans, &by_head, scale))
}

/// Step 5: the log-masses that attending to the first `most` candidates would bring, `[rows, query_heads, most]`.
fn estimates<B: Backend>(
    q: &Tensor<B, 3>,
    layer: usize,
    candidates: &Candidates<'_>,
    most: usize,
    scale: f32,
    zoom: &Zoom<'_, B, Portable>,
) -> Vec<f32> {
    let (rows, vectors) = (q.dims()[0], zoom.vectors.keys(layer, candidates.vectors));
    let vectors = vectors.narrow(0, 0, most).permute([1, 2, 0]);
    let spread = zoom.spreads.keys(layer, &[candidates.spread]);
    let kv_heads = spread.dims()[1];
    // [kv_heads, 1, head_dim]
    let [mean, deviation, variance] = [0, 1, 2].map(|row| spread.clone().narrow(0, row, 1).swap_dims(0, 1));
    let q = by_kv_head(q.clone(), kv_heads);
    let around = (q.clone() * deviation).matmul(vectors);
    let products = by_row((around + (q.clone() * mean).sum_dim(2)) * scale, rows);
    let variances = by_row((q.square() * variance).sum_dim(2) * (scale * scale), rows);
    let mut estimates: Vec<f32> = products.into_data().iter().collect();
    let variances = variances.into_data();
    for (estimates, variance) in estimates.chunks_exact_mut(most).zip(variances.iter::<f32>()) {
        for (estimate, block) in estimates.iter_mut().zip(candidates.blocks) {
            *estimate += log_partition(block.len, f64::from(variance)) as f32;
        }
    }
    estimates
}

/// Steps 6 and 7 for one row: what each KV head attends to. `estimates` is of each query head, `base` as well.
fn choose(
    estimates: &[&[f32]],
    base: &[f32],
    candidates: &Candidates<'_>,
    rule: BlockRule,
    kv_heads: usize,
) -> Vec<Vec<usize>> {
    let sharing = estimates.len() / rule.sets(kv_heads);
    let (mut shares, mut chosen) = (Vec::new(), Vec::new());
    let sets = estimates.chunks_exact(sharing).zip(base.chunks_exact(sharing)).map(|(estimates, base)| {
        block_shares(&estimates.concat(), base, &mut shares);
        rule.choose(&shares, |u| candidates.blocks[u].len, &mut chosen);
        chosen.clone()
    });
    let sets: Vec<_> = sets.collect();
    let repeat = kv_heads / sets.len();
    sets.into_iter().flat_map(|set| std::iter::repeat_n(set, repeat)).collect()
}

/// Tells a ballot's row what each KV head has chosen.
fn count_choice(ballot: &mut HostBallot, row: usize, candidates: &Candidates<'_>, chosen: &[Vec<usize>]) {
    for blocks in chosen {
        let read = blocks.iter().map(|&u| (candidates.thoughts[u], candidates.blocks[u].len));
        ballot.rows_mut()[row].read(1, read);
    }
}
