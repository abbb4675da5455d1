//! Softmax attention over gathered tokens, of which each row sees its own.

use burn::tensor::{Bool, Device, Tensor, TensorData, backend::Backend};

use super::PortableStore;
use crate::{
    kernels::{PageSpan, by_kv_head, by_row},
    positions::PositionSet,
    state::AttentionState,
};

/// What the rows `q` find where they see `visible` of the spans' tokens: for each KV head what each row sees of it, or
/// once for all of them.
pub(super) fn attend_spans<B: Backend, S: AsRef<[PositionSet]>>(
    q: &Tensor<B, 3>,
    kv: &PortableStore<B>,
    layer: usize,
    spans: &[PageSpan],
    visible: &[S],
    scale: f32,
) -> AttentionState<B> {
    let [rows, heads, _] = q.dims();
    let (keys, values) = (kv.gather(layer, 0, spans), kv.gather(layer, 1, spans));
    let [_, kv_heads, _] = keys.dims();
    let scores = by_kv_head(q.clone(), kv_heads).matmul(keys.permute([1, 2, 0])) * scale;
    let hidden = hidden(spans, visible, kv_heads, heads / kv_heads, &q.device());
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

/// What each row may not see of the spans' tokens, given what it sees of each KV head, or once for all of them:
/// `[kv_heads, rows * group, tokens]`.
pub(super) fn hidden<B: Backend, S: AsRef<[PositionSet]>>(
    spans: &[PageSpan],
    visible: &[S],
    kv_heads: usize,
    group: usize,
    device: &Device<B>,
) -> Tensor<B, 3, Bool> {
    let of_head = |visible: &S| hidden_from(spans, visible.as_ref(), group, device).unsqueeze_dim::<3>(0);
    Tensor::cat(visible.iter().map(of_head).collect(), 0).expand([kv_heads as i64, -1, -1])
}

/// What each row may not see: `[rows * repeat, tokens]`.
fn hidden_from<B: Backend>(
    spans: &[PageSpan],
    visible: &[PositionSet],
    repeat: usize,
    device: &Device<B>,
) -> Tensor<B, 2, Bool> {
    let (rows, n) = (visible.len(), spans.iter().map(|span| span.len).sum());
    let mut hidden = vec![true; rows * repeat * n];
    for (row, visible) in hidden.chunks_exact_mut(repeat * n).zip(visible) {
        reveal(&mut row[..n], spans, visible);
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
