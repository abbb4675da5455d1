//! What training works out in one go, forwards and backwards.

use burn::tensor::{Tensor, activation, backend::Backend};

use super::{AttendGroup, AttentionKernels, KvStore, LinearKernels, PageShape, PageSpan, PageStore, Slot};
use crate::{positions::PositionSet, state::AttentionState};

/// One sequence whose rows attend to each other, as training sees it: whole, and on the device.
#[derive(Debug)]
pub struct Whole<'a, B: Backend> {
    /// Queries after RoPE `[rows, query_heads, head_dim]`.
    pub q: Tensor<B, 3>,
    /// Keys after RoPE `[rows, kv_heads, head_dim]`.
    pub k: Tensor<B, 3>,
    /// Values `[rows, kv_heads, head_dim]`.
    pub v: Tensor<B, 3>,
    /// What each row sees; row `r` is at position `r`.
    pub visible: &'a [PositionSet],
    /// Multiplies query-key products.
    pub scale: f32,
}

// Derived, this would ask `B: Clone` for more than tensors need.
impl<B: Backend> Clone for Whole<'_, B> {
    fn clone(&self) -> Self {
        Self { q: self.q.clone(), k: self.k.clone(), v: self.v.clone(), ..*self }
    }
}

/// What training works out in one go, forwards and backwards. Decoding needs none of it.
pub trait TrainingKernels<B: Backend>: AttentionKernels<B> + LinearKernels<B> {
    /// The same attention as [`attend`](AttentionKernels::attend), over a whole sequence.
    fn attend_whole(&self, whole: &Whole<'_, B>) -> AttentionState<B> {
        let ([rows, _, _], [_, kv_heads, head_dim]) = (whole.q.dims(), whole.k.dims());
        // A sequence is one page.
        let shape = PageShape { layers: 1, parts: 2, kv_heads, page_size: rows, head_dim, pages_per_slab: 1 };
        let store = self.page_of(shape, &[&whole.k, &whole.v]);
        let spans = [PageSpan { page: 0, start: 0, len: rows, position: 0 }];
        let group = AttendGroup::new(0, &spans, whole.visible);
        self.attend(&whole.q, &store, 0, &self.table(&[group]), whole.scale, None)
    }

    /// A store of one page, filled with `parts`, each `[page_size, kv_heads, head_dim]`.
    fn page_of(&self, shape: PageShape, parts: &[&Tensor<B, 3>]) -> Self::Store {
        let mut store = self.store(shape, &parts[0].device());
        store.resize(1).expect("one page on a device that holds what it is made of");
        let slots: Vec<Slot> = (0..shape.page_size).map(|slot| Slot { page: 0, slot }).collect();
        store.append(0, parts, &slots);
        store
    }

    /// The gradients of `q`, `k` and `v`, given that of the output `[rows, query_heads, head_dim]` and the
    /// forward pass's result.
    fn attend_backward(
        &self,
        whole: &Whole<'_, B>,
        state: &AttentionState<B>,
        gradient: Tensor<B, 3>,
    ) -> [Tensor<B, 3>; 3];

    /// `a b`: `[m, k]` by `[k, n] -> [m, n]`. Gradients are products with transposed views, which a provider need not
    /// copy.
    fn product(&self, a: Tensor<B, 2>, b: Tensor<B, 2>) -> Tensor<B, 2> {
        a.matmul(b)
    }

    /// The gradients of [`swiglu`](super::BlockKernels::swiglu)'s `gate` and `up`, given that of its result. With `s` the sigmoid of
    /// `gate`, `silu'(gate) = s (1 + gate (1 - s))`.
    fn swiglu_backward(
        &self,
        gate: Tensor<B, 2>,
        up: Tensor<B, 2>,
        gradient: Tensor<B, 2>,
    ) -> [Tensor<B, 2>; 2] {
        let sigmoid = activation::sigmoid(gate.clone());
        let slope = (sigmoid.clone().neg() + 1.0) * gate.clone() + 1.0;
        let of_up = gradient.clone() * gate * sigmoid.clone();
        [gradient * up * sigmoid * slope, of_up]
    }
}
