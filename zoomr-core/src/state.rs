//! Attention states and their merge: `(output, log-sum-exp)` over disjoint sets of tokens.
//!
//! Two partial attentions over disjoint sets combine exactly into the attention over the union:
//! `out = (e^l1 out1 + e^l2 out2) / (e^l1 + e^l2)`, `l = log(e^l1 + e^l2)` (FlashInfer's "recursive
//! attention"). The merge is associative and commutative up to rounding, so any split will do.

use burn::tensor::{Tensor, backend::Backend};

/// The result of attending to some set of tokens.
#[derive(Clone, Debug)]
pub struct AttentionState<B: Backend> {
    /// Attention output `[rows, query_heads, head_dim]`; zero where the set was empty.
    pub output: Tensor<B, 3>,
    /// Natural log of the sum of exponentials of the scaled scores `[rows, query_heads]`;
    /// minus infinity where the set was empty.
    pub lse: Tensor<B, 2>,
}

impl<B: Backend> AttentionState<B> {
    /// The state over the union of two disjoint sets.
    pub fn merge(self, other: Self) -> Self {
        let max = self.lse.clone().max_pair(other.lse.clone());
        // Both sets empty: any finite reference keeps the weights at exp(-inf) = 0 rather than NaN.
        let max = max.clone().mask_fill(max.equal_elem(f32::NEG_INFINITY), 0.0);
        let ours = (self.lse - max.clone()).exp();
        let theirs = (other.lse - max.clone()).exp();
        let sum = ours.clone() + theirs.clone();
        let safe = sum.clone().mask_fill(sum.clone().equal_elem(0.0), 1.0);
        let output = self.output * (ours / safe.clone()).unsqueeze_dim(2)
            + other.output * (theirs / safe).unsqueeze_dim(2);
        Self { output, lse: sum.log() + max }
    }
}
