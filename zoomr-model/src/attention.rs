//! The attention sub-layer: projections, norms per head and RoPE; attention itself is the hook's.

use burn::tensor::{Tensor, backend::Backend};
use zoomr_core::{
    hook::AttentionHook,
    kernels::{HeadForm, LinearKernels, RmsNorm, Rotation},
};

use crate::{Error, linear::Linear};

/// Attention of one layer.
pub(crate) struct Attention<B: Backend, L: LinearKernels<B>> {
    /// The layer's number, which the hook goes by.
    pub(crate) layer: usize,
    /// `[query_heads * head_dim, hidden]`.
    pub(crate) query: Linear<B, L>,
    /// `[kv_heads * head_dim, hidden]`.
    pub(crate) key: Linear<B, L>,
    /// `[kv_heads * head_dim, hidden]`.
    pub(crate) value: Linear<B, L>,
    /// `[hidden, query_heads * head_dim]`.
    pub(crate) output: Linear<B, L>,
    /// Over each head's queries and keys, before RoPE.
    pub(crate) head_norms: Option<HeadNorms<B>>,
    pub(crate) head_dim: usize,
}

/// The norms of queries and keys, `[head_dim]` each.
pub(crate) struct HeadNorms<B: Backend> {
    pub(crate) query: RmsNorm<B>,
    pub(crate) key: RmsNorm<B>,
}

impl<B: Backend, L: LinearKernels<B>> Attention<B, L> {
    /// `[rows, hidden] -> [rows, hidden]`; without a `rotation` the layer has no RoPE.
    pub(crate) fn forward(
        &self,
        kernels: &L,
        x: Tensor<B, 2>,
        rotation: Option<&Rotation<B>>,
        hook: &mut (impl AttentionHook<B> + ?Sized),
    ) -> Result<Tensor<B, 2>, Error> {
        // 1. Project.
        let [q, k, v] = Linear::forward_many([&self.query, &self.key, &self.value], kernels, x);

        // 2. Split into heads; normalise and rotate those of queries and keys.
        let head_dim = self.head_dim;
        let norms = self.head_norms.as_ref();
        let form = |norm| HeadForm { head_dim, norm, rotation };
        let q = kernels.split_heads(q, form(norms.map(|norms| &norms.query))); // [rows, query_heads, head_dim]
        let k = kernels.split_heads(k, form(norms.map(|norms| &norms.key))); // [rows, kv_heads, head_dim]
        let v = kernels.split_heads(v, HeadForm { head_dim, norm: None, rotation: None });

        // 3. Append to the cache, attend, and bring the heads back together.
        let attended = hook.attend(self.layer, q, k, v)?; // [rows, query_heads, head_dim]
        Ok(self.output.forward(kernels, kernels.join_heads(attended)))
    }
}
