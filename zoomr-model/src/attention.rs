//! The attention sub-layer: projections, norms per head and RoPE; attention itself is the hook's.

use burn::tensor::{Tensor, backend::Backend};
use zoomr_core::{hook::AttentionHook, kernels::LinearKernels};

use crate::{Error, linear::Linear, norm::RmsNorm, rope::Rotation};

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
        // 1. Project, and split into heads.
        let mut q = self.heads(self.query.forward(kernels, x.clone())); // [rows, query_heads, head_dim]
        let mut k = self.heads(self.key.forward(kernels, x.clone())); // [rows, kv_heads, head_dim]
        let v = self.heads(self.value.forward(kernels, x)); // [rows, kv_heads, head_dim]

        // 2. Normalise and rotate queries and keys.
        if let Some(norms) = &self.head_norms {
            q = norms.query.forward(q);
            k = norms.key.forward(k);
        }
        if let Some(rotation) = rotation {
            q = rotation.rotate(q);
            k = rotation.rotate(k);
        }

        // 3. Append to the cache, attend, and bring the heads back together.
        let attended = hook.attend(self.layer, q, k, v)?; // [rows, query_heads, head_dim]
        Ok(self.output.forward(kernels, attended.flatten(1, 2)))
    }

    /// `[rows, heads * head_dim] -> [rows, heads, head_dim]`.
    fn heads(&self, x: Tensor<B, 2>) -> Tensor<B, 3> {
        let [rows, width] = x.dims();
        x.reshape([rows, width / self.head_dim, self.head_dim])
    }
}
