//! Attention over whole sequences, and its gradients.

use burn::tensor::{Tensor, backend::Backend};

use super::{
    Portable,
    seen::{attend_spans, hidden},
    zoom::choose,
};
use crate::{
    kernels::{Candidates, PageShape, PageSpan, TrainingKernels, Whole, Zoom, by_kv_head, by_row},
    state::AttentionState,
};

impl<B: Backend> TrainingKernels<B> for Portable {
    fn attend_whole(&self, whole: &Whole<'_, B>) -> AttentionState<B> {
        let [rows, kv_heads, head_dim] = whole.k.dims();
        let shape = PageShape { layers: 1, parts: 2, kv_heads, page_size: rows, head_dim, pages_per_slab: 1 };
        let store = self.page_of(shape, &[&whole.k, &whole.v]);
        attend_spans(&whole.q, &store, 0, &[page(rows)], whole.visible, whole.scale)
    }

    fn choose(
        &self,
        q: &Tensor<B, 3>,
        base: &Tensor<B, 2>,
        layer: usize,
        candidates: &Candidates<'_>,
        scale: f32,
        zoom: &Zoom<'_, B, Self>,
    ) -> Vec<Vec<usize>> {
        let choices = choose(q, base, layer, candidates, scale, zoom);
        choices.into_iter().map(|(_, chosen)| chosen).collect()
    }

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

        let spans = [page(rows)];
        let repeat = q.dims()[1] / rows;
        let hidden = hidden(&spans, whole.visible, kv_heads, repeat, &q.device());
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

/// A whole sequence on a page of its own.
fn page(rows: usize) -> PageSpan {
    PageSpan { page: 0, start: 0, len: rows, position: 0 }
}
