//! RMS norm over the last dimension: `x / sqrt(mean(x^2) + eps) * w`.

use burn::tensor::{Tensor, backend::Backend};

/// An RMS norm with its weight; where the file holds `w - 1` (Gemma), one was added on loading.
#[derive(Clone, Debug)]
pub(crate) struct RmsNorm<B: Backend> {
    /// `[width]`.
    pub(crate) weight: Tensor<B, 1>,
    pub(crate) eps: f64,
}

impl<B: Backend> RmsNorm<B> {
    /// Normalises each vector of `x`, `[.., width]`: a row of the residual stream, or one head of it.
    pub(crate) fn forward<const D: usize>(&self, x: Tensor<B, D>) -> Tensor<B, D> {
        let mean_square = (x.clone() * x.clone()).mean_dim(D - 1); // [.., 1]
        let inverse = (mean_square + self.eps).sqrt().recip();
        x * inverse * self.weight.clone().unsqueeze()
    }
}
