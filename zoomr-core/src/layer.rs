//! What the core must know of a model's attention layers: sizes, scale and the layer's own window.

use std::num::NonZeroUsize;

/// One attention layer of the host model.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LayerSpec {
    /// Query heads; a multiple of `kv_heads`.
    pub query_heads: usize,
    /// Key-value heads.
    pub kv_heads: usize,
    /// Elements per head.
    pub head_dim: usize,
    /// What query-key products are multiplied by; `1 / sqrt(head_dim)` in most models.
    pub scale: f32,
    /// The model's own sliding window in tokens, the current one included; such a layer keeps it, whatever
    /// the policy, and drops what lies before.
    pub sliding_window: Option<NonZeroUsize>,
}
