//! Products with weights that are tensors.

use burn::tensor::{Device, Int, Tensor, TensorData, backend::Backend};

use super::Portable;
use crate::{kernels::LinearKernels, weight::StoredWeight};

impl<B: Backend> LinearKernels<B> for Portable {
    /// `[out, in]` in the backend's float type.
    type Matrix = Tensor<B, 2>;

    fn matrix(&self, weight: StoredWeight, device: &Device<B>) -> Self::Matrix {
        let shape = [weight.rows(), weight.columns()];
        Tensor::from_data(TensorData::new(weight.to_f32(0..weight.rows()), shape), device)
    }

    fn linear(&self, x: Tensor<B, 2>, weight: &Self::Matrix) -> Tensor<B, 2> {
        x.matmul(weight.clone().transpose())
    }

    fn rows(&self, weight: &Self::Matrix, ids: &[u32], device: &Device<B>) -> Tensor<B, 2> {
        let ids: Vec<i64> = ids.iter().map(|&id| i64::from(id)).collect();
        weight.clone().select(0, Tensor::<B, 1, Int>::from_data(TensorData::from(&ids[..]), device))
    }
}
