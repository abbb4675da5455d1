//! What a host model calls once per layer: append this layer's keys and values, then attend.
//!
//! This is the whole of what a model must know of zoomr. `session::ForwardPass`
//! implements it for decoding; a dense implementation serves training.

use burn::tensor::{Tensor, backend::Backend};

/// The attention of a host model, from projected queries, keys and values to the heads' outputs.
///
/// The host calls [`attend`](Self::attend) for every layer in order, once per forward pass, over the rows
/// (tokens) of the step under way.
pub trait AttentionHook<B: Backend> {
    /// The position in its sequence of each row of the step under way: what RoPE rotates by.
    fn positions(&self) -> &[usize];

    /// Appends the rows' keys and values to layer `layer` and attends, causally, to what the policy shows
    /// each row.
    ///
    /// * `q`: `[rows, query_heads, head_dim]` after RoPE.
    /// * `k`, `v`: `[rows, kv_heads, head_dim]`, `k` after RoPE.
    ///
    /// Returns `[rows, query_heads, head_dim]`.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) where a tensor does not fit the layer, and whatever the cache
    /// may say (out of its cap, a cold tier that fails).
    fn attend(
        &mut self,
        layer: usize,
        q: Tensor<B, 3>,
        k: Tensor<B, 3>,
        v: Tensor<B, 3>,
    ) -> Result<Tensor<B, 3>, crate::Error>;
}
