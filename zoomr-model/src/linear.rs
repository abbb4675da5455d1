//! A linear layer: a weight matrix in the provider's form, with or without a bias.

use burn::tensor::{Tensor, backend::Backend};
use zoomr_core::kernels::LinearKernels;

/// `x W^T + b`.
pub(crate) struct Linear<B: Backend, L: LinearKernels<B>> {
    /// `[out, in]`.
    pub(crate) weight: L::Matrix,
    /// `[out]`.
    pub(crate) bias: Option<Tensor<B, 1>>,
}

impl<B: Backend, L: LinearKernels<B>> Linear<B, L> {
    /// `[rows, in] -> [rows, out]`.
    pub(crate) fn forward(&self, kernels: &L, x: Tensor<B, 2>) -> Tensor<B, 2> {
        let product = kernels.linear(x, &self.weight);
        match &self.bias {
            Some(bias) => product + bias.clone().unsqueeze(),
            None => product,
        }
    }
}
