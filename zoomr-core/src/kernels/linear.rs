//! Products with weight matrices.

use burn::tensor::{Device, Tensor, backend::Backend};

use super::BlockKernels;
use crate::weight::StoredWeight;

/// Products with weight matrices, in whatever form the provider keeps them. Who multiplies does what lies between the
/// products too ([`BlockKernels`]).
pub trait LinearKernels<B: Backend>: BlockKernels<B> {
    /// A weight matrix `[out, in]` as this provider multiplies by it.
    type Matrix: Clone + std::fmt::Debug + Send + Sync;

    /// Takes in a stored matrix; on the CPU this copies nothing.
    fn matrix(&self, weight: StoredWeight, device: &Device<B>) -> Self::Matrix;

    /// `x W^T`: `[rows, in] -> [rows, out]`.
    fn linear(&self, x: Tensor<B, 2>, weight: &Self::Matrix) -> Tensor<B, 2>;

    /// The products of one input with several matrices, each equal to [`linear`](Self::linear)'s: queries, keys and values,
    /// or gate and up. A provider may work on them side by side.
    fn linear_many<const N: usize>(&self, x: Tensor<B, 2>, weights: [&Self::Matrix; N]) -> [Tensor<B, 2>; N]
    where
        Self: Sized,
    {
        weights.map(|weight| self.linear(x.clone(), weight))
    }

    /// `silu(x G^T) * (x U^T)` for `gate` `G` and `up` `U` of one shape: `[rows, in] -> [rows, out]`, the first half of a gated
    /// feed-forward network. A provider may do it in one go.
    fn gated(&self, x: Tensor<B, 2>, gate: &Self::Matrix, up: &Self::Matrix) -> Tensor<B, 2> {
        let product = self.linear(x.clone(), gate);
        self.swiglu(product, self.linear(x, up))
    }

    /// The matrix's rows `ids`, each below its row count: `[ids.len(), in]` (a token embedding).
    fn rows(&self, weight: &Self::Matrix, ids: &[u32], device: &Device<B>) -> Tensor<B, 2>;
}
