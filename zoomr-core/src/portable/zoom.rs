//! Level 2: estimates as products of matrices; shares and choices on the host.

use burn::tensor::{Tensor, backend::Backend};

use super::{PortableStore, seen::attend_spans};
use crate::{
    kernels::{AttendGroup, Candidates, KvStore, PageSpan, PageStore, Zoom, by_kv_head, by_row},
    portable::Portable,
    positions::PositionSet,
    select::{block_shares, log_partition},
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
    if candidates.counts.iter().all(|&count| count == 0) {
        return base;
    }
    let rows = group.visible.len();
    let q = q.clone().slice(group.first_row..group.first_row + rows);
    let choices = choose(&q, &base.lse, layer, candidates, scale, zoom);
    let sets = choices.len() / rows;
    if let (Some(ballot), Some(row)) = (&mut zoom.ballot, candidates.ballot_row) {
        let together = zoom.spreads.shape().kv_heads / sets;
        for (shares, chosen) in &choices[choices.len() - sets..] {
            candidates.tell(&mut ballot.rows_mut()[row], together, shares, chosen);
        }
    }
    let chosen: Vec<Vec<usize>> = choices.into_iter().map(|(_, chosen)| chosen).collect();
    let mut union: Vec<usize> = chosen.concat();
    union.sort_unstable();
    union.dedup();
    let span = |u: usize| candidates.blocks[u].span;
    let spans: Vec<PageSpan> = union.into_iter().filter_map(span).collect();
    if spans.is_empty() {
        return base;
    }
    let positions = |blocks: &Vec<usize>| -> PositionSet {
        blocks.iter().filter_map(|&u| span(u)).map(|span| span.positions()).collect()
    };
    let of_set = |set: usize| chosen.iter().skip(set).step_by(sets).map(positions).collect();
    let visible: Vec<Vec<PositionSet>> = (0..sets).map(of_set).collect();
    base.merge(attend_spans(&q, kv, layer, &spans, &visible, scale))
}

/// Steps 5 to 7 for the rows `q`, which attend to `base` (log-sum-exps) anyway: the shares that each row's sets of KV heads
/// find, and what they choose, `[rows, sets]`.
pub(super) fn choose<B: Backend>(
    q: &Tensor<B, 3>,
    base: &Tensor<B, 2>,
    layer: usize,
    candidates: &Candidates<'_>,
    scale: f32,
    zoom: &Zoom<'_, B, Portable>,
) -> Vec<(Vec<u32>, Vec<usize>)> {
    let (heads, sets) = (q.dims()[1], zoom.rule.sets(zoom.spreads.shape().kv_heads));
    let most = candidates.counts.iter().copied().max().unwrap_or(0);
    if most == 0 {
        return vec![Default::default(); candidates.counts.len() * sets];
    }
    let estimates = estimates(q, layer, candidates, most, scale, zoom);
    let base: Vec<f32> = base.to_data().iter().collect();
    let sharing = heads / sets;
    let mut choices = Vec::with_capacity(candidates.counts.len() * sets);
    let by_set = estimates.chunks_exact(sharing * most).zip(base.chunks_exact(sharing));
    for (number, (estimates, base)) in by_set.enumerate() {
        let count = candidates.counts[number / sets];
        let own: Vec<&[f32]> = estimates.chunks_exact(most).map(|estimates| &estimates[..count]).collect();
        let (mut shares, mut chosen) = (Vec::new(), Vec::new());
        block_shares(&own.concat(), base, &mut shares);
        zoom.rule.choose(&shares, |u| candidates.blocks[u].at_hand(), &mut chosen);
        choices.push((shares, chosen));
    }
    choices
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
            *estimate += log_partition(block.tokens, f64::from(variance)) as f32;
        }
    }
    estimates
}
