//! The kernels in plain Burn tensor ops: right on every backend, fast on none. The reference that every
//! other provider is tested against, and what a new backend starts from.

use burn::tensor::{Bool, Device, Int, Tensor, TensorData, backend::Backend};

use crate::{
    kernels::{
        AttendGroup, AttentionKernels, BlockKernels, LinearKernels, PageSpan, PagedKv, ScoreGroup,
        TrainingKernels, Whole,
    },
    positions::PositionSet,
    select::Tally,
    state::AttentionState,
    weight::StoredWeight,
};

/// The portable provider.
#[derive(Clone, Copy, Debug, Default)]
pub struct Portable;

impl<B: Backend> AttentionKernels<B> for Portable {
    fn tally(
        &self,
        q: &Tensor<B, 3>,
        index: &[Tensor<B, 4>],
        groups: &[ScoreGroup<'_>],
        votes: usize,
        scale: f32,
    ) -> Vec<Tally> {
        groups.iter().flat_map(|group| tally_group(q, index, group, votes, scale)).collect()
    }

    fn attend(
        &self,
        q: &Tensor<B, 3>,
        kv: PagedKv<'_, B>,
        groups: &[AttendGroup<'_>],
        scale: f32,
    ) -> AttentionState<B> {
        let states = groups.iter().filter(|group| !group.visible.is_empty());
        let states: Vec<_> = states.map(|group| attend_group(q, kv, group, scale)).collect();
        let (outputs, lses) = states.into_iter().map(|s| (s.output, s.lse)).unzip();
        AttentionState { output: Tensor::cat(outputs, 0), lse: Tensor::cat(lses, 0) }
    }
}

impl<B: Backend> TrainingKernels<B> for Portable {
    /// With `P = exp(S - lse)`: `dV = P^T dO`, `dS = P * (dO V^T - rowsum(dO * O))`, `dQ = dS K`, `dK = dS^T Q`
    /// (FlashAttention-2, arXiv 2307.08691, algorithm 2, in one block).
    fn attend_backward(
        &self,
        whole: &Whole<'_, B>,
        state: &AttentionState<B>,
        gradient: Tensor<B, 3>,
    ) -> [Tensor<B, 3>; 3] {
        let [rows, kv_heads, _] = whole.k.dims();
        let by_head = |x: &Tensor<B, 3>| by_kv_head(x.clone(), kv_heads); // [kv_heads, rows * group, head_dim]
        let (q, output, gradient) = (by_head(&whole.q), by_head(&state.output), by_head(&gradient));
        let lse = by_kv_head(state.lse.clone().unsqueeze_dim(2), kv_heads); // [kv_heads, rows * group, 1]
        let (k, v) = (whole.k.clone().swap_dims(0, 1), whole.v.clone().swap_dims(0, 1)); // [kv_heads, rows, head_dim]

        let spans = [PageSpan { page: 0, start: 0, len: rows, position: 0 }];
        let group = AttendGroup { first_row: 0, spans: &spans, visible: whole.visible };
        let repeat = q.dims()[1] / rows;
        let hidden = hidden(&group, rows, repeat, &q.device()).unsqueeze_dim::<3>(0);
        let hidden = hidden.expand([kv_heads as i64, -1, -1]);
        let scores = q.clone().matmul(k.clone().swap_dims(1, 2)) * whole.scale;
        // Hidden last: where nothing is seen the exponential is of plus infinity.
        let weights = (scores - lse).exp().mask_fill(hidden, 0.0);

        let dv = weights.clone().swap_dims(1, 2).matmul(gradient.clone());
        let inner = (gradient.clone() * output).sum_dim(2);
        let ds = weights * (gradient.matmul(v.swap_dims(1, 2)) - inner) * whole.scale;
        let dq = ds.clone().matmul(k);
        let dk = ds.swap_dims(1, 2).matmul(q);
        [by_row(dq, rows), dk.swap_dims(0, 1), dv.swap_dims(0, 1)]
    }
}

/// The defaults are the reference.
impl<B: Backend> BlockKernels<B> for Portable {}

impl<B: Backend> LinearKernels<B> for Portable {
    /// `[out, in]` in the backend's float type.
    type Matrix = Tensor<B, 2>;

    fn matrix(&self, weight: StoredWeight, device: &Device<B>) -> Self::Matrix {
        let shape = [weight.rows(), weight.columns()];
        Tensor::from_data(TensorData::new(weight.to_f32(0..weight.rows()), shape), device)
    }

    fn linear(&self, x: Tensor<B, 2>, weight: &Self::Matrix) -> Tensor<B, 2> {
        x.matmul(weight.clone().transpose())
    }

    fn rows(&self, weight: &Self::Matrix, ids: &[u32], device: &Device<B>) -> Tensor<B, 2> {
        let ids: Vec<i64> = ids.iter().map(|&id| i64::from(id)).collect();
        weight.clone().select(0, Tensor::<B, 1, Int>::from_data(TensorData::from(&ids[..]), device))
    }
}

/// The tokens of `spans`, in their order: `[tokens, kv_heads, head_dim]`.
///
/// `slabs` are `[pages_per_slab, kv_heads, page_size, head_dim]`.
///
/// # Panics
/// Where `spans` is empty.
pub fn gather<B: Backend>(slabs: &[Tensor<B, 4>], spans: &[PageSpan]) -> Tensor<B, 3> {
    let run = |span: &PageSpan| {
        let [pages, kv_heads, _, head_dim] = slabs[0].dims();
        let (slab, page) = (span.page / pages, span.page % pages);
        let region = [page..page + 1, 0..kv_heads, span.start..span.start + span.len, 0..head_dim];
        slabs[slab].clone().slice(region).squeeze_dim::<3>(0)
    };
    Tensor::cat(spans.iter().map(run).collect(), 1).swap_dims(0, 1)
}

/// Rows of `q` by the KV head that they read: `[rows, query_heads, head_dim] -> [kv_heads, rows * group, head_dim]`.
pub(crate) fn by_kv_head<B: Backend>(q: Tensor<B, 3>, kv_heads: usize) -> Tensor<B, 3> {
    let [rows, heads, head_dim] = q.dims();
    let group = heads / kv_heads;
    q.reshape([rows, kv_heads, group, head_dim]).swap_dims(0, 1).reshape([kv_heads, rows * group, head_dim])
}

/// Undoes [`by_kv_head`]: `[kv_heads, rows * group, n] -> [rows, kv_heads * group, n]`.
pub(crate) fn by_row<B: Backend>(x: Tensor<B, 3>, rows: usize) -> Tensor<B, 3> {
    let [kv_heads, per_head, n] = x.dims();
    let group = per_head / rows;
    x.reshape([kv_heads, rows, group, n]).swap_dims(0, 1).reshape([rows, kv_heads * group, n])
}

fn tally_group<B: Backend>(
    q: &Tensor<B, 3>,
    index: &[Tensor<B, 4>],
    group: &ScoreGroup<'_>,
    votes: usize,
    scale: f32,
) -> Vec<Tally> {
    let rows = group.candidates.len();
    let most = group.candidates.iter().copied().max().unwrap_or(0);
    if most == 0 {
        return vec![Tally::default(); rows];
    }
    let heads = q.dims()[1];
    let q = q.clone().slice(group.first_row..group.first_row + rows);
    let spans: Vec<_> = group.spans.iter().filter_map(|span| clip(span, most)).collect();
    let keys = gather(index, &spans);
    let order: Vec<usize> = spans.iter().flat_map(PageSpan::positions).collect();
    // [kv_heads, rows * group, thoughts] -> [rows, query_heads, thoughts]
    let scores = by_kv_head(q, keys.dims()[1]).matmul(keys.permute([1, 2, 0])) * scale;
    let scores: Vec<f32> = by_row(scores, rows).into_data().iter().collect();
    let row = |(r, &candidates): (usize, &usize)| {
        let mut own = vec![f32::NAN; heads * candidates];
        for (h, all) in
            scores[r * heads * order.len()..][..heads * order.len()].chunks(order.len()).enumerate()
        {
            let seen = order.iter().zip(all).filter(|(j, _)| **j < candidates);
            seen.for_each(|(j, score)| own[h * candidates + j] = *score);
        }
        Tally::from_scores(&own, candidates, votes)
    };
    group.candidates.iter().enumerate().map(row).collect()
}

/// The part of `span` before position `end`.
fn clip(span: &PageSpan, end: usize) -> Option<PageSpan> {
    let len = end.saturating_sub(span.position).min(span.len);
    (len > 0).then_some(PageSpan { len, ..*span })
}

fn attend_group<B: Backend>(
    q: &Tensor<B, 3>,
    kv: PagedKv<'_, B>,
    group: &AttendGroup<'_>,
    scale: f32,
) -> AttentionState<B> {
    let rows = group.visible.len();
    let [_, heads, head_dim] = q.dims();
    let q = q.clone().slice(group.first_row..group.first_row + rows);
    let device = q.device();
    if group.spans.is_empty() {
        let lse = Tensor::full([rows, heads], f32::NEG_INFINITY, &device);
        return AttentionState { output: Tensor::zeros([rows, heads, head_dim], &device), lse };
    }
    let (keys, values) = (gather(kv.keys, group.spans), gather(kv.values, group.spans));
    let [n, kv_heads, _] = keys.dims();
    let scores = by_kv_head(q, kv_heads).matmul(keys.permute([1, 2, 0])) * scale;
    let hidden = hidden(group, n, heads / kv_heads, &device);
    let hidden = hidden.unsqueeze_dim::<3>(0).expand([kv_heads as i64, -1, -1]);
    let scores = scores.mask_fill(hidden.clone(), f32::NEG_INFINITY);
    // A row that sees nothing has no maximum: any finite reference gives exp(-inf) = 0 instead of NaN.
    let max = scores.clone().max_dim(2);
    let max = max.clone().mask_fill(max.equal_elem(f32::NEG_INFINITY), 0.0);
    let weights = (scores - max.clone()).exp().mask_fill(hidden, 0.0);
    let sum = weights.clone().sum_dim(2);
    let safe = sum.clone().mask_fill(sum.clone().equal_elem(0.0), 1.0);
    let output = weights.matmul(values.swap_dims(0, 1)) / safe;
    AttentionState { output: by_row(output, rows), lse: by_row(sum.log() + max, rows).squeeze_dim(2) }
}

/// What each row may not see of the spans' tokens: `[rows * group, tokens]`.
fn hidden<B: Backend>(
    group: &AttendGroup<'_>,
    n: usize,
    repeat: usize,
    device: &Device<B>,
) -> Tensor<B, 2, Bool> {
    let rows = group.visible.len();
    let mut hidden = vec![true; rows * repeat * n];
    for (row, visible) in hidden.chunks_exact_mut(repeat * n).zip(group.visible) {
        reveal(&mut row[..n], group.spans, visible);
        for copy in 1..repeat {
            row.copy_within(..n, copy * n);
        }
    }
    Tensor::from_data(TensorData::new(hidden, [rows * repeat, n]), device)
}

fn reveal(hidden: &mut [bool], spans: &[PageSpan], visible: &PositionSet) {
    let mut column = 0;
    for span in spans {
        for range in visible.clipped(span.positions()) {
            let first = column + range.start - span.position;
            hidden[first..first + range.len()].fill(false);
        }
        column += span.len;
    }
}
