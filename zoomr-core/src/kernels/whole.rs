//! A sequence as training sees it.

use std::sync::Arc;

use burn::tensor::{Tensor, backend::Backend};

use crate::positions::PositionSet;

/// One sequence whose rows attend to each other, as training sees it: whole, and on the device.
#[derive(Debug)]
pub struct Whole<'a, B: Backend> {
    /// Queries after RoPE `[rows, query_heads, head_dim]`.
    pub q: Tensor<B, 3>,
    /// Keys after RoPE `[rows, kv_heads, head_dim]`.
    pub k: Tensor<B, 3>,
    /// Values `[rows, kv_heads, head_dim]`.
    pub v: Tensor<B, 3>,
    /// What each row sees, row `r` being at position `r`: once for all KV heads, or for each of them.
    pub visible: &'a [Arc<[PositionSet]>],
    /// Multiplies query-key products.
    pub scale: f32,
}

// Derived, this would ask `B: Clone` for more than tensors need.
impl<B: Backend> Clone for Whole<'_, B> {
    fn clone(&self) -> Self {
        Self { q: self.q.clone(), k: self.k.clone(), v: self.v.clone(), ..*self }
    }
}

impl<'a, B: Backend> Whole<'a, B> {
    /// What each row sees of a KV head.
    pub fn visible_to(&self, kv_head: usize) -> &'a [PositionSet] {
        &self.visible[kv_head % self.visible.len()]
    }
}
