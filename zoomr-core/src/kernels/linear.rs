//! Products with weight matrices.

use burn::tensor::{Device, Tensor, activation, backend::Backend};

use crate::weight::StoredWeight;

/// Products with weight matrices, in whatever form the provider keeps them, and the gate between them.
pub trait LinearKernels<B: Backend>: Send + Sync {
    /// A weight matrix `[out, in]` as this provider multiplies by it.
    type Matrix: Clone + std::fmt::Debug + Send + Sync;

    /// Takes in a stored matrix; on the CPU this copies nothing.
    fn matrix(&self, weight: StoredWeight, device: &Device<B>) -> Self::Matrix;

    /// `x W^T`: `[rows, in] -> [rows, out]`.
    fn linear(&self, x: Tensor<B, 2>, weight: &Self::Matrix) -> Tensor<B, 2>;

    /// `silu(gate) * up`, all of one shape: what lies between the products of most feed-forward networks.
    fn swiglu(&self, gate: Tensor<B, 2>, up: Tensor<B, 2>) -> Tensor<B, 2> {
        activation::silu(gate) * up
    }

    /// The matrix's rows `ids`, each below its row count: `[ids.len(), in]` (a token embedding).
    fn rows(&self, weight: &Self::Matrix, ids: &[u32], device: &Device<B>) -> Tensor<B, 2>;
}
